"""Whatever was reported, a notice is within Slack's limits and shows untrusted texts as code."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module

import msgspec

from fuzz.texts import joined, parts_of
from worker.core.effects import Effect, Summary
from worker.core.model import Action, Kind, UserMatch
from worker.core.payloads import EffectKind, Notice, NoticeRecipient
from worker.notifiers.slack.digest import digest
from worker.notifiers.slack.notices import notice, simplified

faults = import_module("support.notices").faults
"""What tests ask of every notice."""
CODE = tuple(
    f"worker.notifiers.slack.{name}"
    for name in ("notices", "digest", "document", "blocks", "text", "pretty", "words")
)
AT = datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)


def seeds() -> Iterator[bytes]:
    """Yield texts that would be markup."""
    yield joined(
        "\0", "jane@example.com", "550 unknown", "Permanent", "General", '{"a": [1]}', "5.1.1"
    )
    yield joined(
        "\3", "<!channel>@x.y", "```x``` `y` *b*", "<http://x|y>", "&lt;", "no json", "&amp;"
    )
    yield joined("\7", "a\u202eb@c.d", "\x1b[31m\u2066", "\ud800", "", "[" * 50, "\U0001f4a9" * 300)


def check(data: bytes) -> None:
    """Draw a notice, its simplified form and a digest."""
    flags, address, diagnostic, kind, subtype, message, status = (
        text.encode("utf-8", "replace").decode() for text in parts_of(data, 7)
    )
    number = ord(flags[:1] or "\0")
    person = NoticeRecipient(
        reported=address, domain=address.rpartition("@")[2], dsn_action=status, status=status,
        diagnostic=diagnostic, fault=subtype, match=UserMatch.FOUND, action=Action.HARD_BOUNCE,
        reason=kind, blocked=bool(number & 2),
    )  # fmt: skip
    reported = Notice(
        kind=Kind.COMPLAINT if number & 4 else Kind.BOUNCE, type=kind, subtype=subtype,
        occurred_at=AT, feedback_id=status, ses_message_id=diagnostic[:1_000],
        recipients=(person,) * (1 + number % 7), message=message,
    )  # fmt: skip
    effect = Effect(
        id=1, kind=EffectKind(f"{reported.kind}_notice"), attempts=1, created_at=AT,
        summary=Summary(label=kind, domains={address: 1}, sample=diagnostic, occurred_at=AT),
        payload=msgspec.json.encode(reported).decode(),
    )  # fmt: skip
    masked = bool(number & 1)
    for post in (
        notice(effect, masked=masked),
        simplified(effect, masked=masked),
        digest([effect]),
    ):
        wrong = list(faults(post))
        assert not wrong, wrong
