"""Forgets people: deletes what is about them, and leaves tombstones.

The tombstones come first, in one transaction with the deletion of users and events. From its commit
on no worker writes anything about these people, so what is found afterwards (`worker.store.traces`)
is all there is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, column, delete, func, insert, select, table, text, update
from sqlalchemy.exc import IntegrityError

from worker.core.errors import Refused
from worker.core.folding import users_of
from worker.core.model import User
from worker.core.parsing import as_time
from worker.core.policy import Policy
from worker.core.privacy import PrivacyKey
from worker.core.tombstones import Tombstone, latest, require_key
from worker.store import Store
from worker.store.levels import moment
from worker.store.recorded import events_of, records_of
from worker.store.schema import (
    events,
    forgotten,
    imported_users,
    removals,
    shadow_users,
    users,
)
from worker.store.tombstone_rows import DIGESTS_AT_ONCE, TOMBSTONE_COLUMNS, read_tombstone
from worker.timing.retries import when_raced

_BY_RECIPIENT = table("events_by_recipient", column("id"), column("recipient"))
"""The view; without it SQLite would use no index."""
_BARRED = text("SELECT reason, until FROM do_not_mail WHERE email_key = :key")
_TABLES = (users, shadow_users, imported_users)


class Forgetting(Struct, frozen=True, kw_only=True):
    """Whom to forget, and how."""

    keys: Sequence[str]
    """Normalised addresses."""
    privacy_key: PrivacyKey
    policy: Policy
    """Makes, from the events on record, the record of an address that is no user."""
    also_unblock: bool = False
    """Drop the block, if there is one."""


class OnRecord(Struct, frozen=True, kw_only=True):
    """How many rows about a person there are, by the name of the table."""

    key: str
    rows: Mapping[str, int]
    blocked: bool
    paused_until: datetime | None
    forgotten_at: datetime | None = None
    """When the person was forgotten before."""


def look(store: Store, forgetting: Forgetting) -> list[OnRecord]:
    """Count what is on record, and change nothing.

    Raises:
        Misconfigured: people were forgotten by another key.
        Unavailable: the database cannot be read now.

    """
    with store.read_transaction() as connection:
        _require_key(connection, forgetting.privacy_key)
        return [_look(connection, key, forgetting) for key in forgetting.keys]


def _look(connection: Connection, key: str, forgetting: Forgetting) -> OnRecord:
    counted = {each.name: _count(connection, each.c.email_key == key) for each in _TABLES}
    by_recipient = select(func.count()).where(_BY_RECIPIENT.c.recipient == key)
    counted["events"] = int(connection.execute(by_recipient).scalar_one())
    counted["removals"] = _count(connection, removals.c.email_key == key)
    before = _read(connection, forgetting.privacy_key.digest(key))
    after = _tombstone(connection, key, forgetting, moment(connection), before)
    return OnRecord(
        key=key,
        rows=counted,
        blocked=after.blocked,
        paused_until=after.paused_until,
        forgotten_at=before.forgotten_at if before else None,
    )


def _count(connection: Connection, condition: object) -> int:
    query = select(func.count()).where(condition)  # type: ignore[arg-type]
    return int(connection.execute(query).scalar_one())


@when_raced.wraps
def leave_tombstones(store: Store, forgetting: Forgetting) -> None:
    """Write the tombstones, and delete users and events, in one transaction.

    It keeps all out who decide about somebody: a worker has committed before, and its rows are
    deleted, or it decides afterwards, and sees the tombstones.

    Raises:
        Misconfigured: people were forgotten by another key.
        Refused: rows of another table refer to one of the users; nobody was forgotten.
        Unavailable: the store cannot be written now; likewise.

    """
    with store.write_transaction() as connection:
        keep_out(connection)
        _require_key(connection, forgetting.privacy_key)
        now = moment(connection)
        for key in sorted(forgetting.keys):
            digest = forgetting.privacy_key.digest(key)
            before = _read(connection, digest)
            _write(connection, _tombstone(connection, key, forgetting, now, before), forgetting)
        try:
            for key in sorted(forgetting.keys):
                _delete(connection, key)
        except IntegrityError as error:
            raise Refused(
                "rows of another table refer to one of these users by a foreign key: delete those "
                "rows first; nobody was forgotten"
            ) from error


def keep_out(connection: Connection) -> None:
    """Keep all out who decide about a person, until the transaction ends.

    A session that reads `users` to change it holds a lock in the mode ROW SHARE. SQLite locks the
    whole file anyhow.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE users IN EXCLUSIVE MODE")


