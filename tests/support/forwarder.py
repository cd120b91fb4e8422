"""A TCP forwarder that forgets connections without a word, as a firewall or NAT does."""

import select
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Forwarder:
    """Forwards to an endpoint; after `forget`, what arrives on open connections is lost.

    Nothing is closed and nothing is reset: the client waits. New connections are forwarded.
    """

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._to = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"{parts.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.lost = 0
        """Connections on which something was sent after they were forgotten."""
        self._forgotten: set[int] = set()
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def forget(self):
        """Forget the connections that are open now."""
        self._forgotten = set(range(1, self.connections + 1))

    def _accept(self):
        while not self._closing.is_set():
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            arguments = (ours, self.connections)
            self._threads.append(
                threading.Thread(target=self._forward, args=arguments, daemon=True)
            )
            self._threads[-1].start()

    def _forward(self, ours, number):
        is_lost = False
        with ours, suppress(OSError), socket.create_connection(self._to) as far:
            while not self._closing.is_set():
                for ready in select.select([ours, far], [], [], 0.02)[0]:
                    data = ready.recv(65_536)
                    if number in self._forgotten:
                        if data and not is_lost:
                            is_lost, self.lost = True, self.lost + 1
                        continue
                    if not data:
                        return
                    (far if ready is ours else ours).sendall(data)
