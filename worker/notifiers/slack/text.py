"""Makes untrusted text fit for Slack: without markup, and within its limits.

The order makes it safe: cut roughly, clean, mask, replace backticks, escape, and only then cut to
fit. The escaped text is cut, since Slack counts entities in full.
Source: https://docs.slack.dev/messaging/formatting-message-text/#escaping
"""

import re
import unicodedata

from worker.core.limits import LONGEST_SHOWN
from worker.core.masking import mask_addresses

ELLIPSIS = "…"
NOTHING = "-"
"""Replaces an empty text: an empty code span would be two loose backticks."""
_HIDDEN = "\ufffd"
_GRAVE = "\u02cb"
"""Replaces a backtick, for which mrkdwn has no escape: it looks alike and does nothing."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})
"""Control, format (bidirectional, zero width, tags) and lone surrogates."""
_LINE_BREAK = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")


def width(text: str) -> int:
    """Count as Slack's JavaScript does: UTF-16 units, two for an astral character."""
    return len(text) + sum(character > "\uffff" for character in text)


def size(text: str) -> int:
    """Count bytes in UTF-8, of which there are never fewer than of `width`."""
    return len(text.encode(errors="surrogatepass"))


def code(text: str, limit: int, *, masked: bool = False) -> str:
    """Make a single line of inline code, at most `limit` wide, backticks included."""
    line = " ".join(_prepared(text, limit, masked=masked).split())
    return f"`{fit(escape(line), limit - 2) or NOTHING}`"


def fence(text: str, limit: int, *, masked: bool = False) -> str:
    """Make a code block, at most `limit` wide, fences included; line breaks stay."""
    lines = _prepared(text, limit, masked=masked).strip("\n")
    return fenced(fit(escape(lines), limit - 6))


def fenced(escaped: str) -> str:
    """Put an escaped text without backticks between fences."""
    return f"```{escaped or NOTHING}```"


def plain(text: str, limit: int, *, masked: bool = False) -> str:
    """Make a text without code, at most `limit` wide; line breaks stay."""
    return fit(escape(_prepared(text, limit, masked=masked).strip()), limit) or NOTHING


def clean(text: str) -> str:
    """Replace invisible and control characters by a mark each; line breaks stay.

    None is dropped silently, or two different addresses could look the same.
    """
    if text.isprintable():
        return text.replace("`", _GRAVE)
    lines = _LINE_BREAK.sub("\n", text.replace("\t", " "))
    return "".join(map(_visible, lines)).replace("`", _GRAVE)


def escape(text: str) -> str:
    """Escape Slack's three control characters, and nothing else."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fit(escaped: str, limit: int, room: int | None = None) -> str:
    """Cut to `limit`, and to so many bytes; an ellipsis marks a cut."""
    if width(escaped) <= limit and (room is None or size(escaped) <= room):
        return escaped
    room = None if room is None else room - size(ELLIPSIS)
    return split(escaped, limit - 1, room)[0] + ELLIPSIS


def split(escaped: str, limit: int, room: int | None = None) -> tuple[str, str]:
    """Split off a head of at most `limit`; no entity and no character is cut in two.

    `room`: the head has no more bytes than this.
    """
    if width(escaped) <= limit and (room is None or size(escaped) <= room):
        return escaped, ""
    head = escaped.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
    head = head.encode()[:room].decode(errors="ignore")
    entity = head.rfind("&")
    if entity > head.rfind(";"):
        head = head[:entity]
    return head, escaped[len(head) :]


def bounded(text: str, limit: int) -> str:
    """Cut roughly, before any expensive work on the text."""
    return text if len(text) <= limit else text[:limit] + ELLIPSIS


def mask(text: str) -> str:
    """Bound a text, then mask its addresses."""
    return mask_addresses(bounded(text, LONGEST_SHOWN))


def _prepared(text: str, limit: int, *, masked: bool) -> str:
    cleaned = clean(bounded(text, limit))
    return mask(cleaned) if masked else cleaned


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _INVISIBLE:
        return character
    return _HIDDEN
