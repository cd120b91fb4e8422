"""The HTTP server: waitress, with limits for untrusted clients.

waitress reads a whole request before a thread handles it, so a slow client costs no thread; it
closes silent connections, and accepts none above its limit. It would keep a connection open whose
client sends a byte now and then, or does not read: old connections are closed here.
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
from worker.core.limits import LARGEST_REQUEST_BODY_BYTES, LARGEST_REQUEST_HEAD_BYTES
from worker.observability.health import Health
from worker.timing.retries import back_off, unless_over, while_unreachable

THREADS = 2
CONNECTIONS = 50
"""Open connections; further ones wait in the backlog."""
OLDEST_SECONDS = 20
"""Time limit of a connection, which has a single request."""
CROWD, CROWDED_SECONDS = 40, 1
"""With so many connections, the time limit is shorter: an answer takes 10 ms."""
LOOK_SECONDS = 1.0
"""Between two looks for old connections and for the stop."""
BACKLOG = 64
"""Connections that the kernel keeps until they are accepted."""

_HINT = (
    "another program uses the port: stop it, or change http.listen. Messages are processed all the "
    "same"
)

log = structlog.get_logger()


def serve(
    listen: tuple[str, int],
    application: Callable[..., Any],
    over: threading.Event,
    health: Health,
) -> None:
    """Answer until the stop; if the address is not available, try again after 1 to 60 s."""
    logging.getLogger("waitress").setLevel(
        logging.ERROR
    )  # errors of untrusted clients are not logged
    pause = unless_over(over)
    again, failures = while_unreachable(pause, _Reporter(listen, health)), 0
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
    """Bind the address.

    Raises:
        Unavailable: the port is in use, or this machine does not have the address.

    """
    host, port = listen
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        ours = socket.socket(family, kind, protocol)
        try:
            # Connections of the previous process may still be closing.
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind(address)
            ours.listen(
                BACKLOG
            )  # now: two sockets can be bound to an address until one of them listens
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
        max_request_header_size=LARGEST_REQUEST_HEAD_BYTES,
        max_request_body_size=LARGEST_REQUEST_BODY_BYTES,
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
    # If nearly all connections are in use, slow clients make room for the next.
    seconds = OLDEST_SECONDS if len(channels) < CROWD else CROWDED_SECONDS
    oldest = time.time() - seconds
    for channel in channels:
        if channel.creation_time < oldest:
            channel.handle_close()


class _Reporter:
    """Reports that the address is not available; logs it once for each reason."""

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
