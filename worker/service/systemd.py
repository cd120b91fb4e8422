"""Notifies systemd by the protocol of sd_notify(3): a datagram of assignments to a socket.

Without `$NOTIFY_SOCKET` nothing is sent, and errors of the socket are ignored.
"""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress

SEND_SECONDS = 5.0
"""Longest wait for the manager to take a notification; then it is dropped."""
_MICROSECONDS = 1_000_000


class Systemd:
    """The service manager, if it has started this process."""

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog_seconds(environment, pid) if self._address else None
        """Longest time between two notifications for the watchdog; None: there is no watchdog."""

    @property
    def listens(self) -> bool:
        """There is a service manager to notify."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """Notify that the start, or a reload, is over."""
        self._notify("READY=1", _status(status))

    def reloading(self) -> None:
        """Notify that the settings are read again, until `ready`."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._notify("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self, status: str) -> None:
        """Notify that the worker is stopping."""
        self._notify("STOPPING=1", _status(status))

    def status(self, status: str) -> None:
        """Set the text that `systemctl status` shows."""
        self._notify(_status(status))

    def alive(self) -> None:
        """Notify that the worker is alive, for the next `watchdog_seconds`."""
        self._notify("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for so many seconds from now on, because the start is not over."""
        self._notify(f"EXTEND_TIMEOUT_USEC={round(seconds * _MICROSECONDS)}")

    def _notify(self, *assignments: str) -> None:
        if not self._address:
            return
        # "@" means the zero byte at the start of an abstract socket's address.
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(SEND_SECONDS)
            manager.sendto("\n".join(assignments).encode(), address)


def _status(text: str) -> str:
    """Return the text in a single line, because each line is an assignment."""
    return f"STATUS={' '.join(text.split())}"


def _watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    interval = environment.get("WATCHDOG_USEC", "")
    is_for_us = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    return int(interval) / _MICROSECONDS if interval.isdecimal() and is_for_us else None
