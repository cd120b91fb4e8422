"""Words, tables and figures about what another policy would do."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.cli.common import counted
from worker.cli.words import moment
from worker.core.backtesting import IN_WORDS, Bar, Change, Difference, Unknown
from worker.core.masking import printable

if TYPE_CHECKING:
    from rich.console import Console

SENTENCES = {
    Change.BLOCKED: "would be blocked",
    Change.PAUSED: "would be paused",
    Change.FREED: "would be freed",
    Change.LONGER: "would be paused for longer",
    Change.SHORTER: "would be paused for less long",
}
CSV_COLUMNS = (
    "email_key", "user", "change", "reason_before", "until_before", "rule_before",
    "reason_after", "until_after", "rule_after", "unknown",
)  # fmt: skip


def counts(by_change: Mapping[Change, int]) -> dict[str, int]:
    """The counts for JSON: all changes, also those of which there are none."""
    return {change.value: by_change.get(change, 0) for change in Change}


def sentence(by_change: Mapping[Change, int]) -> str:
    """State how many would be blocked, paused and freed."""
    parts = [
        f"{by_change[change]:,} {text}"
        for change, text in SENTENCES.items()
        if by_change.get(change)
    ]
    return ", ".join(parts) or "nobody would be paused, blocked or freed"


def figures_of(item: Difference) -> dict[str, Any]:
    """A person for JSON and CSV."""
    return {
        "email_key": item.key,
        "user": item.is_user,
        "change": item.change.value,
        "reason_before": item.before.reason,
        "until_before": _iso(item.before),
        "rule_before": item.rule_before,
        "reason_after": item.after.reason,
        "until_after": _iso(item.after),
        "rule_after": item.rule_after,
        "unknown": [unknown.value for unknown in item.unknown],
    }


def _iso(bar: Bar) -> str | None:
    return bar.until.isoformat() if bar.until else None


def in_words(bar: Bar) -> str:
    """State whether mail may go to a person: `free`, `blocked`, `paused until …`."""
    if bar.reason is None:
        return "free"
    return f"paused until {moment(bar.until)}" if bar.until else "blocked"


def show_sample(out: "Console", rows: Iterable[tuple[str, Bar, Bar, str]]) -> None:
    """Print people with what is and what would be, and a note."""
    from worker.cli.screen import put, put_widest, table_of

    cells = [
        (printable(key), in_words(before), in_words(after), printable(note))
        for key, before, after, note in rows
    ]
    if not cells:
        return
    whole = ("address", "now", "then", "by rule")
    tables = (table_of(whole[:width], (row[:width] for row in cells)) for width in (len(whole), 3))
    if not put_widest(out, tables):
        for key, before, after, note in cells:
            put(out, key)
            put(out, f"now {before}, then {after}" + (f" ({note})" if note else ""), indent=4)


def show_rules(out: "Console", by_rules: "Counter[tuple[Change, str, str]]") -> None:
    """Print how many change by which rules."""
    from worker.cli.screen import put_widest, table_of

    rows = [
        (f"{count:,}", SENTENCES[change], printable(before), printable(after))
        for (change, before, after), count in by_rules.most_common(_MOST_RULES)
    ]
    if rows:
        names: Sequence[str] = ("people", "", "rule now", "rule then")
        put_widest(out, (table_of(names, rows, right="people"),))


_MOST_RULES = 15


def show_unknown(out: "Console", unknown: Mapping[Unknown, int], what: str) -> None:
    """Print for how many people something is not known; `what` ends the sentence."""
    from worker.cli.screen import put

    for name, count in unknown.items():
        put(out, f"{counted(count, 'person', 'people')} {what}: {IN_WORDS[name]}")
