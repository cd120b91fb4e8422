"""`ses-worker dlq delete`: deletes dead letters for good."""

from collections.abc import Callable, Sequence
from functools import partial

from worker.app import open_existing_store
from worker.commands.dlq.account import Account
from worker.commands.dlq.in_quarantine import InQuarantine
from worker.commands.dlq.in_queue import InQueue
from worker.commands.dlq.place import Place
from worker.commands.dlq.scan import Act, Scan, Watch
from worker.commands.dlq.session import LeftBehind, Session, opened, see_through
from worker.core.dead_letter import DeadLetterFilter, DeadLetterMessage, Where
from worker.core.errors import Unavailable, WorkerError
from worker.settings import Settings
from worker.store.needs import and_delete

Known = dict[tuple[Where, str], str]
"""Dead letters whose deletion was confirmed, with their reasons."""


class Deletion:
    """Two scans: the first counts, for the confirmation; the second deletes.

    Dead letters are given back in between, because a confirmation may take long.
    """

    def __init__(self, settings: Settings, filter_: DeadLetterFilter) -> None:
        self.account = Account(filter_)
        self.failure: WorkerError | None = None
        self.queue = ""
        """The dead-letter queue's name; empty if there is none."""
        self._stopped = False
        self._settings = settings
        self._filter = filter_

    def look(self, watch: Watch = lambda _: None) -> Known:
        """Find the selected dead letters, and leave them where they are.

        Raises:
            Misconfigured, Unavailable, Refused: a place cannot be read, or a signal came: nobody
                is asked to confirm a partial count.

        """
        found: Known = {}

        def note(place: Place, dead_letters: Sequence[DeadLetterMessage]) -> None:
            found.update(
                {
                    (place.where, dead_letter.message_id): dead_letter.reason
                    for dead_letter in dead_letters
                }
            )

        self._go(note, watch=watch)
        if self.failure:
            raise self.failure
        if self._stopped:
            raise Unavailable("stopped before all dead letters were counted: nothing was deleted")
        return found

    def delete(self, only: Known | None = None, watch: Watch = lambda _: None) -> None:
        """Delete the selected dead letters; if `only` is given, none but these.

        Raises:
            Misconfigured, Unavailable, Refused: the deletion could not begin.

        """
        self.account = Account(self._filter)

        def act(place: Place, dead_letters: Sequence[DeadLetterMessage]) -> None:
            place.remove(dead_letters)
            self.account.deleted += len(dead_letters)

        self._go(
            act,
            lambda dead_letter: only is None or (dead_letter.where, dead_letter.message_id) in only,
            watch,
        )
        self.account.deleted -= self.account.undeleted

    def _go(
        self,
        act: Act,
        may: Callable[[DeadLetterMessage], bool] = lambda _: True,
        watch: Watch = lambda _: None,
    ) -> None:
        opening = partial(open_existing_store, needs=and_delete("quarantine"))
        with opened(self._settings, opening) as session:
            self.account.no_queue = session.queue is None
            self.queue = session.queue.name if session.queue else ""
            stop = session.signals.to_stop
            scan = Scan(self._filter, self.account, act, stop=stop, may=may, watch=watch)
            try:
                see_through(session.signals, lambda: self._through(session, scan))
            except WorkerError as error:
                self.failure = error
            self.account.left_behind = isinstance(self.failure, LeftBehind)
            self._stopped = self.account.interrupted = stop.is_set()

    def _through(self, session: Session, scan: Scan) -> None:
        scan.go_through(InQuarantine(session.store, self._filter))
        if session.queue and not self.account.all_found:
            scan.go_through(InQueue(session.queue, session.signals))
