"""What is to be done on the queue: delete, release, set aside; reading every entry of the answers.

A message comes here only when what is to become of it is true: a delete, when its commit is
durable. Whatever fails here does no harm: the message comes again, and is a duplicate.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from worker.books import Books
from worker.consumer.tally import Tally
from worker.effects import Owed
from worker.errors import Misconfigured, Raced, Refused, Unavailable
from worker.model import DeadLetter, Delete, Handled, Outcome, Received, Release
from worker.queue import LARGEST_BATCH, Queue, Unsettled
from worker.retries import a_few_times, release_delay

log = structlog.get_logger()
BatchCall = Callable[[Sequence[Received]], list[Unsettled]]
SetAside = tuple[Received, DeadLetter, str]
"""A message, why, and where it was put."""


class Settler:
    """Settles what one poller has received."""

    def __init__(
        self,
        *,
        queue: Queue,
        books: Books,
        tally: Tally,
        notices: Callable[[Sequence[SetAside]], Sequence[Owed]],
    ) -> None:
        self._queue = queue
        self._books = books
        self._tally = tally
        self._notices = notices
        self._again = a_few_times(time.sleep)

    def settle(self, handled: Iterable[Handled]) -> None:
        """Do on the queue what has been decided; tell how many messages had which outcome."""
        deletes: list[Received] = []
        set_aside: list[SetAside] = []
        releases: list[tuple[Received, float]] = []
        for one in handled:
            match one.disposition:
                case Delete(outcome):
                    self._tally.ended(outcome)
                    deletes.append(one.received)
                case Release(seconds, begun):
                    if begun:
                        self._tally.ended(Outcome.DEFERRED)
                    releases.append((one.received, seconds))
                case DeadLetter() as why:
                    set_aside += self._set_aside(one.received, why)
        self._owe_notices(set_aside)
        self._delete([*deletes, *(received for received, _, _ in set_aside)])
        self._release(releases)

    def _delete(self, messages: Sequence[Received]) -> None:
        self._in_tens("delete", messages, self._queue.delete)

    def _release(self, releases: Sequence[tuple[Received, float]]) -> None:
        after = {id(message): seconds for message, seconds in releases}
        self._in_tens(
            "release",
            [message for message, _ in releases],
            lambda some: self._queue.release(some, [after[id(message)] for message in some]),
        )

    def _set_aside(self, received: Received, why: DeadLetter) -> list[SetAside]:
        try:
            where = self._again(self._keep, received, why)
        except Unavailable as error:
            log.warning("message.deferred", message_id=received.message_id, error=str(error))
            self._tally.ended(Outcome.DEFERRED)
            self._release([(received, release_delay(received.receive_count))])
            return []
        log.warning(
            "message.dead_lettered",
            message_id=received.message_id,
            reason=why.reason.value,
            detail=why.detail,
            to=where,
        )
        self._tally.ended(Outcome.DEAD_LETTERED)
        return [(received, why, where)]

    def _owe_notices(self, set_aside: Sequence[SetAside]) -> None:
        """Have people told; that they cannot be is no reason to keep what is safe elsewhere."""
        if owed := self._notices(set_aside):
            try:
                with self._books.transaction() as transaction:
                    transaction.owe(owed)
            except (Unavailable, Misconfigured, Raced) as error:
                log.warning("notice.lost", kind=owed[0].kind.value, error=str(error))

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

    def _in_tens(self, what: str, messages: Sequence[Received], call: BatchCall) -> None:
        for start in range(0, len(messages), LARGEST_BATCH):
            self._entry_by_entry(what, messages[start : start + LARGEST_BATCH], call)

    def _entry_by_entry(self, what: str, messages: Sequence[Received], call: BatchCall) -> None:
        """Repeat the call for the entries that failed through no fault of ours."""
        left = messages

        def once() -> None:
            nonlocal left
            unsettled = call(left)
            for one in unsettled:
                if not one.again:
                    name = one.received.message_id
                    log.warning("message.unsettled", call=what, message_id=name, code=one.code)
            left = [one.received for one in unsettled if one.again]
            if left:
                raise Unavailable(f"{what}: {unsettled[0].code}")

        try:
            self._again(once)
        except (Unavailable, Refused) as error:
            log.warning("messages.unsettled", call=what, count=len(left), error=str(error))
