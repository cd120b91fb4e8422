"""Reading objects in which a value is of another type than is documented, or a key is new.

Such a value counts as absent. Every value is first taken as the bytes that it is written in, so
that none costs memory or time which is not a text that we look for.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict, fields

from worker.core.decode.shapes import Entry, Known
from worker.core.limits import LONGEST_EXTRA, LONGEST_EXTRA_NUMBER, MOST_RECIPIENTS
from worker.core.nesting import count_entries
from worker.core.parsing import Unreadable, clip, read_json

_LEFT_OUT = {"…": "left out, for it is long"}
_KNOWN_KEYS = frozenset(known.encode_name for known in fields(Known))

Shape = TypeVar("Shape", bound=Struct)


def read_leniently(text: str | Raw, shape: type[Shape]) -> Shape:
    """Read an object, of which each field is a text or a `Raw`.

    Raises:
        Unreadable: it is no object.

    """
    found = read_json(_text_of(text), _unread(shape))
    values: dict[str, Any] = {}
    for item in fields(shape):
        raw: Raw = getattr(found, item.name)
        values[item.name] = raw if item.type is Raw else _read_text(raw)
    return shape(**values)


def count_recipients(recipients: Raw) -> int:
    """Count the entries of a list, few of them at the most; missing or null there are none.

    Raises:
        Unreadable: it is no list.

    """
    written = bytes(recipients)
    if written in {b"", b"null"}:
        return 0
    if not written.startswith(b"["):
        raise Unreadable("not a list", syntax=False)
    most = written.count(b",") + 1
    return most if most <= MOST_RECIPIENTS else count_entries(_text_of(recipients))


def read_entries(recipients: Raw) -> Iterator[Known]:
    """Read the entries of a list of recipients, whatever they are; not too many of them."""
    room = LONGEST_EXTRA
    for raw in read_json(_text_of(recipients), list[Raw]) if count_recipients(recipients) else ():
        entry = _read_entry(_text_of(raw), room)
        if isinstance(entry, Entry) and entry.extra:
            room -= len(bytes(raw))
        yield entry


def _read_entry(text: str, room: int) -> Known:
    with suppress(Unreadable):
        return read_json(text, Known)
    try:
        known = read_leniently(text, Known)
    except Unreadable:  # no object
        return Known()
    extra = _extra(text) if len(text) <= room else _LEFT_OUT
    return Entry(**asdict(known), extra=extra)


def _extra(text: str) -> Mapping[str, Any]:
    named = read_json(text, dict[str, Raw])
    return {name: _read_any(raw) for name, raw in named.items() if name not in _KNOWN_KEYS}


def _read_any(raw: Raw) -> object:
    """A value of any type; one that is, or holds, a number of many digits is the text of it."""
    text = _text_of(raw)
    try:
        value = read_json(text, object)
    except Unreadable:
        return clip(text)
    too_long = isinstance(value, int | float) and len(text) > LONGEST_EXTRA_NUMBER
    return text if too_long else value


def _read_text(raw: Raw) -> str | None:
    if bytes(raw)[:1] != b'"':
        return None
    return read_json(_text_of(raw), str)


def _text_of(text: str | Raw) -> str:
    return text if isinstance(text, str) else bytes(text).decode()


@cache
def _unread(shape: type[Struct]) -> type[Struct]:
    """The same shape, every value of it unread."""
    names = {item.name: item.encode_name for item in fields(shape)}
    unread = [(name, Raw, Raw()) for name in names]
    return msgspec.defstruct(f"Unread{shape.__name__}", unread, rename=names)
