"""AWS clients as we want them, and AWS's errors sorted by what to do next."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions as failures
import botocore.session
from botocore.config import Config

from worker import __version__
from worker.core.errors import Misconfigured, Refused, Unavailable
from worker.core.masking import cut
from worker.timing.deadlines.beside import beside
from worker.timing.deadlines.botocore import use_deadlines_in_botocore

CONNECT_SECONDS = 5
READ_SECONDS = 10
"""Of silence; on top of what a long poll waits for."""
IDENTITY_SECONDS = 20.0
"""For credentials, wherever they come from; instance metadata and STS take a second or two."""
CALL_SECONDS = 50.0
"""For a whole call, on top of its long poll: credentials, name, connection, answer; and where the
credentials were refused, all of that once more with others."""

_FOR_CREDENTIALS = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"total_max_attempts": 1, "mode": "standard"},
)
_LIKE_A_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")

STALE_CREDENTIALS = frozenset({
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException",
    "IncompleteSignature", "InvalidClientTokenId", "InvalidSecurity", "MissingAuthenticationToken",
    "NoCredentials", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
"""After these the session is made anew: keys may have been rotated, in a file or a role."""
DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
"""Those of them that a valid identity may get, too."""

_WHERE_FROM = (
    "they come from an instance role, AWS's variables or files, or for a service from "
    "ses-worker.aws_credentials in /etc/credstore"
)
NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})

_PASSING_CODES = frozenset({
    "InternalError", "InternalFailure", "RequestThrottled", "RequestTimeout", "ServiceUnavailable",
    "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException", "OverLimit",
    "AWS.SimpleQueueService.OverLimit", "KMS.ThrottlingException", "KmsThrottled",
})  # fmt: skip
"""Answers in the 400s that are about this moment, not about the request."""
_BUSY_STATUSES = frozenset({408, 429})
"""They may come without a code: HTML of a proxy or a firewall."""


LONGEST_TEXT = 500
"""Characters of what AWS says about an error: who may not do what with which ARN, and why."""
_LONGEST_HTML = 20_000
_INVISIBLE = re.compile(
    r"<!--.*?(?:-->|\Z)|<(style|script)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"</?[a-z!?][^<>]*(?:>|\Z)", re.IGNORECASE)

_FIRST_REGION = "us-east-1"
"""What SQS's oldest names, without a region, mean."""
_SQS_HOST = re.compile(
    r"""
      (?:^|\.)sqs(?:-fips)?\.(?P<region>[a-z]+(?:-[a-z]+)+-\d+)\.   # also in a VPC endpoint's name
    | ^(?P<legacy>[a-z]+(?:-[a-z]+)+-\d+)\.queue\.amazonaws\.
    | ^(?:sqs|queue)\.amazonaws\.com$
    """,
    re.VERBOSE,
)
"""https://docs.aws.amazon.com/general/latest/gr/sqs-service.html"""


def region_for(setting: str | None, queue_url: str, environment: Mapping[str, str]) -> str:
    """Return the region: the setting, AWS's two variables, or what the queue's URL says.

    boto3 by itself does not read `AWS_REGION`.

    Raises:
        Misconfigured: none of them is set, or the value is no name of a region.

    """
    named = setting or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    region = named or region_in(queue_url)
    if region is None:
        raise Misconfigured("no AWS region: set aws.region, or AWS_REGION in the environment")
    if not _LIKE_A_REGION.fullmatch(region):
        raise Misconfigured(f"{region!r} is no AWS region: fix aws.region, or AWS_REGION")
    return region


def region_in(queue_url: str) -> str | None:
    """Return the region that a queue's URL names; None where it names none."""
    found = _SQS_HOST.search(urlsplit(queue_url).hostname or "")
    if found is None:
        return None
    return found["region"] or found["legacy"] or _FIRST_REGION


