"""Reads from AWS's services, a call at a time."""

import math
import time
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, TypeVar

from worker.aws import AwsRefused, Throttled, make_client, translated, watch_dates
from worker.core.errors import Refused, Unavailable
from worker.sqs.client.skew import ClockSkew
from worker.timing.deadlines import within
from worker.timing.retries import Sleep, briefly
from worker.topology.checks.facts import Absent, NotPermitted, Unknown, Unreachable

Known = TypeVar("Known")

_DENIED = frozenset({
    "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException",
    "UnauthorizedOperation",
})  # fmt: skip
_ABSENT = frozenset({
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound", "NotFoundException",
})  # fmt: skip
_PREFIXES = {"sesv2": "ses"}
"""Both of SES's interfaces have their permissions under one name."""


_PACED = frozenset({"ses", "sesv2"})
"""SES takes most operations once a second: https://docs.aws.amazon.com/ses/latest/dg/quotas.html"""
_SILENCE_SECONDS = 5
"""A call waits as long for an answer, and no other try begins when as much is over."""
_CALL_SECONDS = 15.0
"""For a whole call: a name, a connection, an answer that comes little by little."""


class Aws:
    """One account, one region at a time; clients are made when they are first needed."""

    def __init__(
        self, region: str, *, sleep: Sleep = time.sleep, limit_seconds: float = math.inf
    ) -> None:
        """`limit_seconds`: no calls are made afterwards."""
        self.region = region
        self._sleep = sleep
        self._limit_seconds = limit_seconds
        self._end = time.monotonic() + limit_seconds
        self._called_at: dict[tuple[str, str, str], float] = {}
        """When each operation of SES was called last."""
        self._clients: dict[tuple[str, str], Any] = {}
        self._unreachable: dict[tuple[str, str], Unavailable] = {}
        """Services that did not answer: each is waited for once."""
        self.clock_skew = ClockSkew()
        """As SQS's answers tell."""
        self._retrying = briefly(sleep, _SILENCE_SECONDS)

    def elsewhere(self, region: str) -> "Aws":
        """The same account in another region."""
        other = copy(self)
        other.region = region
        return other

    def ask(
        self, service: str, operation: str, *, at: str = "", **arguments: Any
    ) -> dict[str, Any]:
        """Call an operation, such as `get_topic_attributes`; `at`: in another region.

        Raises:
            AwsRefused: AWS refused.
            Unavailable: it cannot be reached, or had no time for us, several times.

        """
        where = service, at or self.region
        if where in self._unreachable:
            raise self._unreachable[where]
        if time.monotonic() > self._end:
            raise Unavailable(f"AWS: {self._limit_seconds:g} s are over, it was not asked any more")
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
        """Yield what an operation lists, with pagination."""
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
            return getattr(client, operation)(**arguments)

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
        if refused.code in _DENIED:
            return NotPermitted(denied_action(service, refused))
        if refused.code in _ABSENT:
            return Absent(refused.text or refused.code)
        return Unreachable(str(refused))
    except (Refused, Unavailable) as error:
        return Unreachable(str(error))


def denied_action(service: str, refused: AwsRefused) -> str:
    """Return the missing IAM action."""
    return f"{_PREFIXES.get(service, service)}:{refused.operation}"
