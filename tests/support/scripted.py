"""A server that answers what a test scripts, byte for byte, in place of SQS."""

import json
import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from simulators.sqs.wire import read_request

RESET = struct.pack("ii", 1, 0)
SECONDS = 5


class Answer(NamedTuple):
    """Bytes in answer to a request, in parts; then what becomes of the connection."""

    parts: tuple
    then: str = "keep"
    """keep, close, reset, or hang: stay and send nothing more."""
    pause: float = 0
    """Seconds before each part but the first."""


class Request(NamedTuple):
    """A request, and by the how-manieth connection it came."""

    connection: int
    headers: dict
    body: dict


def answer_with(*parts, then="keep", pause=0):
    return Answer(parts, then, pause)


def answer(body=b"{}", status="200 OK", headers=(), then="keep", length=None):
    """A whole answer; `length` is a lie about it."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {length or len(body)}", "", ""]
    return answer_with("\r\n".join(lines).encode() + body, then=then)


class Scripted:
    """Answers requests in order, on any connection; with {} when no answer is left."""

    def __init__(self, *script, host="127.0.0.1", context=None):
        self.script = deque(script)
        self.requests = []
        self.connections = 0
        self._context = context
        self._open = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.endpoint = f"{'https' if context else 'http'}://{name}:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(SECONDS)
        self._listener.close()
        self.drop()

    def drop(self, *, reset=False):
        """Close every connection, and wait until that is done."""
        with self._lock:
            connections = list(self._open.values())
        for connection, thread in connections:
            with suppress(OSError):
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    connection.shutdown(socket.SHUT_RD)
                else:
                    connection.shutdown(socket.SHUT_RDWR)
            thread.join(SECONDS)

    @property
    def open(self):
        """How many connections are open."""
        with self._lock:
            return len(self._open)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(60)
            self.connections += 1
            arguments = (connection, self.connections)
            thread = threading.Thread(target=self._serve, args=arguments, daemon=True)
            with self._lock:
                self._open[self.connections] = (connection, thread)
            thread.start()

    def _serve(self, plain, number):
        connection = plain
        with suppress(OSError, ValueError), plain:
            if self._context:
                connection = self._context.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open[number] = (connection, threading.current_thread())
            with connection, connection.makefile("rb") as stream:
                while request := read_request(stream):
                    body = json.loads(request.body or b"{}")
                    with self._lock:
                        self.requests.append(Request(number, request.headers, body))
                        reported = self.script.popleft() if self.script else answer()
                    if not self._send(connection, reported):
                        break
        with self._lock:
            self._open.pop(number, None)

    def _send(self, connection, reported):
        for count, part in enumerate(reported.parts):
            if count:
                self._closing.wait(reported.pause)
            connection.sendall(part)
        if reported.then == "hang":
            self._closing.wait(60)
        if reported.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return reported.then == "keep"
