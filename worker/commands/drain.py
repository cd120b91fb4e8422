"""`ses-worker drain`: work until the queue is empty by SQS's counts."""

import time
from collections.abc import Callable

import structlog
from msgspec import Struct

from worker.app import bring_schema_up, make_store
from worker.app.in_force import keep_policy
from worker.app.parts import build
from worker.commands.deliveries import Effects, deliver
from worker.consumer import Consumer, Counters, Plan
from worker.core.errors import Refused, Unavailable
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.service.allocation import tune_memory
from worker.service.bounded_call import Deadline, Over, signals_heeded
from worker.service.disk_watch import DiskWatch
from worker.service.startup_checks import (
    begin_dead_letter_queue_check,
    warn_of_effects_without_sender,
)
from worker.settings import Settings
from worker.sqs.queue import POLL_SECONDS, Counts, Queue
from worker.store.tombstones import require_known_key
from worker.timing.retries import a_few_times

WAIT_SECONDS = 60
"""How long to wait for messages that other receivers hold, or that are delayed."""
LAST_LOOK_SECONDS = 5
"""Time limit for SQS's final counts."""

log = structlog.get_logger()
Watch = Callable[[Counters, Counts], None]


class Limits(Struct, frozen=True, kw_only=True):
    """Limits at which a drain stops although the queue is not empty."""

    messages: int | None = None
    seconds: float | None = None


class Drained(Struct, frozen=True, kw_only=True):
    """The result of a drain."""

    counters: Counters
    remaining: Counts
    effects: Effects
    elapsed_seconds: float
    failure: BaseException | None


def drain(settings: Settings, limits: Limits, watch: Watch = lambda _, __: None) -> Drained:
    """Work until the queue is empty, a limit is reached or a signal comes.

    `watch` is called several times a second, with the counters and the queue's counts at the start.

    Raises:
        Misconfigured, Unavailable, Refused: the drain could not begin.

    """
    started = time.monotonic()
    plan = Plan(
        wait_seconds=POLL_SECONDS,
        pollers=settings.queue.pollers,
        at_most=limits.messages,
        patient=False,
    )
    with signals_heeded() as signals:
        deadline, health = Deadline(signals, limits.seconds), Health()
        parts = build(settings, plan, health=health, metrics=Metrics(), delivers=False)
        queue, store, consumer = parts.queue, parts.store, parts.consumer
        DiskWatch(store, health).look()
        try:
            deadline.call(bring_schema_up, settings, store)
            deadline.call(_keep_policy, settings)
            deadline.call(warn_of_effects_without_sender, store, settings.lanes, settings.keys_of)
            at_first = _count(queue, deadline)
        except Over:
            raise Unavailable("stopped before the drain could begin") from None
        log.info("drain.started", queue=queue.name, store=store.place, messages=at_first.total)
        begin_dead_letter_queue_check(queue, signals.to_stop)
        tune_memory()
        end = _End(consumer, queue, deadline)
        consumer.start()
        try:
            while not end.is_reached():
                watch(consumer.counters, at_first)
                consumer.look_after()
                consumer.stopped.wait(0.05)
            failure = consumer.failure
        except (Unavailable, Refused) as error:
            failure = error
        finished = consumer.finish(signals.to_hurry)
        failure = failure or consumer.failure or consumer.refusal
        watch(consumer.counters, at_first)
        effects = Effects()
        if finished:
            effects, failure = deliver(settings, store, signals, failure)
            store.close()  # otherwise an abandoned thread uses it, and closing would wait
        return _drained(consumer, queue, started, effects, failure)


def _keep_policy(settings: Settings) -> None:
    """Keep the policy through a store of its own, so that the drain's is opened when it writes."""
    store = make_store(settings)
    try:
        require_known_key(store, settings.privacy.privacy_key)
        keep_policy(store, settings.as_policy())
    finally:
        store.close()


class _End:
    """Decides when a drain is over: empty, at a limit, stopped, failed, or timed out."""

    def __init__(self, consumer: Consumer, queue: Queue, deadline: Deadline) -> None:
        self._consumer = consumer
        self._queue = queue
        self._deadline = deadline
        self._quiet_since = time.monotonic()
        self._received = 0
        self._polls_counted = 0

    def is_reached(self) -> bool:
        """Look once; read the queue's counts after each empty receive but the first."""
        consumer, now = self._consumer, time.monotonic()
        if consumer.counters.received != self._received:
            self._received, self._quiet_since = consumer.counters.received, now
        if consumer.stopped.is_set() or self._deadline.over or consumer.exhausted:
            return True
        empty_polls = consumer.autoscaler.empty_in_a_row
        if not consumer.idle or empty_polls == self._polls_counted:
            return False
        self._polls_counted = empty_polls
        try:
            counts = _count(self._queue, self._deadline)
        except Over:
            return True
        return counts.total == 0 or now - self._quiet_since >= WAIT_SECONDS


def _count(queue: Queue, deadline: Deadline) -> Counts:
    counts: Counts = a_few_times(deadline.sleep)(deadline.call, queue.counts)
    return counts


def _drained(
    consumer: Consumer,
    queue: Queue,
    started: float,
    effects: Effects,
    failure: BaseException | None,
) -> Drained:
    try:
        remaining = _count(queue, Deadline(seconds=LAST_LOOK_SECONDS))
    except (Unavailable, Refused) as error:
        remaining, failure = Counts(), failure or error
    except Over:
        unknown = Unavailable(
            f"SQS did not answer within {LAST_LOOK_SECONDS} s how many messages remain"
        )
        remaining, failure = Counts(), failure or unknown
    return Drained(
        counters=consumer.counters,
        remaining=remaining,
        effects=effects,
        elapsed_seconds=time.monotonic() - started,
        failure=failure,
    )
