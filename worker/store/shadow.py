"""Since when a second policy decides beside the policy in force, and what it has made of users."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import delete, func, insert, select, update

from worker.core.backtesting import Bar, bar_of, deciding_fields
from worker.core.model import User
from worker.core.parsing import as_time
from worker.core.policy import Policy
from worker.store import Store
from worker.store.levels import moment
from worker.store.needs import to_read
from worker.store.rows import FEEDBACK_COLUMNS, USER_COLUMNS, read_user
from worker.store.schema import progress, shadow_users, users
from worker.timing.retries import when_raced

READ = to_read("users", "shadow_users", "progress")
"""What is read of it."""
_NAME = "shadow"
_KEPT = "SELECT value FROM progress WHERE name = {name}"


class Begun(Struct, frozen=True):
    """A second policy, and since when it decides."""

    policy: dict[str, Any]
    since: datetime


def begun(store: Store) -> Begun | None:
    """Return the second policy that decides; None: none does.

    Raises:
        Unavailable: the database cannot be read now.

    """
    kept = store.ask(_KEPT, name=_NAME)
    values = json.loads(kept[0][0]) if kept else {}
    since = as_time(values.get("since"))
    return Begun(values["policy"], since) if since else None


@when_raced.wraps
def begin(store: Store, policy: Policy | None) -> Begun | None:
    """Let a second policy decide from now on, or none; return it if it was another before.

    Records that another policy has made are forgotten.

    Raises:
        Unavailable: the database cannot be used now.

    """
    before = begun(store)
    if (before.policy if before else None) == (deciding_fields(policy) if policy else None):
        return None
    with store.write_transaction() as connection:
        now = moment(connection)
        values = {"policy": deciding_fields(policy), "since": now.isoformat()} if policy else {}
        connection.execute(delete(shadow_users))
        row = {"name": _NAME, "value": json.dumps(values)}
        changed = update(progress).where(progress.c.name == _NAME).values(value=row["value"])
        if not connection.execute(changed).rowcount:
            connection.execute(insert(progress).values(**row))
    return begun(store) or before


def pairs(store: Store, now: datetime) -> Iterator[tuple[str, Bar, Bar]]:
    """Stream the users about whom the second policy has decided, with what is and what would be."""
    live = [users.c[name] for name in USER_COLUMNS]
    other = [shadow_users.c[name] for name in FEEDBACK_COLUMNS]
    query = (
        select(*live, *other)
        .join(shadow_users, shadow_users.c.email_key == users.c.email_key)
        .order_by(users.c.email_key)
    )
    with store.read_transaction() as connection:
        for row in connection.execute(query, execution_options={"yield_per": 1_000}):
            user = read_user(row[: len(live)], _unchanged)
            record = dict(zip(FEEDBACK_COLUMNS, row[len(live) :], strict=True))
            shadow = User(email=user.email, email_key=user.email_key, **record)
            yield user.email_key, bar_of(user, now), bar_of(shadow, now)


def how_many(store: Store) -> int:
    """Count the users about whom the second policy has decided."""
    with store.read_transaction() as connection:
        return int(connection.execute(select(func.count()).select_from(shadow_users)).scalar_one())


def _unchanged(time: Any) -> Any:
    return time
