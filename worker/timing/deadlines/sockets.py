"""Sockets that obey the deadline of the thread that uses them, from the lookup to the last byte."""

import math
import socket
import ssl
from collections.abc import Iterable
from typing import Any

from worker.timing.deadlines import Limits, at_most, limits
from worker.timing.deadlines.beside import beside

LOOKUP_SECONDS = 15.0
"""For a lookup without an earlier deadline: two silent name servers, and a third that answers."""

Option = tuple[int, int, int | bytes]


_settimeout = socket.socket.settimeout


class _DeadlineSocket(socket.socket):
    """Its time-out is for a single operation; the thread's deadline holds for all of them."""

    _each: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._each = value
        super().settimeout(value)

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 socket's signature
        self.settimeout(None if flag else 0.0)

    def _shorten(self) -> Limits:
        held = limits()
        _settimeout(self, held.at_most(self._each))
        return held

    def connect(self, address: Any) -> None:
        self._shorten()
        super().connect(address)

    def recv(self, *arguments: Any) -> bytes:
        held = self._shorten()
        received = super().recv(*arguments)
        held.count(len(received))
        return received

    def recv_into(self, *arguments: Any) -> int:
        held = self._shorten()
        length = super().recv_into(*arguments)
        held.count(length)
        return length

    def send(self, *arguments: Any) -> int:
        self._shorten()
        return super().send(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self._shorten()  # Python's time-out holds for the whole call
        super().sendall(*arguments)


class DeadlineSocket(_DeadlineSocket):
    """Plain."""


class DeadlineSSLSocket(_DeadlineSocket, ssl.SSLSocket):
    """With TLS; made by a context after `use_deadlines`."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 ssl's signature
        """Perform the handshake; the time-out holds for all of it."""
        self._shorten()
        super().do_handshake(block)


def use_deadlines(context: ssl.SSLContext) -> None:
    """Have a context make sockets that obey deadlines."""
    context.sslsocket_class = DeadlineSSLSocket


def resolve(host: str, port: int) -> list[Any]:
    """Look a name up, as `socket.getaddrinfo` does, within the deadline.

    Raises:
        OSError: there is no such name, or no answer in time.
        UnicodeError: it is not a valid name.

    """
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, not an address
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
) -> DeadlineSocket:
    """Connect to the first address that answers; each address has a share of the time left.

    It replaces `socket.create_connection` in http.client.

    Raises:
        OSError: no address answers in time.
        UnicodeError: it is not a valid name.

    """
    seconds = float(timeout) if isinstance(timeout, int | float) else None
    addresses = resolve(*address)
    failure: OSError | None = None
    for number, (family, kind, protocol, _, place) in enumerate(addresses):
        remaining = at_most(None)
        share = math.inf if remaining is None else remaining / (len(addresses) - number)
        ours = DeadlineSocket(family, kind, protocol)
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
