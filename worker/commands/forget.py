"""`ses-worker users forget`: people are forgotten in the database and in the dead-letter queue.

In this order, so that a command that was killed can be repeated: tombstones; what is about these
people in the tables; dead letters; what SQLite and PostgreSQL leave of deleted rows in their files.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec import Struct

from worker.app import open_existing_store
from worker.app.signatures import make_verifier
from worker.commands.dlq.in_queue import InQueue
from worker.commands.dlq.session import opened, see_through
from worker.commands.forgotten_messages import ForgottenMessages
from worker.core.dead_letter import DeadLetterMessage
from worker.core.errors import Misconfigured, Refused, Unavailable, WorkerError
from worker.core.privacy import PrivacyKey
from worker.core.redacting import CannotRedact
from worker.observability.health import Health
from worker.service.bounded_call import signals_heeded
from worker.service.signals import SignalEvents
from worker.settings import Settings
from worker.sqs.dead_letter_queue import DeadLetterQueue
from worker.store import Store
from worker.store.forgetting import Forgetting, OnRecord, leave_tombstones, look
from worker.store.forgotten_removals import delete_removals, drop_removals
from worker.store.needs import WORKER, Needs
from worker.store.quarantine import keep_without
from worker.store.traces import Fate, Trace, traces

DEAD_LETTERS = "dead-letter queue"
"""The place of a trace that is in no table."""
REMOVAL_SECONDS = 60.0
"""How long to wait for a removal from SES's list that a worker carries out."""
HELD_SECONDS = 60
"""How long to wait for dead letters that others hold."""
_CHANGED = (
    "users", "events", "shadow_users", "imported_users", "removals", "outbox", "quarantine",
    "forgotten",
)  # fmt: skip
NEEDS: Needs = {**WORKER, **dict.fromkeys(_CHANGED, ("SELECT", "INSERT", "UPDATE", "DELETE"))}
Watch = Callable[[int], None]
"""Is called with the number of rows that were searched."""


class Where(Struct, frozen=True):
    """Where people are forgotten."""

    store: Store
    signals: SignalEvents
    queue: DeadLetterQueue | None = None
    is_known: bool = False
    """It is known whether there is a dead-letter queue."""


class Forgotten(Struct, kw_only=True):
    """What was found, and what became of it, or would."""

    people: Sequence[OnRecord] = ()
    counts: Counter[tuple[str, Fate]] = Counter()
    """Rows and dead letters that name them, by place."""
    left: list[Trace] = []
    """What cannot be redacted, and stays."""
    queue: str = ""
    """The dead-letter queue; empty: there is none, or no queue is set."""
    not_looked_at: str = ""
    """Why dead letters were not looked at, if so."""
    hidden: int = 0
    """Dead letters that others hold, or that came meanwhile."""
    workers: str = ""
    """Which workers have the database open, as far as known."""
    remark: str = ""
    """What was done to the files."""
    failure: WorkerError | None = None
    """What went wrong when all that could be done was done."""

    def add(self, trace: Trace) -> None:
        """Count it."""
        self.counts[trace.place, trace.fate] += 1
        if trace.fate is Fate.LEFT:
            self.left.append(trace)


def require_privacy_key(settings: Settings) -> PrivacyKey:
    """Return the key.

    Raises:
        Misconfigured: it is not set.

    """
    if (key := settings.privacy.privacy_key) is None:
        raise Misconfigured(
            "privacy.key is not set: without it nobody would be recognised who was forgotten. Make "
            "it once, the same for all machines (openssl rand -hex 32), and keep a copy; restart "
            "the workers with it first"
        )
    return key


def survey(settings: Settings, forgetting: Forgetting, watch: Watch = lambda _: None) -> Forgotten:
    """Find what is on record, and change nothing.

    Raises:
        Misconfigured: people were forgotten by another key.
        Unavailable, Refused: a place cannot be read.

    """
    return _within(settings, lambda work: work.survey(), forgetting, watch)


def forget(settings: Settings, forgetting: Forgetting, watch: Watch = lambda _: None) -> Forgotten:
    """Forget people. Repeated, it finishes what was broken off.

    Raises:
        Misconfigured: people were forgotten by another key.
        Unavailable, Refused: nothing was begun, or it was broken off: repeat it.

    """
    return _within(settings, lambda work: work.forget(), forgetting, watch)


def _within(
    settings: Settings,
    act: Callable[["_Work"], Forgotten],
    forgetting: Forgetting,
    watch: Watch,
) -> Forgotten:
    opening = partial(open_existing_store, needs=NEEDS)
    if settings.queue.url is None:
        with signals_heeded() as signals:
            store = opening(settings)
            work = _Work(settings, Where(store, signals), forgetting, watch)
            try:
                return see_through(signals, lambda: act(work))
            finally:
                store.close()
    with opened(settings, opening) as session:
        where = Where(session.store, session.signals, session.queue, is_known=True)
        work = _Work(settings, where, forgetting, watch)
        return see_through(session.signals, lambda: act(work))


