"""http.client's connections and urllib's handlers, with deadlines."""

import http.client
import ssl
from collections.abc import Callable
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request

from worker.timing.deadlines.sockets import connected, use_deadlines


class HTTPConnection(http.client.HTTPConnection):
    """As the base class, within the thread's deadline."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._create_connection = connected


class HTTPSConnection(http.client.HTTPSConnection):
    """As the base class, within the thread's deadline."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        context = named.get("context") or ssl.create_default_context()
        use_deadlines(context)
        super().__init__(*arguments, **{**named, "context": context})
        self._create_connection = connected


class DeadlineHTTPHandler(HTTPHandler):
    """A handler for urllib's openers."""

    def http_open(self, req: Request) -> http.client.HTTPResponse:
        """Open a connection."""
        return self.do_open(HTTPConnection, req)


class DeadlineHTTPSHandler(HTTPSHandler):
    """A handler for urllib's openers; certificates are verified."""

    def __init__(self, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        """`trust` makes the TLS context of each connection."""
        super().__init__()
        self._trust = trust

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        """Open a connection."""
        return self.do_open(HTTPSConnection, req, context=self._trust())
