"""Scripted faults: how Slack can fail."""

import json
from collections.abc import Mapping

from msgspec import Struct


class Fault(Struct, frozen=True, kw_only=True):
    """How a request fails."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = {}
    seconds: float = 0
    """The delay of the answer."""
    resets: bool = False
    accepts: bool = False
    """The message is accepted all the same; without a body here, the answer is as usual."""


def rate_limited(retry_after: str | None = None) -> Fault:
    """429; `retry_after` is the header's text, None: no header."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(status=429, body="rate_limited", headers=headers)


def refused(status: int, word: str) -> Fault:
    """A refusal of the webhook: `refused(404, "no_service")`."""
    return Fault(status=status, body=word)


def not_ok(error: str) -> Fault:
    """A refusal of the Web API, which has status 200."""
    return Fault(body=json.dumps({"ok": False, "error": error}))


def broken(status: int = 500, retry_after: str | None = None) -> Fault:
    """A server error."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(status=status, body="rollup_error", headers=headers)


def hanging(seconds: float, *, accepts: bool = True) -> Fault:
    """No answer for so long; the message may have been accepted."""
    return Fault(seconds=seconds, accepts=accepts)


def reset(*, accepts: bool = False) -> Fault:
    """The connection breaks, before or after the message was accepted."""
    return Fault(resets=True, accepts=accepts)


def html_page(status: int = 200) -> Fault:
    """A proxy's HTML."""
    return Fault(
        status=status, body="<html><h1>Sign in</h1></html>", headers={"Content-Type": "text/html"}
    )
