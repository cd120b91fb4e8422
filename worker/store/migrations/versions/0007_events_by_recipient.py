"""A view for applications: the events of an address, found by an index in both databases.

In SQLite the index `events_bucket` is on `id / 2048` and `recipient` (see 0003). The view looks
into each bucket, so `SELECT … FROM events_by_recipient WHERE recipient = ?` uses the index, and the
application needs no recursive query. In PostgreSQL the view is the table, which has an index on
`recipient`.

MEASURED

A migration that adds a column to `events` must replace the view in PostgreSQL, which stores the
list of columns; a migration that makes the table anew in SQLite must drop the view before.

Revision: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0005"

_IN_BUCKETS = """
    CREATE VIEW events_by_recipient AS
    WITH RECURSIVE buckets (bucket) AS (
        SELECT max(id) / 2048 FROM events
        UNION ALL
        SELECT bucket - 1 FROM buckets WHERE bucket > (SELECT min(id) / 2048 FROM events)
    )
    SELECT events.* FROM buckets CROSS JOIN events ON events.id / 2048 = buckets.bucket
"""


def upgrade() -> None:
    """Create the view."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.execute(_IN_BUCKETS if is_sqlite else "CREATE VIEW events_by_recipient AS TABLE events")
