"""Run by Alembic, on the connection (and inside the lock) that `worker.store.migrate` brings."""

from alembic import context

from worker.store.revision import VERSION_TABLE
from worker.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
context.run_migrations()
