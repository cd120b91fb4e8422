"""Compares what exists with the desired state: what is missing, and what differs. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from worker.topology.checks.facts import (
    DestinationFacts,
    IdentityFacts,
    QueueFacts,
    RuleFacts,
    SubscriptionFacts,
)
from worker.topology.plan.desired import Names
from worker.topology.plan.feedback import plan_destination, plan_identity
from worker.topology.plan.queues import plan_dead_letter_queue, plan_queue
from worker.topology.plan.rules import plan_rule, plan_target
from worker.topology.plan.steps import Plan
from worker.topology.plan.topics import plan_subscription, plan_topic


class Found(Struct, frozen=True, kw_only=True):
    """What exists; None: it does not."""

    queue: QueueFacts | None
    dead_letter_queue: QueueFacts | None
    topic_policy: str | None
    subscription: SubscriptionFacts | None
    rule: RuleFacts | None = None
    identities: Sequence[IdentityFacts] = ()
    destinations: Mapping[str, Sequence[DestinationFacts]] = {}
    """By configuration set."""


def make_plan(names: Names, found: Found) -> Plan:
    """Plan the missing steps; `names.dead_letter_queue` is the queue's own, if it has any."""
    plan = Plan()
    senders = [f"identity/{identity.name}" for identity in found.identities]
    if not names.rule:  # else configuration sets send to the event bus
        senders += [f"configuration-set/{name}" for name in found.destinations]
    if names.topic:
        plan_topic(plan, names, found.topic_policy, senders)
    if names.rule:
        plan_rule(plan, names, found.rule)
    plan_dead_letter_queue(plan, names, found.dead_letter_queue)
    plan_queue(plan, names, found.queue)
    if names.topic:
        plan_subscription(plan, names, found.subscription)
    if names.rule:  # after the queue admits it
        plan_target(plan, names, found.rule)
    for identity in found.identities:
        plan_identity(plan, names, identity)
    for name, destinations in found.destinations.items():
        plan_destination(plan, names, name, destinations)
    return plan
