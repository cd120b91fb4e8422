"""Going through places: of the letters that come by, those that are meant have something done."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from worker.dead_letters.account import Account
from worker.dead_letters.place import Place
from worker.errors import Refused, Unavailable
from worker.letters import Letter, Wanted

Act = Callable[[Place, Sequence[Letter]], None]
Watch = Callable[[int], None]


class Passage:
    """One run, through one place after the other."""

    def __init__(
        self,
        wanted: Wanted,
        account: Account,
        act: Act,
        *,
        stop: threading.Event,
        limit: int | None = None,
        may: Callable[[Letter], bool] = lambda _: True,
        watch: Watch = lambda _: None,
    ) -> None:
        self._wanted = wanted
        self._account = account
        self._act = act
        self._stop = stop
        self._limit = limit
        self._may = may
        self._watch = watch

    @property
    def left(self) -> int | None:
        """To how many more letters something is done; None: all."""
        return None if self._limit is None else self._limit - self._account.handled

    def go_through(self, place: Place) -> None:
        """Go through it; whatever happens, what stays there is given back.

        Raises:
            Unavailable, Refused: a far side; what was done until then is in the account.

        """
        try:
            try:
                self._go_through(place)
            except (Unavailable, Refused):
                with suppress(Unavailable, Refused):
                    self._account.not_seen(place.unseen())
                raise
            self._account.not_seen(place.unseen())
        finally:
            self._account.not_deleted(place.undeleted())
            place.give_back()

    def _go_through(self, place: Place) -> None:
        if self._is_over():
            return
        for letters in place.batches():
            self._take(place, letters)
            self._watch(self._account.seen)
            if self._is_over():
                return
            place.reading_on = self.left == 0

    def _take(self, place: Place, letters: Sequence[Letter]) -> None:
        meant = [letter for letter in self._account.sorted_out(letters) if self._may(letter)]
        chosen, rest = meant[: self.left], meant[self.left :] if self._limit is not None else ()
        self._account.remaining += len(rest)
        if chosen:
            self._account.handled += len(chosen)
            self._act(place, chosen)
            self._account.settled += len(chosen)

    def _is_over(self) -> bool:
        """With reasons, what is left at a limit is counted; else SQS knows how many there are."""
        counted = self.left == 0 and not self._wanted.reasons
        return self._stop.is_set() or self._account.all_found or counted