def see_tombstones(connection: Connection) -> None:
    """Wait for sessions that leave tombstones; let none leave one until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE users IN ROW SHARE MODE")


def tombstones_of(
    connection: Connection, keys: Sequence[str], key: PrivacyKey | None
) -> dict[str, Tombstone]:
    """Return the tombstones of these addresses.

    Raises:
        Misconfigured: people were forgotten, and the key is not set, or another.

    """
    if (key_id := _key_id(connection)) is None:
        return {}
    known = require_key(key, key_id)
    by_digest = {known.digest(each): each for each in keys}
    query = select(*(forgotten.c[name] for name in TOMBSTONE_COLUMNS))
    if len(by_digest) <= DIGESTS_AT_ONCE:
        query = query.where(forgotten.c.digest.in_(by_digest))
    stones = map(read_tombstone, connection.execute(query))
    return {by_digest[stone.digest]: stone for stone in stones if stone.digest in by_digest}


def lift(connection: Connection, tombstone: Tombstone, now: datetime) -> None:
    """Lift block and pause of a tombstone; events from before now bar nobody any more."""
    values = {"blocked": False, "paused_until": None, "reinstated_at": now}
    meant = forgotten.c.digest == tombstone.digest
    connection.execute(update(forgotten).where(meant).values(**values))


def _key_id(connection: Connection) -> str | None:
    return connection.execute(select(forgotten.c.key_id).limit(1)).scalar_one_or_none()


def _require_key(connection: Connection, key: PrivacyKey) -> None:
    if key_id := _key_id(connection):
        require_key(key, key_id)


def _read(connection: Connection, digest: bytes) -> Tombstone | None:
    columns = [forgotten.c[name] for name in TOMBSTONE_COLUMNS]
    row = connection.execute(select(*columns).where(forgotten.c.digest == digest)).first()
    return read_tombstone(row) if row else None


def _tombstone(
    connection: Connection,
    key: str,
    forgetting: Forgetting,
    now: datetime,
    before: Tombstone | None,
) -> Tombstone:
    """Return the tombstone of a person: with what bars the person now, and barred before."""
    record = records_of(connection, [key], lock=False).get(key)
    record = record or users_of(events_of(connection, [key]), forgetting.policy).get(key)
    stone = before or Tombstone(digest=forgetting.privacy_key.digest(key), forgotten_at=now)
    if record:
        reinstated_at = latest(stone.reinstated_at, record.reinstated_at)
        stone = replace(stone.with_bar_of(record), reinstated_at=reinstated_at, forgotten_at=now)
    if barred := connection.execute(_BARRED, {"key": key}).first():
        until = as_time(barred[1])
        shown = User(email=key, email_key=key, auto_block_spam=until is None, paused_until=until)
        stone = stone.with_bar_of(shown)
    if stone.paused_until and stone.paused_until <= now:
        stone = replace(stone, paused_until=None)
    if forgetting.also_unblock and stone.blocked:
        stone = replace(stone, blocked=False, reinstated_at=now)
    return stone


def _write(connection: Connection, stone: Tombstone, forgetting: Forgetting) -> None:
    meant = forgotten.c.digest == stone.digest
    connection.execute(delete(forgotten).where(meant))
    row = {name: getattr(stone, name) for name in TOMBSTONE_COLUMNS}
    connection.execute(insert(forgotten).values(**row, key_id=forgetting.privacy_key.key_id))


def _delete(connection: Connection, key: str) -> None:
    for each in _TABLES:
        connection.execute(delete(each).where(each.c.email_key == key))
    theirs = select(_BY_RECIPIENT.c.id).where(_BY_RECIPIENT.c.recipient == key)
    connection.execute(delete(events).where(events.c.id.in_(theirs)))
