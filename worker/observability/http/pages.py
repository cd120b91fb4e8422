"""The pages /metrics, /healthz and /readyz: a WSGI application that only reads."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker import __version__
from worker.observability.health import Health

Headers = list[tuple[str, str]]


class StartResponse(Protocol):
    """WSGI's `start_response` (PEP 3333)."""

    def __call__(self, status: str, headers: Headers) -> object:
        """Begin an answer."""


class Pages:
    """Answers any request, also of untrusted clients."""

    def __init__(self, health: Health, registry: CollectorRegistry) -> None:
        self._health = health
        self._registry = registry
        self._pages: Mapping[str, Callable[[str], tuple[str, str, bytes]]] = {
            "/metrics": self._metrics,
            "/healthz": lambda _: self._respond("alive"),
            "/readyz": lambda _: self._respond("ready"),
        }

    def answer(self, environ: Mapping[str, Any], start: StartResponse) -> Iterable[bytes]:
        """Answer a request; the connection is closed afterwards, since there are few of them."""
        shown = self._pages.get(environ["PATH_INFO"])
        method = environ["REQUEST_METHOD"]
        if shown is None:
            status, kind, body = "404 Not Found", "text/plain", b"/metrics /healthz /readyz\n"
        elif method not in {"GET", "HEAD"}:
            status, kind, body = "405 Method Not Allowed", "text/plain", b"GET\n"
        else:
            status, kind, body = shown(str(environ.get("HTTP_ACCEPT", "")))
        headers = [("Content-Type", kind), ("Cache-Control", "no-store")]
        if method == "HEAD":  # else waitress sends an empty chunked body
            headers.append(("Content-Length", str(len(body))))
        start(status, headers + ([("Allow", "GET, HEAD")] if status.startswith("405") else []))
        # An iterator has no length, so waitress closes the connection after it.
        return iter([body]) if method != "HEAD" else []

    def _metrics(self, accept: str) -> tuple[str, str, bytes]:
        try:
            encode, kind = choose_encoder(accept)
        except Exception:  # noqa: BLE001 an unreadable version in the header raises various errors
            encode, kind = choose_encoder("")
        return "200 OK", kind, encode(self._registry)

    def _respond(self, question: str) -> tuple[str, str, bytes]:
        report = self._health.report()
        healthy = report.alive if question == "alive" else report.ready
        body = msgspec.to_builtins(report) | {"version": __version__}
        status = "200 OK" if healthy else "503 Service Unavailable"
        return status, "application/json", msgspec.json.encode(body) + b"\n"
