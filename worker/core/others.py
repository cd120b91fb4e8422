"""Hides everybody but one person in texts and messages. Pure.

For an answer to a data request: a message may name several people, and the answer is about one.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from worker.core.address import parse_address
from worker.core.disguise import hide
from worker.core.finding import parsed, spans_and_addresses, texts_in, without_touching
from worker.core.limits import DEEPEST_JSON, DEEPEST_WRAPPING, LONGEST_REPORTED, LONGEST_SHOWN
from worker.core.masking import MASK, addresses_in, domain_at
from worker.core.naming import names_any, whole_address
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


def message_without_others(body: str, key: str) -> str:
    """Mask all addresses in a message but this one.

    Of lists of mailboxes an entry for somebody else is masked together with its display name.
    """
    tree = parsed(body)
    if tree is None:
        return without_others(body, key)
    short = (text for text in texts_in(tree) if len(text) <= LONGEST_REPORTED)
    others = sorted({found for text in short if (found := _key(text))} - {key})
    rewritten = _Rewriting(key, others).value(tree)
    return without_halves(json.dumps(rewritten, ensure_ascii=False))


def without_others(text: str, key: str, others: Iterable[str] = ()) -> str:
    """Mask all addresses in a text but this one; `others`: further addresses to look for."""
    shown: list[str] = []
    end = 0
    whole = whole_address(text)
    for start, sign, local, domain in spans_and_addresses(text):
        if not (whole == key if whole else _is_of(local, domain, key)):
            shown += [text[end:start], MASK]
            end = sign
    masked = "".join([*shown, text[end:]])
    return hide(masked, others) if others and len(masked) <= LONGEST_SHOWN else masked


def _is_of(local: str, domain: str, key: str) -> bool:
    """Return whether an address in a text is this one; what touches it may stand before it."""
    if domain.isascii() and "xn--" not in key and domain.lower() != key.rpartition("@")[2]:
        return False
    return any(_key(f"{each}@{domain}") == key for each in (local, without_touching(local)))


def _key(text: str) -> str:
    address = parse_address(text)
    return address.key if address else ""


class _Rewriting:
    """Masks the addresses of others in a tree."""

    def __init__(self, key: str, others: list[str]) -> None:
        self._key = key
        self._others = others

    def value(self, value: Any, name: str = "", depth: int = 0, level: int = 0) -> Any:
        """Return a value without others; `name`: the key under which it stands.

        `depth`: texts of JSON within each other. `level`: objects and lists within each other, in
        all of these texts: each is a call.
        """
        if isinstance(value, dict):
            return self._object(value, depth, level + 1)
        if isinstance(value, list):
            return [self.value(inner, name, depth, level + 1) for inner in value]
        if not isinstance(value, str):
            return value
        inside = parsed(value, DEEPEST_JSON - level) if depth <= DEEPEST_WRAPPING else None
        if inside is not None:
            return json.dumps(self.value(inside, depth=depth + 1, level=level), ensure_ascii=False)
        return self._text(value, name)

    def _object(self, value: dict[str, Any], depth: int, level: int) -> dict[str, Any]:
        for name in _WHO:
            who = value.get(name)
            if isinstance(who, str) and who and not names_any(who, (self._key,)):
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
            without_others(name, self._key): self.value(
                inner, stands_under.get(name, name), depth, level
            )
            for name, inner in value.items()
        }

    def _text(self, text: str, name: str) -> str:
        is_list = name.lower() in _MAILBOXES
        is_sentence = "<" not in text and _key(text) in {"", self._key}
        if not is_list and (is_sentence or name.lower() in _SENTENCES):
            return without_others(text, self._key, self._others)
        return ",".join(self._mailbox(entry, is_list=is_list) for entry in _ENTRY.findall(text))

    def _mailbox(self, entry: str, *, is_list: bool) -> str:
        if names_any(entry, (self._key,)):
            return without_others(entry, self._key)
        first = next(iter(addresses_in(entry)), None)
        if first is None:
            return MASK if is_list else entry
        *_, domain = first
        return f"{MASK}@{domain_at(entry, domain)}"
