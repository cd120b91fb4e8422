"""`ses-worker dlq delete`: letters that nobody will want back."""

from collections.abc import Callable, Sequence

from worker.app import open_existing_store
from worker.dead_letters.account import Account
from worker.dead_letters.desk import Desk, LeftBehind, opened, see_through
from worker.dead_letters.in_quarantine import InQuarantine
from worker.dead_letters.in_queue import InQueue
from worker.dead_letters.passage import Act, Passage, Watch
from worker.dead_letters.place import Place
from worker.errors import Unavailable, WorkerError
from worker.letters import Letter, Wanted, Where
from worker.settings import Settings

Known = dict[tuple[Where, str], str]
"""Letters that somebody has agreed to lose, with their reasons."""


class Deletion:
    """Two passes: the first counts, so that somebody can be asked; the second deletes.

    Letters are not held in between, for people take their time.
    """

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self.account = Account(wanted)
        self.failure: WorkerError | None = None
        self.queue = ""
        """The dead-letter queue's name, if there is one."""
        self._stopped = False
        self._settings = settings
        self._wanted = wanted

    def look(self, watch: Watch = lambda _: None) -> Known:
        """Find those that are meant, and leave them where they are.

        Raises:
            Misconfigured, Unavailable, Refused: a place cannot be looked into, or a signal came:
                nobody is asked about a part of them.

        """
        found: Known = {}

        def note(place: Place, letters: Sequence[Letter]) -> None:
            found.update({(place.where, one.message_id): one.reason for one in letters})

        self._go(note, watch=watch)
        if self.failure:
            raise self.failure
        if self._stopped:
            raise Unavailable("stopped before all were counted: nothing was deleted")
        return found

    def delete(self, only: Known | None = None, watch: Watch = lambda _: None) -> None:
        """Delete those that are meant; `only` of those that were found, if given.

        Raises:
            Misconfigured, Unavailable, Refused: it could not begin.

        """
        self.account = Account(self._wanted)

        def act(place: Place, letters: Sequence[Letter]) -> None:
            place.remove(letters)
            self.account.deleted += len(letters)

        self._go(act, lambda one: only is None or (one.where, one.message_id) in only, watch)
        self.account.deleted -= self.account.undeleted

    def _go(
        self,
        act: Act,
        may: Callable[[Letter], bool] = lambda _: True,
        watch: Watch = lambda _: None,
    ) -> None:
        with opened(self._settings, open_existing_store) as desk:
            self.account.no_queue = desk.queue is None
            self.queue = desk.queue.name if desk.queue else ""
            stop = desk.asked.to_stop
            passage = Passage(self._wanted, self.account, act, stop=stop, may=may, watch=watch)
            try:
                see_through(desk.asked, lambda: self._through(desk, passage))
            except WorkerError as error:
                self.failure = error
            self.account.left_behind = isinstance(self.failure, LeftBehind)
            self._stopped = self.account.interrupted = stop.is_set()

    def _through(self, desk: Desk, passage: Passage) -> None:
        passage.go_through(InQuarantine(desk.store, self._wanted))
        if desk.queue and not self.account.all_found:
            passage.go_through(InQueue(desk.queue, desk.asked))
