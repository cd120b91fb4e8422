"""The HTTP server: a thread for each connection, which stays open between calls."""

import json
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from simulators.ses.faults import Cut
from simulators.ses.suppression_list import Answer

Reply = Callable[[str, str, str, bytes], Answer]
"""Takes method, path, Authorization and body; raises `Cut` to leave the client unanswered."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the peer gets a reset."""


class Server(ThreadingHTTPServer):
    """A thread for each connection; `server_close` ends those that are open."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, reply: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the open connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and end all connections."""
        super().server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a peer that has disconnected."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        signed = self.headers.get("Authorization", "")
        try:
            answer = self.server.reply(self.command, self.path, signed, body)
        except Cut:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            return
        text = answer.html or json.dumps(answer.body)
        payload = text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html" if answer.html else "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if answer.code:
            self.send_header("x-amzn-ErrorType", answer.code)
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 as http.server has it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 as http.server has it
        """Log nothing: `calls` has it."""
