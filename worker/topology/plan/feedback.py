"""Plans what SES needs to publish to the topic. Pure."""

from collections.abc import Sequence

from worker.topology.checks.facts import DestinationFacts, IdentityFacts
from worker.topology.plan import desired
from worker.topology.plan.desired import Names
from worker.topology.plan.steps import Plan, Step


def plan_identity(plan: Plan, names: Names, identity: IdentityFacts) -> None:
    """Send an identity's notifications to the topic, unless they go to another topic."""
    for kind, topic in (("Bounce", identity.bounces), ("Complaint", identity.complaints)):
        if topic == names.topic_arn:
            continue
        if topic:
            plan.undone.append(f"{identity.name}: its {kind.lower()} notifications go to {topic}")
            continue
        arguments = {
            "Identity": identity.name,
            "NotificationType": kind,
            "SnsTopic": names.topic_arn,
        }
        plan.steps.append(
            Step(
                service="ses",
                operation="set_identity_notification_topic",
                arguments=arguments,
                description=f"send {kind.lower()} notifications of {identity.name} to the topic",
                result=f"{kind.lower()} notifications of {identity.name} now go to the topic",
            )
        )


def plan_destination(
    plan: Plan, names: Names, name: str, destinations: Sequence[DestinationFacts]
) -> None:
    """Send a configuration set's events to the topic, or to the event bus."""
    ours = [item for item in destinations if item.target == names.target]
    if any(item.enabled and item.kinds >= set(desired.KINDS) for item in ours):
        return
    taken = {destination.name: destination for destination in destinations}.get(desired.DESTINATION)
    if taken is not None and taken not in ours:
        plan.undone.append(f"{name}: its event destination {taken.name} sends to {taken.target}")
        return
    where = "EventBridge" if names.rule else "the topic"
    kinds = sorted({*desired.KINDS, *(taken.kinds if taken else ())})
    plan.steps.append(
        Step(
            service="sesv2",
            operation=f"{'update' if taken else 'create'}_configuration_set_event_destination",
            arguments={
                "ConfigurationSetName": name,
                "EventDestinationName": desired.DESTINATION,
                "EventDestination": {
                    "Enabled": True,
                    "MatchingEventTypes": kinds,
                    **desired.destination(names),
                },
            },
            description=f"send {' and '.join(kinds)} of the configuration set {name} to {where}",
            result=f"{' and '.join(kinds)} of the configuration set {name} now go to {where}",
        )
    )
