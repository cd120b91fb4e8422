"""What boto3 would send, and where to: learnt from a request that it makes and does not send.

So endpoint variables, profiles, FIPS, dual-stack, region and kind of signature are as boto3
resolves them. Our signature of that same request must be boto3's own; wherever boto3 would do what
we do not, it is left to do it.
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
from worker.sqs.client.places import Place
from worker.sqs.client.signing import CONTENT_TYPE, SERVICE, Signer
from worker.sqs.client.tls import make_context

_EVENT = "before-send.sqs.ReceiveMessage"
_TARGET = "AmazonSQS.ReceiveMessage"
_AS_WE_SEND_IT = {
    "content-type": CONTENT_TYPE,
    "x-amz-target": _TARGET,
    "x-amzn-query-mode": "true",
}
_OUR_OWN = frozenset({
    "authorization", "content-length", "user-agent", "x-amz-date", "x-amz-security-token",
})  # fmt: skip
_ABOUT_RETRIES = frozenset({"amz-sdk-invocation-id", "amz-sdk-request"})
"""Unsigned, and without retries."""
_SCOPE = re.compile(
    rf"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{{8}}/(?P<region>[a-z0-9-]+)/{SERVICE}/"
    r"aws4_request,"
)


class Unfit(Exception):
    """The three calls are boto3's here; the text says why."""


class Part(Struct, frozen=True):
    """All that the lean client needs to play its part."""

    place: Place
    signer: Signer
    credentials: Any
    """botocore's, which refreshes them."""
    user_agent: str
    bundle: str | None
    """The file with the certificates to trust; None where nothing is encrypted."""
    connect_seconds: float
    read_seconds: float
    connections: int


def probe_request(client: Any, session: Any, queue_url: str) -> Part:
    """Have boto3 make a request, and see whether we would make the same.

    Args:
        client: boto3's client of SQS, not yet in use.
        session: botocore's session that it was made of.
        queue_url: the queue that will be called.

    Raises:
        Unfit: we would not.
        BotoCoreError: credentials cannot be had.

    """
    request = _unsent(client, queue_url)
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    _compare_headers(headers)
    place = _place(request.url)
    _refuse_proxies(client, place)
    signer = _signer(session, place, headers, request.body)
    config = client.meta.config
    return Part(
        place=place,
        signer=signer,
        credentials=session.get_credentials(),
        user_agent=headers["user-agent"],
        bundle=_bundle(session) if place.secure else None,
        connect_seconds=config.connect_timeout,
        read_seconds=config.read_timeout,
        connections=config.max_pool_connections,
    )


class _Captured(Exception):
    """Carries the request past the place where it would be sent."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def _unsent(client: Any, queue_url: str) -> Any:
    def see(request: Any, **_: Any) -> None:
        raise _Captured(request)

    client.meta.events.register_first(_EVENT, see)
    try:
        client.receive_message(QueueUrl=queue_url)
    except _Captured as observed:
        return observed.request
    finally:
        client.meta.events.unregister(_EVENT, see)
    raise Unfit("boto3 sends its requests in a way that we do not know")


def _compare_headers(headers: Mapping[str, str]) -> None:
    for name, value in _AS_WE_SEND_IT.items():
        if headers.get(name) != value:
            raise Unfit(f"boto3 sends another {name}")
    if unknown := headers.keys() - _AS_WE_SEND_IT.keys() - _OUR_OWN - _ABOUT_RETRIES:
        raise Unfit(f"boto3 sends a header more: {sanitized(min(unknown))}")


def _place(url: str) -> Place:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise Unfit("the endpoint is none that we can reach")
    if parts.query:
        raise Unfit("the endpoint has a query")
    secure = parts.scheme == "https"
    usual = 443 if secure else 80
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port or usual
    return Place(
        url=url,
        secure=secure,
        host=parts.hostname,
        port=port,
        authority=host if port == usual else f"{host}:{port}",
        path=parts.path,
    )


def _refuse_proxies(client: Any, place: Place) -> None:
    scheme = "https" if place.secure else "http"
    if get_environ_proxies(client.meta.endpoint_url).get(scheme):
        raise Unfit("there is a proxy")


def _signer(session: Any, place: Place, headers: Mapping[str, str], body: bytes) -> Signer:
    theirs, at = headers.get("authorization", ""), headers["x-amz-date"]
    scope = _SCOPE.match(theirs)
    if scope is None:
        raise Unfit("boto3 signs in another way")
    signer = Signer(place.authority, place.path, scope["region"])
    keys = frozen_keys(session.get_credentials())
    if keys.access_key != scope["key"]:  # refreshed in between
        theirs, at = _signed_again(place, headers, body, keys, scope["region"])
    try:
        if signer.authorization(keys, _TARGET, body, at) != theirs:
            raise Unfit("boto3 signs otherwise")
    except ValueError as error:  # a space in a variable, perhaps: boto3 cuts it off
        raise Unfit("the keys hold what we do not send") from error
    return signer


def _signed_again(
    place: Place, headers: Mapping[str, str], body: bytes, keys: Any, region: str
) -> tuple[str, str]:
    """Have botocore sign the same with other keys; return its signature, and when that was."""
    signed = {name: headers[name] for name in _AS_WE_SEND_IT}
    request = AWSRequest("POST", place.url, headers=signed, data=body)
    SigV4Auth(keys, SERVICE, region).add_auth(request)
    return request.headers["Authorization"], request.headers["X-Amz-Date"]


def _bundle(session: Any) -> str:
    """Trust whom botocore trusts: AWS_CA_BUNDLE or `ca_bundle`, REQUESTS_CA_BUNDLE, certifi."""
    bundle: str | None = session.get_config_variable("ca_bundle")
    if bundle is None:
        bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle == "":  # so boto3 reads it
        raise Unfit("certificates are not to be verified: the name of a CA bundle is empty")
    bundle = bundle or str(get_cert_path(verify=True))
    try:
        make_context(bundle)
    except (OSError, TypeError) as error:
        raise Unfit(f"certificates cannot be read: {sanitized(str(error))}") from error
    return bundle


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
