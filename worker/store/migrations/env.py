"""Alembic runs this on the connection, and inside the lock, of `worker.store.migrate`."""

from alembic import context

from worker.store.revision import VERSION_TABLE
from worker.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
