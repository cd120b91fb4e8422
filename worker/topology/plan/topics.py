"""Plans the topic and its subscription. Pure."""

import json
from collections.abc import Mapping, Sequence

from worker.topology.checks.commands import texts
from worker.topology.checks.facts import SubscriptionFacts
from worker.topology.checks.narrowing import PUBLISH, SES, lets_any_ses_in
from worker.topology.checks.statements import Caller, read_policy
from worker.topology.plan import desired
from worker.topology.plan.desired import Names
from worker.topology.plan.steps import Grant, Plan, Step, merge


def plan_topic(plan: Plan, names: Names, policy: str | None, senders: Sequence[str]) -> None:
    """Create or complete the topic; SES may publish to it, for each sender that is named."""
    statement = desired.ses_may_publish(names)
    if policy is None:
        attributes = {"Policy": json.dumps(desired.policy(statement))}
        plan.steps.append(
            Step(
                service="sns",
                operation="create_topic",
                arguments={"Name": names.topic, "Attributes": attributes},
                description=f"create the topic {names.topic}, to which SES may publish",
                result=f"created the topic {names.topic}, to which SES may publish",
            )
        )
        return
    callers = [
        Caller(service=SES, account=names.account, arn=sender and names.of_ses(sender))
        for sender in senders or [""]
    ]
    if any(lets_any_ses_in(statement, names.topic_arn) for statement in read_policy(policy) or []):
        message = "its policy lets SES of any account publish; check has the command"
        plan.left.append(f"topic {names.topic}: {message}")
    grant = Grant(statement, callers, PUBLISH)
    if policy_text := merge(plan, f"topic {names.topic}", policy, grant):
        arguments = {"TopicArn": names.topic_arn, "AttributeName": "Policy"}
        plan.steps.append(
            Step(
                service="sns",
                operation="set_topic_attributes",
                arguments=arguments | {"AttributeValue": policy_text},
                description=f"let SES publish to the topic {names.topic}",
                result=f"SES may now publish to the topic {names.topic}",
            )
        )


def plan_subscription(plan: Plan, names: Names, found: SubscriptionFacts | None) -> None:
    """Subscribe the queue to the topic, and keep what SNS cannot deliver."""
    attributes = texts(desired.subscription_attributes(names))
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
                description=f"subscribe the queue {names.queue} to the topic {names.topic}",
                result=f"subscribed the queue {names.queue} to the topic {names.topic}",
            )
        )
        return
    there = found.attributes if isinstance(found.attributes, Mapping) else {}
    if there.get("PendingConfirmation") == "true":
        plan.undone.append(f"{names.topic}: the subscription is not confirmed")
    elif not there.get("RedrivePolicy"):
        arguments = {"SubscriptionArn": found.arn, "AttributeName": "RedrivePolicy"}
        plan.steps.append(
            Step(
                service="sns",
                operation="set_subscription_attributes",
                arguments=arguments | {"AttributeValue": attributes["RedrivePolicy"]},
                description=f"keep what SNS cannot deliver in the queue {names.dead_letter_queue}",
                result=f"the queue {names.dead_letter_queue} now keeps what SNS cannot deliver",
            )
        )
    if there.get("RawMessageDelivery") == "true":
        plan.left.append(f"subscription {found.arn}: delivers raw")
    if there.get("FilterPolicy"):
        plan.left.append(f"subscription {found.arn}: has a filter policy")
