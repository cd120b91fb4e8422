"""Whether a user's last bounces were refusals by SES itself.

Existing users get false, as if a mailbox had bounced: their dates then move as before. Reading all
their events could take minutes; a constant takes no time.

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
