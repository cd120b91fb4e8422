"""A Slack on a free loopback port: an incoming webhook, and chat.postMessage.

It refuses what Slack refuses, keeps the requests, and fails as scripted.
"""

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

from simulators.slack_faults import Fault, not_ok, refused
from simulators.slack_rules import refusal

WEBHOOK = "/services/T0STANDIN/B0STANDIN/NotAnythingSecret0123456"
METHOD = "/api/chat.postMessage"
TEST = "/api/auth.test"
_WHO = json.dumps({"ok": True, "user": "standin"})
TOKEN = "xoxb-not-anything-secret"  # noqa: S105 invented
CHANNEL = "C0STANDIN"
LONGEST_HOLD_SECONDS = 8.5
"""Below the timeout of the sender."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the peer gets a reset."""


class Heard(Struct, frozen=True, kw_only=True):
    """A request, and what was made of it."""

    at: datetime
    clock: float
    """`time.monotonic()`"""
    path: str
    payload: Any
    """Parsed; None where it is no JSON."""
    status: int
    """0: the connection was reset."""
    answer: str
    accepted: bool


class StandinSlack:
    """The stand-in; a context manager. Thread-safe."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.always: Fault | None = None
        """How every request fails until this is None again, after the script is used up."""
        self._answering = threading.Event()
        self._answering.set()
        self._lock = threading.Lock()
        self._script: deque[Fault] = deque()
        self._heard: list[Heard] = []
        self._numbers = itertools.count(1)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.slack = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.webhook_url = self.origin + WEBHOOK
        self.api_url = f"{self.origin}/api/"

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Answer nobody any more."""
        self.closing.set()
        self._answering.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def heard(self) -> list[Heard]:
        """All requests so far."""
        with self._lock:
            return list(self._heard)

    @property
    def posts(self) -> list[Any]:
        """The messages that stand in the channel."""
        return [heard.payload for heard in self.heard if heard.accepted]

    def fail(self, *faults: Fault) -> None:
        """Let the next requests fail, one after the other."""
        with self._lock:
            self._script.extend(faults)

    def forgive(self) -> None:
        """Let nothing fail any more."""
        with self._lock:
            self._script.clear()
            self.always = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take messages within the block, and answer after it: a Slack that is slow."""
        self._answering.clear()
        try:
            yield
        finally:
            self._answering.set()

    def await_release(self) -> None:
        """Wait as long as answers are held; not for ever."""
        self._answering.wait(LONGEST_HOLD_SECONDS)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Fault, Heard]:
        """Judge a request; the fault says what goes out on the wire."""
        with self._lock:
            fault = self._script.popleft() if self._script else self.always
            number = next(self._numbers)
        payload = _parsed(body)
        verdict = self._verdict(path, headers, payload, number)
        accepted = verdict.accepts
        if fault:
            accepted = accepted and fault.accepts
            verdict = fault if fault.body or fault.resets else _delayed(verdict, fault.seconds)
        heard = Heard(
            at=datetime.now(UTC),
            clock=time.monotonic(),
            path=path,
            payload=payload,
            status=0 if verdict.resets else verdict.status,
            answer=verdict.body,
            accepted=accepted,
        )
        with self._lock:
            self._heard.append(heard)
        return verdict, heard

    def _verdict(self, path: str, headers: Mapping[str, str], payload: Any, number: int) -> Fault:
        if path == WEBHOOK:
            word = refusal(payload)
            return refused(400, word) if word else Fault(body="ok", accepts=True)
        if path not in {METHOD, TEST}:
            return refused(404, "no_service")
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return not_ok("invalid_auth")
        return _posted(payload, number) if path == METHOD else Fault(body=_WHO)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    slack: StandinSlack

    def handle_error(self, *_: Any) -> None:
        """Let clients that are gone be gone."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault, _ = self.server.slack.answer(self.path, dict(self.headers), body)
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
        """Nothing on stderr."""


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
