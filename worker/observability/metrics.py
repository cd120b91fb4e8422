"""What is counted while messages are worked on; names and labels are a promise to dashboards."""

import time
from collections import Counter as Counters
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from worker.core.model import Action, Decision, Handled, Kind, UserMatch
from worker.core.ports import BatchStore, Transaction

BOUNCE_TYPES = frozenset({"permanent", "transient", "undetermined"})
BOUNCE_SUBTYPES = frozenset({
    "undetermined", "general", "noemail", "suppressed", "onaccountsuppressionlist",
    "ontenantsuppressionlist", "emailvalidationsuppressed", "unsubscribedrecipient",
    "mailboxfull", "messagetoolarge", "contentrejected", "attachmentrejected",
    "customtimeoutexceeded",
})  # fmt: skip
COMPLAINT_SUBTYPES = frozenset({"onaccountsuppressionlist", "ontenantsuppressionlist"})
COMPLAINT_FEEDBACK = frozenset({"abuse", "auth-failure", "fraud", "not-spam", "other", "virus"})
IGNORED = frozenset({
    "send", "delivery", "reject", "open", "click", "renderingfailure", "deliverydelay",
    "subscription", "received", "setupnotification", "topicvalidated",
    "amazonsnssubscriptionsucceeded", "s3testevent",
})  # fmt: skip

UNCOUNTED_BOUNCES = COMPLAINT_SUBTYPES | {"emailvalidationsuppressed", "unsubscribedrecipient"}
"""Sub-types by which SES refuses on our account's word, which is no bounce in AWS's bounce rate."""
SIMULATOR = "simulator.amazonses.com"
"""Mail to it counts for no rate of AWS's."""

LAG_SECONDS = (1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400)
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 40)
BATCH_MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200)
WINDOW_SECONDS = 60.0

disable_created_metrics()  # type: ignore[no-untyped-call]
"""Else each counter gets a `_created` series."""


def label(value: str | None, documented: frozenset[str]) -> str:
    """A label of bounded cardinality: a documented value, `none`, or `other`."""
    if not value:
        return "none"
    lowered = value.lower()
    return lowered if lowered in documented else "other"


class Ages:
    """How old the oldest message was that was received lately; forgets it after a minute or two."""

    def __init__(self) -> None:
        self._since = 0.0
        self._before = self._now = -1.0

    def saw(self, seconds: float, at: float) -> None:
        """Learn of one, of so many seconds."""
        self._rotate(at)
        self._now = max(self._now, seconds)

    def oldest(self, at: float) -> float | None:
        """Its age when it was received; None: nothing has been received lately."""
        passed = at - self._since
        before, now = self._before, self._now
        found = max(before, now) if passed < WINDOW_SECONDS else now
        return found if found >= 0 and passed < 2 * WINDOW_SECONDS else None

    def _rotate(self, at: float) -> None:
        passed = at - self._since
        if passed >= WINDOW_SECONDS:
            self._before = self._now if passed < 2 * WINDOW_SECONDS else -1.0
            self._now, self._since = -1.0, at


class _Sort(NamedTuple):
    """The labels of a recipient."""

    kind: Kind
    type: str | None
    subtype: str | None
    match: UserMatch
    action: Action
    is_simulated: bool


