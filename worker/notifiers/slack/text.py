"""Makes untrusted text fit for Slack: without markup, and within its limits.

The order is what makes it safe: cut roughly, clean, mask, take the backticks out, escape, and only
then cut to fit. What is cut is the escaped text, for Slack counts entities in full.
Source: https://docs.slack.dev/messaging/formatting-message-text/#escaping
"""

import re
import unicodedata

from worker.core.limits import LONGEST_SHOWN
from worker.core.masking import mask_addresses

ELLIPSIS = "…"
NOTHING = "-"
"""Stands where there is no text: an empty code span would be two loose backticks."""
_HIDDEN = "\ufffd"
_GRAVE = "\u02cb"
"""Looks like a backtick, which mrkdwn has no escape for, and does nothing."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})
"""Control, format (bidirectional, zero width, tags), and surrogates, which are alone in a str."""
_LINE_BREAK = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")


def width(text: str) -> int:
    """Count as Slack's JavaScript does: UTF-16 units, two for an astral character."""
    return len(text) + sum(character > "\uffff" for character in text)


def code(text: str, limit: int, *, masked: bool = False) -> str:
    """Inline code of one line, at most `limit` wide, backticks included."""
    line = " ".join(_prepared(text, limit, masked=masked).split())
    return f"`{fit(escape(line), limit - 2) or NOTHING}`"


def fence(text: str, limit: int, *, masked: bool = False) -> str:
    """A code block, at most `limit` wide, fences included; its lines stay lines."""
    lines = _prepared(text, limit, masked=masked).strip("\n")
    return fenced(fit(escape(lines), limit - 6))


def fenced(escaped: str) -> str:
    """A fence around what is escaped and has no backticks already."""
    return f"```{escaped or NOTHING}```"


def plain(text: str, limit: int, *, masked: bool = False) -> str:
    """A text in no code at all, at most `limit` wide; its lines stay lines."""
    return fit(escape(_prepared(text, limit, masked=masked).strip()), limit) or NOTHING


def clean(text: str) -> str:
    """Take out what nobody sees or what does things: one mark stands for each, save line breaks.

    Nothing is left out without a trace, lest two addresses look like one.
    """
    if text.isprintable():
        return text.replace("`", _GRAVE)
    lines = _LINE_BREAK.sub("\n", text.replace("\t", " "))
    return "".join(map(_visible, lines)).replace("`", _GRAVE)


def escape(text: str) -> str:
    """Escape Slack's three control characters, and nothing else."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fit(escaped: str, limit: int) -> str:
    """Cut to `limit`, with an ellipsis where something is missing."""
    if width(escaped) <= limit:
        return escaped
    return split(escaped, limit - 1)[0] + ELLIPSIS


def split(escaped: str, limit: int) -> tuple[str, str]:
    """Take off a head of at most `limit`; neither an entity nor a character is cut in two."""
    if width(escaped) <= limit:
        return escaped, ""
    head = escaped.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
    entity = head.rfind("&")
    if entity > head.rfind(";"):
        head = head[:entity]
    return head, escaped[len(head) :]


def bounded(text: str, limit: int) -> str:
    """Cut what nobody will see before any work is done on it."""
    return text if len(text) <= limit else text[:limit] + ELLIPSIS


def mask(text: str) -> str:
    """Mask the addresses of a text, which is bounded first."""
    return mask_addresses(bounded(text, LONGEST_SHOWN))


def _prepared(text: str, limit: int, *, masked: bool) -> str:
    cleaned = clean(bounded(text, limit))
    return mask(cleaned) if masked else cleaned


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _INVISIBLE:
        return character
    return _HIDDEN
