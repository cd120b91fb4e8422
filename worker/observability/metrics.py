"""Metrics that are counted on the message path; dashboards rely on their names and labels."""

import time
from collections import Counter as Counters
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from worker.core.faults import Fault
from worker.core.messages import Handled
from worker.core.model import Action, Decision, Kind, UserMatch
from worker.core.ports import BatchStore, Transaction
from worker.observability.ages import Ages
from worker.observability.labels import (
    BOUNCE_SUBTYPES,
    BOUNCE_TYPES,
    COMPLAINT_FEEDBACK,
    COMPLAINT_SUBTYPES,
    IGNORED,
    label,
)

UNCOUNTED_BOUNCES = COMPLAINT_SUBTYPES | {"emailvalidationsuppressed", "unsubscribedrecipient"}
"""Sub-types of mail that SES itself refused to send: AWS's bounce rate does not count them."""
SIMULATOR = "simulator.amazonses.com"
"""AWS's rates do not count mail to it."""
_AT_SIMULATOR = f"@{SIMULATOR}"

LAG_SECONDS = (1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400)
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 40)
BATCH_MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200)

disable_created_metrics()  # type: ignore[no-untyped-call]
"""Without this, each counter has a `_created` series, too."""


class _Sort(Struct, frozen=True):
    """What decides a recipient's labels."""

    kind: Kind
    type: str | None
    subtype: str | None
    match: UserMatch
    action: Action
    is_simulated: bool
    fault: str


class Metrics:
    """All metrics that are counted on the message path, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ages = Ages()
        self.last_message_at: float | None = None
        """When a message was processed last, in seconds since 1970."""
        self._bounces = Counter(
            "email_bounce",
            "Bounced recipients, by type and action",
            ["bounce_type", "bounce_subtype", "user_match", "relay_action"],
            registry=self.registry,
        )
        self._complaints = Counter(
            "email_complaint",
            "Complaining recipients, by type and action",
            ["complaint_subtype", "complaint_feedback", "user_match", "relay_action"],
            registry=self.registry,
        )
        by_fault = Counter(
            "ses_worker_bounces_by_fault",
            "Bounced recipients, by whose fault the bounce was",
            ["fault"],
            registry=self.registry,
        )
        self._by_fault = {fault: by_fault.labels(fault) for fault in Fault}
        reputation = Counter(
            "ses_worker_reputation",
            "Bounces and complaints that AWS's rates count, as far as SES reports it",
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
            "Messages whose processing failed with an unexpected error",
            registry=self.registry,
        )
        self._lag = Histogram(
            "ses_worker_event_to_record_seconds",
            "From the event's own time to its durable record, for each recipient",
            buckets=LAG_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "ses_worker_batch_messages",
            "Messages in a batch",
            buckets=BATCH_MESSAGES,
            registry=self.registry,
        )
        self._commits = Histogram(
            "ses_worker_commit_seconds",
            "From the start of a transaction to its durable commit",
            buckets=COMMIT_SECONDS,
            registry=self.registry,
        )

    def count(self, decisions: Iterable[Decision]) -> None:
        """Count recipients; those with the same labels are counted together."""
        for alike, number in Counters(map(_sort, decisions)).items():
            if alike.kind is Kind.BOUNCE:
                self._count_bounces(alike, number)
            else:
                self._count_complaints(alike, number)

    def _count_bounces(self, alike: _Sort, number: int) -> None:
        kind, sort = label(alike.type, BOUNCE_TYPES), label(alike.subtype, BOUNCE_SUBTYPES)
        self._bounces.labels(kind, sort, alike.match.value, alike.action.value).inc(number)
        self._by_fault[Fault(alike.fault or Fault.UNKNOWN)].inc(number)
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
        """Count a message that is neither bounce nor complaint."""
        plain = kind.replace(" ", "").lower()
        self._ignored[plain if plain in IGNORED else "other"].inc()

    def failed(self) -> None:
        """Count a message whose processing failed."""
        self._failures.inc()

    def written(self, handled: Sequence[Handled]) -> None:
        """Record a batch after its durable commit; messages that met an outage are left out."""
        handled = [result for result in handled if not (result.error and result.met_an_outage)]
        if not handled:
            return
        now = self.last_message_at = time.time()
        self._batches.observe(len(handled))
        messages = [result.received for result in handled]
        if ages := [
            message.received_at - message.sent_at for message in messages if message.sent_at
        ]:
            self.ages.record(max(0.0, max(ages).total_seconds()), time.monotonic())
        for result in handled:
            for decision in result.decisions:
                self._lag.observe(max(0.0, now - decision.occurred_at.timestamp()))

    @contextmanager
    def timing(self, store: BatchStore) -> Iterator[Transaction]:
        """Begin a transaction, and record how long it took if it is committed."""
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
    is_simulated = address is not None and address.key.endswith(_AT_SIMULATOR)
    return _Sort(
        notification.kind,
        notification.type,
        notification.subtype,
        decision.match,
        decision.action,
        is_simulated,
        decision.feedback.fault,
    )
