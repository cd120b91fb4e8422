"""Addresses and other texts of strangers, made fit to be shown."""

import re

LONGEST = 2_000
"""Characters of one text; it also bounds what the pattern below can cost."""

# The local part, quoted or not, whatever it is made of, as long as something follows the `@`.
_LOCAL_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s<>()\[\]{},;:"]*\S)@(?=\S)')


def mask_addresses(text: str) -> str:
    """Hide who is meant and leave where they are: `***@example.com`."""
    return _LOCAL_PART.sub("***@", text) if "@" in text else text


def printable(text: str) -> str:
    """Spell out line breaks, control and bidirectional characters, so that they do nothing."""
    if text.isprintable():
        return text
    spelled = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(spelled)


def harmless(text: str) -> str:
    """Short, printable, and without a whole address."""
    shortened = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return printable(mask_addresses(shortened))
