"""In SQLite, events by recipient in buckets of neighbours, which new events reach in one place.

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
