"""Message bodies that an attacker might send to stop a worker, and what may become of each.

Anyone who can write to the queue, or make a mail server bounce, chooses these bytes. Each kind is
as large as SQS carries where size is its point. What is common to all: `MARK` begins the SES
message id or the feedback id, and no address of theirs is a user's.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from support import mail

MARK = "hostile-"
DOMAIN = "hostile.example"
MEBIBYTE = 1_048_576
"""Bytes of the largest message of SQS."""
APPLIED, IGNORED = "applied", "ignored"
_MARKED = re.compile(rf"{MARK}\d+-\d+")
_ROOM = 3_000
"""Bytes for what stands around a large field, the SNS envelope included."""


class Kind(NamedTuple):
    """A kind of hostile body."""

    name: str
    outcomes: frozenset[str]
    """`applied`, `ignored`, or the reasons with which it may be dead-lettered."""
    make: Callable[[str], str]
    """Makes the body, whose ids are the mark that is handed over."""
    rows: int = 1
    """Events that there are, where it is applied."""


class Hostile(NamedTuple):
    """A body, ready to be sent."""

    kind: Kind
    mark: str
    body: str


def bodies(seed: int, only: str = "") -> Iterator[Hostile]:
    """Make bodies of each kind in rotation for ever; no two are the same."""
    kinds = [kind for kind in KINDS if only in kind.name]
    for number, kind in enumerate(itertools.cycle(kinds)):
        mark = f"{MARK}{seed}-{number}"
        yield Hostile(kind, mark, kind.make(mark))


def mark_in(*ids: str) -> str:
    """Find the mark in an event's SES message id or feedback id; empty: it is of none of these."""
    return next((found[0] for message_id in ids if (found := _MARKED.match(message_id))), "")


def is_theirs(address: str) -> bool:
    """Return whether only these bodies name an address."""
    return address.endswith(f"@{DOMAIN}")


# JSON is written by hand here, for much of it is what no library would write.


def _bounce(
    mark: str,
    *,
    feedback_id: str | None = None,
    message_id: str | None = None,
    timestamp: str = '"2024-03-01T00:00:00.000Z"',
    type: str = '"Permanent"',
    recipients: str | None = None,
    bounce: str = "",
    mailed: str = "",
    body: str = "",
) -> str:
    """Write a bounce; each argument is JSON, the last three are further members."""
    named = feedback_id or json.dumps(f"{mark}-feedback")
    who = recipients or f'[{{"emailAddress": "someone@{DOMAIN}"}}]'
    return (
        f'{{"notificationType": "Bounce", "bounce": {{"bounceType": {type}, "bounceSubType":'
        f' "General", "bouncedRecipients": {who}, "timestamp": {timestamp}, "feedbackId": {named}'
        f'{bounce}}}, "mail": {{"messageId": {message_id or json.dumps(mark)}{mailed}}}{body}}}'
    )


def _warned_about(mark: str, **entry: str) -> str:
    """Write a bounce with a single recipient that has these members; each is JSON."""
    members = {"emailAddress": f'"someone@{DOMAIN}"'} | entry
    reported = ", ".join(f'"{name}": {value}' for name, value in members.items())
    return _bounce(mark, recipients=f"[{{{reported}}}]")


def _text(character: str, size: int = MEBIBYTE) -> str:
    """Write a JSON text that makes a body of so many bytes."""
    return f'"{character * ((size - _ROOM) // len(character.encode()))}"'


def _nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return f"{opening * depth}1{closing * depth}"


def _addresses(mark: str, count: int) -> str:
    entries = ",".join(f'{{"emailAddress":"{n}.{mark}@{DOMAIN}"}}' for n in range(count))
    return _bounce(mark, recipients=f"[{entries}]")


def _several(mark: str) -> str:
    entries = ",".join(f'{{"emailAddress":"{"<@," * 600}<{n}@{DOMAIN}>"}}' for n in range(500))
    return _bounce(mark, recipients=f"[{entries}]")


def _enveloped(mark: str, depth: int) -> str:
    text = _bounce(mark)
    for _ in range(depth):
        text = mail.enveloped(text)
    return text


def _wrapped(detail: str) -> str:
    """Write EventBridge's wrapper; all that may be of any type is of a wrong type."""
    return (
        f'{{"source": "aws.ses", "detail-type": "Email Bounced", "account": 7, "region": [],'
        f' "resources": {{}}, "time": null, "detail": {detail}}}'
    )


def _in_record(body: str) -> str:
    return f'{{"Records": [{{"eventSource": 7, "body": {json.dumps(body)}}}]}}'


