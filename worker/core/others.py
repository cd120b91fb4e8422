"""Finds a person in texts and messages, and hides everybody else there. Pure.

For an answer to a data request: a message may name several people, and the answer is about one.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from worker.core.address import parse_address
from worker.core.disguise import hide, may_name
from worker.core.encoded_words import has_words
from worker.core.limits import DEEPEST_WRAPPING, LONGEST_ADDRESS, LONGEST_REPORTED, LONGEST_SHOWN
from worker.core.masking import MASK, addresses_in, domain_at
from worker.core.nesting import is_nested_too_deep
from worker.core.parsing import without_halves

_MAILBOXES = frozenset({
    "to", "cc", "bcc", "from", "sender", "reply-to", "replyto", "return-path", "returnpath",
    "delivered-to", "envelope-to", "resent-to", "resent-cc", "resent-from", "x-original-to",
    "source", "destination", "disposition-notification-to",
})  # fmt: skip
"""Headers of a mail, and keys of SES's messages, that hold nothing but mailboxes."""
_SENTENCES = frozenset({
    "diagnosticcode", "diagnostic", "smtpresponse", "subject", "detail", "error", "reason", "why",
})  # fmt: skip
"""Headers and keys that hold sentences: only the addresses in them are masked."""
_WHO = ("emailAddress", "reported")
"""Keys of the entry of a recipient: in SES's message, and in a notice."""
_ENTRY = re.compile(r'(?:"(?:[^"\\]|\\.)*+"?|[^",])++')
"""An entry of a list of mailboxes; a quoted display name may have commas."""
_BEFORE_AN_ADDRESS = re.compile(r"""[\s<>"'=:;,()\[\]{}|]""")
"""What may touch an address in a text: `rfc822;jane@example.com`, `to=jane@example.com`."""
_STEP = 2_000
"""Characters of a long text that are searched at once for an address in disguise."""


def names(text: str, key: str) -> bool:
    """Return whether a text has this address, however it is spelled."""
    if not _may_have(text, key):
        return False  # nearly all
    if len(text) <= LONGEST_REPORTED and _key(text) == key:
        return True
    if any(_is_of(text, *found, key) for found in addresses_in(text)):
        return True
    starts = range(0, max(1, len(text)), _STEP)
    return any(hide(part, (key,)) != part for part in (_part(text, start) for start in starts))


def _may_have(text: str, key: str) -> bool:
    """Return, at little cost, whether a text may have this address."""
    return key in text.lower() or may_name(text, key) or has_words(text)


def _part(text: str, start: int) -> str:
    return text[start : start + _STEP + LONGEST_ADDRESS]


def without_others(text: str, key: str, others: Iterable[str] = ()) -> str:
    """Mask all addresses in a text but this one; `others`: further addresses to look for."""
    shown: list[str] = []
    end = 0
    for start, sign, domain in addresses_in(text):
        if not _is_of(text, start, sign, domain, key):
            shown += [text[end:start], MASK]
            end = sign
    masked = "".join([*shown, text[end:]])
    return hide(masked, others) if others and len(masked) <= LONGEST_SHOWN else masked


def _is_of(text: str, start: int, sign: int, domain: int, key: str) -> bool:
    """Return whether an address in a text is this one; what touches it may stand before it."""
    local = text[max(start, sign - LONGEST_ADDRESS) : sign]
    name = domain_at(text, domain).rstrip(".")
    if name.isascii() and "xn--" not in key and name.lower() != key.rpartition("@")[2]:
        return False
    tails = [local, _BEFORE_AN_ADDRESS.split(local)[-1]]
    return any(_key(f"{tail}@{name}") == key for tail in tails)


def _key(text: str) -> str:
    address = parse_address(text)
    return address.key if address else ""


def about(body: str, key: str) -> str | None:
    """Return a message with all other addresses masked; None: it does not name the person.

    Of lists of mailboxes an entry for somebody else is masked together with its display name.
    """
    if not (_may_have(body, key) or "\\u" in body):
        return None  # nearly all
    tree = _parsed(body)
    if tree is None:
        return without_others(body, key) if names(body, key) else None
    texts = list(_texts(tree))
    if not any(names(text, key) for text in texts):
        return None
    others = {found for text in texts if len(text) <= LONGEST_REPORTED and (found := _key(text))}
    return json.dumps(_Rewriting(key, sorted(others - {key})).value(tree), ensure_ascii=False)


def _parsed(text: str) -> Any:
    """Return an object or a list; None: the text is no JSON, or has neither."""
    if not text.lstrip().startswith(("{", "[")) or is_nested_too_deep(text):
        return None
    try:
        return json.loads(without_halves(text))
    except ValueError:
        return None


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield all texts of a tree, also of the JSON in texts."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner, depth)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, depth)
    elif isinstance(value, str):
        inside = _parsed(value) if depth <= DEEPEST_WRAPPING else None
        if inside is None:
            yield value
        else:
            yield from _texts(inside, depth + 1)


class _Rewriting:
    """Masks the addresses of others in a tree."""

    def __init__(self, key: str, others: list[str]) -> None:
        self._key = key
        self._others = others

    def value(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """Return a value without others; `name`: the key under which it stands."""
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return [self.value(inner, name, depth) for inner in value]
        if not isinstance(value, str):
            return value
        inside = _parsed(value) if depth <= DEEPEST_WRAPPING else None
        if inside is not None:
            return json.dumps(self.value(inside, depth=depth + 1), ensure_ascii=False)
        return self._text(value, name)

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        for name in _WHO:
            who = value.get(name)
            if isinstance(who, str) and who and not names(who, self._key):
                # What is said of somebody else may name them without their domain.
                return {
                    name: ",".join(
                        self._mailbox(each, is_list=True) for each in _ENTRY.findall(who)
                    )
                }
        header = value.get("name")
        names_value = isinstance(header, str) and value.keys() == {"name", "value"}
        stands_under = {"value": str(header)} if names_value else {}
        return {
            without_others(name, self._key): self.value(inner, stands_under.get(name, name), depth)
            for name, inner in value.items()
        }

    def _text(self, text: str, name: str) -> str:
        is_list = name.lower() in _MAILBOXES
        is_sentence = "<" not in text and _key(text) in {"", self._key}
        if not is_list and (is_sentence or name.lower() in _SENTENCES):
            return without_others(text, self._key, self._others)
        return ",".join(self._mailbox(entry, is_list=is_list) for entry in _ENTRY.findall(text))

    def _mailbox(self, entry: str, *, is_list: bool) -> str:
        if names(entry, self._key):
            return without_others(entry, self._key)
        first = next(iter(addresses_in(entry)), None)
        if first is None:
            return MASK if is_list else entry
        *_, domain = first
        return f"{MASK}@{domain_at(entry, domain)}"
