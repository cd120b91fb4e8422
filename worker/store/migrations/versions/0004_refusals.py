"""Whether the dates of a user's bounces are those of refusals by SES itself.

For users who are there already the answer is no, as if a mailbox had bounced: their dates then move
as they always did. To look through all their events could take minutes; this takes no time.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Widen users; a constant default rewrites no row, in either database."""
    for name in ("hard_bounce_refused", "soft_bounce_refused"):
        op.add_column(
            "users", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())
        )
