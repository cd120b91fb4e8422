"""`ses-worker users export ADDRESS --all`: the answer to a data request."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import address_hash, counted, print_message
from worker.cli.exits import Exit
from worker.cli.history_lines import meaning_of
from worker.cli.words import verdict_figures
from worker.core.errors import WorkerError
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.commands.data_request import Found
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.person import OnRecord

_ASK_SQS_AND_SES = "run it without --offline, with credentials that may"
_OFFLINE = f"not asked (--offline): {_ASK_SQS_AND_SES}"
_OUT_OF_REACH = (
    {
        "place": "the queue",
        "what": "messages that no worker has processed yet",
        "to_do": "ask again when they are processed",
    },
    {
        "place": "Slack",
        "what": "notices with the address, if Slack was configured then",
        "to_do": "search the workspace for the address",
    },
    {
        "place": "logs",
        "what": "no address; account_id as fxa_id, the domain, the ids of SES's messages, and "
        'address_hash with log.addresses = "hashed"',
        "to_do": "search them for these",
    },
    {
        "place": "backups and exported files",
        "what": "what the database had when they were made",
        "to_do": "ask of a backup: SES_WORKER_STORE__URL=sqlite:///BACKUP with --offline",
    },
    {
        "place": "AWS",
        "what": "other subscribers of the topic, archives of EventBridge, SES's own logs",
        "to_do": "ask those who run them",
    },
)


def answer(settings: "Settings", given: str, file: Path, *, offline: bool, as_json: bool) -> None:
    """Gather all about a person, and write it as text or JSON.

    Raises:
        BadParameter: it is no address.
        Misconfigured, Refused, Unavailable: the database cannot be read.

    """
    from worker.app import open_existing_store
    from worker.core.address import parse_address
    from worker.store.person import READ

    address = parse_address(given)
    if address is None:
        raise click.BadParameter("is no usable address", param_hint="ADDRESS")
    store = open_existing_store(settings, READ)
    try:
        with as_interrupts():
            on_record, found = _gathered(settings, store, given, address.key, offline=offline)
    except KeyboardInterrupt:
        raise WorkerError("interrupted; nothing was written") from None
    fields = _fields(settings, store, address.key, on_record, found)
    _write(file, fields, as_json=as_json)
    for place, problem in found.not_read.items():
        print_message(f"not read: {place}: {problem}")
    is_partial = bool(found.not_read) and not offline
    sys.exit(Exit.FAILED if is_partial else Exit.DONE)


def _gathered(
    settings: "Settings", store: "Store", given: str, key: str, *, offline: bool
) -> "tuple[OnRecord, Found]":
    from worker.cli.progress import Progress
    from worker.commands.data_request import (
        Found,
        look_into_dead_letters,
        look_into_suppression_lists,
    )
    from worker.store.person import on_record

    with Progress("search", "rows") as progress:
        record = on_record(store, key, settings.privacy.privacy_key, progress.update)
    found = Found()
    ask_sqs = not offline and settings.queue.url is not None
    with Progress("search", "dead letters") as progress:
        look_into_dead_letters(
            settings, key, found, lambda done: progress.update(done, None), ask_sqs=ask_sqs
        )
    if offline:
        found.not_read |= {"the dead-letter queue": _OFFLINE, "SES's suppression lists": _OFFLINE}
        return record, found
    if not ask_sqs:
        found.not_read["the dead-letter queue"] = "no queue.url is set"
    look_into_suppression_lists(settings, given, record, found)
    return record, found


def _fields(
    settings: "Settings", store: "Store", key: str, record: "OnRecord", found: "Found"
) -> dict[str, Any]:
    """Everything, as `--json` prints it."""
    from worker.store.person import OnRecord

    rows = {name: getattr(record, name) for name in OnRecord.__struct_fields__ if name != "verdict"}
    events = [event | {"in_words": meaning_of(event)} for event in rows.pop("events")]
    return {
        "address": key,
        "address_hash": address_hash(settings, key) or None,
        "as_of": datetime.now(UTC),
        "database": store.place,
        "found": not (record.is_nothing and found.is_nothing),
        "verdict": verdict_figures(record.verdict),
        "user": rows.pop("user"),
        "events": events,
        **rows,
        "quarantined": found.quarantined,
        "dead_letters": found.dead_letters,
        "suppression_lists": found.suppression_lists,
        "settings": _settings_naming(settings, key),
        "not_read": [{"place": name, "problem": why} for name, why in found.not_read.items()],
        "out_of_reach": list(_OUT_OF_REACH),
    }


def _settings_naming(settings: "Settings", key: str) -> list[str]:
    """Return the settings that have the address itself, and no pattern that fits it."""
    from worker.core.address import parse_address

    patterns = {
        "notify.ignore": settings.notify.ignore,
        "suppression.remove": settings.suppression.remove,
    }
    parsed = {name: map(parse_address, texts) for name, texts in patterns.items()}
    return [
        name
        for name, addresses in parsed.items()
        if any(address is not None and address.key == key for address in addresses)
    ]


def _write(file: Path, fields: dict[str, Any], *, as_json: bool) -> None:
    from worker.cli.data_request_text import text_lines
    from worker.cli.outfile import written

    with written(file) as out:
        if as_json:
            out.write(json.dumps(fields, default=_as_text) + "\n")
        else:
            for line in text_lines(fields):
                out.write(f"{line}\n")
    if str(file) != "-":
        events = counted(len(fields["events"]), "event")
        what = f"{events} and all else" if fields["found"] else "that nothing is on record"
        print_message(f"wrote {what} to {file}")


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
