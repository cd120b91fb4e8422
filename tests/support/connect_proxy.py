"""A proxy of the kind that HTTPS_PROXY names: it answers CONNECT, and may want a password."""

import base64
import select
import socket
from contextlib import suppress

from support.loopback import Loopback

REASONS = {403: "Forbidden", 407: "Proxy Authentication Required", 502: "Bad Gateway"}


class ConnectProxy(Loopback):
    """Connects to `to`, whatever host is requested; or refuses with a status."""

    def __init__(self, to=None, *, status=200, password=""):
        super().__init__()
        self.requested = []
        """Hosts that were requested."""
        self._to, self._status, self._password = to, status, password
        self.url = f"http://127.0.0.1:{self.port}"

    def _serve(self, ours):
        with ours, suppress(OSError, ValueError):
            ours.settimeout(10)
            head = b""
            while b"\r\n\r\n" not in head:
                head += ours.recv(1) or b"\r\n\r\n"
            lines = head.decode().split("\r\n")
            self.requested.append(lines[0].split()[1])
            status = self._status if self._is_known(lines) else 407
            if status != 200:
                line = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Length: 0\r\n\r\n"
                ours.sendall(line.encode())
                return
            with socket.create_connection(self._to) as far:
                ours.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._pump(ours, far)

    def _is_known(self, lines):
        if not self._password:
            return True
        expected = base64.b64encode(self._password.encode()).decode()
        return any(
            line.lower().startswith("proxy-authorization:") and line.endswith(expected)
            for line in lines
        )

    def _pump(self, ours, far):
        while not self._closing.is_set():
            for ready in select.select([ours, far], [], [], 0.05)[0]:
                if not (data := ready.recv(65_536)):
                    return
                (far if ready is ours else ours).sendall(data)
