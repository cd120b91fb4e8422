"""One connection to SQS, kept open between calls."""

import select
import socket
import time
from ssl import SSLContext, SSLError

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.exceptions import SSLError as CannotTrustError

from worker.sqs.byte_budget import Expect
from worker.sqs.client.http import Answer, Damaged, Stream, read_answer
from worker.sqs.client.places import Place
from worker.timing.deadlines import extend, within
from worker.timing.deadlines.sockets import connected

SLOWEST_SECONDS = 20
"""For a whole answer, on top of how long its first byte may take."""
_CHUNK_BYTES = 65_536


class Dropped(ConnectionClosedError):
    """The connection closed before the first byte of an answer: the call may not have arrived."""


class DamagedAnswer(HTTPClientError):
    """The answer is malformed; the call may have been done."""

    fmt = "the answer of {endpoint_url} cannot be used: {why}"
    may_be_sqs = True
    """False: the answer lacks the request id that each answer of SQS has; a proxy's, perhaps."""


class Connection:
    """Not thread-safe: for a single thread. Errors are those that boto3 would raise."""

    def __init__(
        self,
        place: Place,
        context: SSLContext | None,
        *,
        connect_seconds: float,
        read_seconds: float,
        expect: Expect = lambda _: None,
    ) -> None:
        self._expect = expect
        self._url = place.url
        self._read_seconds = read_seconds
        self._socket = _connected(place, context, connect_seconds)
        self._socket.settimeout(read_seconds)
        self._sight = select.poll()
        self._sight.register(self._socket, select.POLLIN)
        self._has_answered = False
        self.keeps = True
        """It is good for another call."""

    @property
    def is_alive(self) -> bool:
        """The connection is open, and has no unrequested bytes."""
        return not self._sight.poll(0)

    def ask(self, request: bytes) -> Answer:
        """Send a request and read the answer to its end.

        Raises:
            Dropped: the connection had ended before anything came.
            ConnectionClosedError: it ended in the midst of the answer.
            ReadTimeoutError, DamagedAnswer: none came, or none that can be used.

        """
        self.keeps = self._has_answered = False
        try:
            with within(self._read_seconds + SLOWEST_SECONDS):
                self._socket.sendall(request)
                answer, self.keeps = read_answer(Stream(self._more), self._await_room)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from error
        except Damaged as error:
            raise DamagedAnswer(endpoint_url=self._url, why=str(error)) from error
        except (OSError, EOFError) as error:
            gone = ConnectionClosedError if self._has_answered else Dropped
            raise gone(endpoint_url=self._url, error=error) from error
        return answer

    def close(self) -> None:
        """Have done with it."""
        self._socket.close()

    def _await_room(self, length: int) -> None:
        began = time.monotonic()
        self._expect(length)
        extend(time.monotonic() - began)  # that was not the remote service's doing

    def _more(self) -> bytes:
        chunk = self._socket.recv(_CHUNK_BYTES)
        if not chunk:
            raise EOFError
        self._has_answered = True
        return chunk


def _connected(place: Place, context: SSLContext | None, seconds: float) -> socket.socket:
    """Connect to one of the addresses; over TLS, verify the name.

    Raises:
        BotoCoreError: of the kind that boto3 raises.

    """
    try:
        plain = connected((place.host, place.port), seconds)
    except TimeoutError as error:
        raise ConnectTimeoutError(endpoint_url=place.url, error=error) from error
    except (OSError, UnicodeError) as error:  # the latter of a name that cannot be one
        raise EndpointConnectionError(endpoint_url=place.url, error=error) from error
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return _secured(plain, context, place.host) if context else plain
    except TimeoutError as error:
        plain.close()
        raise ConnectTimeoutError(endpoint_url=place.url, error=error) from error
    except SSLError as error:
        plain.close()
        raise CannotTrustError(endpoint_url=place.url, error=error) from error
    except OSError as error:
        plain.close()
        raise EndpointConnectionError(endpoint_url=place.url, error=error) from error
    except BaseException:
        plain.close()
        raise


def _secured(plain: socket.socket, context: SSLContext, host: str) -> socket.socket:
    return context.wrap_socket(plain, server_hostname=host.rstrip("."))
