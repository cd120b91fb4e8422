"""Signature version 4 for the only shape of request that our client sends.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
import time
from typing import Protocol

CONTENT_TYPE = "application/x-amz-json-1.0"
SERVICE = "sqs"
_ALGORITHM = "AWS4-HMAC-SHA256"
_FIT_FOR_A_HEADER = re.compile(r"[!-~]+")


class Keys(Protocol):
    """Credentials at a moment, as botocore freezes them."""

    @property
    def access_key(self) -> str: ...  # noqa: D102 the name says it
    @property
    def secret_key(self) -> str: ...  # noqa: D102 likewise
    @property
    def token(self) -> str | None: ...  # noqa: D102 likewise


def timestamp(seconds: float) -> str:
    """Format a time as signatures do, in UTC."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


class Signer:
    """Signs requests to an endpoint in a region. Thread-safe."""

    def __init__(self, authority: str, path: str, region: str) -> None:
        self._authority = authority
        self._path = path
        self._region = region
        self._latest = ("", "", b"")
        """Day, secret and the key derived from them, which is valid for the day."""

    def authorization(self, keys: Keys, target: str, body: bytes, at: str) -> str:
        """Sign a POST of `body`; return the header `Authorization`.

        Raises:
            ValueError: the keys hold characters that no header can hold.

        """
        token = f"x-amz-security-token:{keys.token}\n" if keys.token else ""
        names = "content-type;host;x-amz-date;"
        names += "x-amz-security-token;" if keys.token else ""
        names += "x-amz-target;x-amzn-query-mode"
        if not _FIT_FOR_A_HEADER.fullmatch(keys.access_key + (keys.token or "")):
            raise ValueError("the access key or the token holds characters that no header can hold")
        request = (
            f"POST\n{self._path}\n\n"
            f"content-type:{CONTENT_TYPE}\nhost:{self._authority}\nx-amz-date:{at}\n{token}"
            f"x-amz-target:{target}\nx-amzn-query-mode:true\n\n"
            f"{names}\n{hashlib.sha256(body).hexdigest()}"
        )
        scope = f"{at[:8]}/{self._region}/{SERVICE}/aws4_request"
        signed = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key(at[:8], keys.secret_key), signed.encode(), "sha256")
        return (
            f"{_ALGORITHM} Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature.hex()}"
        )

    def head(self, keys: Keys, target: str, body: bytes, *, at: str, user_agent: str) -> bytes:
        """Return the head of a signed request, with its empty line."""
        token = f"X-Amz-Security-Token: {keys.token}\r\n" if keys.token else ""
        return (
            f"POST {self._path} HTTP/1.1\r\n"
            f"Host: {self._authority}\r\n"
            "Accept-Encoding: identity\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"User-Agent: {user_agent}\r\n"
            f"X-Amz-Date: {at}\r\n"
            f"{token}"
            f"X-Amz-Target: {target}\r\n"
            "x-amzn-query-mode: true\r\n"
            f"Authorization: {self.authorization(keys, target, body, at)}\r\n"
            "\r\n"
        ).encode("latin-1")

    def _key(self, day: str, secret: str) -> bytes:
        latest_day, latest_secret, key = self._latest
        if latest_day != day or latest_secret != secret:
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, SERVICE, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._latest = (
                day,
                secret,
                key,
            )  # a single assignment, so that no thread sees half of it
        return key
