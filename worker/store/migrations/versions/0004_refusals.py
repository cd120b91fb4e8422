"""Adds whether the date of a user's last bounce is that of a refusal by SES itself.

For existing users the answer is no, as if a mailbox had bounced. To search all events of all users
for it could take minutes.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns to users; with a constant default neither database rewrites the rows."""
    for name in ("hard_bounce_refused", "soft_bounce_refused"):
        op.add_column(
            "users", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())
        )
