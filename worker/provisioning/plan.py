"""What is missing of what there should be, and what is left as somebody has set it. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from worker.checks.admission import SEND, SNS
from worker.checks.facts import DestinationFacts, IdentityFacts, QueueFacts, SubscriptionFacts
from worker.checks.statements import Caller, Verdict, judge, read_policy
from worker.checks.topic import PUBLISH, SES
from worker.provisioning import wanted
from worker.provisioning.wanted import Names


class Step(Struct, frozen=True, kw_only=True):
    """One call that makes or changes something."""

    service: str
    operation: str
    """As boto3 has it: `create_queue`."""
    arguments: Mapping[str, Any]
    said: str
    queue: str = ""
    """The name of the queue whose URL the call takes; it may have none before."""


class Found(Struct, frozen=True, kw_only=True):
    """What is there; None: it is not."""

    queue: QueueFacts | None
    dead_letter_queue: QueueFacts | None
    topic_policy: str | None
    subscription: SubscriptionFacts | None
    identities: Sequence[IdentityFacts] = ()
    destinations: Mapping[str, Sequence[DestinationFacts]] = {}
    """By configuration set."""


class Plan(Struct, kw_only=True):
    """What is to be done, in order."""

    steps: list[Step] = []
    left: list[str] = []
    """What is otherwise than it would have been made, and stays so."""
    undone: list[str] = []
    """What was asked for by name, and is not done, since somebody has set it otherwise."""


class _Door(Struct, frozen=True):
    """Whom a policy should let in to do what, and the statement that does."""

    statement: dict[str, Any]
    caller: Caller
    action: str


def make_plan(names: Names, found: Found) -> Plan:
    """Plan what it takes; `names.dead_letter_queue` is the queue's own, if it has one."""
    plan = Plan()
    _plan_topic(plan, names, found.topic_policy)
    _plan_dead_letter_queue(plan, names, found.dead_letter_queue)
    _plan_queue(plan, names, found.queue)
    _plan_subscription(plan, names, found.subscription)
    for identity in found.identities:
        _plan_identity(plan, names, identity)
    for name, destinations in found.destinations.items():
        _plan_destination(plan, names, name, destinations)
    return plan


def _plan_topic(plan: Plan, names: Names, policy: str | None) -> None:
    statement = wanted.ses_may_publish(names)
    if policy is None:
        attributes = {"Policy": json.dumps(wanted.policy(statement))}
        plan.steps.append(
            Step(
                service="sns",
                operation="create_topic",
                arguments={"Name": names.topic, "Attributes": attributes},
                said=f"create the topic {names.topic}, to which SES may publish",
            )
        )
        return
    door = _Door(statement, Caller(service=SES, account=names.account), PUBLISH)
    if merged := _merged(plan, f"topic {names.topic}", policy, door):
        arguments = {"TopicArn": names.topic_arn, "AttributeName": "Policy"}
        plan.steps.append(
            Step(
                service="sns",
                operation="set_topic_attributes",
                arguments=arguments | {"AttributeValue": merged},
                said=f"let SES publish to the topic {names.topic}",
            )
        )


def _plan_dead_letter_queue(plan: Plan, names: Names, queue: QueueFacts | None) -> None:
    attributes = wanted.dead_letter_attributes(names)
    if queue is None:
        plan.steps.append(_create(names.dead_letter_queue, attributes, "dead-letter queue"))
        return
    _complete(plan, names, queue, attributes, names.dead_letter_arn)


def _plan_queue(plan: Plan, names: Names, queue: QueueFacts | None) -> None:
    attributes = wanted.queue_attributes(names)
    if queue is None:
        plan.steps.append(_create(names.queue, attributes, "queue"))
        return
    _complete(plan, names, queue, attributes, names.queue_arn)


def _create(name: str, attributes: Mapping[str, Any], what: str) -> Step:
    return Step(
        service="sqs",
        operation="create_queue",
        arguments={"QueueName": name, "Attributes": texts(attributes)},
        said=f"create the {what} {name}",
    )


def _complete(
    plan: Plan, names: Names, queue: QueueFacts, attributes: Mapping[str, Any], arn: str
) -> None:
    missing: dict[str, str] = {}
    caller = Caller(service=SNS, account=names.account, arn=names.topic_arn)
    door = _Door(wanted.topic_may_send(names, arn), caller, SEND)
    if merged := _merged(plan, f"queue {queue.name}", queue.text("Policy"), door):
        missing["Policy"] = merged
    if "RedrivePolicy" in attributes and not queue.text("RedrivePolicy"):
        missing["RedrivePolicy"] = json.dumps(attributes["RedrivePolicy"])
    if names.key and not queue.text("KmsMasterKeyId"):
        missing["KmsMasterKeyId"] = names.key
    if missing:
        plan.steps.append(
            Step(
                service="sqs",
                operation="set_queue_attributes",
                arguments={"Attributes": missing},
                queue=queue.name,
                said=f"set {', '.join(missing)} of the queue {queue.name}",
            )
        )
    for name, text in texts(attributes).items():
        if name not in missing and not _is_same(name, queue.text(name), text):
            plan.left.append(
                f"queue {queue.name}: {name} is {queue.text(name) or 'not set'}, not {text}"
            )


