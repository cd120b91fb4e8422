"""Creates the tables users, events, quarantine and outbox.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

from worker.store.schema import Moment

revision = "0001"
down_revision = None

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "users",
        sa.Column("id", _id, primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False, unique=True),
        sa.Column("account_id", sa.Text),
        sa.Column("metrics_enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("auto_block_spam", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("last_hard_bounce", Moment),
        sa.Column("last_soft_bounce", Moment),
        sa.Column("last_complaint", Moment),
        sa.Column("hard_bounce_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("soft_bounce_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("complaint_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("paused_until", Moment),
        sa.Column("pause_reason", sa.Text),
    )
    op.create_table(
        "events",
        sa.Column("id", _id, primary_key=True),
        sa.Column("dedupe_key", sa.Text, nullable=False, unique=True),
        sa.Column("route_key", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("type", sa.Text),
        sa.Column("subtype", sa.Text),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("recipient_as_reported", sa.Text, nullable=False),
        sa.Column("user_match", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("occurred_at", Moment, nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("feedback_id", sa.Text, nullable=False),
        sa.Column("ses_message_id", sa.Text, nullable=False),
        sa.Column("diagnostic", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", _id, primary_key=True),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("sent_at", Moment),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("worker_version", sa.Text, nullable=False),
        sa.UniqueConstraint("queue", "message_id"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _id, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
