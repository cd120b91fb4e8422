"""Connections to Slack: which certificates are trusted, and what a proxy may answer."""

import os
import re
import ssl
from typing import Any
from urllib.error import URLError
from urllib.request import OpenerDirector, Request

from worker.core.effects import Blocked, Later
from worker.notifiers.slack.answers import Answer, Stumble

BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
"""Variables that AWS's client reads, in this order; the first that is set counts."""
_NO_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_PASSWORD = "put the user and the password into its URL"  # noqa: S105 advice
_ALLOW = "allow it there, or exclude Slack's hosts from the proxy by NO_PROXY"
_READABLE = "set it to a file of certificates that the worker's account may read"


class NotSent(Exception):
    """The request was not sent, for a reason outside of Slack."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer
        """What to do next."""


def make_context() -> ssl.SSLContext:
    """Return a TLS context that verifies chain, dates and name.

    It trusts the system's certificates (OpenSSL's `SSL_CERT_FILE` and `SSL_CERT_DIR` change where
    they are), and in addition those of AWS's variables: a proxy that inspects TLS to AWS inspects
    TLS to Slack, too. AWS's client trusts only the latter.

    Raises:
        NotSent: the file or folder of a variable cannot be read, or has no certificate.

    """
    context = ssl.create_default_context()
    name = next((name for name in BUNDLES if os.environ.get(name)), None)
    if name is None:
        return context
    path = os.environ[name]
    try:
        if os.path.isdir(path):  # noqa: PTH112 a text of the environment
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        text = f"{name} names no usable file of certificates ({why}): {_READABLE}"
        raise NotSent(Blocked(error=text)) from error
    return context


def opened(opener: OpenerDirector, request: Request, seconds: float) -> Any:
    """Send a request and return the answer, an `HTTPResponse`.

    Raises:
        NotSent: a proxy cannot be reached or makes no connection, or see `make_context`.
        URLError, OSError, HTTPException: as urllib's openers.

    """
    try:
        return opener.open(request, timeout=seconds)
    except URLError as error:
        reason = error.reason
        has_proxy = getattr(request, "_tunnel_host", None) is not None
        if has_proxy and isinstance(reason, OSError) and not isinstance(reason, ssl.SSLError):
            raise NotSent(sort_proxy(request.host or "", reason)) from error
        raise


def sort_proxy(proxy: str, reason: OSError) -> Answer:
    """Sort the failure of the proxy at this host and port."""
    where = f"the proxy {proxy} of HTTPS_PROXY"
    answered = _NO_TUNNEL.search(str(reason))
    if answered is None:
        return Stumble(error=f"no connection to {where}: {reason.strerror or reason}")
    status = int(answered[1])
    if status == 407:
        return Blocked(error=f"{where} requires a password (407): {_PASSWORD}")
    if status in {401, 403, 405}:
        return Blocked(error=f"{where} allows no connection to Slack ({status}): {_ALLOW}")
    return Later(error=f"{where} makes no connection to Slack ({status})")
