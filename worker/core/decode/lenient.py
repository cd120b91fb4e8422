"""Reads objects in which a value has an undocumented type, or which have undocumented keys.

A value of a wrong type counts as missing. Each value is first kept as the bytes in which it is
written, so that a value takes time and memory only if it is a text that the worker needs.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict, fields

from worker.core.decode.shapes import ExtendedEntry, RecipientEntry
from worker.core.limits import LONGEST_EXTRA, LONGEST_EXTRA_NUMBER, MOST_RECIPIENTS
from worker.core.nesting import count_entries
from worker.core.parsing import Unreadable, clip, read_json

_LEFT_OUT = {"…": "left out, for it is long"}
_KNOWN_KEYS = frozenset(known.encode_name for known in fields(RecipientEntry))

Shape = TypeVar("Shape", bound=Struct)


def read_leniently(text: str | Raw, shape: type[Shape]) -> Shape:
    """Parse an object whose fields are texts or `Raw` values.

    Raises:
        Unreadable: the text is no object.

    """
    unparsed = read_json(_text_of(text), _unparsed(shape))
    values: dict[str, Any] = {}
    for item in fields(shape):
        raw: Raw = getattr(unparsed, item.name)
        values[item.name] = raw if item.type is Raw else _read_text(raw)
    return shape(**values)


def read_if_object(raw: Raw, shape: type[Shape]) -> Shape:
    """Parse a part that was read before; a part that is no object has no fields."""
    return read_leniently(raw, shape) if bytes(raw).startswith(b"{") else shape()


def count_recipients(recipients: Raw) -> int:
    """Count the recipients, or return an upper limit below `MOST_RECIPIENTS`.

    A list that is missing or null has none.

    Raises:
        Unreadable: the value is no list.

    """
    written = bytes(recipients)
    if written in {b"", b"null"}:
        return 0
    if not written.startswith(b"["):
        raise Unreadable("not a list", syntax=False)
    most = written.count(b",") + 1
    return most if most <= MOST_RECIPIENTS else count_entries(_text_of(recipients))


def read_recipients(recipients: Raw) -> Iterator[RecipientEntry]:
    """Yield the recipients, whatever their types; the caller has checked how many there are."""
    room = LONGEST_EXTRA
    for raw in read_json(_text_of(recipients), list[Raw]) if count_recipients(recipients) else ():
        entry = _read_entry(_text_of(raw), room)
        if isinstance(entry, ExtendedEntry) and entry.extra:
            room -= len(bytes(raw))
        yield entry


def _read_entry(text: str, room: int) -> RecipientEntry:
    with suppress(Unreadable):
        return read_json(text, RecipientEntry)
    try:
        known = read_leniently(text, RecipientEntry)
    except Unreadable:  # not an object
        return RecipientEntry()
    extra = _extra(text) if len(text) <= room else _LEFT_OUT
    return ExtendedEntry(**asdict(known), extra=extra)


def _extra(text: str) -> Mapping[str, Any]:
    """Read the undocumented keys of a recipient."""
    values = read_json(text, dict[str, Raw])
    return {name: _read_any(raw) for name, raw in values.items() if name not in _KNOWN_KEYS}


def _read_any(raw: Raw) -> object:
    """Read a value of any type. Return its text if it is, or contains, a very long number."""
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
def _unparsed(shape: type[Struct]) -> type[Struct]:
    """Make the same shape with every value unparsed."""
    names = {item.name: item.encode_name for item in fields(shape)}
    raw_fields = [(name, Raw, Raw()) for name in names]
    return msgspec.defstruct(f"Unparsed{shape.__name__}", raw_fields, rename=names)
