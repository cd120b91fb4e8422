"""slack_sdk's clients, kept from logging secrets, following redirects and using proxies.

Both send every request through a single method, which is overridden with an opener that knows only
HTTP and HTTPS. urllib's own opener would follow a redirect with the token in its headers.
"""

import logging
from http.client import HTTPException, HTTPResponse, InvalidURL
from ssl import SSLCertVerificationError
from typing import Any
from urllib.error import URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
    getproxies,
)

from slack_sdk.errors import SlackClientError
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

from worker.core.effects import Blocked, Later, NotYet
from worker.core.limits import LARGEST_SLACK_ANSWER_BYTES
from worker.notifiers.slack.answers import UNKNOWN_SECONDS, Answer, Stumble
from worker.notifiers.slack.connecting import NotSent, make_context, opened
from worker.timing.deadlines import within
from worker.timing.deadlines.http import DeadlineHTTPHandler, DeadlineHTTPSHandler

TIMEOUT_SECONDS = 10
"""Time limit of a request, from the look-up of Slack's name to the last byte of the answer."""
API_URL = "https://slack.com/api/"
UNTRUSTED = (
    "the certificate shown for Slack is not trusted ({}). If a proxy inspects TLS, set "
    "AWS_CA_BUNDLE to a file with its CA's certificate"
)


def make_opener() -> OpenerDirector:
    """Make an opener for HTTP and HTTPS that follows no redirect and opens no file.

    HTTPS uses the environment's proxy, which sees only the host, unless `NO_PROXY` excludes the
    host. Plain HTTP uses none: the proxy would see the URL, which is the secret.
    """
    proxies = {"https": proxy} if (proxy := getproxies().get("https")) else {}
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(proxies),
        DeadlineHTTPHandler(),
        DeadlineHTTPSHandler(make_context),
        HTTPErrorProcessor(),
        HTTPDefaultErrorHandler(),
        UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class QuietWebhook(WebhookClient):
    """An incoming webhook, without retries."""

    def __init__(self, url: str, *, timeout: float) -> None:
        super().__init__(url, logger=_silent(), retry_handlers=[])
        self._seconds = timeout
        self._opener = make_opener()

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        with within(self._seconds), opened(self._opener, req, self._seconds) as answer:
            return WebhookResponse(
                url=url, status_code=answer.status, body=_text(answer), headers=answer.headers
            )


class QuietApi(WebClient):
    """The Web API, without retries."""

    def __init__(self, token: str, *, base_url: str, timeout: float) -> None:
        super().__init__(token, base_url=base_url, logger=_silent(), retry_handlers=[])
        self._seconds = timeout
        self._opener = make_opener()

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        del url  # it is the request's
        with within(self._seconds), opened(self._opener, req, self._seconds) as answer:
            return {"status": answer.status, "headers": answer.headers, "body": _text(answer)}


def sort_failure(error: Exception) -> Answer:  # noqa: PLR0911 a return for each kind of error
    """Sort an exception by what to do next. Its text is not repeated: it may hold the URL.

    urllib wraps errors before the request is sent into URLError. Other errors come after that, and
    the message may have arrived.
    """
    match error:
        case NotSent(answer=answer):
            return answer
        case URLError(reason=SSLCertVerificationError() as reason):
            return Later(error=UNTRUSTED.format(getattr(reason, "verify_message", "unknown")))
        case URLError(reason=TimeoutError()):
            return Later(error="no connection to Slack in time")
        case URLError(reason=OSError() as reason):
            return Stumble(error=f"no connection to Slack: {reason.strerror or _name(reason)}")
        case TimeoutError():
            return Later(error="no answer from Slack in time; the message may be there")
        case ConnectionError():
            broke = f"the connection to Slack broke: {_name(error)}; the message may be there"
            return Later(error=broke)
        case UnicodeDecodeError() | LookupError():
            return Later(error="an answer that is not Slack's", seconds=UNKNOWN_SECONDS)
        case URLError() | ValueError() | SlackClientError() | InvalidURL():
            return Blocked(error="the Slack settings make no request: check URL and token")
        case OSError() | HTTPException():
            return Later(error=f"no answer from Slack: {_name(error)}")
        case _:
            return NotYet(error=f"not posted: {_name(error)}", seconds=UNKNOWN_SECONDS)


def _name(error: Exception) -> str:
    return type(error).__name__


def _text(answer: HTTPResponse) -> str:
    return answer.read(LARGEST_SLACK_ANSWER_BYTES).decode("utf-8", "replace")


def _silent() -> logging.Logger:
    """Silence slack_sdk, which logs the webhook's URL, a secret, at two levels.

    It checks the level before it formats, so a level above all others also saves the work.
    """
    logger = logging.getLogger("worker.notifiers.slack.silent")
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
