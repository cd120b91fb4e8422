"""A reverse proxy for AWS that records the action and arguments of every request.

Behind it are moto's server, whatever a test puts in the place of a service, and what moto lacks:
SES's publishing. The proxy knows nothing of the client, so any client's calls are noted alike.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from functools import cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from support.publishing import Publishing, Refusal

_PASSED_ON = {"authorization", "content-type", "x-amz-target", "x-amz-date", "x-amzn-query-mode"}


_CONFIRMED = (
    '<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
    "<ConfirmSubscriptionResult><SubscriptionArn>{}</SubscriptionArn></ConfirmSubscriptionResult>"
    "</ConfirmSubscriptionResponse>"
)


class Request(NamedTuple):
    """A request: of which service, what, where."""

    service: str
    operation: str
    region: str
    arguments: Mapping[str, object]

    @property
    def action(self) -> str:
        """The IAM action that it takes: a batch is permitted like its single ones."""
        return f"{self.service}:{self.operation.removesuffix('Batch')}"


class ReverseProxy:
    """Listens on a free port of 127.0.0.1, for a `with` block."""

    def __init__(self, moto: str) -> None:
        self.requests: list[Request] = []
        self.denied: set[str] = set()
        """IAM actions that are refused."""
        self.unsupported: dict[str, Refusal] = {}
        """By IAM action, how a stand-in for AWS says that it does not have it."""
        self.confirmed = ""
        """The ARN of the subscription that a token confirms; moto confirms an invented token."""
        self.when_confirmed: Callable[[], str] | None = None
        """Makes the subscription that a token confirms; returns its ARN."""
        self.behind: dict[str, str] = {}
        """Endpoints that stand for a service (`sqs`), or a part of a service (`ses suppression`)."""
        self.publishing = Publishing()
        self._moto = moto
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.environment = {"AWS_ENDPOINT_URL": self.endpoint}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def actions(self) -> set[str]:
        """The IAM actions of all requests so far."""
        return {request.action for request in self.requests}

    def answer(self, method, path, headers, body):
        """Return status, headers and body."""
        request = read(method, path, headers, body)
        self.requests.append(request)
        if request.action in self.denied:
            return refused(request, Refusal(403, "AccessDenied", "User is not authorized"))
        if request.action in self.unsupported:
            return refused(request, self.unsupported[request.action])
        if request.operation == "ConfirmSubscription" and self.when_confirmed:
            self.confirmed = self.when_confirmed()
        if request.operation == "ConfirmSubscription" and self.confirmed:
            return 200, {"Content-Type": "text/xml"}, _CONFIRMED.format(self.confirmed).encode()
        if request.service == "ses" and self.publishing.knows(request.operation):
            try:
                return self.publishing.perform(request)
            except Refusal as refusal:
                return refused(request, refusal)
        part = (
            "ses suppression" if "SuppressedDestination" in request.operation else request.service
        )
        return _pass_on(self.behind.get(part, self._moto), method, path, headers, body)


def read(method, path, headers, body) -> Request:
    """Understand a request by AWS's three protocols."""
    scope = re.search(
        r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request", headers["authorization"]
    )
    region, service = scope.groups()
    if target := headers.get("x-amz-target"):
        return Request(service, target.rpartition(".")[2], region, json.loads(body))
    if method == "POST" and path == "/":
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        return Request(service, fields.pop("Action"), region, fields)
    split = urlsplit(path)
    operation = next(n for m, uri, n in _routes() if m == method and uri.fullmatch(split.path))
    named = {"path": [unquote(step) for step in split.path.split("/")]}
    return Request(service, operation, region, named | (json.loads(body) if body else {}))


@cache
def _routes():
    """Method, path and name of SES v2's operations, as botocore's model has them."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sesv2")
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        steps = re.split(r"\{\w+\}", urlsplit(http["requestUri"]).path)
        path = "[^/]+".join(map(re.escape, steps))
        found.append((http["method"], re.compile(f"{path}/?"), name))
    return found


def refused(request, refusal):
    """A no, in the words of the protocol."""
    code, text = refusal.code, f"{refusal}: {request.action}"
    if request.service in {"sns", "sts"} or (
        request.service == "ses" and "path" not in request.arguments
    ):
        code = (
            {"sns": "AuthorizationError"}.get(request.service, code)
            if refusal.status == 403
            else code
        )
        xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>"
        return refusal.status, {"Content-Type": "text/xml"}, xml.encode()
    code = f"{code}Exception" if code == "AccessDenied" else code
    xml = json.dumps({"__type": code, "message": text})
    return refusal.status, {"x-amzn-errortype": code}, xml.encode()


def _pass_on(endpoint, method, path, headers, body):
    connection = HTTPConnection(urlsplit(endpoint).netloc, timeout=30)
    kept = {name: value for name, value in headers.items() if name in _PASSED_ON}
    connection.request(method, path, body, kept)
    answer = connection.getresponse()
    reported = answer.read()
    connection.close()
    theirs = {
        name: value
        for name, value in answer.getheaders()
        if name.lower() == "content-type" or name.lower().startswith("x-amzn-")
    }
    return answer.status, theirs, reported


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, theirs, reported = self.server.proxy.answer(self.command, self.path, headers, body)
        self.send_response(status)
        for name, value in theirs.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reported)))
        self.end_headers()
        self.wfile.write(reported)

    do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 the server's names

    def log_message(self, *_):
        """Nothing on stderr."""
