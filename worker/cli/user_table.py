"""The table of `ses-worker users list`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from worker.cli.screen import put, put_whole, put_widest, screen, table_of
from worker.cli.words import feedback_counts, state_of
from worker.core.masking import printable

if TYPE_CHECKING:
    from rich.console import Console

_ALL_COLUMNS = (
    "email", "account", "hard", "soft", "compl.", "blocked", "paused until (UTC)", "why",
)  # fmt: skip
_FEWER_COLUMNS = ("email", "blocked", "paused until (UTC)")
"""On a narrow terminal: whether a user may be mailed."""
_BARRED_COLUMNS = ("email", "until (UTC)", "why", "user")


def show_users(users: Sequence[Mapping[str, Any]], caption: str) -> None:
    """Print a table of users, with as many columns as the terminal has room for.

    If an address is too long for any table, each user has a paragraph.
    """
    out = screen()
    rows = [_cells(user) for user in users]
    tables = (
        table_of(columns, ([row[name] for name in columns] for row in rows))
        for columns in (_ALL_COLUMNS, _FEWER_COLUMNS)
    )
    if rows and not put_widest(out, tables):
        _put_paragraphs(out, users)
    put_whole(out, caption)  # keeps a path in one piece


def show_barred(people: Sequence[Mapping[str, Any]], caption: str) -> None:
    """Print a table of those who must not be mailed now."""
    out = screen()
    rows = [_barred_cells(person) for person in people]
    tables = (
        table_of(columns, ([row[name] for name in columns] for row in rows))
        for columns in (_BARRED_COLUMNS, _BARRED_COLUMNS[:2])
    )
    if rows and not put_widest(out, tables):
        for row in rows:
            put(out, row["email"])
            put(out, f"{row['until (UTC)']}; {row['why']}; user: {row['user']}", indent=2)
    put_whole(out, caption)


def _barred_cells(person: Mapping[str, Any]) -> dict[str, str]:
    until = person["until"]
    return {
        "email": printable(person["email"]),
        "until (UTC)": f"{until:%Y-%m-%d %H:%M}" if until else "no end",
        "why": printable(person["reason"]),
        "user": "yes" if person["user"] else "no",
    }


def _put_paragraphs(out: "Console", users: Sequence[Mapping[str, Any]]) -> None:
    now = datetime.now(UTC)
    for user in users:
        put(out, printable(user["email"]))
        account = f", account {user['account_id']}" if user["account_id"] else ""
        state = f"{state_of(user, now)}; {feedback_counts(user)}{account}"
        put(out, printable(state), indent=2)
    put(out, "")


def _cells(user: Mapping[str, Any]) -> dict[str, str]:
    until = user["paused_until"]
    return {
        "email": printable(user["email"]),
        "account": printable(user["account_id"] or ""),
        "hard": str(user["hard_bounce_count"] or ""),
        "soft": str(user["soft_bounce_count"] or ""),
        "compl.": str(user["complaint_count"] or ""),
        "blocked": "yes" if user["auto_block_spam"] else "",
        "paused until (UTC)": f"{until:%Y-%m-%d %H:%M}" if until else "",
        "why": printable(user["pause_reason"] or ""),
    }
