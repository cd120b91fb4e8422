"""Reads from AWS's services, a call at a time."""

import math
import time
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, TypeVar

from botocore.exceptions import ClientError, SSLError

from worker.aws import (
    AwsRefused,
    NoIdentity,
    Throttled,
    Unsupported,
    make_client,
    translated,
    unsupported,
    watch_dates,
)
from worker.aws.codes import ABSENT, BAD_CREDENTIALS, NOT_PERMITTED
from worker.core.errors import Refused, Unavailable
from worker.sqs.client.skew import ClockSkew
from worker.timing.deadlines import within
from worker.timing.retries import Sleep, briefly
from worker.topology.checks.facts import Absent, NotPermitted, Unknown, Unreachable

Known = TypeVar("Known")

_PREFIXES = {"sesv2": "ses"}
"""The prefix of a service's IAM actions, if it is not the service's name."""

_PACED = frozenset({"ses", "sesv2"})
"""SES allows most operations once a second: https://docs.aws.amazon.com/ses/latest/dg/quotas.html"""
_SILENCE_SECONDS = 5
"""Time limit for an answer; after as much time in all, no further try begins."""
_CALL_SECONDS = 15.0
"""Time limit for a whole call: name lookup, connection, a slow answer."""


class Aws:
    """Calls in a single account and region; clients are made when they are first needed."""

    def __init__(
        self, region: str, *, sleep: Sleep = time.sleep, limit_seconds: float = math.inf
    ) -> None:
        """`limit_seconds`: no call is made later than this."""
        self.region = region
        self._sleep = sleep
        self._limit_seconds = limit_seconds
        self._end = time.monotonic() + limit_seconds
        self._called_at: dict[tuple[str, str, str], float] = {}
        """The time of the last call, by operation of SES."""
        self._clients: dict[tuple[str, str], Any] = {}
        self._unreachable: dict[tuple[str, str], Unavailable] = {}
        """Services that did not answer; they are not called again."""
        self.clock_skew = ClockSkew()
        """From the dates of SQS's answers."""
        self._retrying = briefly(sleep, _SILENCE_SECONDS)

    def elsewhere(self, region: str) -> "Aws":
        """The same account in another region."""
        other = copy(self)
        other.region = region
        return other

    def ask(
        self, service: str, operation: str, *, at: str = "", **arguments: Any
    ) -> dict[str, Any]:
        """Call an operation, such as `get_topic_attributes`; `at`: another region.

        Raises:
            AwsRefused: AWS refused.
            Unsupported: the endpoint does not have the operation.
            Unavailable: AWS could not be reached, or limited the rate of calls, several times.

        """
        where = service, at or self.region
        if where in self._unreachable:
            raise self._unreachable[where]
        if time.monotonic() > self._end:
            raise Unavailable(
                f"AWS: not called, since the {self._limit_seconds:g} s for all calls are over"
            )
        try:
            answer: dict[str, Any] = self._retrying(self._once, *where, operation, arguments)
        except Throttled:
            raise
        except Unavailable as error:
            self._unreachable[where] = error
            raise
        return answer

    def pages(
        self, service: str, operation: str, key: str, *, at: str = "", **arguments: Any
    ) -> Iterator[Any]:
        """Yield the items that an operation lists, page by page."""
        token: dict[str, str] = {}
        while True:
            answer = self.ask(service, operation, at=at, **arguments, **token)
            yield from answer.get(key, ())
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _once(self, service: str, region: str, operation: str, arguments: dict[str, Any]) -> Any:
        if service in _PACED:
            self._wait_for_slot((service, region, operation))
        client = self._clients.get((service, region))
        if client is None:
            client = self._clients[service, region] = make_client(
                service, region, connections=1, read_seconds=_SILENCE_SECONDS
            )
            if service == "sqs":
                watch_dates(client, self.clock_skew.read)
        with translated(), within(_CALL_SECONDS):
            try:
                return getattr(client, operation)(**arguments)
            except ClientError as error:
                if found := unsupported(error):
                    raise found from error
                raise

    def _wait_for_slot(self, what: tuple[str, str, str]) -> None:
        due = self._called_at.get(what, -math.inf) + 1
        if (pause := due - time.monotonic()) > 0:
            self._sleep(pause)
        self._called_at[what] = time.monotonic()


def known(service: str, look: Callable[[], Known]) -> Known | Unknown:
    """Read facts, or return why they are unknown."""
    try:
        return look()
    except AwsRefused as refused:
        return _unknown(service, refused)
    except Unsupported as error:
        return Unreachable(str(error), is_supported=False)
    except (Refused, Unavailable) as error:
        return Unreachable(str(error), _fix(error))
    except KeyError as error:
        return Unreachable(f"AWS: the answer is not AWS's: it has no {error}")


def _unknown(service: str, refused: AwsRefused) -> Unknown:
    if refused.code in NOT_PERMITTED:
        return NotPermitted(denied_action(service, refused))
    if refused.code in ABSENT:
        return Absent(refused.text or refused.code)
    return Unreachable(str(refused), _fix(refused))


def _fix(error: Refused | Unavailable) -> str:
    """Return what to do: waiting helps against an outage, a busy service, a slow network."""
    if isinstance(error, NoIdentity) or getattr(error, "code", "") in BAD_CREDENTIALS:
        return "check the credentials, and the clock of this machine"
    match error.__cause__:
        case SSLError():
            return "check AWS_CA_BUNDLE, and the proxy in between, if there is one"
    return "try again later" if isinstance(error, Unavailable) else ""


def denied_action(service: str, refused: AwsRefused) -> str:
    """Return the missing IAM action."""
    return f"{_PREFIXES.get(service, service)}:{refused.operation}"
