"""What boto3 would send, and where to: read off a request that boto3 makes and does not send.

So endpoint variables, profiles, FIPS, dual-stack, region and kind of signature are as boto3
resolves them. Our signature of the same request must equal boto3's; where boto3 would send
something that our client does not send, boto3 makes the calls.
"""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from msgspec import Struct

from worker.aws import frozen_keys
from worker.core.masking import sanitized
from worker.sqs.client.endpoint import Endpoint
from worker.sqs.client.signing import CONTENT_TYPE, SERVICE, Signer
from worker.sqs.client.tls import make_context

_EVENT = "before-send.sqs.ReceiveMessage"
_TARGET = "AmazonSQS.ReceiveMessage"
_OUR_HEADERS = {
    "content-type": CONTENT_TYPE,
    "x-amz-target": _TARGET,
    "x-amzn-query-mode": "true",
}
_COMPUTED = frozenset({
    "authorization", "content-length", "user-agent", "x-amz-date", "x-amz-security-token",
})  # fmt: skip
_UNNEEDED = frozenset({"amz-sdk-invocation-id", "amz-sdk-request"})
"""Unsigned headers about retries, which our client leaves to its caller."""
_SCOPE = re.compile(
    rf"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{{8}}/(?P<region>[a-z0-9-]+)/{SERVICE}/"
    r"aws4_request,"
)


class UseBoto3(Exception):
    """boto3 must make all calls here; the text says why."""


class RequestParts(Struct, frozen=True):
    """All that our client needs to make requests."""

    endpoint: Endpoint
    signer: Signer
    credentials: Any
    """botocore's object, which refreshes them."""
    user_agent: str
    bundle: str | None
    """The file of trusted certificates; None for plain HTTP."""
    connect_seconds: float
    read_seconds: float
    """Between two reads of an answer; for the first, on top of the wait of a long poll."""
    connections: int


def probe_request(client: Any, session: Any, queue_url: str, *, wait_seconds: int) -> RequestParts:
    """Have boto3 make a request, and check that our client would send the same.

    Args:
        client: boto3's client of SQS, not yet in use.
        session: botocore's session of that client.
        queue_url: the queue that will be called.
        wait_seconds: how much of the client's time-out is for the wait of a long poll.

    Raises:
        UseBoto3: it would not.
        BotoCoreError: there are no credentials.

    """
    request = _unsent(client, queue_url)
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    _compare_headers(headers)
    endpoint = _endpoint(request.url)
    _refuse_proxies(client, endpoint)
    signer = _signer(session, endpoint, headers, request.body)
    config = client.meta.config
    return RequestParts(
        endpoint=endpoint,
        signer=signer,
        credentials=session.get_credentials(),
        user_agent=headers["user-agent"],
        bundle=_bundle(session) if endpoint.secure else None,
        connect_seconds=config.connect_timeout,
        read_seconds=config.read_timeout - wait_seconds,
        connections=config.max_pool_connections,
    )


class _Captured(Exception):
    """Carries the request out of boto3 before it is sent."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def _unsent(client: Any, queue_url: str) -> Any:
    def capture(request: Any, **_: Any) -> None:
        raise _Captured(request)

    client.meta.events.register_first(_EVENT, capture)
    try:
        client.receive_message(QueueUrl=queue_url)
    except _Captured as captured:
        return captured.request
    finally:
        client.meta.events.unregister(_EVENT, capture)
    raise UseBoto3("boto3 sends its requests in an unknown way")


def _compare_headers(headers: Mapping[str, str]) -> None:
    for name, value in _OUR_HEADERS.items():
        if headers.get(name) != value:
            raise UseBoto3(f"boto3 sends another {name}")
    if unknown := headers.keys() - _OUR_HEADERS.keys() - _COMPUTED - _UNNEEDED:
        raise UseBoto3(f"boto3 sends a header more: {sanitized(min(unknown))}")


def _endpoint(url: str) -> Endpoint:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise UseBoto3("the URL of the endpoint cannot be used")
    if parts.query:
        raise UseBoto3("the endpoint has a query")
    secure = parts.scheme == "https"
    usual = 443 if secure else 80
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port or usual
    return Endpoint(
        url=url,
        secure=secure,
        host=parts.hostname,
        port=port,
        authority=host if port == usual else f"{host}:{port}",
        path=parts.path,
    )


def _refuse_proxies(client: Any, endpoint: Endpoint) -> None:
    scheme = "https" if endpoint.secure else "http"
    if get_environ_proxies(client.meta.endpoint_url).get(scheme):
        raise UseBoto3("there is a proxy")


def _signer(session: Any, endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> Signer:
    expected, at = headers.get("authorization", ""), headers["x-amz-date"]
    scope = _SCOPE.match(expected)
    if scope is None:
        raise UseBoto3("boto3 signs in another way")
    signer = Signer(endpoint.authority, endpoint.path, scope["region"])
    keys = frozen_keys(session.get_credentials())
    if keys.access_key != scope["key"]:  # refreshed in the meantime
        expected, at = _signed_again(endpoint, headers, body, keys, scope["region"])
    try:
        if signer.authorization(keys, _TARGET, body, at) != expected:
            raise UseBoto3("boto3 signs otherwise")
    except ValueError as error:  # a trailing space, for example, which boto3 cuts off
        raise UseBoto3("the keys hold characters that no header can hold") from error
    return signer


def _signed_again(
    endpoint: Endpoint, headers: Mapping[str, str], body: bytes, keys: Any, region: str
) -> tuple[str, str]:
    """Have botocore sign the request with other keys; return the signature and its time."""
    signed = {name: headers[name] for name in _OUR_HEADERS}
    request = AWSRequest("POST", endpoint.url, headers=signed, data=body)
    SigV4Auth(keys, SERVICE, region).add_auth(request)
    return request.headers["Authorization"], request.headers["X-Amz-Date"]


def _bundle(session: Any) -> str:
    """Return botocore's bundle: AWS_CA_BUNDLE or `ca_bundle`, REQUESTS_CA_BUNDLE, certifi."""
    bundle: str | None = session.get_config_variable("ca_bundle")
    if bundle is None:
        bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle == "":  # which boto3 reads like this
        raise UseBoto3("certificates are not to be verified: the name of a CA bundle is empty")
    bundle = bundle or str(get_cert_path(verify=True))
    try:
        make_context(bundle)
    except (OSError, TypeError) as error:
        raise UseBoto3(f"certificates cannot be read: {sanitized(str(error))}") from error
    return bundle


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
