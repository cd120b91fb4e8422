"""Plans both queues. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from worker.sqs.redrive import read_redrive_policy
from worker.topology.checks.admission import SEND, SNS
from worker.topology.checks.commands import texts
from worker.topology.checks.facts import QueueFacts
from worker.topology.checks.statements import Caller
from worker.topology.plan import desired
from worker.topology.plan.desired import Names
from worker.topology.plan.steps import Grant, Plan, Step, merge


def plan_dead_letter_queue(plan: Plan, names: Names, queue: QueueFacts | None) -> None:
    """Create or complete the dead-letter queue; what cannot be delivered may be sent there."""
    attributes = desired.dead_letter_attributes(names)
    if queue is None:
        plan.steps.append(_create(names.dead_letter_queue, attributes, "dead-letter queue"))
        return
    _complete(plan, names, queue, attributes, names.dead_letter_arn)


def plan_queue(plan: Plan, names: Names, queue: QueueFacts | None) -> None:
    """Create or complete the queue with its redrive policy; topic and rule may send to it."""
    attributes = desired.queue_attributes(names)
    if queue is None:
        plan.steps.append(_create(names.queue, attributes, "queue"))
        return
    _complete(plan, names, queue, attributes, names.queue_arn)


def _create(name: str, attributes: Mapping[str, Any], what: str) -> Step:
    return Step(
        service="sqs",
        operation="create_queue",
        arguments={"QueueName": name, "Attributes": texts(attributes)},
        description=f"create the {what} {name}",
        result=f"created the {what} {name}",
    )


def _complete(
    plan: Plan, names: Names, queue: QueueFacts, attributes: Mapping[str, Any], arn: str
) -> None:
    missing: dict[str, str] = {}
    policy = queue.text("Policy")
    for statement in desired.may_send(names, arn):
        service = statement["Principal"]["Service"]
        source = names.topic_arn if service == SNS else names.rule_arn
        caller = Caller(service=service, account=names.account, arn=source)
        grant = Grant(statement, [caller], SEND)
        if merged := merge(plan, f"queue {queue.name}", policy, grant):
            policy = missing["Policy"] = merged
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
                description=f"set {', '.join(missing)} of the queue {queue.name}",
                result=f"{', '.join(missing)} of the queue {queue.name} is now set",
            )
        )
    for name, text in texts(attributes).items():
        if name in missing or _is_same(name, queue, text):
            continue
        otherwise = f"queue {queue.name}: {name} is {queue.text(name) or 'not set'}, not {text}"
        # Only the key was requested by name.
        (plan.undone if name == "KmsMasterKeyId" else plan.left).append(otherwise)


def _is_same(name: str, queue: QueueFacts, text: str) -> bool:
    there = queue.text(name)
    match name:
        case "Policy":
            return True  # compared above, by whom it admits
        case "SqsManagedSseEnabled" if queue.text("KmsMasterKeyId"):
            return True  # encrypted with a KMS key instead
        case "KmsMasterKeyId":
            return _key_id(there) == _key_id(text)
        case "RedrivePolicy":
            return read_redrive_policy(there) == read_redrive_policy(text)
    return there == text


def _key_id(text: str) -> str:
    """The key's id or alias, without the rest of an ARN."""
    return text.rpartition(":")[2].removeprefix("key/")
