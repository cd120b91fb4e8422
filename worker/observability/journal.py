"""systemd's journal, written by its native protocol if standard error is connected to it.

A line has the same text as elsewhere, and fields to filter by: its level as `PRIORITY`, its event
as `EVENT` (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
"""

import os
import socket
from collections.abc import Mapping
from typing import TextIO

SOCKET = "/run/systemd/journal/socket"
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""syslog's priorities; other levels are logged as info."""


class Journal:
    """A client of the journal. Thread-safe: a line is a datagram."""

    def __init__(self, address: str = SOCKET) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def write(self, text: str, *, level: str, event: str) -> bool:
        """Write a line; return whether it was written; it may be too long for a datagram."""
        fields = {
            "MESSAGE": text,
            "PRIORITY": str(PRIORITIES.get(level, PRIORITIES["info"])),
            "SYSLOG_IDENTIFIER": "ses-worker",
            "EVENT": event,
        }
        try:
            self._socket.sendto(b"".join(map(_field, fields, fields.values())), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def journal_behind(stream: TextIO, environment: Mapping[str, str]) -> Journal | None:
    """Return the journal if a stream is connected to it, else None."""
    return Journal() if ends_in_journal(stream, environment) else None


def ends_in_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether systemd has connected a stream to the journal, and it still is."""
    value = environment.get("JOURNAL_STREAM")
    if not value:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return value == f"{found.st_dev}:{found.st_ino}"


def _field(name: str, value: str) -> bytes:
    """A field with its length before its value, which may have several lines."""
    data = value.encode("utf-8", "backslashreplace")
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
