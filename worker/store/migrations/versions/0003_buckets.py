"""In SQLite, index events by recipient in buckets of rows, so that new events share index pages.

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
