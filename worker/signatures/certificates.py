"""Keeps the keys of SNS's certificates: fetched once for all threads, and again in time.

Only what was fetched and checked is kept. A fetch that failed says nothing about the next: after it
the host rests for 1 to 60 s, because each fetch keeps messages waiting. Any sender can invent names
of certificates, and many hosts are AWS's but cannot be reached from here: so the fetches of unknown
names in a minute, the time that they take and the keys kept are bounded.

Nobody can use up what others need: each sender has fetches of its own. Who a sender is, SQS says
(`SenderId`), whatever the message says; SNS is one sender to a queue. And the time for hosts that
receiving does not wait for is apart from the time for those that it does.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import structlog
from msgspec import Struct

from worker.core.errors import NoCertificate
from worker.signatures.errors import Failed, NotServed, Wrong
from worker.signatures.origins import Origin
from worker.timing import clock
from worker.timing.retries import back_off

MOST_KEYS = 32
"""Keys kept; SNS has one or two in each region at a time."""
REFRESH_SECONDS = 86_400.0
"""A certificate is fetched again when it is so old; until that succeeds the known key counts."""
MOST_UNKNOWN = 5
"""So many names that SNS does not know are requested within `UNKNOWN_SECONDS` for a sender, and no
more."""
MOST_SENDERS = 8
"""Senders with fetches of their own; those that come later within `UNKNOWN_SECONDS` share some."""
LONGEST_SENDER = 64
"""Characters of a sender that count; SQS's ids have about twenty."""
UNKNOWN_SECONDS = 60.0
MOST_SECONDS = 12.0
"""Failed fetches of new names take no longer than this within `UNKNOWN_SECONDS`, and the one that
is under way then: meanwhile no message is written (`worker.consumer.writing`). So much for hosts
that receiving waits for, and as much for all others."""
AGAIN_SECONDS = 60.0
"""So long an answer counts: that a certificate has ended, or that SNS does not serve it now."""
QUIET_SECONDS = 600.0
"""A problem is over when no certificate was missing for so long."""
PROBLEM = "certificates"
_LATE = "*"
"""In the place of the senders that came late; no id of AWS has this character."""
_LACKS = "no certificate of SNS from"

log = structlog.get_logger()


class Key(Protocol):
    """The key of a checked certificate."""

    def require_valid(self, now: datetime) -> None:
        """Raise `Wrong` if the certificate is not valid at this time."""

    def verify(self, signature: bytes, signed: bytes, version: str) -> None:
        """Raise `Wrong` if the signature is not this key's."""


class Problems(Protocol):
    """Where problems are reported (`worker.observability.health.Health`)."""

    def report_problem(self, what: str, error: object) -> None:
        """Report a problem, or that it goes on."""

    def resolve(self, what: str) -> float | None:
        """Report its end; return how many seconds it lasted, if there was a problem."""


class NotAwaited(NoCertificate):
    """Receiving does not pause until this certificate can be had: the message comes back later."""


class TooManyNames(NotAwaited):
    """So many unknown certificates were named that this one is not requested now."""


class _Kept(Struct):
    key: Key
    refresh_at: float


class _Rest(Struct):
    """How often a host has failed in a row, and until when it is left alone."""

    failures: int = 0
    until: float = 0.0
    error: str = ""


class _Asking(Struct, frozen=True):
    """A certificate, whether receiving may pause for it, and who has named it."""

    origin: Origin
    url: str
    awaited: bool
    sender: str


