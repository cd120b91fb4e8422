"""Notifies systemd: the protocol of sd_notify(3), a datagram of assignments to a socket.

Without a `$NOTIFY_SOCKET` nothing is sent, and errors of the socket are ignored.
"""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress

SEND_SECONDS = 5.0
"""A manager that takes nothing for so long goes without."""
_MICROSECONDS = 1_000_000


class Systemd:
    """The service manager, if one has started us."""

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog_seconds(environment, pid) if self._address else None
        """How often it wants to hear that we get on; None: it does not ask."""

    @property
    def listens(self) -> bool:
        """There is a service manager."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The start, or a reload, is over."""
        self._notify("READY=1", _status(status))

    def reloading(self) -> None:
        """Settings are being read again, until `ready`."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._notify("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self, status: str) -> None:
        """The end has begun."""
        self._notify("STOPPING=1", _status(status))

    def status(self, status: str) -> None:
        """What `systemctl status` shows."""
        self._notify(_status(status))

    def gets_on(self) -> None:
        """The worker is alive, for `watchdog_seconds`."""
        self._notify("WATCHDOG=1")

    def takes_longer(self, seconds: float) -> None:
        """The start is not over, and shall have so many seconds from now on."""
        self._notify(f"EXTEND_TIMEOUT_USEC={round(seconds * _MICROSECONDS)}")

    def _notify(self, *assignments: str) -> None:
        if not self._address:
            return
        # An "@" stands for the zero byte of Linux's abstract sockets.
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(SEND_SECONDS)
            manager.sendto("\n".join(assignments).encode(), address)


def _status(text: str) -> str:
    """One line, or the next would be an assignment of its own."""
    return f"STATUS={' '.join(text.split())}"


def _watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    interval, whose = (
        environment.get("WATCHDOG_USEC", ""),
        environment.get("WATCHDOG_PID", str(pid)),
    )
    return int(interval) / _MICROSECONDS if interval.isdecimal() and whose == str(pid) else None
