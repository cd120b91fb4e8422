"""The health file: the health of a worker, for hosts without HTTP.

Written to a temporary file, synced, then renamed, so that a reader never finds half of it.
"""

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from worker import __version__
from worker.observability.health import Health
from worker.timing.periodic import every

EVERY_SECONDS = 5.0
"""Between two writes."""
STALE_SECONDS = 3 * EVERY_SECONDS
"""A reader must not trust a file that is older."""

log = structlog.get_logger()


class Counted(Protocol):
    """How many messages had which outcome."""

    def as_dict(self) -> Mapping[str, int]:
        """Counts by outcome."""


class HealthFile:
    """The health file; a thread keeps it up to date."""

    def __init__(self, path: Path, health: Health) -> None:
        self._path = path
        self._health = health
        self._reported = False
        self.counters: Counted | None = None

    def keep(self, over: threading.Event) -> None:
        """Write the file every few seconds until the stop, then remove it."""
        every(EVERY_SECONDS, over, self._try_to_write)
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _try_to_write(self) -> None:
        try:
            self.write()
        except OSError as error:
            if not self._reported:
                log.warning("health_file.failed", file=str(self._path), error=error.strerror)
            self._reported = True
        else:
            if self._reported:
                log.info("health_file.written", file=str(self._path))
            self._reported = False

    def write(self) -> None:
        """Write the file now.

        Raises:
            OSError: it cannot be written, and stays as it was.

        """
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            with beside.open("wb") as file:
                file.write(self._text())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise

    def _text(self) -> bytes:
        report = msgspec.to_builtins(self._health.report()) | {
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "written_unix": time.time(),
            "pid": os.getpid(),
            "version": __version__,
            "messages": dict(self.counters.as_dict()) if self.counters else {},
        }
        return msgspec.json.encode(report) + b"\n"