class _Work:
    """A single survey, or deletion."""

    def __init__(
        self,
        settings: Settings,
        where: Where,
        forgetting: Forgetting,
        watch: Watch,
    ) -> None:
        self._store = where.store
        self._queue = where.queue
        self._signals = where.signals
        self._forgetting = forgetting
        self._keys = frozenset(forgetting.keys)
        self._watch = watch
        acceptance = settings.as_policy().acceptance
        self._messages = ForgottenMessages(make_verifier(settings, Health()), acceptance)
        self._found = Forgotten(
            counts=Counter(),
            left=[],
            queue=where.queue.name if where.queue else "",
            not_looked_at="" if where.is_known else "queue.url is not set",
        )

    def survey(self) -> Forgotten:
        """Find everything."""
        self._found.people = look(self._store, self._forgetting)
        self._found.workers = self._store.workers()
        self._search(changing=False)
        self._look_into_queue(changing=False)
        return self._found

    def forget(self) -> Forgotten:
        """Do it, step by step."""
        store, keys = self._store, self._forgetting.keys
        self._found.people = look(store, self._forgetting)
        self._found.workers = store.workers()
        store.overwrite_deleted()
        leave_tombstones(store, self._forgetting)
        self._await_removals()
        self._search(changing=True)
        delete_removals(store, keys)
        self._look_into_queue(changing=True)
        try:
            self._found.remark = store.wipe(keys)
        except (Unavailable, Refused) as error:
            self._found.failure = error
        return self._found

    def _search(self, *, changing: bool) -> None:
        for trace in traces(
            self._store,
            self._forgetting.keys,
            changing=changing,
            redact_message=self._messages.of_row,
            watch=self._searched,
        ):
            self._found.add(trace)

    def _searched(self, rows: int) -> None:
        """Report how far the search is, and end it after a signal.

        Raises:
            Refused: a signal came.

        """
        self._watch(rows)
        if self._signals.to_stop.is_set():
            raise Refused("interrupted; run it again to finish")

    def _await_removals(self) -> None:
        """Wait until no worker would write about a removal any more.

        Raises:
            Unavailable: a worker is still at it.

        """
        deadline = time.monotonic() + REMOVAL_SECONDS
        while self._removals_under_way():
            if time.monotonic() > deadline or self._signals.to_stop.is_set():
                raise Unavailable(
                    "a worker is taking the address off SES's suppression list: run the command "
                    "again in a minute, to finish it"
                )
            self._signals.pause(0.5)

    def _removals_under_way(self) -> int:
        dropped, under_way = drop_removals(self._store, self._forgetting.keys)
        for trace in dropped:
            self._found.add(trace)
        return under_way

    def _look_into_queue(self, *, changing: bool) -> None:
        if self._queue is None:
            return
        place = InQueue(self._queue, self._signals, wait_seconds=HELD_SECONDS if changing else 0)
        try:
            for dead_letters in place.batches():
                done = [
                    dead_letter
                    for dead_letter in dead_letters
                    if self._treat(dead_letter, changing=changing)
                ]
                if changing:
                    place.remove(done)  # what is about others is committed by now
            self._found.hidden = place.uncounted() + place.undeleted()
        finally:
            place.give_back()

    def _treat(self, dead_letter: DeadLetterMessage, *, changing: bool) -> bool:
        """Keep the others' part of a dead letter; return whether it may be deleted."""
        found = partial(Trace, place=DEAD_LETTERS, id=0, name=dead_letter.message_id)
        try:
            kept = self._messages.of_dead_letter(dead_letter, self._keys)
            if kept is dead_letter:
                return False
            if kept and changing:
                keep_without(
                    self._store, kept, self._forgetting.privacy_key, self._messages.of_dead_letter
                )
        except CannotRedact as error:
            self._found.add(found(fate=Fate.LEFT, why=str(error)))
            return False
        self._found.add(found(fate=Fate.REDACTED if kept else Fate.DELETED))
        return True


def places(found: Forgotten) -> Iterator[tuple[str, dict[Fate, int]]]:
    """Yield each place with how many rows have which fate, in the order in which people read."""
    rows: dict[str, Counter[Fate]] = {}
    for person in found.people:
        for name, count in person.rows.items():
            rows.setdefault(name, Counter())[Fate.DELETED] += count
    for (name, fate), count in found.counts.items():
        rows.setdefault(name, Counter())[fate] += count
    order = ("users", "events", "account_events", "shadow_users", "imported_users", "removals",
             "outbox", "quarantine", DEAD_LETTERS)  # fmt: skip
    for name in order:
        yield name, {fate: rows.get(name, Counter())[fate] for fate in Fate}
