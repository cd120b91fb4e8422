"""A connection to SQS, kept open between calls."""

import select
import socket
import time
from collections.abc import Mapping
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
from worker.sqs.client.endpoint import Endpoint
from worker.sqs.client.http import Answer, Damaged, Stream, read_answer
from worker.timing.deadlines import extend, within
from worker.timing.deadlines.sockets import connected

SLOWEST_SECONDS = 20
"""For a whole answer, in addition to the time-out of its first byte."""
UNCONFIRMED_SECONDS = 10
"""Sent bytes are confirmed by TCP within so many seconds, however long the answer takes; otherwise
the connection has ended. A firewall or NAT may have forgotten it."""
PROBE_AFTER_SECONDS, PROBE_EVERY_SECONDS = 45, 10
"""Idle connections are probed, so that they stay in the tables of firewalls: AWS's NAT gateways
forget a connection after 350 s (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html#nat-gateway-troubleshooting-timeout)."""
REQUEST_ID = "x-amzn-requestid"
"""The header that each answer of SQS has."""
_CHUNK_BYTES = 65_536
_OPTIONS = {
    socket.TCP_NODELAY: 1,
    socket.TCP_KEEPIDLE: PROBE_AFTER_SECONDS,
    socket.TCP_KEEPINTVL: PROBE_EVERY_SECONDS,
    socket.TCP_USER_TIMEOUT: UNCONFIRMED_SECONDS * 1_000,
}


class Dropped(ConnectionClosedError):
    """The connection closed before the first byte of the answer; SQS may not have the call."""


class Silent(ReadTimeoutError):
    """Not a byte of the answer arrived in time; SQS may not have the call."""


class DamagedAnswer(HTTPClientError):
    """The answer is malformed; SQS may have performed the call."""

    fmt = "the answer of {endpoint_url} cannot be used: {why}"
    is_of_sqs = False
    """The answer has the request id that each answer of SQS has; else it may be a proxy's."""


def damaged(url: str, why: str, headers: Mapping[str, str]) -> DamagedAnswer:
    """Return the error for an answer with these headers."""
    error = DamagedAnswer(endpoint_url=url, why=why)
    error.is_of_sqs = REQUEST_ID in headers
    return error


class Connection:
    """For a single thread. Errors are those that boto3 would raise."""

    def __init__(
        self,
        endpoint: Endpoint,
        context: SSLContext | None,
        *,
        connect_seconds: float,
        expect: Expect = lambda _: None,
    ) -> None:
        self._expect = expect
        self._url = endpoint.url
        self._socket = _connected(endpoint, context, connect_seconds)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._has_answered = False
        self.keeps = True
        """The connection can be reused."""

    @property
    def is_alive(self) -> bool:
        """The connection is open, and no unrequested bytes have arrived."""
        return not self._poll.poll(0)

    def ask(self, request: bytes, seconds: float) -> Answer:
        """Send a request and read the answer; `seconds` is the time limit between two reads.

        Raises:
            Dropped: the connection closed before the first byte of the answer.
            Silent: no byte of the answer arrived in time.
            ConnectionClosedError: it closed in the middle of the answer.
            ReadTimeoutError: the answer did not arrive in time.
            DamagedAnswer: the answer is malformed.

        """
        self.keeps = self._has_answered = False
        self._socket.settimeout(seconds)
        try:
            with within(seconds + SLOWEST_SECONDS):
                self._socket.sendall(request)
                answer, self.keeps = read_answer(Stream(self._more), self._await_room)
        except TimeoutError as error:
            late = ReadTimeoutError if self._has_answered else Silent
            raise late(endpoint_url=self._url, error=error) from error
        except Damaged as error:
            raise damaged(self._url, str(error), error.headers) from error
        except (OSError, EOFError) as error:
            kind = ConnectionClosedError if self._has_answered else Dropped
            raise kind(endpoint_url=self._url, error=error) from error
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _await_room(self, length: int) -> None:
        began = time.monotonic()
        self._expect(length)
        extend(time.monotonic() - began)  # the remote service is not to blame for this wait

    def _more(self) -> bytes:
        chunk = self._socket.recv(_CHUNK_BYTES)
        if not chunk:
            raise EOFError
        self._has_answered = True
        return chunk


def _connected(endpoint: Endpoint, context: SSLContext | None, seconds: float) -> socket.socket:
    """Connect to an address of the endpoint; over TLS, verify the name.

    Raises:
        BotoCoreError: as boto3 would.

    """
    try:
        plain = connected((endpoint.host, endpoint.port), seconds)
    except TimeoutError as error:
        raise ConnectTimeoutError(endpoint_url=endpoint.url, error=error) from error
    except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name
        raise EndpointConnectionError(endpoint_url=endpoint.url, error=error) from error
    try:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _OPTIONS.items():
            plain.setsockopt(socket.IPPROTO_TCP, option, value)
        return _secured(plain, context, endpoint.host) if context else plain
    except TimeoutError as error:
        plain.close()
        raise ConnectTimeoutError(endpoint_url=endpoint.url, error=error) from error
    except SSLError as error:
        plain.close()
        raise CannotTrustError(endpoint_url=endpoint.url, error=error) from error
    except OSError as error:
        plain.close()
        raise EndpointConnectionError(endpoint_url=endpoint.url, error=error) from error
    except BaseException:
        plain.close()
        raise


def _secured(plain: socket.socket, context: SSLContext, host: str) -> socket.socket:
    return context.wrap_socket(plain, server_hostname=host.rstrip("."))
