"""Adds figures by the hour, an index of events by time, and what other policies need.

`hourly_counts` has the figures, and `daily_counts` the same by days. No commit writes there:
workers that share a database would wait for each other's rows. A commit adds a single row to
`new_counts`, with all that it counted; a worker adds these rows up now and then, and removes them
in the same transaction. So the figures of all tables together are always complete.

`progress` says how far work has come that is done in small bites: at first, that no event from
before the upgrade is counted. `shadow_users` holds what a second policy would have made of the
users, where `policy.shadow` has one. `imported_users` holds the records that users had when they
were imported, if not empty.

The index takes some seconds with millions of events; messages wait meanwhile.

Revision: 0011
"""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.store.schema import Moment

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add them, unless the database went back to 0010 and is brought up again."""
    found = sa.inspect(op.get_bind())
    tables = set(found.get_table_names())
    if "last_delivery" not in {column["name"] for column in found.get_columns("users")}:
        op.add_column("users", sa.Column("last_delivery", Moment))
    op.create_index("events_occurred", "events", ["occurred_at"], if_not_exists=True)
    if "hourly_counts" not in tables:
        _create_counts("hourly_counts", "hour")
    if "daily_counts" not in tables:
        _create_counts("daily_counts", "day")
    if "new_counts" not in tables:
        op.create_table("new_counts", _row_id(), sa.Column("counts", sa.Text, nullable=False))
    if "progress" not in tables:
        op.create_table(
            "progress",
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("value", sa.Text, nullable=False),
        )
        _note_events()
    if "shadow_users" not in tables:
        op.create_table("shadow_users", *_record())
    if "imported_users" not in tables:
        after_event = sa.Column("after_event", sa.BigInteger, nullable=False)
        op.create_table("imported_users", *_record(), after_event)


def _note_events() -> None:
    """Note up to which id events are to be counted afterwards, if there are any."""
    connection = op.get_bind()
    newest = connection.execute(sa.text("SELECT max(id) FROM events")).scalar()
    if newest is None:
        return
    value = json.dumps({"below": newest + 1, "since": datetime.now(UTC).isoformat()})
    progress = sa.table("progress", sa.column("name"), sa.column("value"))
    connection.execute(progress.insert().values(name="events_counted", value=value))


def _create_counts(table: str, step: str) -> None:
    op.create_table(
        table,
        sa.Column("dimension", sa.Text, primary_key=True),
        sa.Column(step, Moment, primary_key=True),
        sa.Column("measure", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _record() -> list[sa.Column[Any]]:
    return [
        sa.Column("email_key", sa.Text, primary_key=True),
        sa.Column("auto_block_spam", sa.Boolean, nullable=False, server_default=sa.false()),
        *(sa.Column(name, Moment) for name in ("last_hard_bounce", "last_soft_bounce")),
        sa.Column("last_complaint", Moment),
        *(_count(f"{name}_count") for name in ("hard_bounce", "soft_bounce", "complaint")),
        sa.Column("paused_until", Moment),
        sa.Column("pause_reason", sa.Text),
        *(
            sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())
            for name in ("hard_bounce_refused", "soft_bounce_refused")
        ),
        sa.Column("reinstated_at", Moment),
        sa.Column("last_delivery", Moment),
    ]


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _row_id() -> sa.Column[int]:
    # SQLite numbers rows itself only if the type is exactly INTEGER.
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
