"""Adds what is kept of people who were forgotten, and which quarantined messages were verified.

A quarantined message that a person was taken out of has lost its signature: `verified` says that it
held before.

Revision: 0014
"""

import sqlalchemy as sa
from alembic import op

from worker.store.schema import Moment

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add both, unless the database went back to 0013 and is brought up again."""
    inspector = sa.inspect(op.get_bind())
    if "forgotten" not in inspector.get_table_names():
        op.create_table(
            "forgotten",
            sa.Column("digest", sa.LargeBinary, primary_key=True),
            sa.Column("key_id", sa.Text, nullable=False),
            sa.Column("blocked", sa.Boolean, nullable=False),
            sa.Column("paused_until", Moment),
            sa.Column("reinstated_at", Moment),
            sa.Column("forgotten_at", Moment, nullable=False),
            sqlite_with_rowid=False,
        )
    if "verified" not in {column["name"] for column in inspector.get_columns("quarantine")}:
        verified = sa.Column("verified", sa.Boolean, nullable=False, server_default=sa.false())
        op.add_column("quarantine", verified)
