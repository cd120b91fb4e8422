"""Deadlines for botocore's connections and its credential helpers.

All of botocore's HTTP goes through two classes of connection pools: calls to AWS, and requests for
credentials (instance and container metadata, STS, SSO).
"""

import os
import signal
import socket
import subprocess
from contextlib import suppress
from typing import Any

import botocore.awsrequest
import botocore.credentials
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)

from worker.timing.deadlines import at_most
from worker.timing.deadlines.sockets import DeadlineSocket, connected, use_deadlines


def _connect(connection: HTTPConnection) -> DeadlineSocket:
    """Connect as urllib3's connections do, with the same errors."""
    host = connection._dns_host  # noqa: SLF001 keeps a trailing dot, for the lookup
    try:
        return connected(
            (host.strip("[]"), connection.port or connection.default_port),
            connection.timeout,
            connection.source_address,
            connection.socket_options or (),
        )
    except UnicodeError as error:
        raise LocationParseError(f"'{host}', label empty or too long") from error
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        text = f"no connection to {connection.host}: {error}"
        raise ConnectTimeoutError(connection, text) from error
    except OSError as error:
        text = f"no connection to {connection.host}: {error}"
        raise NewConnectionError(connection, text) from error


class DeadlineConnection(AWSHTTPConnection):
    """Plain."""

    def _new_conn(self) -> DeadlineSocket:
        return _connect(self)


class DeadlineSecureConnection(AWSHTTPSConnection):
    """With TLS."""

    def _new_conn(self) -> DeadlineSocket:
        return _connect(self)

    def connect(self) -> None:
        """Connect, through a proxy if there is one, and perform the TLS handshake."""
        if self.ssl_context is not None:
            use_deadlines(self.ssl_context)
        super().connect()


class _Helper(subprocess.Popen[bytes]):
    """A `credential_process`, killed at the deadline with its child processes."""

    def __init__(self, command: Any, **named: Any) -> None:
        super().__init__(command, **named, start_new_session=True)

    def communicate(
        self,
        input: bytes | None = None,  # noqa: A002 subprocess's signature
        timeout: float | None = None,
    ) -> tuple[bytes, bytes]:
        try:
            return super().communicate(input, at_most(timeout))
        except (subprocess.TimeoutExpired, TimeoutError):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            with self:  # closes its pipes and waits for it
                pass
            raise TimeoutError("the credential helper does not answer") from None


class _ProcessProvider(botocore.credentials.ProcessProvider):
    def __init__(self, profile_name: Any, load_config: Any, popen: Any = _Helper) -> None:
        super().__init__(profile_name, load_config, popen)


def use_deadlines_in_botocore() -> None:
    """Have botocore use these classes, in the whole process."""
    botocore.awsrequest.AWSHTTPConnectionPool.ConnectionCls = DeadlineConnection
    botocore.awsrequest.AWSHTTPSConnectionPool.ConnectionCls = DeadlineSecureConnection
    botocore.credentials.ProcessProvider = _ProcessProvider  # type: ignore[misc]
