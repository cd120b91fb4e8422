"""Prints the groups of `ses-worker dlq list`, and how many dead letters were not examined."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from worker.cli.common import counted, plain, screen
from worker.cli.dlq.advice import next_step
from worker.commands.dlq.groups import AGES, OLDER, Group
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.commands.dlq.listing import Looked

WIDE = 120
"""Columns of a terminal that has room for the ages."""
NO_QUEUE = (
    "there is no dead-letter queue (neither queue.dead_letter_url nor a redrive policy): "
    "only the table quarantine was read"
)
_AGES = ("< 1 h", "< 1 day", "< 4 days", "older")
_COUNTS = ("count", *_AGES)


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
    """Print a table, and below it how many were not examined."""
    from rich.table import Table
    from rich.text import Text

    console = screen()
    wide = console.width >= WIDE
    table = Table(caption=None if looked.groups else _none(looked))
    columns = ["where", "reason", "count", *(_AGES if wide else ()), "oldest"]
    columns += ["newest"] if wide else []
    for name in (*columns, "SQS deletes it"):
        table.add_column(name, no_wrap=True, justify="right" if name in _COUNTS else "left")
    for group in looked.groups:
        counts = [f"{count:,}" if count else "" for count in group.ages.values()]
        where = group.where.value
        # 80 columns have no room for "dead_letter_queue".
        cells = [
            where if wide else where.removeprefix("dead_letter_"),
            printable(group.reason),
            f"{group.count:,}",
        ]
        cells += [*(counts if wide else ()), _moment(group.oldest, wide=wide)]
        cells += [_moment(group.newest, wide=wide)] if wide else []
        deleted_at = gone_at(group.kept_since, looked.retention)
        table.add_row(*map(Text, [*cells, _moment(deleted_at, wide=wide)]))
    console.print(table)
    for line in _below(looked):
        console.print(Text(line), soft_wrap=True)


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


def _below(looked: "Looked") -> list[str]:
    """Lines below the table: samples, advice, and how many were not examined."""
    lines = [
        f"{printable(group.reason)}, such as {printable(_sample_id(group))}: {group.sample}"
        for group in looked.groups
    ]
    reasons = sorted({group.reason for group in looked.groups})
    lines += [f"{reason}, what to do: {step}" for reason in reasons if (step := next_step(reason))]
    if looked.no_queue:
        lines.append(NO_QUEUE)
    if looked.queue and not looked.is_readable:
        lines.append(f"{looked.queue}: could not be read")
    elif looked.queue and uncounted(looked):
        lines.append(
            f"{looked.queue}: examined {looked.examined:,} of about "
            f"{counted(looked.about, 'dead letter')}; the others {_why_uncounted(looked)}"
        )
    elif looked.queue:
        lines.append(f"{looked.queue}: {counted(looked.examined, 'dead letter')}")
    lines.append(f"quarantine: {counted(looked.in_quarantine, 'dead letter')}")
    if looked.groups:
        lines.append("times are UTC; to see a dead letter: ses-worker dlq show MESSAGE_ID")
    return lines


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
        "sample": {
            "message_id": group.sample_id,
            "original_message_id": group.sample_original_id or None,
            "summary": group.sample,
        },
    })  # fmt: skip


def gone_at(kept_since: datetime | None, retention: timedelta | None) -> datetime | None:
    """When SQS deletes it: retention counts from when the message was first sent to any queue."""
    return kept_since + retention if kept_since and retention else None


def _moment(moment: datetime | None, *, wide: bool) -> str:
    """To the minute, or to the day."""
    if moment is None:
        return ""
    return f"{moment:%Y-%m-%d %H:%M}" if wide else f"{moment:%Y-%m-%d}"
