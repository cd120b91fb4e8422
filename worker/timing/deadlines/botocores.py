"""botocore's connections with sockets that heed deadlines, and its helpers with an end.

All of botocore's HTTP goes through two pools of connections: calls to AWS, and what its own
fetchers ask for credentials (instance and container metadata, STS, SSO).
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
from worker.timing.deadlines.sockets import HeedingSocket, connected, make_heed


def _connect(connection: HTTPConnection) -> HeedingSocket:
    """Connect as urllib3's connections do; errors are those that urllib3 raises here."""
    host = connection._dns_host  # noqa: SLF001 with the dot at its end, as a lookup needs it
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
        notification = f"no connection to {connection.host}: {error}"
        raise ConnectTimeoutError(connection, notification) from error
    except OSError as error:
        notification = f"no connection to {connection.host}: {error}"
        raise NewConnectionError(connection, notification) from error


class HeedingConnection(AWSHTTPConnection):
    """In the clear."""

    def _new_conn(self) -> HeedingSocket:
        return _connect(self)


class HeedingSecureConnection(AWSHTTPSConnection):
    """Encrypted."""

    def _new_conn(self) -> HeedingSocket:
        return _connect(self)

    def connect(self) -> None:
        """Connect, through a proxy where there is one, and shake hands."""
        if self.ssl_context is not None:
            make_heed(self.ssl_context)
        super().connect()


class _Helper(subprocess.Popen[bytes]):
    """A `credential_process`, ended at the deadline with whatever it has started."""

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
            with self:  # which closes its pipes, and waits for it
                pass
            raise TimeoutError("the helper that gives credentials does not answer") from None


class _ProcessProvider(botocore.credentials.ProcessProvider):
    def __init__(self, profile_name: Any, load_config: Any, popen: Any = _Helper) -> None:
        super().__init__(profile_name, load_config, popen)


def have_botocore_heed() -> None:
    """Do so, for all of this process."""
    botocore.awsrequest.AWSHTTPConnectionPool.ConnectionCls = HeedingConnection
    botocore.awsrequest.AWSHTTPSConnectionPool.ConnectionCls = HeedingSecureConnection
    botocore.credentials.ProcessProvider = _ProcessProvider  # type: ignore[misc]
