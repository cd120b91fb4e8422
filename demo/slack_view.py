"""A message as Slack would show it, drawn on a terminal; what is cut is counted."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from demo.mrkdwn import Fence, inline, parts, plain

MOST_LINES = 9
"""Of a paragraph or a fence."""
_APP = " APP "


def view(post: Mapping[str, Any], width: int) -> Panel:
    """Draw a message, whatever is in it."""
    username = plain(str(post.get("username", "")))
    author = Text.assemble((username, "bold not dim"), " ", (_APP, "reverse not dim"))
    return Panel(
        Group(*(drawn for block in post.get("blocks", ()) for drawn in _block(block))),
        title=author,
        title_align="left",
        width=width,
        border_style="dim",
        padding=(0, 1),
    )


def _block(block: Mapping[str, Any]) -> Iterator[RenderableType]:
    match block["type"]:
        case "header":
            yield Text(plain(block["text"]["text"]), style="bold")
        case "divider":
            yield Rule(style="dim")
        case "section":
            if "text" in block:
                yield from map(_part, parts(block["text"]["text"]))
            if "fields" in block:
                yield _side_by_side(block["fields"])
        case "context":
            notes = Text("   ").join(inline(element["text"]) for element in block["elements"])
            notes.stylize("dim")
            yield notes
        case other:
            yield Text(f"({plain(str(other))})", style="dim")


def _side_by_side(fields: Sequence[Mapping[str, str]]) -> Table:
    """Two columns, filled from left to right."""
    table = Table.grid(expand=True, padding=(0, 2, 0, 0))
    table.add_column(ratio=2)
    table.add_column(ratio=5)
    texts = [inline(field["text"]) for field in fields]
    for left, right in zip_longest(texts[::2], texts[1::2], fillvalue=Text()):
        table.add_row(left, right)
    return table


def _part(part: Text | Fence) -> RenderableType:
    if isinstance(part, Text):
        return _cut(part)
    code = _cut(Text("\n".join(part.lines)))
    code.no_wrap, code.overflow = True, "ellipsis"
    return Panel(code, border_style="dim", padding=(0, 1))


def _cut(text: Text) -> Text:
    lines = text.split("\n", allow_blank=True)
    if len(lines) <= MOST_LINES + 1:  # one more is shown in the place of the count
        return text
    shown = Text("\n", overflow="fold").join(lines[:MOST_LINES])
    return shown.append(f"\n… {len(lines) - MOST_LINES} more lines", "dim italic")
