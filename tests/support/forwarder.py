"""A TCP forwarder that forgets connections without a word, as a firewall or NAT does."""

import select
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from support.loopback import Loopback


class Forwarder(Loopback):
    """Forwards to an endpoint; after `forget`, what arrives on open connections is lost.

    Nothing is closed and nothing is reset: the client waits. New connections are forwarded.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        parts = urlsplit(endpoint)
        self._to = (parts.hostname, parts.port)
        self.endpoint = f"{parts.scheme}://127.0.0.1:{self.port}"
        self.connections = 0
        self._counting = threading.Lock()
        self.lost = 0
        """Connections on which something was sent after they were forgotten."""
        self._forgotten: set[int] = set()

    def forget(self):
        """Forget the connections that are open now."""
        self._forgotten = set(range(1, self.connections + 1))

    def _serve(self, ours):
        with self._counting:
            self.connections = number = self.connections + 1
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
