"""Why an effect is parked, and by what, are two columns; rate limits are named by their lanes.

Entries name their lane already: the migration that brought the column gave old rows `slack`, and
every row since was written with the lane that its kind implied then.

Only parked rows are updated, which the index `outbox_parked` finds; a column without a default
rewrites no row, in either database.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_OUTBOX = """
    UPDATE outbox SET
        parked_reason = CASE parked_by
            WHEN 'message' THEN 'undeliverable' WHEN 'tries' THEN 'tries' ELSE 'blocked' END,
        parked_by = CASE
            WHEN parked_by IN ('message', 'tries') THEN NULL
            WHEN substr(parked_by, 1, 4) = 'ses:' THEN 'suppression' || substr(parked_by, 4)
            ELSE parked_by END
    WHERE state = 'parked'
"""
_LIMITS = """
    UPDATE limits SET name = 'suppression' || substr(name, 4) WHERE substr(name, 1, 4) = 'ses:'
"""


def upgrade() -> None:
    """Widen outbox, and move each parked row's reason into the new column."""
    op.add_column("outbox", sa.Column("parked_reason", sa.Text))
    connection = op.get_bind()
    connection.exec_driver_sql(_OUTBOX)
    connection.exec_driver_sql(_LIMITS)