class Metrics:
    """Everything that is counted on the path, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ages = Ages()
        self.last_message_at: float | None = None
        """Seconds since 1970."""
        self._bounces = Counter(
            "email_bounce",
            "Bounced recipients, by what was decided",
            ["bounce_type", "bounce_subtype", "user_match", "relay_action"],
            registry=self.registry,
        )
        self._complaints = Counter(
            "email_complaint",
            "Complained recipients, by what was decided",
            ["complaint_subtype", "complaint_feedback", "user_match", "relay_action"],
            registry=self.registry,
        )
        reputation = Counter(
            "ses_worker_reputation",
            "Bounces and complaints as AWS's rates count them, as far as is known",
            ["event"],
            registry=self.registry,
        )
        self._hard_bounces = reputation.labels("hard_bounce")
        self._new_complaints = reputation.labels("complaint")
        ignored = Counter(
            "ses_worker_ignored",
            "Messages that are neither bounce nor complaint, by kind",
            ["kind"],
            registry=self.registry,
        )
        self._ignored = {kind: ignored.labels(kind) for kind in sorted(IGNORED | {"other"})}
        self._failures = Counter(
            "email_processing_failure",
            "Messages that broke while they were worked on",
            registry=self.registry,
        )
        self._lag = Histogram(
            "ses_worker_event_to_record_seconds",
            "From the event's own time to its durable record, of each recipient",
            buckets=LAG_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "ses_worker_batch_messages",
            "Messages that were worked on at once",
            buckets=BATCH_MESSAGES,
            registry=self.registry,
        )
        self._commits = Histogram(
            "ses_worker_commit_seconds",
            "From the beginning of a transaction to its durable commit",
            buckets=COMMIT_SECONDS,
            registry=self.registry,
        )

    def count(self, decisions: Iterable[Decision]) -> None:
        """Count recipients, of whom those that are alike are counted at once."""
        for alike, number in Counters(map(_sort, decisions)).items():
            if alike.kind is Kind.BOUNCE:
                self._count_bounces(alike, number)
            else:
                self._count_complaints(alike, number)

    def _count_bounces(self, alike: _Sort, number: int) -> None:
        kind, sort = label(alike.type, BOUNCE_TYPES), label(alike.subtype, BOUNCE_SUBTYPES)
        self._bounces.labels(kind, sort, alike.match.value, alike.action.value).inc(number)
        if kind == "permanent" and sort not in UNCOUNTED_BOUNCES and not alike.is_simulated:
            self._hard_bounces.inc(number)

    def _count_complaints(self, alike: _Sort, number: int) -> None:
        sort = label(alike.subtype, COMPLAINT_SUBTYPES)
        feedback = label(alike.type, COMPLAINT_FEEDBACK)
        self._complaints.labels(sort, feedback, alike.match.value, alike.action.value).inc(number)
        refused = (alike.subtype or "").lower().endswith("suppressionlist")
        if feedback != "not-spam" and not refused and not alike.is_simulated:
            self._new_complaints.inc(number)

    def ignored(self, kind: str) -> None:
        """Count a message that says nothing to us."""
        plain = kind.replace(" ", "").lower()
        self._ignored[plain if plain in IGNORED else "other"].inc()

    def failed(self) -> None:
        """Count a message that broke."""
        self._failures.inc()

    def written(self, handled: Sequence[Handled]) -> None:
        """Learn what became of a batch, once its commit is durable; what met an outage has none."""
        handled = [result for result in handled if not result.met_an_outage]
        if not handled:
            return
        now = self.last_message_at = time.time()
        self._batches.observe(len(handled))
        messages = [result.received for result in handled]
        if ages := [
            message.received_at - message.sent_at for message in messages if message.sent_at
        ]:
            self.ages.saw(max(0.0, max(ages).total_seconds()), time.monotonic())
        for result in handled:
            for decision in result.decisions:
                self._lag.observe(max(0.0, now - decision.occurred_at.timestamp()))

    @contextmanager
    def timing(self, store: BatchStore) -> Iterator[Transaction]:
        """A transaction, timed when it is committed."""
        began = time.perf_counter()
        with store.transaction() as transaction:
            yield transaction
        self._commits.observe(time.perf_counter() - began)


class Timed:
    """A store whose commits are timed."""

    def __init__(self, store: BatchStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self.probe = store.probe

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction of the store."""
        return self._metrics.timing(self._store)


def _sort(decision: Decision) -> _Sort:
    notification, address = decision.feedback.notification, decision.feedback.address
    is_simulated = address is not None and address.key.endswith(f"@{SIMULATOR}")
    return _Sort(
        notification.kind,
        notification.type,
        notification.subtype,
        decision.match,
        decision.action,
        is_simulated,
    )