def _complaint(mark: str, agent: str) -> str:
    return (
        f'{{"eventType": "Complaint", "complaint": {{"complaintFeedbackType": "abuse",'
        f' "complainedRecipients": [{{"emailAddress": "someone@{DOMAIN}"}}], "timestamp":'
        f' "2024-03-01T00:00:00Z", "feedbackId": "{mark}-feedback", "userAgent": {agent}}},'
        f' "mail": {{"messageId": "{mark}"}}}}'
    )


def _kind(outcomes: Sequence[str], name: str, make: Callable[[str], str], rows: int = 1) -> Kind:
    return Kind(name, frozenset(outcomes), make, rows)


_WRONG_TYPES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "bounceType": (APPLIED, lambda mark: _bounce(mark, type='{"a": [1]}')),
    "timestamp": (APPLIED, lambda mark: _bounce(mark, timestamp="1709251200")),
    "feedbackId": (APPLIED, lambda mark: _bounce(mark, feedback_id='["list"]')),
    "messageId": (APPLIED, lambda mark: _bounce(mark, message_id="17")),
    "entry": (APPLIED, lambda mark: _bounce(mark, recipients='[1, null, "text", [], {}]')),
    "emailAddress": (APPLIED, lambda mark: _warned_about(mark, emailAddress="[1]")),
    "diagnosticCode": (APPLIED, lambda mark: _warned_about(mark, diagnosticCode='{"a": 1}')),
    "status": (APPLIED, lambda mark: _warned_about(mark, status="5.1", action="true")),
    "bouncedRecipients": (
        "recipients_not_a_list",
        lambda mark: _bounce(mark, recipients='{"0": "a"}'),
    ),
    "bounce": (
        "no_object",
        lambda mark: f'{{"notificationType": "Bounce", "bounce": ["{mark}"]}}',
    ),
    "notificationType": ("no_type", lambda mark: f'{{"notificationType": 7, "mail": "{mark}"}}'),
    "body": ("not_an_object", lambda mark: f'["{mark}"]'),
}
_WRITTEN: tuple[Kind, ...] = (
    *(
        _kind([outcome], f"wrong type of {name}", make, 5 if name == "entry" else 1)
        for name, (outcome, make) in _WRONG_TYPES.items()
    ),
    _kind(
        [APPLIED], "duplicate keys", lambda mark: _bounce(mark, body=', "mail": {}, "mail": {}')
    ),
    _kind([APPLIED], "half a surrogate pair", lambda mark: _warned_about(mark, diagnosticCode=r'"\ud83d"')),
    _kind(
        [APPLIED],
        "half a surrogate pair in every text",
        lambda mark: _warned_about(mark, emailAddress=r'"\udc00@\ud800"', action=r'"\ud800\ud800"'),
    ),
    _kind(["not_json"], "an escape that is none", lambda mark: _bounce(mark, body=r', "x": "\u12G4"')),
    _kind(
        [APPLIED],
        "NUL in every text",
        lambda mark: _warned_about(mark, emailAddress=r'"a\u0000@b.c"', diagnosticCode=r'"\u0000"'),
    ),
    _kind(
        [APPLIED],
        "ids of 1,000 astral characters",
        lambda mark: _bounce(mark, feedback_id=json.dumps(f"{mark}{'😀' * 1_000}", ensure_ascii=False)),
    ),
    _kind(
        [APPLIED],
        "huge numbers",
        lambda mark: _bounce(mark, body=f', "a": 1e999999, "b": {"9" * 5_000}, "c": -1e-999999'),
    ),
    _kind(
        ["no_type", "unknown_envelope", APPLIED], "an envelope in an envelope",
        lambda mark: _enveloped(mark, 2),
    ),
    _kind(
        ["wrapped_too_deep", "unknown_envelope", APPLIED], "ten envelopes in each other",
        lambda mark: _enveloped(mark, 10),
    ),
    _kind([APPLIED], "EventBridge's wrapper of wrong types", lambda mark: _wrapped(_bounce(mark))),
    _kind(
        [APPLIED], "a text as EventBridge's detail", lambda mark: _wrapped(json.dumps(_bounce(mark)))
    ),
    _kind(
        ["wrapped_too_deep"], "EventBridge's wrapper in itself",
        lambda mark: _wrapped(_wrapped(_wrapped(_wrapped(_bounce(mark))))),
    ),
    _kind(
        ["too_many_records"], "300,000 records",
        lambda mark: f'{{"mark": "{mark}", "Records": [{",".join(["{}"] * 300_000)}]}}',
    ),
    _kind(
        ["wrapped_too_deep"], "records in a record",
        lambda mark: _in_record(_in_record(_bounce(mark))),
    ),
    _kind([APPLIED], "a record of a queue", lambda mark: _in_record(_bounce(mark))),
    _kind(
        ["foreign_event"], "an event of another service",
        lambda mark: f'{{"source": "aws.{mark}", "detail-type": "x", "detail": {_nested(90)}}}',
    ),
    _kind(
        ["s3_pointer"], "a pointer to S3",
        lambda mark: f'["{mark}", {{"s3BucketName": {_text("a", 500_000)}, "s3Key": "{mark}"}}]',
    ),
    _kind(
        ["cloudwatch_alarm"], "an alarm of a long name",
        lambda mark: f'{{"mark": "{mark}", "AlarmName": {_text("@", 500_000)}}}',
    ),
    _kind(
        [APPLIED],
        "an address of 60,000 characters",
        lambda mark: _warned_about(mark, emailAddress=f'"{"a" * 60_000}@{DOMAIN}"'),
    ),
    _kind([APPLIED], "500 recipients with several addresses each", _several, 500),
    _kind([APPLIED], "1,000 recipients", lambda mark: _addresses(mark, 1_000), 1_000),
)  # fmt: skip
_LARGE: tuple[Kind, ...] = (
    _kind(["not_json"], "1 MB cut off", lambda mark: _warned_about(mark, diagnosticCode=_text("x"))[:-40]),
    _kind(["not_json"], "1 MB of spaces", lambda mark: f"{' ' * (MEBIBYTE - 100)}{mark}"),
    _kind(["not_json"], "1 MB of no JSON", lambda mark: f"{mark}{'spam' * (MEBIBYTE // 4 - 25)}"),
    _kind(
        [APPLIED], "1 MB of astral characters", lambda mark: _warned_about(mark, diagnosticCode=_text("😀"))
    ),
    _kind([APPLIED], "1 MB of escapes", lambda mark: _warned_about(mark, diagnosticCode=_text(r"\u0041"))),
    _kind([APPLIED], "1 MB of backslashes", lambda mark: _warned_about(mark, diagnosticCode=_text("\\\\"))),
    _kind([APPLIED], "1 MB of a user agent", lambda mark: _complaint(mark, _text("&lt;"))),
    _kind([APPLIED], "1 MB of a type", lambda mark: _bounce(mark, type=_text("`"))),
    _kind(
        [APPLIED],
        "1 MB of a topic",
        lambda mark: mail.enveloped(_bounce(mark), topic="a" * (MEBIBYTE - _ROOM)),
    ),
    _kind([APPLIED], "1 MB of an array", lambda mark: _bounce(mark, body=f', "x": [{_text("1,")[1:-1]}1]')),
    _kind([APPLIED], "1 MB of @", lambda mark: _warned_about(mark, diagnosticCode=_text("@"))),
    _kind([APPLIED], "1 MB of a@b.c ", lambda mark: _warned_about(mark, diagnosticCode=_text("a@b.c "))),
    _kind([APPLIED], "1 MB of several addresses", lambda mark: _warned_about(mark, emailAddress=_text("<@,"))),
    _kind([APPLIED], "1 MB of quotes in an address", lambda mark: _warned_about(mark, emailAddress=_text('\\"'))),
)  # fmt: skip
_DEEP: tuple[Kind, ...] = (
    _kind(["not_json"], "tags 200 deep", lambda mark: _bounce(mark, mailed=f', "tags": {_nested(200)}')),
    _kind(
        ["not_json"],
        "headers 500 deep",
        lambda mark: _bounce(mark, mailed=f', "headers": {_nested(500, chr(123) + chr(34) + "a" + chr(34) + ":", chr(125))}'),
    ),
    _kind(["not_json"], "nested 800 deep", lambda mark: _bounce(mark, body=f', "x": {_nested(800)}')),
    _kind(["not_json"], "nested 100,000 deep", lambda mark: _bounce(mark, body=f', "x": {_nested(100_000)}')),
    _kind(["not_json"], "never closed", lambda mark: f'{{"x": "{mark}", "y": {"[" * (MEBIBYTE - 1_000)}'),
)  # fmt: skip
_DEAR: tuple[Kind, ...] = (
    _kind([APPLIED], "16 KB of spaces in a time", lambda mark: _bounce(mark, timestamp=_blanks(16_384))),
    _kind([APPLIED], "250 KB of spaces in a time", lambda mark: _bounce(mark, timestamp=_blanks(250_000))),
    _kind([APPLIED], "1 MB of spaces in a time", lambda mark: _bounce(mark, timestamp=_blanks(MEBIBYTE))),
    _kind(["too_many_recipients"], "1,001 recipients", lambda mark: _addresses(mark, 1_001)),
    _kind(
        ["too_many_recipients"],
        "250,000 recipients",
        lambda mark: _bounce(mark, recipients=f"[{'0,' * 249_999}0]"),
    ),
)  # fmt: skip
"""What cost seconds and gigabytes once."""


def _blanks(size: int) -> str:
    return f'"2024-03-01T00:00:00{" " * (size - _ROOM)}x"'


KINDS: tuple[Kind, ...] = _WRITTEN + _LARGE + _DEEP + _DEAR
