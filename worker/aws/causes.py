"""What botocore's texts leave out: why no connection could be made, in words of the system."""

import re
import ssl
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ReadTimeoutError,
    SSLError,
)

_REFUSED_BY_PROXY = re.compile(r"Tunnel connection failed: (\d{3})")
REFUSED_407 = (
    "the proxy requires a password (407): put the user and the password into the URL of HTTPS_PROXY"
)
_UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a certificate of an authority that is not trusted."""
_PRIVATE_CA = (
    ". If a proxy inspects TLS, or the endpoint has a certificate of a private CA, set "
    "AWS_CA_BUNDLE to a file with the CA's certificate and all public ones"
)


def with_cause(error: BotoCoreError) -> str:
    """Return the error's text and its cause, which for a failed connection is not in the text."""
    if isinstance(error, ReadTimeoutError):
        return str(error)
    if isinstance(error, SSLError):
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                place = error.kwargs.get("endpoint_url", "the endpoint")
                why = getattr(cause, "verify_message", "unknown").rstrip(".")
                advice = _PRIVATE_CA if _has_unknown_issuer(cause) else ""
                return (
                    f"SSL validation failed for {place}: the certificate is not trusted ({why})"
                    f"{advice}"
                )
        return str(error)
    text = str(error)
    why = next(filter(None, map(_in_words, _causes(error))), "")
    return f"{text}: {why}" if why and why not in text else text


def _has_unknown_issuer(error: ssl.SSLCertVerificationError) -> bool:
    return getattr(error, "verify_code", 0) in _UNKNOWN_ISSUER


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what an error wraps, the outermost first."""
    visited: set[int] = set()
    left: list[object] = [error]
    while left:
        found = left.pop(0)
        if not isinstance(found, BaseException) or id(found) in visited:
            continue
        visited.add(id(found))
        yield found
        wrapped = found.kwargs.get("error") if isinstance(found, BotoCoreError) else None
        left += [wrapped, getattr(found, "reason", None), found.__cause__, *found.args]


def _in_words(cause: BaseException) -> str:
    """Return the cause in a few words; empty: it only wraps another."""
    if not isinstance(cause, OSError):
        return ""
    if refused := _REFUSED_BY_PROXY.search(str(cause)):
        return REFUSED_407 if refused[1] == "407" else refused[0]
    if isinstance(cause, ssl.SSLError):
        return str(cause.reason or "")
    if isinstance(cause, TimeoutError) and not cause.strerror:
        return str(cause).replace("timed out", "")
    return cause.strerror or ""
