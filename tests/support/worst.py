"""Bodies in which a field is as bad as an attacker can make it."""

import json

import msgspec

from support import mail

MIB = 1_048_576
"""Bytes of the longest body that SQS carries."""

CHARACTERS = {
    "blanks": " ",
    "tabs": "\t",
    "signs": "@",
    "opening angles": "<",
    "closing angles": ">",
    "angles and signs": "<@>",
    "signs and commas": "@,",
    "addresses": "<a@b.c>,",
    "quotes": '"',
    "escaped quotes": '\\"',
    "backslashes": "\\",
    "digits": "1",
    "a fraction": ".0",
    "dots": ".",
    "commas": ",",
    "plus": "+",
    "minus and digits": "-00:00 ",
    "brackets": "[",
    "braces": "{",
    "pairs of brackets": "[]",
    "astral": "\U0001f600",
    "combining marks": "\u0315\u0323",
    "dead letters that grow": "\ufdfa",
    "dead letters that grow in lower case": "\u0130",
    "full-width signs": "\uff20",
    "nothing": "\0",
    "half pairs": "\ud83d",
    "entities": "&#64",
    "backticks": "`",
    "lines": "a\n",
    "right to left": "\u202e",
    "escaped brackets": "\\u005b",
    "invisible characters": "\u200b",
    "encoded words": "=?utf-8?q?a?=",
    "beginnings of encoded words": "=?utf-8?q?",
    "address types": "rfc822;",
    "escaped signs": "\\u0040",
    "spelled signs": "(at)",
    "spaced letters": "a ",
}
"""By name: what is repeated."""


def filled(unit: str, size: int) -> str:
    """Repeat it, up to so many bytes as JSON writes them."""
    return unit * max(1, size // len(written(unit)[1:-1].encode()))


def written(value: object) -> str:
    """Write JSON as densely as it can be; only half a surrogate pair has to be escaped."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


MARK = "WORST"
"""A placeholder for the field; as a key, an undocumented name."""


def _with(path: str, message: str) -> str:
    whole = json.loads(message)
    *parents, last = path.split("/")
    place = whole
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    place[int(last) if isinstance(place, list) else last] = MARK
    return json.dumps(whole)


def _bounce(path: str) -> str:
    return _with(path, mail.bounce("jane@example.com", action="failed"))


def _complaint(path: str) -> str:
    return _with(path, mail.complaint("jane@example.com", event=True))


def _key(path: str, message: str) -> str:
    """The key itself is long."""
    return _with(f"{path}/{MARK}".lstrip("/"), message).replace(f': "{MARK}"', ': "x"')


BODIES: dict[str, str] = {
    path: _bounce(path)
    for path in (
        "notificationType", "eventType", "source", "detail-type", "Event", "new",
        "mail/messageId", "mail/timestamp", "mail/new",
        "bounce/bounceType", "bounce/bounceSubType", "bounce/feedbackId", "bounce/timestamp",
        "bounce/bouncedRecipients", "bounce/new",
        *(f"bounce/bouncedRecipients/0/{name}"
          for name in ("emailAddress", "action", "status", "diagnosticCode", "new")),
    )
} | {
    path: _complaint(path)
    for path in (
        "complaint/complaintFeedbackType", "complaint/complaintSubType", "complaint/feedbackId",
        "complaint/timestamp", "complaint/userAgent", "complaint/complainedRecipients",
        "complaint/complainedRecipients/0/emailAddress",
    )
} | {
    f"a key of {path or 'the body'}": _key(path, mail.bounce("jane@example.com"))
    for path in ("", "mail", "bounce", "bounce/bouncedRecipients/0")
}  # fmt: skip
"""By field: SES's message with `MARK` in its place."""

WRAPPINGS: dict[str, str] = {
    f"EventBridge {path}": _with(path, mail.in_eventbridge(mail.bounce("jane@example.com")))
    for path in (
        "source", "detail-type", "account", "region", "time", "resources", "resources/0", "new",
        "detail", "detail/eventType", "detail/bounce/bouncedRecipients/0/emailAddress",
    )
} | {
    f"status {path}": _with(path, mail.sending_status())
    for path in (
        "resources/0", "time", "detail/data", "detail/data/record", "detail/data/record/cause",
        "detail/data/record/lastUpdatedTimestamp", "detail/metadata",
    )
} | {
    f"records {path}": _with(path, mail.in_records(mail.enveloped(mail.bounce("jane@example.com"))))
    for path in (
        "Records", "Records/0", "Records/0/EventSource", "Records/0/Sns", "Records/0/Sns/Message",
        "Records/0/Sns/TopicArn", "Records/0/new",
    )
} | {
    f"records of SQS {path}": _with(path, mail.in_records_of_sqs(mail.bounce("jane@example.com")))
    for path in ("Records/0/body", "Records/0/eventSource")
} | {
    f"others {path}": _with(path, json.dumps(dict.fromkeys(
        ("AlarmName", "NewStateValue", "Region", "s3BucketName", "s3Key", "Service", "Event"), "x",
    ) | {"S3Payload": {"Bucket": "x", "Key": "x"}}))
    for path in (
        "AlarmName", "NewStateValue", "Region", "s3BucketName", "s3Key", "Service", "Event",
        "S3Payload", "S3Payload/Key",
    )
} | {
    f"a pointer's {path}": _with(path, json.dumps(["x", {"s3BucketName": "x", "s3Key": "x"}]))
    for path in ("0", "1", "1/s3BucketName", "1/s3Key")
}  # fmt: skip
"""By field: SES's message in other wrappings, and messages of others, likewise."""

ENVELOPES: dict[str, str] = {
    path: _with(path, mail.enveloped("x"))
    for path in (
        "Type", "TopicArn", "Message", "MessageId", "Subject", "Timestamp", "Signature", "new",
    )
} | {"a key of the envelope": _key("", mail.enveloped("x"))}  # fmt: skip
"""By field: an envelope, likewise."""


def body(field: str, text: str) -> str:
    """SES's message, an envelope or another wrapping, with this text in a field."""
    whole = (BODIES | ENVELOPES | WRAPPINGS)[field]
    if field.endswith("timestamp"):
        text = f"2026-11-20T08:15:33{text}x"  # else it is no time at the first look
    return whole.replace(f'"{MARK}"', written(text))


VALUES = {
    "arrays": "[]",
    "objects": "{}",
    "digits": "1",
    "texts": '"a"',
    "fractions": "1.5",
    "numbers too large": "1e999",
    "nested ones": "[" * 90 + "]" * 90,
    "entries": '{"emailAddress":"a@b.c"}',
    "nulls": "null",
}
"""By name: what a list is full of."""


def a_list(place: str, value: str, size: int) -> str:
    """A body with a list of so many bytes in a field."""
    whole = "[" + ",".join([value] * (size // (len(value) + 1))) + "]"
    return (BODIES | WRAPPINGS)[place].replace(f'"{MARK}"', whole)


def parse(body: str) -> object:
    """Read its JSON, and that in it: what any reader of the message has to do."""
    try:
        whole = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        whole = _parse_oddly(body)
    if isinstance(whole, dict) and isinstance(message := whole.get("Message"), str):
        return parse(message)
    return whole


def _parse_oddly(body: str) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
