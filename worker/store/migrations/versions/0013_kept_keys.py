"""Adds what a purge leaves of events: their keys, so that a replay is still a duplicate.

`kept_keys` has both keys of each purged event, shortened (`worker.core.keys.kept_key`) so that none
holds an address, with the day until which they are kept. SES's ids begin with a time stamp, so the
table grows at its end.

`events.claimed_at` is the time that SES wrote, where it lies after receipt; `occurred_at` is the
time of receipt then. A purge keeps an event until both are old: all that it has removed then has a
time that is not later than the newest purged time, by which the message path knows whether it has
to look for kept keys. The column has no default, so neither database rewrites the rows.

Revision: 0013
"""

import sqlalchemy as sa
from alembic import op

from worker.store.schema import Moment

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add them, unless the database went back to 0012 and is brought up again."""
    found = sa.inspect(op.get_bind())
    if "claimed_at" not in {column["name"] for column in found.get_columns("events")}:
        op.add_column("events", sa.Column("claimed_at", Moment))
    if op.get_context().dialect.name != "sqlite":  # SQLite's view has the columns of the table
        op.execute("CREATE OR REPLACE VIEW events_by_recipient AS TABLE events")
    if "kept_keys" not in found.get_table_names():
        op.create_table(
            "kept_keys",
            sa.Column("key", sa.Text, primary_key=True),
            sa.Column("until_day", sa.Integer, nullable=False),
            sqlite_with_rowid=False,
        )
