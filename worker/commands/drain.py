"""`ses-worker drain`: work until the queue is empty, and know that it is."""

import time
from collections.abc import Callable

import structlog
from msgspec import Struct

from worker.app import (
    bring_schema_up,
    log_where_dead_letters_go,
    make_consumer,
    make_queue,
    make_store,
    warn_of_effects_without_sender,
)
from worker.commands.deliveries import Effects, deliver
from worker.consumer import Consumer, Counters, Plan
from worker.core.errors import Refused, Unavailable
from worker.observability.health import Health
from worker.service.bounded_call import Deadline, Over, signals_heeded
from worker.settings import Settings
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.queue import POLL_SECONDS, Counts, Queue
from worker.timing.retries import a_few_times

WAIT_SECONDS = 60
"""How long to wait for messages that others hold, or that are delayed."""
LAST_LOOK_SECONDS = 5
"""Time limit for SQS's final counts."""

log = structlog.get_logger()
Watch = Callable[[Counters, Counts], None]


class Limits(Struct, frozen=True, kw_only=True):
    """Where a drain stops although the queue is not empty."""

    messages: int | None = None
    seconds: float | None = None


class Drained(Struct, frozen=True, kw_only=True):
    """How a drain went."""

    counters: Counters
    remaining: Counts
    effects: Effects
    elapsed_seconds: float
    failure: BaseException | None


def drain(settings: Settings, limits: Limits, watch: Watch = lambda _, __: None) -> Drained:
    """Work until the queue is empty, a limit is met or a signal comes.

    `watch` is called several times a second, with what was on the queue at the start.

    Raises:
        Misconfigured, Unavailable, Refused: it could not begin.

    """
    started = time.monotonic()
    plan = Plan(
        wait_seconds=POLL_SECONDS,
        pollers=settings.queue.pollers,
        at_most=limits.messages,
        patient=False,
    )
    with signals_heeded() as signals:
        deadline = Deadline(signals, limits.seconds)
        byte_budget = ByteBudget()
        queue, store = make_queue(settings, plan, byte_budget), make_store(settings)
        try:
            deadline.call(bring_schema_up, settings, store)
            deadline.call(warn_of_effects_without_sender, settings, store)
            at_first = _count(queue, deadline)
        except Over:
            raise Unavailable("stopped before it could begin: no answer by then") from None
        log.info("drain.started", queue=queue.name, store=store.place, messages=at_first.total)
        log_where_dead_letters_go(queue, signals.to_stop)
        consumer = make_consumer(
            settings, plan, queue, store, health=Health(), byte_budget=byte_budget
        )
        end = _End(consumer, queue, deadline)
        consumer.start()
        try:
            while not end.has_come():
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
            store.close()  # else an abandoned thread uses it, and close would wait
        return _drained(consumer, queue, started, effects, failure)


class _End:
    """Decides when a drain is over: empty, at a limit, stopped, failed, or timed out."""

    def __init__(self, consumer: Consumer, queue: Queue, deadline: Deadline) -> None:
        self._consumer = consumer
        self._queue = queue
        self._deadline = deadline
        self._quiet_since = time.monotonic()
        self._received = 0
        self._polls_counted = 0

    def has_come(self) -> bool:
        """Check once; read the queue's counts after each empty receive but the first."""
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
        silent = Unavailable(
            f"SQS did not answer within {LAST_LOOK_SECONDS} s how many messages remain"
        )
        remaining, failure = Counts(), failure or silent
    return Drained(
        counters=consumer.counters,
        remaining=remaining,
        effects=effects,
        elapsed_seconds=time.monotonic() - started,
        failure=failure,
    )
