"""Sockets that heed the deadline of the thread that uses them, from the name to the last byte."""

import math
import socket
import ssl
from collections.abc import Iterable
from typing import Any

from worker.timing.deadlines import Limits, at_most, limits
from worker.timing.deadlines.beside import beside

LOOKUP_SECONDS = 15.0
"""For a name, where there is no earlier deadline: two servers that say nothing, and a third."""

Option = tuple[int, int, int | bytes]


_settimeout = socket.socket.settimeout


class _Heeding(socket.socket):
    """Its time-out is that of one operation; the thread's deadline holds for all of them."""

    _each: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._each = value
        super().settimeout(value)

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 socket's signature
        self.settimeout(None if flag else 0.0)

    def _shorten(self) -> Limits:
        found = limits()
        _settimeout(self, found.at_most(self._each))
        return found

    def connect(self, address: Any) -> None:
        self._shorten()
        super().connect(address)

    def recv(self, *arguments: Any) -> bytes:
        held = self._shorten()
        found = super().recv(*arguments)
        held.count(len(found))
        return found

    def recv_into(self, *arguments: Any) -> int:
        held = self._shorten()
        found = super().recv_into(*arguments)
        held.count(found)
        return found

    def send(self, *arguments: Any) -> int:
        self._shorten()
        return super().send(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self._shorten()  # Python's own holds for all of it
        super().sendall(*arguments)


class HeedingSocket(_Heeding):
    """In the clear."""


class HeedingSSLSocket(_Heeding, ssl.SSLSocket):
    """Encrypted; `make_heed` has a context make it."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 ssl's signature
        """Shake hands; OpenSSL holds the time-out for all of it."""
        self._shorten()
        super().do_handshake(block)


def make_heed(context: ssl.SSLContext) -> None:
    """Have a context's sockets heed deadlines."""
    context.sslsocket_class = HeedingSSLSocket


def resolve(host: str, port: int) -> list[Any]:
    """Look a name up, as `socket.getaddrinfo` does, but not beyond the deadline.

    Raises:
        OSError: there is no such name, or nobody shown in time.
        UnicodeError: it cannot be a name.

    """
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # it is a name, which only a server can tell
    return beside(
        LOOKUP_SECONDS,
        lambda: socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM),
        what=f"looking up {host}",
    )


def connected(
    address: tuple[str, int],
    timeout: object = None,
    source_address: tuple[str, int] | None = None,
    options: Iterable[Option] = (),
) -> HeedingSocket:
    """Connect to the first address that answers; before a deadline each has its share of the time.

    As `socket.create_connection`, which http.client takes it for.

    Raises:
        OSError: none does, or not in time.
        UnicodeError: it cannot be a name.

    """
    seconds = float(timeout) if isinstance(timeout, int | float) else None
    found = resolve(*address)
    failure: OSError | None = None
    for number, (family, kind, protocol, _, place) in enumerate(found):
        remaining = at_most(None)
        share = math.inf if remaining is None else remaining / (len(found) - number)
        ours = HeedingSocket(family, kind, protocol)
        try:
            for option in options:
                ours.setsockopt(*option)
            each = min(share, math.inf if seconds is None else seconds)
            ours.settimeout(None if each == math.inf else each)
            if source_address:
                ours.bind(source_address)
            ours.connect(place)
        except OSError as error:
            ours.close()
            failure = error
        except BaseException:
            ours.close()
            raise
        else:
            ours.settimeout(seconds)
            return ours
    raise failure or OSError("the name has no address")
