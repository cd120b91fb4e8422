"""boto3's clients as the worker uses them: no retries of their own, a deadline for credentials."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
import botocore.exceptions as failures
import botocore.session
from botocore.config import Config
from botocore.loaders import JSONFileLoader

from worker import __version__
from worker.aws.errors import NoIdentity, translated
from worker.timing.deadlines.beside import beside
from worker.timing.deadlines.botocore import use_deadlines_in_botocore

CONNECT_SECONDS = 5
READ_SECONDS = 10
"""Time limit between two reads of an answer, on top of the wait of a long poll."""
IDENTITY_SECONDS = 20.0
"""Time limit for credentials, whatever their source; instance metadata and STS take a second."""
CALL_SECONDS = 50.0
"""Time limit of a whole call, on top of its long poll: credentials, name lookup, connection,
answer; and all of that once more if the credentials were refused."""

_FOR_CREDENTIALS = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"total_max_attempts": 1, "mode": "standard"},
)

MODELS: Any = JSONFileLoader()
"""botocore's descriptions of AWS, each read once in a process. Otherwise every client would parse
the table of all endpoints again, which is most of what it costs to make one, and keep it."""
MODELS.load_file = cache(MODELS.load_file)


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

    The client never retries by itself: a second ReceiveMessage hides the messages of a lost answer,
    and retries are our own decision. A fixed `user_agent`, and no check of our own parameters, make
    a call 11 to 21 % cheaper.

    Raises:
        NoIdentity: AWS's own files or variables cannot be read, or contradict each other. That is
            temporary: another program may be writing them.

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
    # It logs a traceback if credentials cannot be refreshed; we log that ourselves.
    logging.getLogger("botocore.credentials").setLevel(logging.ERROR)
    use_deadlines_in_botocore()
    core = core or botocore.session.get_session()

    def make() -> Any:
        # botocore's own calls for credentials, to STS for instance, are made once, too: our caller
        # tries again.
        core.set_default_client_config(_FOR_CREDENTIALS)
        client = make_session(core).client(service, config=config)
        # `get_credentials` would look for them once more if there are none.
        return client, core._credentials  # noqa: SLF001

    with translated():
        try:
            client, credentials = beside(IDENTITY_SECONDS, make, what="AWS's credentials")
        except failures.BotoCoreError as error:
            raise NoIdentity(f"AWS: {error}") from error

    if hasattr(credentials, "refresh_needed"):

        def have_keys(**_: Any) -> None:
            frozen_keys(credentials)

        # Each call asks for the keys, and would wait for them without a time limit.
        client.meta.events.register_first("before-call", have_keys)
    return client


def make_session(core: Any) -> Any:
    """Make a boto3 session around botocore's; it shares the descriptions of AWS with all others."""
    session = boto3.Session(botocore_session=core)
    core.get_component("data_loader").file_loader = MODELS
    return session


def frozen_keys(credentials: Any) -> Any:
    """Return the keys of botocore's credentials; refresh them if they are about to expire.

    Raises:
        TimeoutError: the source of credentials did not answer.
        BotoCoreError: it refused.

    """
    get = credentials.get_frozen_credentials
    is_due = getattr(credentials, "refresh_needed", None)  # keys that never expire have none
    if is_due is None or not is_due():
        return get()
    return beside(IDENTITY_SECONDS, get, what="AWS's credentials")


def watch_dates(client: Any, read: Callable[[str | None], None]) -> None:
    """Pass the `Date` of each answer to `read`, refusals included."""

    def answered(http_response: Any, **_: Any) -> None:
        read(http_response.headers.get("date"))

    client.meta.events.register("after-call", answered)
