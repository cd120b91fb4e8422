"""Adds when an operator lifted a user's pause and block.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op

from worker.store.schema import Moment

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column, unless the database went back to 0009 and is brought up again."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("users")}
    if "reinstated_at" not in there:
        op.add_column("users", sa.Column("reinstated_at", Moment))
