"""Adds what the relay needs: leases, summaries and links in the outbox; limits; removals.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

from worker.store.schema import Moment

revision = "0002"
down_revision = "0001"

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_open = sa.text("state IN ('waiting', 'claimed')")
_parked = sa.text("state = 'parked'")
_claimed = sa.text("claim IS NOT NULL")


def upgrade() -> None:
    """Add columns to outbox, create limits and removals, and index what `why` searches."""
    for column in (
        sa.Column("lane", sa.Text, nullable=False, server_default="slack"),
        sa.Column("summary", sa.Text, nullable=False, server_default="{}"),
        sa.Column("feedback_id", sa.Text, nullable=False, server_default=""),
        sa.Column("ses_message_id", sa.Text, nullable=False, server_default=""),
        sa.Column("recipient", sa.Text, nullable=False, server_default=""),
        sa.Column("claim", sa.Text),
        sa.Column("parked_by", sa.Text),
        sa.Column("finished_at", Moment),
        sa.Column("result", sa.Text),
    ):
        op.add_column("outbox", column)
    op.create_index(
        "outbox_open", "outbox", ["lane", "due_at"], sqlite_where=_open, postgresql_where=_open
    )
    op.create_index(
        "outbox_parked", "outbox", ["lane"], sqlite_where=_parked, postgresql_where=_parked
    )
    op.create_index(
        "outbox_claim", "outbox", ["claim"], sqlite_where=_claimed, postgresql_where=_claimed
    )
    op.create_index("outbox_message", "outbox", ["ses_message_id"])
    op.create_index("events_recipient", "events", ["recipient"])
    op.create_table(
        "limits",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("next_at", Moment, nullable=False),
        sa.Column("next_slot", Moment, nullable=False),
        sa.Column("tokens", sa.Float, nullable=False),
        sa.Column("refilled_at", Moment, nullable=False),
        sa.Column("folded_at", Moment),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("blocked", sa.Text),
    )
    op.create_table(
        "removals",
        sa.Column("id", _id, primary_key=True),
        sa.Column("outbox_id", sa.BigInteger, nullable=False, unique=True),
        sa.Column("email_key", sa.Text, nullable=False, index=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("begun_at", Moment, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("restored_at", Moment),
    )
