"""The schema: what it is, and how it is brought up, by one process at a time.

This loads Alembic; a start calls `worker.store.revision` first, which does not.
"""

import time
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec import Struct
from sqlalchemy import Connection, text

from worker.store import Store
from worker.store.revision import VERSION_TABLE

_ADVISORY_LOCK = 0x7365_7377_6F72_6B65
"""Any number nobody else uses: PostgreSQL's advisory locks are distinguished by it alone."""
LOOK_SECONDS, LOG_SECONDS = 0.5, 10

log = structlog.get_logger()


class SchemaStatus(Struct, frozen=True):
    """The revision a database has, and those it lacks, oldest first."""

    revision: str | None
    pending: tuple[str, ...] = ()
    newer: bool = False
    """The revision is one that this program does not know."""


def status(store: Store) -> SchemaStatus:
    """Look at the schema.

    Raises:
        Misconfigured: this is no database of ours.
        Unavailable: it cannot be read now.

    """
    return _status(store.revision())


def upgrade(store: Store) -> tuple[str, ...]:
    """Bring an empty or older schema up, waiting for other processes; return what was applied.

    Raises:
        Unavailable: it cannot be written now; the schema is as it was.

    """
    with store.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            _take_turns(connection)
        found = _status(_revision(connection))
        if found.pending:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return found.pending


def _take_turns(connection: Connection) -> None:
    """Wait for another process that brings the schema up; not inside the server, but visibly."""
    attempt = 0
    while not connection.scalar(text(f"SELECT pg_try_advisory_xact_lock({_ADVISORY_LOCK})")):
        if attempt % (LOG_SECONDS / LOOK_SECONDS) == 0:
            log.info("schema.locked", hint="another process is bringing the schema up")
        attempt += 1
        time.sleep(LOOK_SECONDS)


def _status(revision: str | None) -> SchemaStatus:
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    known = [script.revision for script in scripts][::-1]
    if revision is None:
        return SchemaStatus(None, pending=tuple(known))
    if revision not in known:
        return SchemaStatus(revision, newer=True)
    return SchemaStatus(revision, pending=tuple(known[known.index(revision) + 1 :]))


def _revision(connection: Connection) -> str | None:
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _config() -> Config:
    config = Config()
    folder = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", folder)
    return config
