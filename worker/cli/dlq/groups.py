"""Prints the groups of `ses-worker dlq list`, and how many dead letters were not examined."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from worker.cli.called import as_called
from worker.cli.common import counted, plain
from worker.cli.dlq.advice import next_step
from worker.commands.dlq.groups import AGES, OLDER, Group
from worker.core.dead_letter import Where
from worker.core.masking import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from worker.commands.dlq.listing import Looked

NO_QUEUE = (
    "there is no dead-letter queue (neither queue.dead_letter_url nor a redrive policy): "
    "only the table quarantine was read"
)
_WHERE = {Where.DEAD_LETTER_QUEUE: "queue", Where.QUARANTINE: "quarantine"}
_AGES = ("< 1 h", "< 1 day", "< 4 days", "older")
_COUNTS = "|".join(("count", *_AGES))
_TIMES = ("oldest", "newest", "SQS deletes it")
_FEW = ("where", "reason", "count", "oldest", "SQS deletes it")
_WITHOUT_AGES = ("where", "reason", "count", *_TIMES)
_ALL = ("where", "reason", "count", *_AGES, *_TIMES)
"""Columns of a table, for terminals of any width."""


def groups_as_json(looked: "Looked") -> dict[str, Any]:
    """What `list --json` prints."""
    queue = {
        "name": looked.queue,
        "examined": looked.examined,
        "about": looked.about if looked.is_readable else None,
        "retention_days": looked.retention.total_seconds() / 86_400 if looked.retention else None,
    }
    return {
        "dead_letter_queue": queue if looked.queue else None,
        "quarantine": looked.in_quarantine,
        "complete": _is_complete(looked),
        "groups": [_group(group, looked.retention) for group in looked.groups],
    }


def show_groups(looked: "Looked") -> None:
    """Print a table and a sample of each group, and how many were not examined."""
    from rich.text import Text

    from worker.cli.screen import put, screen

    out = screen()
    if not looked.groups:
        put(out, f"{_none(looked)}.")
    else:
        _put_table(out, looked)
    for group in looked.groups:
        put(out, "")
        put(out, Text(f"{printable(group.reason)}, for example {_sample_id(group)}", "bold"))
        put(out, f"reads as {group.sample}", indent=2)
        if group.claims:
            put(out, f"{_claiming(group.claims)}: see `aws sesv2 get-account`.", indent=2)
        if step := next_step(group.reason):
            put(out, as_called(f"What to do: {step}."), indent=2)
    put(out, "")
    for line in _places(looked):
        put(out, line)
    if looked.groups:
        put(out, "Times are UTC. To see a dead letter:")
        put(out, as_called("  ses-worker dlq show MESSAGE_ID"))


def _claiming(claims: int) -> str:
    some = counted(claims, "dead letter claims", "dead letters claim")
    return f"{some} that SES stopped sending, and nothing proves it"


def _put_table(out: "Console", looked: "Looked") -> None:
    from worker.cli.screen import put_widest

    now = datetime.now(UTC)
    rows = [_cells(group, looked.retention, _minute) for group in looked.groups]
    ages = [_cells(group, looked.retention, partial(_distance, now)) for group in looked.groups]
    tables = ((_ALL, rows), (_WITHOUT_AGES, rows), (_FEW, rows), (_FEW, ages))
    if not put_widest(out, (_table(columns, cells) for columns, cells in tables)):
        for row in rows:  # a reason is too long for any table
            _put_paragraph(out, row)


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> "Table":
    from worker.cli.screen import table_of

    return table_of(columns, ([row[name] for name in columns] for row in rows), right=_COUNTS)


def _put_paragraph(out: "Console", row: Mapping[str, str]) -> None:
    from worker.cli.screen import put

    put(out, f"{row['count']} in {row['where']} with the reason {row['reason']}")
    gone = f"; SQS deletes it {row['SQS deletes it']}" if row["SQS deletes it"] else ""
    put(out, f"oldest {row['oldest']}, newest {row['newest']}{gone}", indent=2)


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _distance(now: datetime, time: datetime) -> str:
    """Write how long ago a time was, or in how long it will be; for narrow terminals."""
    minutes = round(abs(now - time) / timedelta(minutes=1))
    days, hours = divmod(minutes // 60, 24)
    text = f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"
    return f"in {text}" if time > now else text


def _cells(
    group: Group, retention: timedelta | None, written: Callable[[datetime], str]
) -> dict[str, str]:
    ages = dict(zip(_AGES, group.ages.values(), strict=True))
    times = zip(
        _TIMES, (group.oldest, group.newest, gone_at(group.kept_since, retention)), strict=True
    )
    return {
        "where": _WHERE[group.where],
        "reason": printable(group.reason),
        "count": f"{group.count:,}",
        **{name: f"{count:,}" if count else "" for name, count in ages.items()},
        **{name: written(time) if time else "" for name, time in times},
    }


def not_found(looked: "Looked", message_id: str) -> str:
    """The error for an unknown message id, with the places that were searched."""
    text = f"no dead letter {message_id}: "
    if looked.no_queue:
        return text + NO_QUEUE
    if looked.problems:
        return text + "not all places could be read"
    hidden = looked.about - looked.examined
    examined = counted(looked.examined, "dead letter")
    text += f"searched {examined} in {looked.queue}, and the table quarantine"
    if hidden > 0:
        held = counted(hidden, "dead letter")
        text += f"; other consumers hold {held} now, try again in a minute"
    return text


def _places(looked: "Looked") -> Iterator[str]:
    """State how many dead letters were examined, and how many are where."""
    if looked.no_queue:
        yield NO_QUEUE
    if looked.queue and not looked.is_readable:
        yield f"Dead-letter queue {looked.queue}: could not be read."
    elif looked.queue and uncounted(looked):
        yield (
            f"Dead-letter queue {looked.queue}: examined {looked.examined:,} of about "
            f"{counted(looked.about, 'dead letter')}; the others {_why_uncounted(looked)}."
        )
    elif looked.queue:
        yield f"Dead-letter queue {looked.queue}: {counted(looked.examined, 'dead letter')}."
    yield f"Table quarantine: {counted(looked.in_quarantine, 'dead letter')}."


def _none(looked: "Looked") -> str:
    """The caption of an empty table: "no dead letters" only if that is certain."""
    missed, none = uncounted(looked), "no dead letters"
    if looked.filter_.reasons:
        named = " or ".join(sorted(map(printable, looked.filter_.reasons)))
        none = f"no dead letter has the reason {named}"
        if missed and looked.examined:
            return (
                f"{none}, of {looked.examined:,} examined; {missed:,} more {_why_uncounted(looked)}"
            )
    if missed:
        return f"none found of about {looked.about:,}: they {_why_uncounted(looked)}"
    return "none found" if looked.problems or looked.interrupted else none


def uncounted(looked: "Looked") -> int:
    """How many dead letters of the queue were not examined."""
    return max(0, looked.about - looked.examined)


def _why_uncounted(looked: "Looked") -> str:
    if looked.interrupted or looked.problems:
        return "were not examined"
    if looked.is_sample:
        return "were not examined: this is a sample"
    return "are held by others now: try again in a minute"


def _sample_id(group: Group) -> str:
    """The sample's id, and the id in log and Slack if that is different."""
    if group.sample_original_id in {"", group.sample_id}:
        return group.sample_id
    return f"{group.sample_id} (logged as {group.sample_original_id})"


def _is_complete(looked: "Looked") -> bool:
    return not (looked.problems or looked.interrupted or uncounted(looked))


def _group(group: Group, retention: timedelta | None) -> dict[str, Any]:
    return plain({
        "where": group.where.value,
        "reason": group.reason,
        "count": group.count,
        "ages": {name: group.ages[name] for name in (*AGES, OLDER)},
        "oldest": group.oldest,
        "newest": group.newest,
        "deleted_by_sqs_at": gone_at(group.kept_since, retention),
        "claims_sending_stopped": group.claims,
        "sample": {
            "message_id": group.sample_id,
            "original_message_id": group.sample_original_id or None,
            "summary": group.sample,
        },
    })  # fmt: skip


def gone_at(kept_since: datetime | None, retention: timedelta | None) -> datetime | None:
    """When SQS deletes it: retention counts from when the message was first sent to any queue."""
    return kept_since + retention if kept_since and retention else None
