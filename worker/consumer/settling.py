"""Settles messages on the queue: delete, release, dead-letter; every entry of an answer is read.

A message is settled only after its commit is durable. A failure here does no harm: the message is
received again and recognised as a duplicate.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import structlog

from worker.consumer.entries import BatchCall, in_tens
from worker.consumer.leases import EXTENDING_SECONDS
from worker.consumer.refusal import Refusal
from worker.consumer.shared import Shared
from worker.core.effects import OutboxEntry
from worker.core.errors import Refused, Unavailable
from worker.core.messages import DeadLetter, Delete, Handled, Received, Release
from worker.core.model import Outcome
from worker.core.ports import WRITE_SECONDS, BatchStore
from worker.observability.health import Pulse
from worker.sqs import queue
from worker.sqs.queue import LARGEST_BATCH, FailedEntry, Queue
from worker.timing import clock
from worker.timing.deadlines import within
from worker.timing.retries import a_few_times, release_delay

STEP_SECONDS = max(queue.CALL_SECONDS, WRITE_SECONDS, EXTENDING_SECONDS) + 10.0
"""More than the longest step takes, with the pause before the next try: a call to SQS, a write to
the store, or the wait for an extension of leases."""
SOON_SECONDS = 2.0
"""Longest time that a dead letter waits for others to be deleted with it in one call."""

log = structlog.get_logger()
SetAside = tuple[Received, DeadLetter, str]
"""A dead-lettered message, why, and where it was put."""
Keep = Callable[[Received, DeadLetter], str]
"""Puts a message elsewhere; returns where."""


DEAD_LETTER_QUEUE = "dead_letter_queue"
"""Where a dead letter was put; else in `quarantine`."""


class _LeaseEnds(Exception):
    """The visibility timeout would end before the message is sent."""


class Settler:
    """Settles the messages of a single poller."""

    def __init__(
        self,
        poller: int,
        *,
        queue: Queue,
        store: BatchStore,
        shared: Shared,
        pulse: Pulse,
        refusal: Refusal,
        notices: Callable[[Sequence[SetAside]], Sequence[OutboxEntry]] = lambda _: (),
    ) -> None:
        self._poller = poller
        self._queue = queue
        self._store = store
        self._leases = shared.leases
        self._counters = shared.counters
        self._hand_over = shared.hand_over
        self._pulse = pulse
        self._refusal = refusal
        self._notices = notices
        self._again = a_few_times(time.sleep)
        self._longest_send = 0.0
        """Seconds that the slowest dead letter of this batch took."""

    @property
    def most(self) -> int:
        """How many messages to receive: a single one while it is unknown whether deletes work."""
        return 1 if self._refusal.is_unproven else LARGEST_BATCH

    def settle(self, handled: Iterable[Handled]) -> None:
        """Delete and release as decided, and count the outcomes; hand dead letters over.

        Where there is no room for these, they are set aside here, and last, because each may take a
        call of its own.
        """
        deletes: list[Received] = []
        releases: list[tuple[Received, float]] = []
        dead_letters: list[tuple[Received, DeadLetter]] = []
        for result in handled:
            match result.disposition:
                case Delete(outcome):
                    self._counters.ended(outcome)
                    deletes.append(result.received)
                case Release(seconds, begun):
                    if begun:
                        self._counters.ended(Outcome.DEFERRED)
                    releases.append((result.received, seconds))
                case DeadLetter() as why:
                    dead_letters.append((result.received, why))
        self._delete(deletes)
        self._hold([received for received, _ in dead_letters])
        self._release(releases)
        if dead_letters and not self._are_taken(dead_letters):
            self.set_aside(dead_letters)

    def set_aside(self, dead_letters: Sequence[tuple[Received, DeadLetter]]) -> None:
        """Set messages aside that this poller holds, and delete them."""
        self._set_all_aside(dead_letters)
        self._hold(())

    def _are_taken(self, dead_letters: Sequence[tuple[Received, DeadLetter]]) -> bool:
        self._pulse.within(STEP_SECONDS)
        return self._hand_over is not None and self._hand_over.take(self._poller, dead_letters)

    def _hold(self, messages: Sequence[Received]) -> None:
        self._pulse.within(STEP_SECONDS)
        self._leases.hold(self._poller, messages)

    def _set_all_aside(self, dead_letters: Sequence[tuple[Received, DeadLetter]]) -> None:
        self._longest_send = 0.0
        patiently: Keep = partial(self._again, self._keep)
        keep = patiently
        for start in range(0, len(dead_letters), LARGEST_BATCH):
            some = dead_letters[start : start + LARGEST_BATCH]
            if sent := self._sent_together(some):
                keep = patiently
                # At once: a kill while others are sent one by one would leave copies of these.
                self._finish(
                    [
                        (received, why, self._was_set_aside(received, why, DEAD_LETTER_QUEUE))
                        for received, why in some
                        if id(received) in sent
                    ]
                )
            rest = [each for each in some if id(each[0]) not in sent]
            later = dead_letters[start + LARGEST_BATCH :]
            if sent:
                self._hold([received for received, _ in [*rest, *later]])
            keep = self._set_aside_singly(rest, later, keep, patiently)

    def _set_aside_singly(
        self,
        dead_letters: Sequence[tuple[Received, DeadLetter]],
        later: Sequence[tuple[Received, DeadLetter]],
        keep: Keep,
        patiently: Keep,
    ) -> Keep:
        """Set messages aside, each by a call of its own; return how to go on with `later` ones."""
        set_aside: list[SetAside] = []
        since = time.monotonic()
        for number, (received, why) in enumerate(dead_letters, 1):
            if where := self._set_aside(received, why, keep):
                keep = patiently
                set_aside.append((received, why, where))
            else:
                keep = self._keep  # no retries: each would delay all remaining dead letters
                done = [kept for kept, _, _ in set_aside]
                self._hold([*done, *(other for other, _ in [*dead_letters[number:], *later])])
                self._release([(received, release_delay(received.receive_count))])
            if time.monotonic() - since > SOON_SECONDS:
                self._finish(set_aside)
                set_aside, since = [], time.monotonic()
        self._finish(set_aside)
        return keep

    def _finish(self, set_aside: Sequence[SetAside]) -> None:
        """Enqueue the notices of dead letters and delete the messages."""
        self._enqueue_notices(set_aside)
        self._delete([received for received, _, _ in set_aside])

    def _delete(self, messages: Sequence[Received]) -> None:
        ours = self._ours("delete", messages)
        failed: list[FailedEntry[Received]] = []

        def delete(some: Sequence[Received]) -> list[FailedEntry[Received]]:
            failed[:] = [item for item in failed if item.item not in some]
            failed.extend(failed_entries := self._queue.delete(some))
            return failed_entries

        why: Refused | Unavailable | None
        try:
            why = self._in_tens("delete", ours, delete)
        except Refused as refused:
            why = refused
        why = why or self._refusal.learn(len(ours) - len(failed), failed)
        if why:
            self._refusal.wait_out(why, ours, self._queue, self._pulse)

    def _release(self, releases: Sequence[tuple[Received, float]]) -> None:
        """Make messages visible again, each after its own time."""
        after = {id(message): seconds for message, seconds in releases}
        ours = self._ours("release", [message for message, _ in releases])

        def release(some: Sequence[Received]) -> list[FailedEntry[Received]]:
            # Again, because earlier batches took time, and these leases are not extended.
            still = self._ours("release", some)
            return (
                self._queue.release(still, [after[id(message)] for message in still])
                if still
                else []
            )

        try:
            self._in_tens("release", ours, release)
        except Refused as refused:
            self._refusal.log_once("release", refused)
        else:
            if ours:
                self._refusal.forget("release")

    def _ours(self, what: str, messages: Sequence[Received]) -> Sequence[Received]:
        """Drop messages whose lease has ended: they are received again, as duplicates."""
        ours = [message for message in messages if self._leases.lasts(message)]
        if late := len(messages) - len(ours):
            log.warning("message.visibility_expired", call=what, count=late)
        return ours

    def _set_aside(self, received: Received, why: DeadLetter, keep: Keep) -> str | None:
        """Dead-letter or quarantine a message; return where it is now, None if it is deferred."""
        try:
            where = keep(received, why)
        except _LeaseEnds:
            self._defer(received, "its visibility timeout ends before it could be sent")
            return None
        except Exception as error:  # noqa: BLE001 an error of queue or store must not end the poller
            self._defer(received, str(error))
            return None
        return self._was_set_aside(received, why, where)

    def _was_set_aside(self, received: Received, why: DeadLetter, where: str) -> str:
        log.warning(
            "message.dead_lettered",
            message_id=received.message_id,
            reason=why.reason.value,
            detail=why.detail,
            to=where,
        )
        self._counters.ended(Outcome.DEAD_LETTERED)
        return where

    def _enqueue_notices(self, set_aside: Sequence[SetAside]) -> None:
        """Enqueue notices; a failure is only logged, because the messages are kept elsewhere."""
        if entries := self._notices(set_aside):
            try:
                self._again(self._enqueue, entries)
            except Exception as error:  # noqa: BLE001 an error of the store must not end the poller
                log.warning("notice.lost", kind=entries[0].kind.value, error=str(error))

    def _enqueue(self, entries: Sequence[OutboxEntry]) -> None:
        self._pulse.within(STEP_SECONDS)
        with within(WRITE_SECONDS), self._store.transaction() as transaction:
            transaction.enqueue(entries)

    def _defer(self, received: Received, error: str) -> None:
        log.warning("message.deferred", message_id=received.message_id, error=error)
        self._counters.ended(Outcome.DEFERRED)

    def _keep(self, received: Received, why: DeadLetter) -> str:
        """Send the message to the dead-letter queue, or write it to `quarantine`; return which."""
        began = clock.now()
        self._pulse.within(STEP_SECONDS)
        if began + self._longest_send >= self._leases.until(received):
            raise _LeaseEnds  # else each worker would send a copy to a slow dead-letter queue
        try:
            self._queue.send_dead_letter(received, why)
        except Refused as refused:
            self._refusal.log_seldom(received, refused)
            self._pulse.within(STEP_SECONDS)
            with within(WRITE_SECONDS), self._store.transaction() as transaction:
                transaction.quarantine(self._queue.url, received, why)
            return "quarantine"
        finally:
            self._longest_send = max(self._longest_send, clock.now() - began)
        self._refusal.dead_letter_accepted()
        return DEAD_LETTER_QUEUE

    def _sent_together(self, dead_letters: Sequence[tuple[Received, DeadLetter]]) -> set[int]:
        """Send up to ten in a call; return the ids of those that are certainly there.

        Each of the others is then sent by itself: whatever was wrong with the call, an entry or the
        answer is found out there, and nothing is deleted before it was confirmed.
        """
        began = clock.now()
        ends = min(self._leases.until(received) for received, _ in dead_letters)
        if len(dead_letters) == 1 or began + self._longest_send >= ends:
            return set()
        self._pulse.within(STEP_SECONDS)
        try:
            sent = self._queue.send_dead_letters(dead_letters)
        except Exception as error:  # noqa: BLE001 an error of the queue must not end the poller
            log.debug("dead_letters.not_sent_together", error=str(error))
            return set()
        finally:
            self._longest_send = max(self._longest_send, clock.now() - began)
        if sent:
            self._refusal.dead_letter_accepted()
        return {id(received) for received in sent}

    def _in_tens(
        self, what: str, messages: Sequence[Received], call: BatchCall[Received]
    ) -> Unavailable | None:
        """Make the call in batches; return why SQS did not take it, if it did not."""

        def with_pulse(some: Sequence[Received]) -> list[FailedEntry[Received]]:
            self._pulse.within(STEP_SECONDS)
            return call(some)

        return in_tens(what, messages, with_pulse, self._again)[1]