def make_client(
    service: str,
    region: str,
    *,
    wait_seconds: int = 0,
    connections: int = 10,
    read_seconds: int | None = None,
    core: Any = None,
) -> Any:
    """Make a client from fresh credentials; thread-safe. `core`: a botocore session, not yet used.

    It never retries by itself: a second ReceiveMessage hides the messages of a lost answer, and
    how to back off is decided here. A fixed `user_agent`, and no check of parameters that are
    ours, take 11 to 21 % off the cost of a call.

    Raises:
        NoIdentity: AWS's own files or variables cannot be read, or contradict each other. They are
            not ours, somebody may be writing them, and so it passes.

    """
    config = Config(
        region_name=region,
        user_agent=f"ses-feedback-worker/{__version__}",
        parameter_validation=False,
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=wait_seconds + (READ_SECONDS if read_seconds is None else read_seconds),
        max_pool_connections=connections,
        tcp_keepalive=True,
    )
    # It logs a traceback where credentials cannot be refreshed; we log that ourselves.
    logging.getLogger("botocore.credentials").setLevel(logging.ERROR)
    use_deadlines_in_botocore()
    core = core or botocore.session.get_session()

    def make() -> Any:
        # Its own calls for credentials, to STS say, are made once, too: whoever needs them tries
        # again.
        core.set_default_client_config(_FOR_CREDENTIALS)
        session: Any = boto3.Session(botocore_session=core)
        client = session.client(service, config=config)
        # `get_credentials` would look for them once more where there are none.
        return client, core._credentials  # noqa: SLF001

    with translated():
        try:
            client, credentials = beside(IDENTITY_SECONDS, make, what="AWS's credentials")
        except failures.BotoCoreError as error:
            raise NoIdentity(f"AWS: {error}") from error

    if hasattr(credentials, "refresh_needed"):

        def have_keys(**_: Any) -> None:
            frozen_keys(credentials)

        # Each call asks for them, and would wait for them without an end.
        client.meta.events.register_first("before-call", have_keys)
    return client


def frozen_keys(credentials: Any) -> Any:
    """Have the keys of botocore's credentials, fresh ones where they are about to end.

    Raises:
        TimeoutError: whoever gives us credentials did not answer.
        BotoCoreError: it refused.

    """
    get = credentials.get_frozen_credentials
    is_due = getattr(credentials, "refresh_needed", None)  # keys that never end have none
    if is_due is None or not is_due():
        return get()
    return beside(IDENTITY_SECONDS, get, what="AWS's credentials")


def watch_dates(client: Any, read: Callable[[str | None], None]) -> None:
    """Have `read` told the `Date` of each answer to a client, refusals included."""

    def told(http_response: Any, **_: Any) -> None:
        read(http_response.headers.get("date"))

    client.meta.events.register("after-call", told)


def is_region_of(service: str, region: str) -> bool:
    """Return whether AWS had that service in that region when this boto3 was made."""
    session: Any = boto3.Session()
    return any(
        region in session.get_available_regions(service, partition)
        for partition in session.get_available_partitions()
    )


@contextmanager
def translated() -> Iterator[None]:
    """Distinguish temporary failures from refusals.

    Raises:
        Unavailable: an error of AWS's own, no answer at all, or none of AWS's; `Throttled` where
            AWS had no time for us.
        NoIdentity: likewise, from whatever gives us credentials.
        Refused: no such queue, not permitted, no or wrong credentials, not a valid request.

    """
    try:
        yield
    except failures.ClientError as error:
        answer = error.response.get("Error", {})
        code, text = answer.get("Code", ""), _in_a_line(str(answer.get("Message") or ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500:
            raise Unavailable(f"AWS: {code}: {text}") from error
        if code in _PASSING_CODES or status in _BUSY_STATUSES:
            raise Throttled(f"AWS: {code}: {text}") from error
        raise AwsRefused(code, text, status, error.operation_name) from error
    except failures.NoCredentialsError as error:
        raise AwsRefused("NoCredentials", f"{error}: {_WHERE_FROM}") from error
    except failures.PartialCredentialsError as error:
        raise AwsRefused("NoCredentials", str(error)) from error
    except failures.CredentialRetrievalError as error:
        raise NoIdentity(f"AWS: {error}") from error
    except failures.BotoCoreError as error:
        raise Unavailable(f"AWS: {error}") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        # A helper that is not there, a file that is cut off, new credentials that are over
        # already: botocore lets these through.
        raise NoIdentity(f"AWS: credentials or settings cannot be read: {error}") from error
    except (AttributeError, TypeError) as error:
        # botocore takes whatever JSON a proxy answers to be an object.
        raise Unavailable(f"AWS: what answers is not AWS: {error}") from error


def _in_a_line(text: str) -> str:
    """AWS's message; of HTML of a proxy or load balancer the beginning, without tags."""
    start = text[:_LONGEST_HTML]
    if "<" in start:
        start = _TAG.sub(" ", _INVISIBLE.sub(" ", start))
    return cut(" ".join(start.split()), LONGEST_TEXT)


class NoIdentity(Unavailable):
    """The source of credentials is unavailable: a file, a helper, an endpoint."""


class Throttled(Unavailable):
    """AWS was called too often, or too much at once: the same call at once would not help."""


class AwsRefused(Refused):
    """AWS refused, with a code of its own."""

    def __init__(self, code: str, text: str, status: int = 0, operation: str = "") -> None:
        super().__init__(f"AWS: {code}: {text}")
        self.code = code
        """The status in digits, where what answered was not AWS."""
        self.text = text
        self.status = status
        """HTTP's status; 0 where no call was made, for lack of credentials."""
        self.operation = operation
        """Such as `GetSuppressedDestination`."""
