"""Fetches certificates: within a few seconds, at most so many bytes, and without redirects."""

from collections.abc import Callable
from http.client import HTTPException
from ssl import SSLContext
from urllib.error import HTTPError, URLError
from urllib.request import (
    BaseHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from worker import __version__
from worker.aws.trust import ca_bundle
from worker.core.limits import LARGEST_CERTIFICATE_BYTES
from worker.signatures.errors import Failed, NotServed
from worker.sqs.client.tls import make_context
from worker.timing.deadlines import within
from worker.timing.deadlines.http import DeadlineHTTPHandler, DeadlineHTTPSHandler

FETCH_SECONDS = 4.0
"""Time limit of a fetch, with lookup and connection: the writer waits for it."""
NOT_THERE = frozenset({400, 403, 404, 410})
"""Statuses by which SNS's host says that it does not have a certificate. Others may be a proxy's,
or end by themselves."""


def fetch(url: str, trust: Callable[[], SSLContext] | None = None) -> bytes:
    """Return what is served at this address.

    Raises:
        NotServed: the host does not have it.
        Failed: it cannot be had now.

    """
    request = Request(url, headers={"User-Agent": f"ses-feedback-worker/{__version__}"})  # noqa: S310 callers compare it with SNS's own addresses
    try:
        with within(FETCH_SECONDS), _opener(trust or _trust).open(request) as answer:
            served: bytes = answer.read(LARGEST_CERTIFICATE_BYTES + 1)
            is_too_large = len(served) > LARGEST_CERTIFICATE_BYTES
            if answer.status != 200 or (answer.length and not is_too_large):
                raise Failed(f"it answers {answer.status}, and not all of it arrives")
    except HTTPError as error:
        error.close()
        if error.code in NOT_THERE:
            raise NotServed(f"it answers {error.code}") from None
        raise Failed(f"it answers {error.code}") from None
    except URLError as error:
        raise Failed(f"it cannot be reached: {error.reason}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise Failed(f"it cannot be reached: {str(error) or type(error).__name__}") from error
    if is_too_large:
        raise Failed(f"it answers more than {LARGEST_CERTIFICATE_BYTES:,} bytes")
    return served


def _opener(trust: Callable[[], SSLContext]) -> OpenerDirector:
    """Make an opener that follows no redirect: each is an error."""
    opener = OpenerDirector()
    handlers: tuple[BaseHandler, ...] = (
        ProxyHandler(),
        DeadlineHTTPHandler(),
        DeadlineHTTPSHandler(trust),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
    )
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _trust() -> SSLContext:
    return make_context(ca_bundle())
