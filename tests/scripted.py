"""A server that says what a test tells it to, byte for byte: what stands in for SQS on a bad day."""

import json
import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from twin.wire import read_request

RESET = struct.pack("ii", 1, 0)
SECONDS = 5


class Say(NamedTuple):
    """Bytes in answer to a request, in parts; then what becomes of the connection."""

    parts: tuple
    then: str = "keep"
    """keep, close, reset, or hang: stay and say nothing more."""
    pause: float = 0
    """Seconds before each part but the first."""


class Asked(NamedTuple):
    """A request, and by the how-manieth connection it came."""

    connection: int
    headers: dict
    body: dict


def say(*parts, then="keep", pause=0):
    return Say(parts, then, pause)


def answer(body=b"{}", status="200 OK", headers=(), then="keep", length=None):
    """A whole answer; `length` is a lie about it."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {length or len(body)}", "", ""]
    return say("\r\n".join(lines).encode() + body, then=then)


class Scripted:
    """Answers requests in turn, from whatever connection; when there is nothing left, with {}."""

    def __init__(self, *script, host="127.0.0.1", context=None):
        self.script = deque(script)
        self.asked = []
        self.connections = 0
        self._context = context
        self._open = {}
        self._turn = threading.Lock()
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
        with self._turn:
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
        with self._turn:
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
            with self._turn:
                self._open[self.connections] = (connection, thread)
            thread.start()

    def _serve(self, plain, number):
        connection = plain
        with suppress(OSError, ValueError), plain:
            if self._context:
                connection = self._context.wrap_socket(plain, server_side=True)
                with self._turn:
                    self._open[number] = (connection, threading.current_thread())
            with connection, connection.makefile("rb") as stream:
                while request := read_request(stream):
                    body = json.loads(request.body or b"{}")
                    with self._turn:
                        self.asked.append(Asked(number, request.headers, body))
                        told = self.script.popleft() if self.script else answer()
                    if not self._tell(connection, told):
                        break
        with self._turn:
            self._open.pop(number, None)

    def _tell(self, connection, told):
        for count, part in enumerate(told.parts):
            if count:
                self._closing.wait(told.pause)
            connection.sendall(part)
        if told.then == "hang":
            self._closing.wait(60)
        if told.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return told.then == "keep"
