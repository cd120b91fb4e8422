"""Scans both places, and acts on the selected dead letters."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from worker.commands.dlq.account import Account
from worker.commands.dlq.place import Place
from worker.core.dead_letter import DeadLetterFilter, DeadLetterMessage
from worker.core.errors import Refused, Unavailable

Act = Callable[[Place, Sequence[DeadLetterMessage]], None]
Watch = Callable[[int], None]


class Scan:
    """A scan of one place after the other, with a common limit."""

    def __init__(
        self,
        filter_: DeadLetterFilter,
        account: Account,
        act: Act,
        *,
        stop: threading.Event,
        limit: int | None = None,
        may: Callable[[DeadLetterMessage], bool] = lambda _: True,
        watch: Watch = lambda _: None,
    ) -> None:
        self._filter = filter_
        self._account = account
        self._act = act
        self._stop = stop
        self._limit = limit
        self._may = may
        self._watch = watch

    @property
    def left(self) -> int | None:
        """How many more dead letters to act on; None: all."""
        return None if self._limit is None else self._limit - self._account.handled

    def go_through(self, place: Place) -> None:
        """Scan a place; always release the dead letters that stay there.

        Raises:
            Unavailable, Refused: SQS or the store; the account has what was done before.

        """
        try:
            try:
                self._go_through(place)
            except (Unavailable, Refused):
                with suppress(Unavailable, Refused):
                    self._account.not_examined(place.uncounted())
                raise
            self._account.not_examined(place.uncounted())
        finally:
            self._account.not_deleted(place.undeleted())
            place.give_back()

    def _go_through(self, place: Place) -> None:
        if self._is_over():
            return
        for dead_letters in place.batches():
            self._take(place, dead_letters)
            self._watch(self._account.examined)
            if self._is_over():
                return
            place.only_counting = self.left == 0

    def _take(self, place: Place, dead_letters: Sequence[DeadLetterMessage]) -> None:
        selected = [
            dead_letter
            for dead_letter in self._account.select(dead_letters)
            if self._may(dead_letter)
        ]
        chosen = selected[: self.left]
        rest = selected[self.left :] if self._limit is not None else ()
        self._account.remaining += len(rest)
        if chosen:
            self._account.handled += len(chosen)
            self._act(place, chosen)
            self._account.settled += len(chosen)

    def _is_over(self) -> bool:
        """At the limit, the scan goes on to count a selection by reason; else SQS's counts do."""
        counted = self.left == 0 and not self._filter.reasons
        return self._stop.is_set() or self._account.all_found or counted
