"""The schema revision, for a start: without SQLAlchemy and Alembic, which take 0.5 s to import."""

from collections.abc import Collection

from worker.core.errors import Misconfigured

HEAD = "0015"
"""The revision that this program needs; a test compares it with the newest migration."""
FIRST = "0001"
"""The first revision. If it was applied just now, the database was empty and has no users."""
VERSION_TABLE = "ses_worker_schema"
"""The name of Alembic's table. Its usual name may be taken by the application's own Alembic."""
OUR_TABLES = frozenset({
    "users", "events", "account_events", "quarantine", "outbox", "limits", "removals", "policy",
    "hourly_counts", "daily_counts", "new_counts", "progress", "shadow_users", "imported_users",
    "kept_keys", "forgotten",
})  # fmt: skip
OUR_VIEWS = frozenset({"events_by_recipient", "do_not_mail"})


def is_ours(tables: Collection[str], where: str) -> bool:
    """Return True if the tables are ours, False if there are no tables with our names.

    Raises:
        Misconfigured: there are tables with our names that another program made.

    """
    if VERSION_TABLE in tables:
        return True
    if our_tables := sorted(OUR_TABLES & set(tables)):
        raise Misconfigured(
            f"{where} already has {' and '.join(our_tables)}, made by another program; "
            "give the worker a database (in PostgreSQL: or a schema) of its own"
        )
    return False
