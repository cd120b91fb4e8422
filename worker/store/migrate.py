"""Reads the state of the schema and applies migrations, one process at a time.

This module imports Alembic; a start first calls `worker.store.revision`, which does not.
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
"""The number of our advisory lock in PostgreSQL; the number alone distinguishes programs."""
LOOK_SECONDS, LOG_SECONDS = 0.5, 10
"""How often to try the lock, and how often to log that another process has it."""

log = structlog.get_logger()


class SchemaStatus(Struct, frozen=True):
    """The revision of a database, and the missing migrations."""

    revision: str | None
    """None: the database has no schema yet."""
    pending: tuple[str, ...] = ()
    """Missing migrations, oldest first."""
    newer: bool = False
    """This program does not know the revision."""


def status(store: Store) -> SchemaStatus:
    """Read the state of the schema.

    Raises:
        Misconfigured: the tables are another program's.
        Unavailable: the database cannot be read now.

    """
    return _status(store.revision())


def upgrade(store: Store) -> tuple[str, ...]:
    """Apply the missing migrations in a single transaction, and return them.

    Only one process at a time does this; the others wait.

    Raises:
        Unavailable: the database cannot be written now; the schema is unchanged.

    """
    with store.write_transaction() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            _take_turns(connection)
        schema = _status(_revision(connection))
        if schema.pending:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return schema.pending


def _take_turns(connection: Connection) -> None:
    """Wait for another process that applies migrations; poll, to be able to log the wait."""
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
