"""Bodies as large as SQS carries, of the kinds that cost a reader the most memory.

Each kind is a text with a number in it that makes it another message: thousands of messages need no
more memory than a single one of each kind.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from support import mail

LARGEST_BYTES = 1_048_576
"""Bytes of a message:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
NUMBER = "00000000"
"""What stands for the number of a message."""
ASTRAL = "\U0001f600"
"""With this character Python keeps all characters of a text in four bytes."""


def body(kind: str, number: int) -> str:
    """Write a body of that kind."""
    return template(kind).replace(NUMBER, f"{number:08}")


@cache
def template(kind: str) -> str:
    """Write a body in which `NUMBER` stands for the number."""
    return KINDS[kind]()


def size(text: str) -> int:
    """Return what SQS counts: bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def _padded(make: Callable[[int], str]) -> Callable[[], str]:
    """Make a body of as many parts as SQS carries."""

    def whole() -> str:
        empty, thousand = size(make(0)), size(make(10_000))
        parts = (LARGEST_BYTES - empty) * 10_000 // (thousand - empty) + 1_000
        while size(text := make(parts)) > LARGEST_BYTES:
            parts -= max(1, (size(text) - LARGEST_BYTES) * parts // (2 * size(text)))
        return text

    return whole


def _ses_message(
    *recipients: Any, ascii_only: bool = True, headers: Any = None, **more: Any
) -> str:
    """SES's own message, in as few bytes as JSON allows."""
    output = json.loads(
        mail.bounce(
            *recipients or (f"person{NUMBER}@example.com",),
            feedback_id=f"0100-large-{NUMBER}",
            message_id=f"0100-large-mail-{NUMBER}",
        )
    )
    output["mail"]["headers"] = headers
    return json.dumps(output | more, separators=(",", ":"), ensure_ascii=ascii_only)


def _addressed(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"emailAddress": f"p{n}@example.com", **more} for n in range(count)]


def _deep(count: int) -> str:
    return _ses_message(headers="DEEP").replace('"DEEP"', "[" * count + "]" * count)


_HALF: dict[str, Any] = {"half": "\ud800"}
"""Half a surrogate pair: what reads it is slower, and makes objects of everything."""

KINDS: Mapping[str, Callable[[], str]] = {
    "headers": _padded(
        lambda n: mail.enveloped(
            _ses_message(headers=[{"name": f"X-Header-{m}", "value": "v" * 60} for m in range(n // 90)])
        )
    ),
    "astral in the body": _padded(
        lambda n: json.dumps(json.loads(mail.enveloped(_ses_message())) | {"x": ASTRAL + "y" * n},
                             ensure_ascii=False)
    ),
    "astral in the message": _padded(
        lambda n: mail.enveloped(_ses_message(headers=ASTRAL + "y" * n, ascii_only=False))
    ),
    "astral in both": _padded(
        lambda n: json.dumps(
            json.loads(mail.enveloped(_ses_message(headers=ASTRAL + "y" * n, ascii_only=False))),
            ensure_ascii=False,
        )
    ),
    "astral without an envelope": _padded(
        lambda n: _ses_message(headers=ASTRAL + "y" * n, ascii_only=False)
    ),
    "escaped twice": _padded(lambda n: mail.enveloped(_ses_message(headers='"\\' * n))),
    "diagnostics": _padded(
        lambda n: _ses_message(*_addressed(1_000, diagnosticCode="d" * (n // 1_000)))
    ),
    "astral diagnostics": _padded(
        lambda n: _ses_message(*_addressed(1_000, diagnosticCode=ASTRAL + "d" * (n // 1_000)))
    ),
    "unknown keys of recipients": _padded(
        lambda n: _ses_message(*_addressed(1_000, odd=[{}] * (n // 1_000)))
    ),
    "unknown keys of one recipient": _padded(lambda n: _ses_message(*_addressed(1, odd=[{}] * n))),
    "empty recipients": _padded(lambda n: _ses_message(*([{}] * n))),
    "many recipients": _padded(lambda n: _ses_message(*({"emailAddress": f"{m}@a"} for m in range(n)))),
    "a type of objects": _padded(
        lambda n: _ses_message(bounce={"bounceType": [{}] * n, "bouncedRecipients": _addressed(1)})
    ),
    "half a character and lists": _padded(lambda n: _ses_message(**_HALF, odd=[[]] * n)),
    "half a character and objects": _padded(lambda n: _ses_message(**_HALF, odd=[{"": 0}] * n)),
    "nested": _padded(_deep),
    "cut off": _padded(lambda n: _ses_message(headers="y" * n)[:-2]),
    "no JSON": lambda: NUMBER + "x" * (LARGEST_BYTES - len(NUMBER)),
}  # fmt: skip
