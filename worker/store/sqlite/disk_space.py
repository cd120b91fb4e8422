"""Whether a full disk has room again."""

import shutil
from contextlib import suppress
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.sqlite.errors import FULL, error_code

FREE_BYTES_TO_GO_ON = 8 * 1024 * 1024
"""Free space required after a full disk: enough for a batch, its indexes and the `-wal`."""
LOOKS_FOR_ROOM = 5
"""Probes that require this space. After them a probe writes, as less space may be enough."""


class DiskSpace:
    """After a full disk, a probe requires free space.

    A probe writes a single page, so its success does not prove that a batch fits.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looks = 0

    def note(self, error: BaseException) -> None:
        """Note an error of a transaction: the disk may be full."""
        if error_code(error) in FULL:
            self._looks = LOOKS_FOR_ROOM

    def note_success(self) -> None:
        """Note that the disk could be written."""
        self._looks = 0

    def require(self) -> None:
        """Make sure, after a full disk, that there is room.

        Raises:
            Unavailable: there is not.
            OSError: unknown.

        """
        if not self._looks:
            return
        self._looks -= 1
        with suppress(FileNotFoundError):
            if shutil.disk_usage(self._folder).free < FREE_BYTES_TO_GO_ON:
                raise Unavailable(f"{self._folder}: the disk is full")
