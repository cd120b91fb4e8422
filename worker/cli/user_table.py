"""The table of `ses-worker users list`."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from worker.cli.common import screen

WIDE = 120
"""Columns of the terminal at which all columns of the table fit."""
_ALL_COLUMNS = (
    "email", "account", "hard", "soft", "compl.", "blocked", "paused until (UTC)", "why",
)  # fmt: skip
_FEWER_COLUMNS = ("email", "blocked", "paused until (UTC)")
"""On a narrow terminal: whether a user may be mailed."""


def show_users(users: Sequence[Mapping[str, Any]], caption: str) -> None:
    """Print a table of users, with as many columns as the terminal has room for."""
    console = screen()
    table = Table()
    for name in _ALL_COLUMNS if console.width >= WIDE else _FEWER_COLUMNS:
        table.add_column(name, overflow="fold", no_wrap=name not in {"email", "account"})
    for user in users:
        cells = _cells(user)
        table.add_row(*(Text(cells[str(column.header)]) for column in table.columns))
    console.print(table)
    console.print(Text(caption), soft_wrap=True)  # keeps a path in one piece


def _cells(user: Mapping[str, Any]) -> dict[str, str]:
    until = user["paused_until"]
    return {
        "email": user["email"],
        "account": user["account_id"] or "",
        "hard": str(user["hard_bounce_count"] or ""),
        "soft": str(user["soft_bounce_count"] or ""),
        "compl.": str(user["complaint_count"] or ""),
        "blocked": "yes" if user["auto_block_spam"] else "",
        "paused until (UTC)": f"{until:%Y-%m-%d %H:%M}" if until else "",
        "why": user["pause_reason"] or "",
    }
