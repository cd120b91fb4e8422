"""Creates a view in which applications find the events of an address by an index.

In SQLite the index `events_bucket` is on `id / 2048` and `recipient` (see 0003). The view looks
into each bucket, so `SELECT … FROM events_by_recipient WHERE recipient = ?` uses the index, and the
application needs no recursive query. In PostgreSQL the view is the table, which has an index on
`recipient`.

Measured with SQLite 3.40 and a million events, ten for each address, with the view (index
`events_bucket`) and with a plain index on `recipient` in its place; pages of `-wal` for each new
event with 50 and with 200 events a commit, and the time to find the events of an address:

    view          0.67 and 0.34 pages    0.5 ms
    plain index   2.73 and 1.46 pages    0.08 ms
    neither       0.46 and 0.27 pages    210 ms (reads the whole table)

The plain index had just been built, so its pages were full and were split; later it takes 1.5 and
1.3 pages. The time of the view grows with the number of events: 3.2 ms of CPU with 4 million, 8 ms
with 10 million (computed). An application that needs less can add an index of its own.

A migration that adds a column to `events` must replace the view in PostgreSQL, which stores the
list of columns; a migration that makes the table anew in SQLite must drop the view before.

Revision: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"

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
