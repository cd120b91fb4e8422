"""Reads rows of `forgotten`, the same for both databases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from worker.core.parsing import as_time
from worker.core.tombstones import Tombstone

TOMBSTONE_COLUMNS = ("digest", "blocked", "paused_until", "reinstated_at", "forgotten_at")
DIGESTS_AT_ONCE = 100
"""Digests that are looked up by a query; of more people all tombstones are read."""
KEY_ID_MARK = " is the key id"
"""After a key id, where a query returns it among dedupe keys and route keys. No key ends like this:
a key ends with a digest, and only its beginning is what the sender chose."""


def take_key_id(found: set[str]) -> str:
    """Take the key id out of the known keys that a query found; empty: nobody was forgotten."""
    mark = next((key for key in found if key.endswith(KEY_ID_MARK)), "")
    found.discard(mark)
    return mark.removesuffix(KEY_ID_MARK)


def read_tombstone(row: Sequence[Any]) -> Tombstone:
    """Read a row with the columns `TOMBSTONE_COLUMNS`, whose times may be texts."""
    digest, blocked, paused_until, reinstated_at, forgotten_at = row
    return Tombstone(
        digest=bytes(digest),
        blocked=bool(blocked),
        paused_until=as_time(paused_until),
        reinstated_at=as_time(reinstated_at),
        forgotten_at=_time(forgotten_at),
    )


def _time(stored: object) -> datetime:
    time = as_time(stored)
    if time is None:
        raise ValueError("forgotten_at is no time")
    return time
