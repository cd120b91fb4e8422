"""Finds texts in JSON, also in JSON within them, and addresses in a text. Pure.

What is searched was written by anybody: no depth of nesting makes a function recurse.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from worker.core.limits import DEEPEST_JSON, LONGEST_ADDRESS
from worker.core.masking import addresses_in, domain_at
from worker.core.nesting import is_nested_too_deep

DEEPEST_TEXTS = 20
"""JSON in a text of JSON, and so on. Each level doubles the backslashes of what lies within: a body
of 1 MiB has no more levels."""
_BRACKETS = ("{", "[")
_TOUCHES = re.compile(r"""[\s<>"=:;,()\[\]{}|\\]|(?<![^\W_])'""")
"""What may touch an address in a text: `rfc822;jane@example.com`, `to=jane@example.com`. Within a
word an apostrophe belongs to the address: `o'brien@example.com`."""
_decode_all = json.JSONDecoder(
    object_pairs_hook=lambda pairs: list(chain.from_iterable(pairs)), parse_int=str
).decode
"""Decodes objects to lists of names and values, so that of two values of a name both are seen."""


def parsed(text: str, levels: int = DEEPEST_JSON) -> Any:
    """Return an object or a list; None: the text is no JSON, has neither, or has more levels."""
    return _decoded(text, json.loads, levels)


def texts_in(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value, names included; of a text that is JSON, the texts in it."""
    remaining = [(value, 0)]
    while remaining:
        item, depth = remaining.pop()
        if isinstance(item, str):
            inside = _decoded(item, _decode_all) if depth < DEEPEST_TEXTS else None
            if inside is None:
                yield item
            else:
                remaining.append((inside, depth + 1))
        elif isinstance(item, Mapping):
            remaining += ((each, depth) for pair in item.items() for each in pair)
        elif isinstance(item, Sequence) and not isinstance(item, bytes):
            remaining += ((each, depth) for each in item)


def _decoded(text: str, decode: Any, levels: int = DEEPEST_JSON) -> Any:
    if not text.lstrip().startswith(_BRACKETS) or is_nested_too_deep(text, levels):
        return None
    try:
        return decode(text)
    except (ValueError, RecursionError):
        return None


def spans_and_addresses(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield of each address in a text where it begins and its sign does, local part and domain.

    What touches the address may stand before the local part: `without_touching` takes it off.
    """
    for start, sign, domain in addresses_in(text):
        local = text[max(start, sign - LONGEST_ADDRESS) : sign]
        yield start, sign, local, domain_at(text, domain).rstrip(".")


def without_touching(local: str) -> str:
    """Return a local part without what touches it: `rfc822;`, `to=`, `<`."""
    return _TOUCHES.split(local)[-1]
