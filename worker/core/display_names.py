"""Takes display names off addresses that are masked: `Jane Doe <***@example.com>`. Pure."""

from worker.core.masking import MASK

_MASKED = f"<{MASK}@"
_LONGEST = 200
"""Characters before an address in which its display name is looked for."""
_MOST_WORDS = 4
"""Words of a name that is not quoted."""
_BETWEEN = frozenset(",;:<>()[]{}\r\n\t")
"""Characters that end a name that is not quoted."""
_QUOTE, _BACKSLASH = '"', "\\"


def without_display_names(text: str) -> str:
    """Return a text without the display names of masked addresses.

    A quoted name goes, and a few words alone, as in a list of mailboxes; of a longer sentence go
    the last words, if they are written as names are.
    """
    kept: list[str] = []
    end = 0
    at = text.find(_MASKED)
    while at >= 0:
        before = text[max(end, at - _LONGEST) : at]
        kept.append(text[end : at - len(before) + _length_without_name(before)])
        end = at
        at = text.find(_MASKED, at + len(_MASKED))
    return "".join([*kept, text[end:]])


def _length_without_name(before: str) -> int:
    """Return how much of what stands before an address is no name."""
    stripped = before.rstrip(" ")
    if stripped.endswith(_QUOTE):
        return _opening_quote(stripped)
    start = len(stripped)
    while start and stripped[start - 1] not in _BETWEEN:
        start -= 1
    words = stripped[start:].split(" ")
    is_in_list = start == 0 or stripped[start - 1] in ",;\n"
    if is_in_list and len(words) <= _MOST_WORDS and all(map(_may_be_name, words)):
        return start
    length = len(before)
    taken = stripped
    for word in reversed(words[-_MOST_WORDS:]):
        if not (_may_be_name(word) and _is_name(word)):
            break
        taken = taken[: len(taken) - len(word)].rstrip(" ")
        length = min(len(taken) + 1, len(before)) if taken else 0
    return length


def _opening_quote(text: str) -> int:
    """Return where the quoted text at the end begins; of a longer text all of it is taken."""
    closing = len(text) - 1
    escapes = text[:closing].endswith(_BACKSLASH)  # as in a text of JSON within JSON
    quote = _BACKSLASH + _QUOTE if escapes else _QUOTE
    at = text.rfind(quote, 0, closing - escapes)
    while not escapes and at > 0 and text[at - 1] == _BACKSLASH:
        at = text.rfind(quote, 0, at)
    return max(at, 0)


def _may_be_name(word: str) -> bool:
    return _is_encoded(word) or not any(map(str.isdigit, word))


def _is_name(word: str) -> bool:
    """Return whether a word is written as names are: an encoded word, or with a capital letter."""
    first = word[:1]
    return _is_encoded(word) or (first.isalpha() and not first.islower())


def _is_encoded(word: str) -> bool:
    return word.startswith("=?") and word.endswith("?=")
