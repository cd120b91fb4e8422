"""The tombstones of people who were forgotten, read with the driver alone."""

from collections.abc import Collection

from msgspec.structs import replace

from worker.core.privacy import PrivacyKey
from worker.core.tombstones import Tombstone, require_key
from worker.store import Store
from worker.store.asking import Asks
from worker.store.tombstone_rows import DIGESTS_AT_ONCE, TOMBSTONE_COLUMNS, read_tombstone

KEY_ID = "SELECT key_id FROM forgotten LIMIT 1"
"""All tombstones have the same key: `users forget` refuses another."""
_ALL = f"""
    SELECT {", ".join(TOMBSTONE_COLUMNS)}, paused_until > CURRENT_TIMESTAMP FROM forgotten
"""
"""By the database's clock, as the view `do_not_mail`; to the second."""
_HOW_MANY = "SELECT count(*), min(key_id) FROM forgotten"


def require_known_key(store: Store, key: PrivacyKey | None) -> None:
    """Make sure that those who were forgotten are recognised, if anybody was.

    Raises:
        Misconfigured: they are not.
        Unavailable: the database cannot be read now.

    """
    if found := store.ask(KEY_ID):
        require_key(key, found[0][0])


def forgotten_among(
    store: Asks, keys: Collection[str], key: PrivacyKey | None
) -> dict[str, Tombstone]:
    """Return the tombstones of these normalised addresses, without pauses that are over.

    Raises:
        Misconfigured: somebody was forgotten, and the key is not set, or another.
        Unavailable: the database cannot be read now.

    """
    if not (found := store.ask(KEY_ID)):
        return {}
    key = require_key(key, found[0][0])
    by_digest = {key.digest(address): address for address in keys}
    if len(by_digest) > DIGESTS_AT_ONCE:
        rows = store.ask(_ALL)
    else:
        digests = {f"digest_{number}": digest for number, digest in enumerate(by_digest)}
        places = ", ".join(f"{{{name}}}" for name in digests)
        rows = store.ask(f"{_ALL} WHERE digest IN ({places})", **digests) if digests else []
    stones = [
        stone if is_paused else replace(stone, paused_until=None)
        for *row, is_paused in rows
        for stone in [read_tombstone(row)]
    ]
    return {by_digest[stone.digest]: stone for stone in stones if stone.digest in by_digest}


def how_many_forgotten(store: Store) -> tuple[int, str]:
    """Count the tombstones; also return the id of the key of all of them.

    Raises:
        Unavailable: the database cannot be read now.

    """
    count, key_id = store.ask(_HOW_MANY)[0]
    return int(count), key_id or ""
