"""Settlers: delete, release, set aside; in tens, reading every entry of every answer.

A message comes here only when what is to become of it is true: a delete, when its commit is
durable. Whatever fails here does no harm: the message comes again, and is a duplicate.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue

import structlog

from worker.books import Books
from worker.consumer.permits import Permits
from worker.consumer.tally import Tally
from worker.errors import Refused, Unavailable
from worker.model import DeadLetter, Delete, Handled, Outcome, Received, Release
from worker.queue import LARGEST_BATCH, Queue, Unsettled
from worker.retries import a_few_times, release_delay

log = structlog.get_logger()


class Outgoing:
    """Handled messages on their way to the settlers, in parcels of one kind and at most ten."""

    def __init__(self) -> None:
        self._parcels: SimpleQueue[Sequence[Handled] | None] = SimpleQueue()

    def put(self, handled: Iterable[Handled]) -> None:
        """Pack and send."""
        kinds: dict[type, list[Handled]] = {Delete: [], Release: [], DeadLetter: []}
        for one in handled:
            kinds[type(one.disposition)].append(one)
        for parcel in kinds.values():
            for start in range(0, len(parcel), LARGEST_BATCH):
                self._parcels.put(parcel[start : start + LARGEST_BATCH])

    def get(self) -> Sequence[Handled] | None:
        """Wait for the next parcel; None at the end."""
        return self._parcels.get()

    def close(self, settlers: int) -> None:
        """Nothing more comes: tell each of them."""
        for _ in range(settlers):
            self._parcels.put(None)


class Settler:
    """One of several; it ends when all parcels are settled and no more come."""

    def __init__(
        self, *, queue: Queue, books: Books, outgoing: Outgoing, permits: Permits, tally: Tally
    ) -> None:
        self._queue = queue
        self._books = books
        self._outgoing = outgoing
        self._permits = permits
        self._tally = tally
        self._again = a_few_times(time.sleep)

    def run(self) -> None:
        """Settle parcels until the last."""
        while (parcel := self._outgoing.get()) is not None:
            try:
                self._settle(parcel)
            finally:
                self._permits.give_back(len(parcel))

    def _settle(self, parcel: Sequence[Handled]) -> None:
        deletes, releases = [], []
        for handled in parcel:
            match handled.disposition:
                case Delete():
                    deletes.append(handled.received)
                case Release(seconds):
                    releases.append((handled.received, seconds))
                case DeadLetter() as why:
                    self._set_aside(handled.received, why)
        if deletes:
            self._delete(deletes)
        if releases:
            self._release(releases)

    def _delete(self, messages: Sequence[Received]) -> None:
        self._entry_by_entry("delete", messages, self._queue.delete)

    def _release(self, releases: Sequence[tuple[Received, float]]) -> None:
        after = {id(message): seconds for message, seconds in releases}
        self._entry_by_entry(
            "release",
            [message for message, _ in releases],
            lambda some: self._queue.release(some, [after[id(message)] for message in some]),
        )

    def _set_aside(self, received: Received, why: DeadLetter) -> None:
        try:
            where = self._again(self._keep, received, why)
        except Unavailable as error:
            log.warning("message.deferred", message_id=received.message_id, error=str(error))
            self._tally.ended([Outcome.DEFERRED])
            self._release([(received, release_delay(received.receive_count))])
            return
        log.warning(
            "message.dead_lettered",
            message_id=received.message_id,
            reason=why.reason.value,
            detail=why.detail,
            to=where,
        )
        self._tally.ended([Outcome.DEAD_LETTERED])
        self._delete([received])

    def _keep(self, received: Received, why: DeadLetter) -> str:
        """Hand the message to the dead-letter queue or, where there is none for it, keep it."""
        try:
            self._queue.send_dead_letter(received, why)
        except Refused as refused:
            log.info("dead_letter.refused", message_id=received.message_id, error=str(refused))
            with self._books.transaction() as transaction:
                transaction.quarantine(self._queue.url, received, why)
            return "quarantine"
        return "dead_letter_queue"

    def _entry_by_entry(
        self,
        what: str,
        messages: Sequence[Received],
        call: Callable[[Sequence[Received]], list[Unsettled]],
    ) -> None:
        """Repeat the call for the entries that failed through no fault of ours."""
        left = list(messages)

        def once() -> None:
            nonlocal left
            unsettled = call(left)
            for one in unsettled:
                if not one.again:
                    log.warning(
                        "message.unsettled",
                        call=what,
                        message_id=one.received.message_id,
                        code=one.code,
                    )
            left = [one.received for one in unsettled if one.again]
            if left:
                raise Unavailable(f"{what}: {unsettled[0].code}")

        try:
            self._again(once)
        except (Unavailable, Refused) as error:
            log.warning("messages.unsettled", call=what, count=len(left), error=str(error))
