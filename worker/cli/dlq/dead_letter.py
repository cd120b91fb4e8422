"""Prints a dead letter for `ses-worker dlq show`."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from worker.cli.called import as_called
from worker.cli.common import plain
from worker.cli.dlq.advice import next_step
from worker.cli.dlq.groups import gone_at
from worker.commands.dlq.groups import read
from worker.core.acceptance import Acceptance
from worker.core.dead_letter import DeadLetterMessage
from worker.core.masking import printable
from worker.core.model import Reason

if TYPE_CHECKING:
    from worker.commands.dlq.listing import Looked


def dead_letter_as_json(
    looked: "Looked", message: DeadLetterMessage, acceptance: Acceptance
) -> dict[str, Any]:
    """What `show --json` prints."""
    found, unknown_recipients = read(message, acceptance), looked.unknown_recipients
    # The claim of what is not accepted is in it all the same.
    claimed = read(message) if found.reason == Reason.EVENTBRIDGE_NOT_ACCEPTED else found
    by_key = zip(found.recipients, found.keys, strict=True)
    return plain({
        "where": message.where.value,
        "message_id": message.message_id,
        "original_message_id": message.original_id or None,
        "reason": message.reason,
        "error": message.error,
        "first_seen": message.first_seen,
        "deleted_by_sqs_at": gone_at(message.kept_since, looked.retention),
        "source_queue": message.source,
        "worker_version": message.worker_version,
        "receive_count": message.received.receive_count,
        "attributes": {name: _shown(value) for name, value in message.received.attributes.items()},
        "reads_as": {
            "kind": found.kind,
            "type": found.type,
            "recipients": list(found.recipients),
            "unknown_recipients": None
            if unknown_recipients is None
            else [recipient for recipient, key in by_key if key in unknown_recipients],
            "reason": found.reason,
            "detail": found.detail,
            "claim": claimed.claim,
        },
        "next_step": next_step(message.reason) or next_step(found.reason) or None,
        "body": message.received.body,
    })  # fmt: skip


def show_dead_letter(fields: dict[str, Any]) -> None:
    """Print it whole, with control characters made visible."""
    decoded, body, step = (fields.pop(name) for name in ("reads_as", "body", "next_step"))
    attributes: Mapping[str, Any] = fields.pop("attributes")
    for name, value in fields.items():
        _line(name, value)
    for name, value in attributes.items():
        _line(f"attribute {name}", value)
    malformed = ": ".join(filter(None, (decoded["reason"], decoded["detail"])))
    _line("reads as", malformed or " ".join(filter(None, (decoded["kind"], decoded["type"]))))
    if decoded["claim"]:
        _line("what it says", decoded["claim"])
    for recipient in decoded["recipients"]:
        is_unknown = recipient in (decoded["unknown_recipients"] or ())
        _line("recipient", f"{recipient}, not among the users" if is_unknown else recipient)
    if step:
        _line("next step", as_called(step))
    click.echo()
    for line in body.split("\n"):
        click.echo(printable(line.removesuffix("\r")))


def _shown(attribute: Mapping[str, Any]) -> str:
    value = attribute.get("StringValue", attribute.get("BinaryValue", ""))
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _line(name: str, value: object) -> None:
    label = printable(name).replace("_", " ") + ":"
    click.echo(f"{label:<19} {printable('' if value is None else str(value))}".rstrip())
