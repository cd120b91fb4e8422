"""The Slack simulator, as a test or the demo uses it."""

import itertools
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from simulators.slack.faults import Fault, not_ok, refused
from simulators.slack.rules import refusal

WEBHOOK = "/services/T0SIMULATED/B0SIMULATED/NotAnythingSecret0123456"
METHOD = "/api/chat.postMessage"
TEST = "/api/auth.test"
_IDENTITY = json.dumps({"ok": True, "user": "simulator"})
TOKEN = "xoxb-not-anything-secret"  # noqa: S105 invented
CHANNEL = "C0SIMULATED"
LONGEST_HOLD_SECONDS = 8.5
"""Shorter than the time-out of the sender."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the peer gets a reset."""


class SlackRequest(Struct, frozen=True, kw_only=True):
    """A request, and its answer."""

    at: datetime
    clock: float
    """`time.monotonic()`"""
    path: str
    payload: Any
    """Parsed; None if it is not JSON."""
    status: int
    """0: the connection was reset."""
    answer: str
    accepted: bool


class SlackSimulator:
    """Listens on a free port of 127.0.0.1 for a `with` block. Thread-safe."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.always: Fault | None = None
        """The fault of every request, once the scripted faults are used up; None: no fault."""
        self._answering = threading.Event()
        self._answering.set()
        self._lock = threading.Lock()
        self._script: deque[Fault] = deque()
        self._requests: list[SlackRequest] = []
        self._numbers = itertools.count(1)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.slack = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.webhook_url = self.origin + WEBHOOK
        self.api_url = f"{self.origin}/api/"

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Stop."""
        self.closing.set()
        self._answering.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def requests(self) -> list[SlackRequest]:
        """All requests so far."""
        with self._lock:
            return list(self._requests)

    @property
    def posts(self) -> list[Any]:
        """The messages in the channel."""
        return [request.payload for request in self.requests if request.accepted]

    def fail(self, *faults: Fault) -> None:
        """Have the next requests fail, a fault each."""
        with self._lock:
            self._script.extend(faults)

    def recover(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._script.clear()
            self.always = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Accept messages within the block and answer after it, as a slow Slack does."""
        self._answering.clear()
        try:
            yield
        finally:
            self._answering.set()

    def await_release(self) -> None:
        """Wait while answers are held, at most `LONGEST_HOLD_SECONDS`."""
        self._answering.wait(LONGEST_HOLD_SECONDS)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Fault:
        """Handle a request; the fault has the answer to send."""
        with self._lock:
            fault = self._script.popleft() if self._script else self.always
            number = next(self._numbers)
        payload = _parsed(body)
        verdict = self._verdict(path, headers, payload, number)
        accepted = verdict.accepts
        if fault:
            accepted = accepted and fault.accepts
            verdict = fault if fault.body or fault.resets else _delayed(verdict, fault.seconds)
        request = SlackRequest(
            at=datetime.now(UTC),
            clock=time.monotonic(),
            path=path,
            payload=payload,
            status=0 if verdict.resets else verdict.status,
            answer=verdict.body,
            accepted=accepted,
        )
        with self._lock:
            self._requests.append(request)
        return verdict

    def _verdict(self, path: str, headers: Mapping[str, str], payload: Any, number: int) -> Fault:
        if path == WEBHOOK:
            word = refusal(payload)
            return refused(400, word) if word else Fault(body="ok", accepts=True)
        if path not in {METHOD, TEST}:
            return refused(404, "no_service")
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return not_ok("invalid_auth")
        return _posted(payload, number) if path == METHOD else Fault(body=_IDENTITY)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    slack: SlackSimulator

    def handle_error(self, *_: Any) -> None:
        """Ignore clients that have disconnected."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.slack.answer(self.path, dict(self.headers), body)
        self.server.slack.await_release()
        if fault.seconds:
            self.server.slack.closing.wait(fault.seconds)
        if fault.resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.connection.close()
            return
        payload = fault.body.encode()
        self.send_response(fault.status)
        for name, value in {"Content-Type": "text/plain", **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST  # noqa: N815 a client that follows a redirect sends a GET

    def log_message(self, *_: Any) -> None:
        """Write nothing to stderr."""


def _posted(payload: Any, number: int) -> Fault:
    if not isinstance(payload, dict) or payload.get("channel") != CHANNEL:
        return not_ok("channel_not_found")
    if word := refusal(payload):
        return not_ok(word)
    posted = {"ok": True, "channel": CHANNEL, "ts": f"1795000000.{number:06}"}
    return Fault(body=json.dumps(posted), accepts=True)


def _delayed(verdict: Fault, seconds: float) -> Fault:
    return Fault(status=verdict.status, body=verdict.body, seconds=seconds, accepts=verdict.accepts)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
