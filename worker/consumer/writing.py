"""The writer: one poller at a time writes the messages of all waiting pollers, in one transaction.

The first poller writes for all that wait, itself included; the others find their messages written.
So pollers share a commit's fsync whenever several wait, and on a quiet queue no message is passed
from thread to thread.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.callbacks import Callbacks
from worker.consumer.choosing import LARGEST_COMMIT, Part, choose, choose_carefully
from worker.consumer.counters import Counters
from worker.consumer.outage import Outage
from worker.consumer.received_batch import ReceivedBatch
from worker.consumer.suspects import Suspects
from worker.core.errors import Misconfigured, NoCertificate, Unavailable
from worker.core.messages import DeadLetter, Handled, Received
from worker.core.model import Reason
from worker.core.ports import BatchStore
from worker.observability.health import SIGNATURES, STORE, Health
from worker.sqs.queue import LARGEST_BATCH
from worker.timing.retries import back_off

TICK_SECONDS = 0.2
"""Time between two looks at an outage."""
SLOW_SECONDS = 5
"""A write that takes longer is logged."""
HANGING_SECONDS = 40
"""A write that takes longer is broken off; the store's deadlines for a statement are shorter."""
STUCK_SECONDS = 2 * HANGING_SECONDS
"""After so long, breaking the write off has not helped, and the watchdog ends the process."""

log = structlog.get_logger()


class WriterStore(BatchStore, Protocol):
    """The store, as far as the writer needs it."""

    def break_off(self) -> None:
        """End, from another thread, a transaction that hangs; it raises `Unavailable` then."""

    def who_holds(self) -> str:
        """Describe which other processes hold locks that a write waits for, if that is known."""


