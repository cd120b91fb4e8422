"""The statement by which SES publishes, if it has no condition: how to narrow it. Pure.

https://docs.aws.amazon.com/ses/latest/dg/configure-sns-notifications.html
"""

import json
from collections.abc import Sequence

from worker.topology.checks.commands import set_topic
from worker.topology.checks.facts import account_in_arn, read_arn
from worker.topology.checks.statements import Statement, read_policy

SES = "ses.amazonaws.com"
PUBLISH = "sns:Publish"


def lets_any_ses_in(statement: Statement, topic: str) -> bool:
    """Return whether a statement lets SES publish, for every account; and is about SES alone."""
    return (
        statement.allows
        and statement.is_plain
        and statement.principals == {f"Service:{SES}"}
        and not statement.conditions
        and statement.covers(PUBLISH)
        and statement.names(topic)
    )


def narrowing(topic: str, senders: Sequence[str]) -> dict[str, dict[str, str | list[str]]]:
    """Return the conditions that admit SES for the senders' accounts, else for the topic's."""
    own = account_in_arn(topic)
    accounts = sorted({account_in_arn(sender) or own for sender in senders} or {own})
    found = read_arn(topic)
    start = f"arn:{found.partition}:ses:{found.region}" if found else "arn:*:ses:*"
    return {
        "StringEquals": {"aws:SourceAccount": _single(accounts)},
        "ArnLike": {"aws:SourceArn": _single([f"{start}:{account}:*" for account in accounts])},
    }


def narrow(policy: str, topic: str, senders: Sequence[str]) -> str:
    """Return the command that adds the conditions to such statements, and changes nothing else."""
    document = json.loads(policy)
    there = document["Statement"]
    listed = there if isinstance(there, list) else [there]
    conditions = narrowing(topic, senders)
    changed = [
        raw | {"Condition": conditions} if lets_any_ses_in(statement, topic) else raw
        for raw, statement in zip(listed, read_policy(policy) or [], strict=True)
    ]
    return set_topic(topic, "Policy", document | {"Statement": changed})


def _single(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
