"""A server whose answers never end: it drips, floods, or lets nobody in."""

import socket
import threading
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
RECORD = b"\x16\x03\x03\x40\x00\x02"
"""The beginning of a TLS handshake of 16 KiB."""

KINDS = {
    "nothing at all": (b"", b""),
    "a head that never ends": (HEAD + b"X-", b"a"),
    "lines of a head that never end": (HEAD, b"X-a: b\r\n"),
    "a body that never ends": (HEAD + b"Content-Length: 10000\r\n\r\n", b"a"),
    "chunks that never end": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "a handshake that never ends": (RECORD, b"\0"),
    "a proxy's yes that never ends": (b"HTTP/1.0 200 Connection esta", b"b"),
}


class Dripping:
    """Takes each request, begins an answer, and adds to it a little every so often."""

    def __init__(self, kind, every=0.05):
        self._begin, self._more = KINDS[kind]
        self._every = every
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = "127.0.0.1"
        self.port = self._listener.getsockname()[1]
        self.requests = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with suppress(OSError), connection:
            connection.recv(65_536)
            self.requests += 1
            connection.sendall(self._begin)
            while not self._over.wait(self._every):
                connection.sendall(self._more)


class Flooding(Dripping):
    """Its answers are endless, and as fast as can be."""

    def __init__(self):
        super().__init__("nothing at all")
        self._begin = HEAD + b"\r\n"

    def _serve(self, connection):
        with suppress(OSError), connection:
            connection.recv(65_536)
            connection.sendall(self._begin)
            while not self._over.is_set():
                connection.sendall(b" " * 1_000_000)


@contextmanager
def full():
    """An address that accepts no connection: clients wait in its backlog."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _ in range(4):
            item = socket.socket()
            item.setblocking(False)
            with suppress(BlockingIOError):
                item.connect(listener.getsockname())
            waiting.append(item)
        yield listener.getsockname()[1]
        for item in waiting:
            item.close()