class Certificates:
    """The keys, by the addresses of their certificates. Thread-safe."""

    def __init__(
        self,
        obtain: Callable[[Origin, str], Key],
        problems: Problems,
        *,
        now: Callable[[], float] = clock.now,
        wall: Callable[[], datetime] = clock.wall,
    ) -> None:
        """`obtain` fetches and checks: it raises `NotServed`, `Failed` or `Wrong`."""
        self._obtain = obtain
        self._problems = problems
        self._now = now
        self._wall = wall
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._rests: dict[str, _Rest] = {}
        self._unknown: OrderedDict[str, deque[float]] = OrderedDict()
        """When the latest unknown names were requested; by sender, the latest last."""
        self._ended: OrderedDict[str, tuple[float, str]] = OrderedDict()
        """Until when it counts that a certificate is not valid, and why; by address."""
        self._failed_fetches: dict[bool, deque[tuple[float, float]]] = {
            True: deque(),
            False: deque(),
        }
        """When failed fetches ended, and their seconds, of hosts that are awaited and of others;
        few, because each host then rests."""
        self._missing_at: float | None = None
        """When a certificate could not be had last; None: all can be had."""
        self._awaited: _Asking | None = None
        """The latest certificate that receiving may be pausing for."""
        self._logged_at = -UNKNOWN_SECONDS
        """When it was last logged that too many unknown names were requested."""
        self._lock = threading.Lock()
        """One fetch at a time: threads that need the same certificate wait for it."""

    def key(self, origin: Origin, url: str, *, awaited: bool = True, sender: str = "") -> Key:
        """Return the key of a certificate whose address `origins.may_serve` allows.

        `sender`: who named it; empty: unknown.

        Raises:
            Wrong: the certificate is not valid at this time.
            NotServed: SNS does not have it.
            NoCertificate: it cannot be had now; without `awaited` it is `NotAwaited`.

        """
        kept = self._kept.get(url)
        if kept and self._now() < kept.refresh_at and self._is_valid(kept):
            return kept.key
        asking = _Asking(origin, url, awaited, _who(sender))
        with self._lock:
            try:
                return self._fetched(asking).key
            except NotAwaited:
                raise
            except NoCertificate as error:
                if not awaited:
                    raise NotAwaited(str(error)) from error
                self._awaited = asking
                raise

    def probe(self) -> None:
        """Try to get the certificate that is awaited, however lately it was tried.

        Raises:
            NoCertificate: it still cannot be had.

        """
        with self._lock:
            if self._awaited is None:
                return
            with suppress(NotServed, Wrong):  # an answer, so the messages can be decided
                self._fetch(self._awaited)
            self._awaited = None

    def look(self) -> None:
        """End the problem if no certificate was missing for a while; to be called now and then."""
        missing_at = self._missing_at
        if missing_at is not None and self._now() - missing_at > QUIET_SECONDS:
            self._resolve()

    def _is_valid(self, kept: _Kept) -> bool:
        try:
            kept.key.require_valid(self._wall())
        except Wrong:
            return False
        return True

    def _fetched(self, asking: _Asking) -> _Kept:
        now, url = self._now(), asking.url
        kept = self._kept.get(url)
        if kept and not self._is_valid(kept):
            # It has ended; or this machine's clock is wrong, and TLS to the host may fail, too.
            del self._kept[url]
            kept = None
        if kept and now < kept.refresh_at:  # another thread has fetched it
            return kept
        rest = self._rests.get(asking.origin.host)
        if rest and now < rest.until:
            if kept:
                return kept
            self._missing_at = now
            raise NoCertificate(rest.error)
        if kept is None:
            self._require_asking(asking, now)
        try:
            return self._fetch(asking)
        except (NoCertificate, NotServed, Wrong):
            if kept is None:
                raise
            kept.refresh_at = self._now() + AGAIN_SECONDS
            return kept

    def _require_asking(self, asking: _Asking, now: float) -> None:
        """Ask for no new name where the answer is known, or where it would take too much time."""
        until, why = self._ended.get(asking.url, (now, ""))
        if now < until:
            raise Wrong(why)
        if self._asks_too_often(asking.sender, now):
            raise self._too_many(now)
        failed = self._failed_fetches[asking.awaited]
        while failed and now - failed[0][0] >= UNKNOWN_SECONDS:
            failed.popleft()
        if sum(seconds for _, seconds in failed) >= MOST_SECONDS:
            self._missing_at = now
            host = asking.origin.host
            raise NoCertificate(f"{_LACKS} {host}: fetches took too long; it is tried later")

    def _too_many(self, now: float) -> TooManyNames:
        error = (
            f"{MOST_UNKNOWN} certificates that SNS does not have were named within "
            f"{UNKNOWN_SECONDS:.0f} s: no others are requested now"
        )
        if now - self._logged_at >= UNKNOWN_SECONDS:  # a line for each message would be a flood
            self._logged_at = now
            log.warning("certificate.not_asked", error=error)
        return TooManyNames(error)

    def _asks_too_often(self, sender: str, now: float) -> bool:
        """Return whether this sender has named so many unknown names lately; forget old ones."""
        while self._unknown and now - next(iter(self._unknown.values()))[-1] >= UNKNOWN_SECONDS:
            self._unknown.popitem(last=False)
        asked = self._unknown.get(self._account(sender))
        return bool(asked and len(asked) == MOST_UNKNOWN and now - asked[0] < UNKNOWN_SECONDS)

    def _account(self, sender: str) -> str:
        """Return whose fetches a sender uses: its own, or those that all late ones share."""
        is_late = sender not in self._unknown and len(self._unknown) >= MOST_SENDERS
        return _LATE if is_late else sender

    def _learn_unknown(self, sender: str) -> None:
        account = self._account(sender)
        self._unknown.setdefault(account, deque(maxlen=MOST_UNKNOWN)).append(self._now())
        self._unknown.move_to_end(account)

    def _fetch(self, asking: _Asking) -> _Kept:
        origin, url = asking.origin, asking.url
        began = self._now()
        try:
            key = self._obtain(origin, url)
        except Wrong as error:
            self._ended[url] = self._now() + AGAIN_SECONDS, str(error)
            while len(self._ended) > MOST_KEYS:
                self._ended.popitem(last=False)
            self._rests.pop(origin.host, None)
            raise
        except NotServed as error:
            self._learn_unknown(asking.sender)
            self._rests.pop(origin.host, None)
            self._log_failure(url, f"{_LACKS} {origin.host}: {error}")
            raise
        except Failed as error:
            now = self._now()
            self._failed_fetches[asking.awaited].append((now, now - began))
            raise self._failed(origin, url, error) from error
        self._rests.pop(origin.host, None)
        self._resolve()
        self._kept[url] = kept = _Kept(key, self._now() + REFRESH_SECONDS)
        self._kept.move_to_end(url)
        while len(self._kept) > MOST_KEYS:
            self._kept.popitem(last=False)
        log.info("certificate.fetched", url=url)
        return kept

    def _resolve(self) -> None:
        self._missing_at = None
        if (seconds := self._problems.resolve(PROBLEM)) is not None:
            log.info("certificate.available", outage_seconds=round(seconds, 1))

    def _failed(self, origin: Origin, url: str, error: Failed) -> NoCertificate:
        rest = self._rests.setdefault(origin.host, _Rest())
        rest.failures += 1
        seconds = back_off(rest.failures)
        rest.until = self._now() + seconds
        rest.error = f"{_LACKS} {origin.host}: {error}"
        self._log_failure(url, rest.error, next_try_seconds=round(seconds, 1))
        return NoCertificate(rest.error)

    def _log_failure(self, url: str, error: str, **more: float) -> None:
        self._missing_at = self._now()
        self._problems.report_problem(PROBLEM, error)
        log.warning("certificate.unavailable", url=url, error=error, **more)


def _who(sender: str) -> str:
    """Return a sender without the name of its session, which it can choose."""
    return sender.partition(":")[0][:LONGEST_SENDER]
