"""`ses-worker check`: looks at the whole path from SES to the database, and changes nothing."""

from collections.abc import Iterator

from worker.app import make_store
from worker.checks.database import judge_database, judge_no_database
from worker.checks.findings import Finding
from worker.errors import WorkerError
from worker.settings import Migrate, Settings


def look(settings: Settings) -> Iterator[Finding]:
    """Say what is found, as it is found."""
    yield _database(settings)


def _database(settings: Settings) -> Finding:
    from worker.store.migrate import status  # noqa: PLC0415 Alembic takes 0.3 s to load

    store = make_store(settings)
    try:
        found = status(store)
    except WorkerError as error:
        return judge_no_database(store.place, error)
    return judge_database(
        store.place,
        found.revision,
        found.pending,
        newer=found.newer,
        makes_itself=settings.store.migrate is Migrate.AUTO,
    )
