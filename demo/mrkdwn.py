"""Slack's mrkdwn, for a terminal: `*bold*`, `` `code` ``, fences, entities. Nothing else is markup.

Untrusted text reaches rich as `Text` only, and with its control characters spelled out.
"""

import re
from collections.abc import Iterator

from msgspec import Struct
from rich.text import Text

from worker.core.masking import printable

CODE_STYLE = "magenta"
_PIECES = re.compile(r"`(?P<code>[^`\n]+)`|\*(?P<bold>[^*\n]+)\*")
_FENCE = "```"


class Fence(Struct, frozen=True):
    """A block of code, a line each."""

    lines: list[str]


def parts(mrkdwn: str) -> Iterator[Text | Fence]:
    """Take the fences out of what is around them, in order."""
    pieces = mrkdwn.split(_FENCE)
    if len(pieces) % 2 == 0:  # the last one is never closed, so it is none
        pieces[-2:] = [_FENCE.join(pieces[-2:])]
    for number, piece in enumerate(pieces):
        if number % 2:
            yield Fence(plain(piece).split("\n"))
        elif piece.strip():
            yield inline(piece.strip("\n"))


def inline(mrkdwn: str) -> Text:
    """Put a text without fences into its styles."""
    shown, end = Text(overflow="fold"), 0
    for piece in _PIECES.finditer(mrkdwn):
        shown.append(plain(mrkdwn[end : piece.start()]))
        style = CODE_STYLE if piece["code"] else "bold"
        shown.append(plain(piece["code"] or piece["bold"]), style)
        end = piece.end()
    return shown.append(plain(mrkdwn[end:]))


def plain(escaped: str) -> str:
    """Undo Slack's three escapes, the ampersand last; its lines stay lines."""
    text = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return "\n".join(map(printable, text.split("\n")))
