"""In SQLite, indexes events by bucket and recipient instead of by recipient.

A bucket is 2,048 events with consecutive ids. New events change only the part of the index that has
the last bucket, so a commit writes fewer pages; 0007 has the figures.

Revision: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Replace the index in SQLite; PostgreSQL keeps its own."""
    if op.get_context().dialect.name == "sqlite":
        op.drop_index("events_recipient", "events")
        op.execute("CREATE INDEX events_bucket ON events (id / 2048, recipient)")
