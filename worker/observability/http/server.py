"""The HTTP server: waitress, with limits for untrusted clients.

It reads a request whole before a thread has it, so a slow client costs no thread; it closes what is
silent; it takes no new connection above its limit. It would leave open what sends a byte now and
then, or reads none: a connection that is older than any request needs is closed here, too.
"""

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from waitress.channel import HTTPChannel
from waitress.server import create_server

from worker.core.errors import Stopped, Unavailable
from worker.observability.health import Health
from worker.timing.retries import back_off, unless_over, while_unreachable

THREADS = 2
CONNECTIONS = 50
OLDEST_SECONDS = 20
"""Of a connection; each has one request."""
CROWD, CROWDED_SECONDS = 40, 1
"""So many connections, and each may last only so long: an answer is made in 10 ms."""
LARGEST_HEADER_BYTES, LARGEST_BODY_BYTES = 16_384, 1_024
LOOK_SECONDS = 1.0
BACKLOG = 64

_HINT = "another program has it; stop that, or set http.listen. The work goes on without"

log = structlog.get_logger()


def serve(
    listen: tuple[str, int],
    application: Callable[..., Any],
    over: threading.Event,
    health: Health,
) -> None:
    """Answer until it is over; an address that cannot be had is tried again, 1 to 60 s apart."""
    logging.getLogger("waitress").setLevel(
        logging.ERROR
    )  # errors of untrusted clients are not logged
    pause = unless_over(over)
    again, failures = while_unreachable(pause, _Teller(listen, health)), 0
    with suppress(Stopped):
        while not over.is_set():
            with again(_listen, listen) as ours:
                health.resolve("http")
                host, port = ours.getsockname()[:2]
                log.info("http.listening", host=host, port=port)
                try:
                    _answer(ours, application, over)
                except Exception:
                    failures += 1
                    log.exception("http.failed")
                    pause(back_off(failures))


def _listen(listen: tuple[str, int]) -> socket.socket:
    """Take the address.

    Raises:
        Unavailable: the port is in use, or the address is not of this machine.

    """
    host, port = listen
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        ours = socket.socket(family, kind, protocol)
        try:
            # Connections of the process before us may still be closing.
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind(address)
            ours.listen(BACKLOG)  # now, as two may be bound to it until one listens
        except OSError:
            ours.close()
            raise
    except OSError as error:
        hint = f" ({_HINT})" if error.errno == errno.EADDRINUSE else ""
        error_text = error.strerror or os.strerror(error.errno or 0)
        raise Unavailable(f"{error_text}{hint}") from error
    return ours


def _answer(ours: socket.socket, application: Callable[..., Any], over: threading.Event) -> None:
    connections: dict[int, Any] = {}
    server = create_server(
        application,
        map=connections,
        sockets=[ours],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=OLDEST_SECONDS,
        cleanup_interval=1,
        max_request_header_size=LARGEST_HEADER_BYTES,
        max_request_body_size=LARGEST_BODY_BYTES,
        backlog=BACKLOG,
        asyncore_use_poll=True,  # select ends at 1,024 descriptors
        log_socket_errors=False,
        ident=None,
    )
    try:
        while not over.is_set():
            server.asyncore.loop(timeout=LOOK_SECONDS, use_poll=True, map=connections, count=1)
            _close_old(connections)
    finally:
        server.task_dispatcher.shutdown(timeout=1)
        server.asyncore.close_all(connections)


def _close_old(connections: Mapping[int, object]) -> None:
    channels = [
        connection
        for connection in list(connections.values())
        if isinstance(connection, HTTPChannel)
    ]
    # Where they are nearly all taken, who is slow makes room for who is next.
    seconds = OLDEST_SECONDS if len(channels) < CROWD else CROWDED_SECONDS
    oldest = time.time() - seconds
    for channel in channels:
        if channel.creation_time < oldest:
            channel.handle_close()


class _Teller:
    """Says that the address cannot be had: the first time, and when the reason is another."""

    def __init__(self, listen: tuple[str, int], health: Health) -> None:
        self._listen = listen
        self._health = health
        self._reported = ""

    def __call__(self, error: BaseException, seconds: float) -> None:
        host, port = self._listen
        self._health.report_problem("http", f"{host}:{port}: {error}")
        if str(error) != self._reported:
            self._reported = str(error)
            log.error(
                "http.unavailable",
                host=host,
                port=port,
                error=self._reported,
                next_try_seconds=round(seconds, 1),
            )
