"""Takes people out of rows about others: which columns change, and how.

Each function is handed a row whose texts name one of the people. It returns the columns that
change, or None if the row is about nobody else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from worker.core.address import parse_address
from worker.core.effects import Summary
from worker.core.naming import hide_all, names_any, names_people
from worker.core.payloads import PAYLOADS, EffectKind, Notice, NoticeRecipient
from worker.core.redacting import STILL_SPELLED, CannotRedact, redacted_text
from worker.store.mentions import ACCOUNT_EVENTS, EVENTS

Row = Mapping[str, Any]
Keys = Sequence[str]

_KEYS = ("dedupe_key", "route_key")
"""By which a replay is recognised; they begin with what the sender wrote as SES's ids."""


def redacted_event(row: Row, keys: Keys) -> Row | None:
    """Take people out of an event about somebody else.

    Raises:
        CannotRedact: its keys, or a text, would still name them.

    """
    if row["recipient"] in keys:  # not forgotten yet: such events are counted by themselves
        return {}
    return _hidden(row, EVENTS.texts, keys)


def redacted_account_event(row: Row, keys: Keys) -> Row | None:
    """Take people out of an account event, which is about none.

    Raises:
        CannotRedact: its key, or a text, would still name them.

    """
    return _hidden(row, ACCOUNT_EVENTS.texts, keys)


def redacted_effect(row: Row, keys: Keys) -> Row | None:
    """Take people out of an effect.

    Raises:
        CannotRedact: it would still name them, or cannot be read.

    """
    if row["recipient"] in keys:
        return None
    texts = ("feedback_id", "ses_message_id", "last_error", "result")
    changes = dict(_hidden(row, texts, keys))
    if not names_people([row["payload"], row["summary"]], keys):
        return changes
    try:
        payload = msgspec.json.decode(row["payload"], type=PAYLOADS[EffectKind(row["kind"])])
    except ValueError:
        raise CannotRedact("a newer program wrote it, or somebody else") from None
    summary = hide_all(row["summary"], keys)
    if isinstance(payload, Notice):
        others = [each for each in payload.recipients if not _is_person(each.reported, keys)]
        if payload.recipients and not others:
            return None
        gone = [each for each in payload.recipients if each not in others]
        payload = replace(
            payload,
            recipients=tuple(_without(each, keys) for each in others),
            message=redacted_text(payload.message, keys) or "",
        )
        summary = _without_domains(summary, [each.domain for each in gone])
    written = redacted_text(msgspec.json.encode(payload).decode(), keys) or "{}"
    if names_people([written, summary], keys):
        raise CannotRedact(STILL_SPELLED)
    return changes | {"payload": written, "summary": summary}


def _hidden(row: Row, names: Sequence[str], keys: Keys) -> Row:
    """Return the texts that change: in all of these columns but the keys people are masked."""
    written = {name: row[name] for name in names if row[name]}
    if any(names_any(written.get(name, ""), keys) for name in _KEYS):
        raise CannotRedact("its keys begin with what the message said, and would change with it")
    after = {name: redacted_text(text, keys) or "" for name, text in written.items()}
    if names_people(list(after.values()), keys):
        raise CannotRedact(STILL_SPELLED)
    return {name: text for name, text in after.items() if text != written[name]}


def _is_person(reported: str, keys: Keys) -> bool:
    address = parse_address(reported)
    return address is not None and address.key in keys


def _without(recipient: NoticeRecipient, keys: Keys) -> NoticeRecipient:
    return replace(
        recipient,
        reported=redacted_text(recipient.reported, keys) or "",
        diagnostic=hide_all(recipient.diagnostic, keys),
    )


def _without_domains(summary: str, domains: Sequence[str]) -> str:
    """Count some recipients less; a summary of a newer program stays as it is."""
    try:
        before = msgspec.json.decode(summary, type=Summary)
    except ValueError:
        return summary
    counts = dict(before.domains)
    for domain in domains:
        known = domain if domain in counts else ""
        if known in counts:
            counts[known] -= 1
    kept = {name: count for name, count in counts.items() if count > 0}
    return msgspec.json.encode(replace(before, domains=kept)).decode()
