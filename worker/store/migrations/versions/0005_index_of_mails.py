"""In PostgreSQL, index effects by the start of SES's message id: long index entries are refused.

Revision: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Replace the index in PostgreSQL; SQLite's holds texts of any length."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_index("outbox_message", "outbox")
        op.execute("CREATE INDEX outbox_mail ON outbox (left(ses_message_id, 200))")
