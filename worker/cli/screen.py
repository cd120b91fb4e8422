"""Draws text and tables in the width of a terminal: no word is broken that fits on a line."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from worker.core.masking import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PIPE_WIDTH = 120
"""Columns where the output is no terminal, whatever the environment says."""
NARROWEST = 20
"""Columns of text that a narrow terminal gets; it breaks longer lines itself."""


def screen() -> "Console":
    """The console: as wide as the terminal, or `PIPE_WIDTH` columns if there is none."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, highlight=False, emoji=False)


def put(out: "Console", text: "Text | str", *, indent: int = 0, head: "Text | str" = "") -> None:
    """Print untrusted or own text, wrapped between words.

    Args:
        out: The console.
        text: The text; markup in it has no effect.
        indent: Columns before each line.
        head: Stands before the first line, in these columns; if it is longer, on a line of its own.

    """
    from rich.text import Text

    body, label = _as_text(text), _as_text(head)
    lines = list(body.wrap(out, max(NARROWEST, out.width - indent), overflow="fold"))
    if label.cell_len > indent:
        out.print(label, soft_wrap=True)
        label = Text()
    for line in lines or [Text()]:
        line.rstrip()
        gap = " " * (indent - label.cell_len)
        out.print(Text.assemble(label, gap, line), soft_wrap=True)
        label = Text()


def put_whole(out: "Console", text: str) -> None:
    """Print a line that stays whole, to be pasted; a terminal continues it on the next line."""
    from rich.text import Text

    out.print(Text(_sanitized(text)), soft_wrap=True)


def put_widest(out: "Console", tables: Iterable["Table"]) -> bool:
    """Print the first table that fits; return False if none does, and print nothing."""
    from rich.measure import Measurement

    for table in tables:
        unlimited = out.options.update(max_width=10_000)
        if Measurement.get(out, unlimited, table).maximum <= out.width:
            out.print(table)
            return True
    return False


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: str = "") -> "Table":
    """Make a table of untrusted or own text; the columns that `right` names hold numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in columns:
        numeric = name in right.split("|")
        table.add_column(name, no_wrap=True, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _as_text(text: "Text | str") -> "Text":
    from rich.text import Text

    if isinstance(text, str):
        return Text(_sanitized(text))
    plain = _sanitized(text.plain)
    return text.copy() if plain == text.plain else Text(plain, text.style)


def _sanitized(text: str) -> str:
    """Escape all that is not printable but line breaks."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))