class Writer:
    """Thread-safe; a single thread writes at a time."""

    def __init__(
        self,
        *,
        callbacks: Callbacks,
        store: WriterStore,
        counters: Counters,
        autoscaler: PollerAutoscaler,
        health: Health,
        stopping: threading.Event,
        give_up: Callable[[BaseException], None] | None,
    ) -> None:
        """Learn of each outage by `give_up`, if given."""
        self._began: float | None = None
        """When the write under way began."""
        self._warned_about: float | None = None
        """When the write began that the latest warning is about."""
        self._process = callbacks.process
        self._probe_certificates = callbacks.probe_certificates
        self._store = store
        self._counters = counters
        self._autoscaler = autoscaler
        self._health = health
        self._pulse = health.pulse("writer")
        self._stopping = stopping
        self._give_up = give_up
        self._changed = threading.Condition()
        self._writing = False
        """A thread is writing."""
        self._waiting: list[ReceivedBatch] = []
        self._outage: Outage | None = None
        self._outages_in_a_row = 0
        self._suspects = Suspects()
        self._at_most = LARGEST_COMMIT
        """Messages in the next commit: 1 after an outage, then twice as many each time."""

    def write(self, messages: Sequence[Received]) -> list[Handled]:
        """Write messages; return when their commit is durable, or when they must be released.

        In an outage of the store, or of the certificates that signatures need, they are held for
        some seconds, because it may be short; then they are released. Nothing is received meanwhile
        (`await_store`), so even a long outage costs each message a single receive. When a probe
        succeeds, a single held message is written before the rest.
        """
        received_batch = ReceivedBatch(messages)
        with self._changed:
            self._waiting.append(received_batch)
        self._take_turns_while(lambda: not received_batch.done)
        return received_batch.handled

    def await_store(self) -> None:
        """Wait during an outage, or until a stop."""
        self._take_turns_while(lambda: self._outage is not None and not self._stopping.is_set())

    @property
    def most(self) -> int:
        """How many messages to receive: a single message after several outages without a write."""
        return 1 if self._outages_in_a_row > 1 else LARGEST_BATCH

    def _take_turns_while(self, needed: Callable[[], bool]) -> None:
        """Write, or wait for the thread that writes, while the condition holds."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not needed() or not self._writing)
                if not needed():
                    return
                self._writing = True
            self._began = time.monotonic()
            self._pulse.within(STUCK_SECONDS)
            try:
                self._run_once()
            finally:
                self._began = None
                self._pulse.rest()
                with self._changed:
                    self._writing = False
                    self._waiting = [batch for batch in self._waiting if not batch.done]
                    self._changed.notify_all()

    def _run_once(self) -> None:
        if self._outage is None:
            self._commit(self._next())
        elif self._stopping.is_set():
            self._release(self._waiting)
        elif self._outage.is_over(self._probe):
            self._suspects.probed(was_unavailable=self._outage.is_confirmed)
            self._try_first(self._outage)
        else:
            self._stopping.wait(TICK_SECONDS)
            self._release([batch for batch in self._waiting if batch.overdue])

    def _try_first(self, outage: Outage) -> None:
        """Write a single held message first: a probe may succeed where a message fails.

        A message that is ignored or dead-lettered proves nothing; then the next is tried.
        """
        while held := [batch for batch in self._waiting if batch.left]:
            self._commit(choose_carefully(held, self._suspects, self._at_most))
            if self._outage is not outage:
                return
            if not self._outages_in_a_row:
                break
        self._outage = None
        outage.end()
        self._health.resolve(outage.what)
        self._autoscaler.go_on(outage.what)

    def look_after(self) -> None:
        """Log a slow write; break off a write that hangs, as with a stopped server."""
        began = self._began
        seconds = 0 if began is None else time.monotonic() - began
        if seconds > SLOW_SECONDS and self._warned_about != began:
            self._warned_about = began
            error = f"A write to the database has taken {seconds:.0f} s{self._store.who_holds()}"
            log.warning("store.slow", seconds=round(seconds, 1), error=error)
        if seconds > HANGING_SECONDS:
            self._store.break_off()

    def _next(self) -> Sequence[Part]:
        with self._changed:
            waiting = [batch for batch in self._waiting if batch.left]
        return choose(waiting, self._suspects, self._at_most)

    def _commit(self, chosen: Sequence[Part]) -> None:
        first_tries = [part for part, _ in chosen if not part.begun]
        self._counters.begun(sum(len(part.left) for part in first_tries))
        batch = [message for part, count in chosen for message in part.left[:count]]
        handled = self._handle(batch)
        with self._changed:
            start = 0
            for part, count in chosen:
                part.take(handled[start : start + count])
                start += count
        error = next(
            (result.error for result in handled if result.error and result.met_an_outage), None
        )
        if error:
            self._suspects.broke_off(batch, error)
            self._begin_outage(error)
            return
        self._suspects.handled(handled)
        if self._at_most < LARGEST_COMMIT and any(result.proves_store_works for result in handled):
            self._at_most = min(2 * self._at_most, LARGEST_COMMIT)
            self._outages_in_a_row = 0

    def _handle(self, batch: Sequence[Received]) -> list[Handled]:
        if len(batch) == 1 and self._suspects.is_to_blame(batch[0]):
            why = DeadLetter(Reason.STORE_REFUSES, "the store broke off at it, and took others")
            return [Handled(batch[0], why)]
        return self._process(batch)

    def _begin_outage(self, error: BaseException) -> None:
        what = SIGNATURES if isinstance(error, NoCertificate) else STORE
        if self._outage and self._outage.what != what:  # after one outage another begins
            self._health.resolve(self._outage.what)
            self._autoscaler.go_on(self._outage.what)
        self._autoscaler.halt(what)
        self._health.report_problem(what, error)
        # Messages were written since the last outage, so this may be due to the messages.
        is_suspicious = self._at_most < LARGEST_COMMIT and not self._outages_in_a_row
        self._outage = Outage(error, self._outages_in_a_row, what=what, soon=is_suspicious)
        self._outages_in_a_row += 1
        self._at_most = 1
        if self._give_up:
            self._give_up(error)

    def _probe(self) -> None:
        """Probe what is unavailable; the problem shows the latest error, not the first."""
        what = self._outage.what if self._outage else STORE
        probe = self._probe_certificates if what == SIGNATURES else self._store.probe
        try:
            probe()
        except (Unavailable, Misconfigured) as error:
            self._health.report_problem(what, error)
            raise

    def _release(self, batches: Sequence[ReceivedBatch]) -> None:
        """Release messages: visible at once after an outage, later after several in a row."""
        repeated = self._outages_in_a_row > 1
        with self._changed:
            for batch in batches:
                batch.release(back_off(self._outages_in_a_row) if repeated else 0)
