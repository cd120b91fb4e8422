"""One dead letter on paper, whole."""

import base64
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import click

from worker.cli.advice import next_step
from worker.cli.common import plain
from worker.cli.letters import gone_at
from worker.dead_letters.groups import read
from worker.letters import Letter
from worker.masking import printable

if TYPE_CHECKING:
    from worker.dead_letters.listing import Looked


def letter_as_json(looked: "Looked", letter: Letter, topics: Collection[str]) -> dict[str, Any]:
    """What `show --json` prints."""
    found, strangers = read(letter, topics), looked.strangers
    by_key = zip(found.recipients, found.keys, strict=True)
    return plain({
        "where": letter.where.value,
        "message_id": letter.message_id,
        "original_message_id": letter.original_id or None,
        "reason": letter.reason,
        "error": letter.error,
        "first_seen": letter.first_seen,
        "deleted_by_sqs_at": gone_at(letter.kept_since, looked.retention),
        "source_queue": letter.source,
        "worker_version": letter.worker_version,
        "receive_count": letter.received.receive_count,
        "attributes": {name: _shown(value) for name, value in letter.received.attributes.items()},
        "reads_as": {
            "kind": found.kind,
            "type": found.type,
            "recipients": list(found.recipients),
            "unknown_recipients": None
            if strangers is None
            else [recipient for recipient, key in by_key if key in strangers],
            "reason": found.reason,
            "detail": found.detail,
        },
        "next_step": next_step(letter.reason) or next_step(found.reason) or None,
        "body": letter.received.body,
    })  # fmt: skip


def show_letter(fields: dict[str, Any]) -> None:
    """Show it whole, for it is the operator's own terminal; but nothing in it shall do anything."""
    found, body, step = (fields.pop(name) for name in ("reads_as", "body", "next_step"))
    attributes: Mapping[str, Any] = fields.pop("attributes")
    for name, value in fields.items():
        _line(name, value)
    for name, value in attributes.items():
        _line(f"attribute {name}", value)
    malformed = ": ".join(filter(None, (found["reason"], found["detail"])))
    _line("reads as", malformed or " ".join(filter(None, (found["kind"], found["type"]))))
    for recipient in found["recipients"]:
        stranger = recipient in (found["unknown_recipients"] or ())
        _line("recipient", f"{recipient}, not among the users" if stranger else recipient)
    if step:
        _line("next step", step)
    click.echo()
    for line in body.split("\n"):
        click.echo(printable(line.removesuffix("\r")))


def _shown(attribute: Mapping[str, Any]) -> str:
    value = attribute.get("StringValue", attribute.get("BinaryValue", ""))
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _line(name: str, value: object) -> None:
    label = printable(name).replace("_", " ") + ":"
    click.echo(f"{label:<19} {printable('' if value is None else str(value))}".rstrip())
