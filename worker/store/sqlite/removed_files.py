"""What is reported about files that somebody removed or replaced."""

from pathlib import Path

import structlog

from worker.core.errors import CommitsLost, Unavailable
from worker.store.files import identity

_REPLACED = (
    "Somebody removed or replaced these files while the worker had them open. It saves what was "
    "committed and opens the database anew; `store.commits_lost` follows if it could not. Find out "
    "who did it. To put a backup back, first stop every process that has the database open"
)
_GONE = (
    "was removed while the worker had it open. Stop the worker, remove {name}-wal and {name}-shm, "
    "put the backup back, start again. Messages wait in the queue meanwhile"
)
RESTORE = (
    "both together would be no database. Stop every process that has it open, then remove its -wal "
    "and -shm if the new file is a backup, and start again"
)
_LOST = (
    "before their commits were in the database. Messages worked on since {since} are lost: their "
    "users may not be paused, and SQS no longer has them. SES's own records, Slack or the log "
    "(bounce_notification, complaint_notification, without addresses) are about them"
)
_WHEN_UNKNOWN = "the -wal was last copied into the database"

log = structlog.get_logger()


class RemovedFiles:
    """Reports removed files once, and a loss of commits for good."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._reported: tuple[str, ...] = ()
        self.lost: CommitsLost | None = None
        """Commits that were lost with a removed file; nothing is written any more."""

    def report(self, suffixes: tuple[str, ...]) -> None:
        """Log which files were removed or replaced, unless these were logged already."""
        if suffixes != self._reported:
            self._reported = suffixes
            files = [f"{self._database}{suffix}" for suffix in suffixes]
            hint = _REPLACED if identity(self._database) else self._gone()
            log.error("store.files_replaced", files=files, hint=hint)

    def forget(self) -> None:
        """All files are in place again; report the next removal."""
        self._reported = ()

    def require_database(self) -> None:
        """Make sure that the database file itself exists.

        Raises:
            Unavailable: it was removed.

        """
        if identity(self._database) is None:
            raise Unavailable(self._gone())

    def lose(self, suffixes: tuple[str, ...], all_in_database_at: str | None) -> CommitsLost:
        """Log that commits are lost, and return the error for every later transaction."""
        files = " and ".join(f"{self._database}{suffix}" for suffix in suffixes)
        lost = _LOST.format(since=all_in_database_at or _WHEN_UNKNOWN)
        self.lost = CommitsLost(f"Somebody removed {files} {lost}")
        log.critical("store.commits_lost", store=str(self._database), error=str(self.lost))
        return self.lost

    def _gone(self) -> str:
        return f"The database {self._database} {_GONE.format(name=self._database.name)}"
