"""`ses-worker drain`: work until the queue is empty, and be able to say that it is."""

import time
from collections.abc import Callable

import structlog
from msgspec import Struct

from worker.app import (
    bring_schema_up,
    make_consumer,
    make_queue,
    make_store,
    say_what_nobody_delivers,
    say_where_dead_letters_go,
)
from worker.bounds import Bounds, Over, signals_heeded
from worker.consumer import Consumer, Plan, Tally
from worker.deliveries import Effects, deliver
from worker.errors import Refused, Unavailable
from worker.health import Health
from worker.queue import POLL_SECONDS, Counts, Queue
from worker.retries import a_few_times
from worker.room import Room
from worker.settings import Settings

PATIENCE_SECONDS = 60
"""How long to wait for messages that others hold, or that are delayed."""
LAST_LOOK_SECONDS = 5
"""How long to wait for SQS to say what remains."""

log = structlog.get_logger()
Watch = Callable[[Tally, Counts], None]


class Limits(Struct, frozen=True, kw_only=True):
    """Where a drain stops although the queue is not empty."""

    messages: int | None = None
    seconds: float | None = None


class Drained(Struct, frozen=True, kw_only=True):
    """How a drain went."""

    tally: Tally
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
    with signals_heeded() as asked:
        bounds = Bounds(asked, limits.seconds)
        room = Room()
        queue, store = make_queue(settings, plan, room), make_store(settings)
        try:
            bounds.call(bring_schema_up, settings, store)
            bounds.call(say_what_nobody_delivers, settings, store)
            at_first = _count(queue, bounds)
        except Over:
            raise Unavailable("stopped before it could begin: no answer by then") from None
        log.info("drain.started", queue=queue.name, store=store.place, messages=at_first.total)
        say_where_dead_letters_go(queue, asked.to_stop)
        consumer = make_consumer(settings, plan, queue, store, health=Health(), room=room)
        end = _End(consumer, queue, bounds)
        consumer.start()
        try:
            while not end.has_come():
                watch(consumer.tally, at_first)
                consumer.look_after()
                consumer.stopped.wait(0.05)
            failure = consumer.failure
        except (Unavailable, Refused) as error:
            failure = error
        finished = consumer.finish(asked.to_hurry)
        failure = failure or consumer.failure or consumer.refusal
        watch(consumer.tally, at_first)
        effects = Effects()
        if finished:
            effects, failure = deliver(settings, store, asked, failure)
            store.close()  # else whoever is left behind is in it, and it would wait
        return _drained(consumer, queue, started, effects, failure)


class _End:
    """Tells when a drain is over: empty, at a limit, asked to stop, failed, or out of patience."""

    def __init__(self, consumer: Consumer, queue: Queue, bounds: Bounds) -> None:
        self._consumer = consumer
        self._queue = queue
        self._bounds = bounds
        self._quiet_since = time.monotonic()
        self._received = 0
        self._polls_seen = 0

    def has_come(self) -> bool:
        """Look; the queue's counts are asked for once after each empty receive but the first."""
        consumer, now = self._consumer, time.monotonic()
        if consumer.tally.received != self._received:
            self._received, self._quiet_since = consumer.tally.received, now
        if consumer.stopped.is_set() or self._bounds.over or consumer.exhausted:
            return True
        empty_polls = consumer.pace.empty_in_a_row
        if not consumer.idle or empty_polls == self._polls_seen:
            return False
        self._polls_seen = empty_polls
        try:
            counts = _count(self._queue, self._bounds)
        except Over:
            return True
        return counts.total == 0 or now - self._quiet_since >= PATIENCE_SECONDS


def _count(queue: Queue, bounds: Bounds) -> Counts:
    counts: Counts = a_few_times(bounds.sleep)(bounds.call, queue.counts)
    return counts


def _drained(
    consumer: Consumer,
    queue: Queue,
    started: float,
    effects: Effects,
    failure: BaseException | None,
) -> Drained:
    try:
        remaining = _count(queue, Bounds(seconds=LAST_LOOK_SECONDS))
    except (Unavailable, Refused) as error:
        remaining, failure = Counts(), failure or error
    except Over:
        silent = Unavailable(f"SQS did not say within {LAST_LOOK_SECONDS} s what remains")
        remaining, failure = Counts(), failure or silent
    return Drained(
        tally=consumer.tally,
        remaining=remaining,
        effects=effects,
        elapsed_seconds=time.monotonic() - started,
        failure=failure,
    )
