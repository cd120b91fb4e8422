"""In PostgreSQL, indexes the outbox by the start of SES's message id.

PostgreSQL refuses a row if its index entry is longer than 2,704 bytes.

Revision: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Replace the index in PostgreSQL; SQLite indexes texts of any length."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_index("outbox_message", "outbox")
        op.execute("CREATE INDEX outbox_mail ON outbox (left(ses_message_id, 200))")
