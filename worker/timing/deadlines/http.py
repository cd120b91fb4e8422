"""http.client's connections, and urllib's way to them, with sockets that heed deadlines."""

import http.client
import ssl
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request

from worker.timing.deadlines.sockets import connected, make_heed


class HTTPConnection(http.client.HTTPConnection):
    """Like its base, within the deadline of the thread."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._create_connection = connected


class HTTPSConnection(http.client.HTTPSConnection):
    """Like its base, within the deadline of the thread."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        context = named.get("context") or ssl.create_default_context()
        make_heed(context)
        super().__init__(*arguments, **{**named, "context": context})
        self._create_connection = connected


class HeedingHTTPHandler(HTTPHandler):
    """For urllib's openers."""

    def http_open(self, req: Request) -> http.client.HTTPResponse:
        """Open it."""
        return self.do_open(HTTPConnection, req)


class HeedingHTTPSHandler(HTTPSHandler):
    """For urllib's openers; certificates are verified, as Python does by itself."""

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        """Open it."""
        return self.do_open(HTTPSConnection, req)
