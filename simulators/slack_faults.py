"""How the stand-in for Slack can be known to fail."""

import json
from collections.abc import Mapping

from msgspec import Struct


class Fault(Struct, frozen=True, kw_only=True):
    """How one request fails."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = {}
    seconds: float = 0
    """It hangs that long before it answers."""
    resets: bool = False
    accepts: bool = False
    """The message is taken all the same; with no body, it is then answered as if everything
    worked."""


def rate_limited(retry_after: str | None = None) -> Fault:
    """429; `retry_after` as it stands in the header, None: no header."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(status=429, body="rate_limited", headers=headers)


def refused(status: int, word: str) -> Fault:
    """A webhook's no: `refused(404, "no_service")`."""
    return Fault(status=status, body=word)


def not_ok(error: str) -> Fault:
    """The Web API's no, which is a 200."""
    return Fault(body=json.dumps({"ok": False, "error": error}))


def broken(status: int = 500, retry_after: str | None = None) -> Fault:
    """An error of the server's."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(status=status, body="rollup_error", headers=headers)


def hanging(seconds: float, *, accepts: bool = True) -> Fault:
    """No answer for so long; the message may have been taken."""
    return Fault(seconds=seconds, accepts=accepts)


def reset(*, accepts: bool = False) -> Fault:
    """The connection breaks, before or after the message was taken."""
    return Fault(resets=True, accepts=accepts)


def html_page(status: int = 200) -> Fault:
    """Somebody's HTML."""
    return Fault(
        status=status, body="<html><h1>Sign in</h1></html>", headers={"Content-Type": "text/html"}
    )