def _is_same(name: str, there: str, text: str) -> bool:
    if name == "Policy":
        return True  # it was judged by what it lets in
    if name == "SqsManagedSseEnabled" and not there:
        return True  # a key of KMS in its place
    if name != "RedrivePolicy":
        return there == text
    try:
        # SQS shows the count as it was given, a number or a text.
        one, other = json.loads(there), json.loads(text)
        return [str(v) for v in one.values()] == [str(one_of) for one_of in other.values()]
    except (ValueError, AttributeError):
        return False


def _merged(plan: Plan, what: str, policy: str, door: _Door) -> str | None:
    """The policy with our statement; None: it needs none, or is not ours to change."""
    statements = read_policy(policy)
    known = statements is not None
    verdict = judge(statements or [], door.caller, door.action) if known else Verdict.PERHAPS
    if verdict is Verdict.DENIED:
        plan.undone.append(f"{what}: a Deny in its policy keeps {door.caller.service} out")
    if verdict is Verdict.PERHAPS:
        plan.left.append(f"{what}: its policy has conditions that are not judged here")
    if verdict is not Verdict.NO:
        return None
    document = json.loads(policy) if policy else wanted.policy(door.statement)
    there = document["Statement"]
    others = [
        one
        for one in (there if isinstance(there, list) else [there])
        if one.get("Sid") != door.statement["Sid"]
    ]
    return json.dumps(document | {"Statement": [*others, door.statement]})


def _plan_subscription(plan: Plan, names: Names, found: SubscriptionFacts | None) -> None:
    attributes = texts(wanted.subscription_attributes(names))
    if found is None:
        arguments = {
            "TopicArn": names.topic_arn,
            "Protocol": "sqs",
            "Endpoint": names.queue_arn,
            "Attributes": attributes,
            "ReturnSubscriptionArn": True,
        }
        plan.steps.append(
            Step(
                service="sns",
                operation="subscribe",
                arguments=arguments,
                said=f"subscribe the queue {names.queue} to the topic {names.topic}",
            )
        )
        return
    there = found.attributes if isinstance(found.attributes, Mapping) else {}
    if there.get("PendingConfirmation") == "true":
        plan.undone.append(f"{names.topic}: the subscription waits for its confirmation")
    elif not there.get("RedrivePolicy"):
        arguments = {"SubscriptionArn": found.arn, "AttributeName": "RedrivePolicy"}
        plan.steps.append(
            Step(
                service="sns",
                operation="set_subscription_attributes",
                arguments=arguments | {"AttributeValue": attributes["RedrivePolicy"]},
                said=f"keep what SNS cannot deliver in the queue {names.dead_letter_queue}",
            )
        )
    if there.get("RawMessageDelivery") == "true":
        plan.left.append(f"subscription {found.arn}: delivers raw")
    if there.get("FilterPolicy"):
        plan.left.append(f"subscription {found.arn}: has a filter policy")


def _plan_identity(plan: Plan, names: Names, identity: IdentityFacts) -> None:
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
                said=f"send {kind.lower()} notifications of {identity.name} to the topic",
            )
        )


def _plan_destination(
    plan: Plan, names: Names, name: str, destinations: Sequence[DestinationFacts]
) -> None:
    ours = [one for one in destinations if one.topic == names.topic_arn]
    if any(one.enabled and one.kinds >= set(wanted.KINDS) for one in ours):
        return
    taken = {one.name: one for one in destinations}.get(wanted.DESTINATION)
    if taken is not None and taken not in ours:
        plan.undone.append(f"{name}: its event destination {taken.name} sends to {taken.topic}")
        return
    kinds = sorted({*wanted.KINDS, *(taken.kinds if taken else ())})
    plan.steps.append(
        Step(
            service="sesv2",
            operation=f"{'update' if taken else 'create'}_configuration_set_event_destination",
            arguments={
                "ConfigurationSetName": name,
                "EventDestinationName": wanted.DESTINATION,
                "EventDestination": {
                    "Enabled": True,
                    "MatchingEventTypes": kinds,
                    "SnsDestination": {"TopicArn": names.topic_arn},
                },
            },
            said=f"send {' and '.join(kinds)} of the configuration set {name} to the topic",
        )
    )


def texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attributes as AWS takes them: what is no text, as JSON in one."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in attributes.items()
    }
