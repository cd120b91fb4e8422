"""Filter policies of subscriptions: whether bounces and complaints pass.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html. SES's messages have
no documented message attributes, so a filter on attributes blocks all of them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_KINDS = {"Bounce": "bounces", "Complaint": "complaints"}
NOTIFICATION, EVENT = "notificationType", "eventType"
"""The key with the kind of a message: in identities' notifications, and in published events."""
_SHAPES = (NOTIFICATION, EVENT)


def judge_filter(text: str, scope: str, shapes: Sequence[str] = ()) -> Sequence[str] | None:
    """Return which kinds of feedback the policy blocks; None: it uses rules not evaluated here.

    `shapes`: `NOTIFICATION` and `EVENT`, as SES sends them; each must pass. If they are unknown, a
    policy that lets only a single shape pass is not judged.
    """
    try:
        policy = json.loads(text)
    except ValueError:
        return None
    if not isinstance(policy, dict):
        return None
    lost = []
    for kind, named in _KINDS.items():
        sent = [{shape: kind} for shape in shapes or _SHAPES] if scope == "MessageBody" else [{}]
        verdicts = {_passes(policy, message) for message in sent}
        if False in verdicts and (shapes or verdicts == {False}):
            lost.append(named)
        elif verdicts != {True}:
            return None
    return lost


def _passes(policy: Mapping[str, Any], message: Mapping[str, str]) -> bool | None:
    verdicts = [_meets(key, expected, message) for key, expected in policy.items()]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _meets(key: str, expected: Any, message: Mapping[str, str]) -> bool | None:
    """Evaluate a key of the policy; None: it is about a part of the message unknown here."""
    if not isinstance(expected, list) or (message and key not in _SHAPES):
        return None
    verdicts = [_is_match(item, message.get(key)) for item in expected]
    if True in verdicts:
        return True
    return None if None in verdicts else False


def _is_match(expected: Any, value: str | None) -> bool | None:
    match expected:
        case str():
            return value == expected
        case {"exists": bool() as there}:
            return (value is not None) is there
        case {"prefix": str() as prefix}:
            return value is not None and value.startswith(prefix)
        case {"anything-but": str() | list() as those}:
            return value is not None and value not in ([those] if isinstance(those, str) else those)
    return None
