"""Event patterns of EventBridge's rules: whether SES's events pass.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from worker.topology.checks.conditions import Verdict

BOUNCE, COMPLAINT = "Email Bounced", "Email Complaint Received"
FEEDBACK_TYPES = (BOUNCE, COMPLAINT)
"""The `detail-type` of bounces and complaints."""
ALL_OF_SES = {"source": ["aws.ses"]}
"""A pattern that all of SES's events fit."""
STATUS_TYPES = (
    "Sending Status Disabled",
    "Sending Status Enabled",
    "Advisor Recommendation Status Open",
    "Advisor Recommendation Status Resolved",
    "Advisor Recommendation Status Closed",
)
"""The `detail-type` of what SES says about sending itself."""
_EVENT_TYPES = {BOUNCE: "Bounce", COMPLAINT: "Complaint"}


def passes(text: str, detail_type: str, account: str, region: str) -> Verdict:
    """Return whether a pattern lets events of a type pass.

    `PERHAPS`: it depends on parts of the event, or on operators, that are not evaluated here.
    """
    try:
        pattern = json.loads(text)
    except ValueError:
        return Verdict.PERHAPS
    event: dict[str, Any] = {
        "source": "aws.ses",
        "detail-type": detail_type,
        "account": account,
        "region": region,
    }
    if detail_type in _EVENT_TYPES:
        event["detail"] = {"eventType": _EVENT_TYPES[detail_type]}
    return _fits(pattern, event)


def _fits(pattern: Any, event: Mapping[str, Any]) -> Verdict:
    if not isinstance(pattern, dict):
        return Verdict.PERHAPS
    return _all(_meets(name, expected, event) for name, expected in pattern.items())


def _meets(name: str, expected: Any, event: Mapping[str, Any]) -> Verdict:
    if name not in event:  # another part of the event, or `$or`
        return Verdict.PERHAPS
    value = event[name]
    if isinstance(value, Mapping):
        return _fits(expected, value)
    if not isinstance(expected, list):
        return Verdict.NO if isinstance(expected, dict) else Verdict.PERHAPS
    verdicts = {_as_verdict(_is_match(item, value)) for item in expected}
    return next((v for v in (Verdict.YES, Verdict.PERHAPS) if v in verdicts), Verdict.NO)


def _is_match(expected: Any, value: str) -> bool | None:
    """Return whether a value fits; None: it is not evaluated here."""
    found: bool | None = None
    match expected:
        case str() | None | bool() | int():
            found = expected == value
        case {"prefix": str() as prefix}:
            found = value.startswith(prefix)
        case {"suffix": str() as suffix}:
            found = value.endswith(suffix)
        case {"equals-ignore-case": str() as text}:
            found = value.lower() == text.lower()
        case {"wildcard": str() as pattern} if not set("[?\\") & set(pattern):
            found = fnmatchcase(value, pattern)
        case {"exists": bool() as there}:
            found = there
        case {"anything-but": str() | list() as those}:
            listed = [those] if isinstance(those, str) else those
            known = all(isinstance(item, str) for item in listed)
            found = value not in listed if known else None
    return found


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    found = set(verdicts)
    return next((v for v in (Verdict.NO, Verdict.PERHAPS) if v in found), Verdict.YES)


def _as_verdict(found: bool | None) -> Verdict:  # noqa: FBT001
    if found is None:
        return Verdict.PERHAPS
    return Verdict.YES if found else Verdict.NO
