"""Removes deleted rows from the tables' files, as far as the role may.

`ANALYZE`, for the planner's statistics (`pg_stats`) hold samples of the columns, so addresses.

`VACUUM` of a table belongs to its owner; of other tables it would only warn. It runs outside of any
transaction, for as long as it takes.

https://www.postgresql.org/docs/current/sql-vacuum.html
"""

from collections.abc import Sequence

import psycopg

from worker.store.postgresql.connection import CONNECT_SECONDS
from worker.store.postgresql.errors import translated

TABLES = (
    "users", "events", "outbox", "quarantine", "removals", "shadow_users", "imported_users",
)  # fmt: skip
_NOT_OURS = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s) AND relkind = 'r'
        AND NOT pg_has_role(relowner, 'USAGE')
    ORDER BY relname
"""


def vacuum(url: str) -> Sequence[str]:
    """Vacuum the tables; return those that belong to a role that ours is not a member of.

    Raises:
        Unavailable: the server cannot be reached.

    """
    with (
        translated(),
        psycopg.connect(
            url,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=CONNECT_SECONDS,
            application_name="ses-worker",
        ) as session,
    ):
        not_ours = [name for (name,) in session.execute(_NOT_OURS, (list(TABLES),))]
        ours = [name for name in TABLES if name not in not_ours]
        if ours:
            session.execute(f"VACUUM (ANALYZE) {', '.join(ours)}")
    return not_ours
