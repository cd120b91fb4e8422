"""`ses-worker dlq list` and `show`: read dead letters, and change nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec import Struct

from worker.app import open_existing_store
from worker.app.dead_letters import find_dead_letter_queue, make_source_queue
from worker.commands.dlq.groups import AGES, OLDER, Group, Groups, read
from worker.commands.dlq.in_quarantine import InQuarantine
from worker.commands.dlq.in_queue import InQueue
from worker.commands.dlq.session import see_through
from worker.core.dead_letter import DeadLetterFilter, DeadLetterMessage, Where
from worker.core.errors import Refused, Unavailable
from worker.service.bounded_call import Deadline, Over, signals_heeded
from worker.service.signals import SignalEvents
from worker.settings import Settings
from worker.store.needs import to_read
from worker.store.quarantine import Pile, newest_row, pile_up, read_dead_letters
from worker.store.users import among_users

MOST_DEAD_LETTERS = 10_000
"""Dead letters of the queue that a listing examines."""
_LISTED = to_read("quarantine")
LOOK_SECONDS = 30
"""Half of the visibility timeout: the first are still leased when the last is received."""


class Looked(Struct, kw_only=True):
    """The result of a listing, and how much was not examined."""

    filter_: DeadLetterFilter = DeadLetterFilter()
    groups: list[Group] = []
    dead_letter: DeadLetterMessage | None = None
    """The dead letter that was looked for."""
    unknown_recipients: frozenset[str] | None = None
    """Its recipients that are no users; None: unknown."""
    queue: str = ""
    """The dead-letter queue's name; empty: there is none, or it is unknown."""
    no_queue: bool = False
    """There certainly is no dead-letter queue."""
    is_readable: bool = False
    """SQS has returned its counts."""
    retention: timedelta | None = None
    examined: int = 0
    """Dead letters of the queue that were examined."""
    about: int = 0
    """Dead letters in the queue, by SQS's counts."""
    is_sample: bool = False
    """The scan ended at a limit."""
    in_quarantine: int = 0
    interrupted: bool = False
    problems: list[Exception] = []
    """Errors of a place that could not be read; the other place was read."""


def look(
    settings: Settings,
    filter_: DeadLetterFilter,
    watch: Callable[[int, int], None] = lambda _, __: None,
) -> Looked:
    """Read the selected dead letters and group them; only a sample, if there are many.

    Raises:
        Misconfigured: the settings lack a queue, or the store is no database of this program.

    """
    now, looked = datetime.now(UTC), Looked(filter_=filter_)
    groups = Groups(now)
    examined = 0

    def count(dead_letter: DeadLetterMessage) -> bool:
        nonlocal examined
        watch(examined := examined + 1, looked.about)
        if filter_.fits(dead_letter):
            groups.add(dead_letter)
        return False

    with signals_heeded() as signals:
        with _collect_problems(looked):
            store = Deadline(signals).call(open_existing_store, settings, _LISTED)
            for pile in pile_up(store, filter_, [now - age for age in AGES.values()]):
                groups.add_group(_group(pile))
                looked.in_quarantine += pile.count
            store.close()
        with _collect_problems(looked):
            _look_into_queue(
                settings, signals, looked, count, most=MOST_DEAD_LETTERS, seconds=LOOK_SECONDS
            )
        looked.interrupted = signals.to_stop.is_set()
    looked.groups = groups.biggest_first()
    return looked


def find(settings: Settings, message_id: str) -> Looked:
    """Look for a single dead letter, among all if needed.

    Raises:
        Misconfigured: the settings lack a queue, or the store is no database of this program.

    """
    looked = Looked()
    filter_ = DeadLetterFilter(message_ids=frozenset({message_id}))

    def is_it(dead_letter: DeadLetterMessage) -> bool:
        if filter_.fits(dead_letter):
            looked.dead_letter = dead_letter
        return looked.dead_letter is not None

    with signals_heeded() as signals:
        with _collect_problems(looked):
            store = Deadline(signals).call(open_existing_store, settings, _LISTED)
            for dead_letter in read_dead_letters(store, filter_, up_to=newest_row(store), most=1):
                is_it(dead_letter)
            store.close()
        if looked.dead_letter is None:
            with _collect_problems(looked):
                _look_into_queue(settings, signals, looked, is_it)
        if looked.dead_letter:
            with suppress(Unavailable, Refused, Over):  # an unavailable store was reported
                keys = [key for key in read(looked.dead_letter).keys if key]
                store = Deadline(signals).call(open_existing_store, settings, to_read("users"))
                looked.unknown_recipients = frozenset(keys) - among_users(store, keys)
                store.close()
        looked.interrupted = signals.to_stop.is_set()
    return looked


def look_through(
    settings: Settings, see: Callable[[DeadLetterMessage], None], *, in_queue: bool
) -> Looked:
    """Show all dead letters to `see`, those in quarantine first; `in_queue`: also SQS's.

    Raises:
        Misconfigured: the settings lack a queue, or the store is no database of this program.

    """
    looked = Looked()

    def show_and_leave(dead_letter: DeadLetterMessage) -> bool:
        see(dead_letter)
        return False

    with signals_heeded() as signals:
        with _collect_problems(looked):
            store = Deadline(signals).call(open_existing_store, settings, _LISTED)
            for dead_letters in InQuarantine(store, DeadLetterFilter()).batches():
                for dead_letter in dead_letters:
                    see(dead_letter)
            store.close()
        if in_queue:
            with _collect_problems(looked):
                _look_into_queue(settings, signals, looked, show_and_leave)
        looked.interrupted = signals.to_stop.is_set()
    return looked


def _look_into_queue(
    settings: Settings,
    signals: SignalEvents,
    looked: Looked,
    enough: Callable[[DeadLetterMessage], bool],
    *,
    most: int | None = None,
    seconds: float | None = None,
) -> None:
    """Scan the dead-letter queue until `enough`; release what was received."""
    source, deadline = make_source_queue(settings), Deadline(signals)
    queue = deadline.call(find_dead_letter_queue, settings, source, deadline.sleep)
    if queue is None:
        looked.no_queue = True
        return

    def work() -> None:
        looked.queue = queue.name
        looked.retention = queue.retention()
        place = InQueue(queue, signals, most=most, seconds=seconds)
        try:
            looked.about = place.counts().total
            looked.is_readable = True
            any(
                enough(dead_letter)
                for dead_letters in place.batches()
                for dead_letter in dead_letters
            )
            looked.is_sample = place.left_off
            about = 0 if looked.dead_letter else place.uncounted()
            looked.about = place.examined + about
        finally:
            looked.examined = place.examined
            place.give_back()

    see_through(signals, work)


@contextmanager
def _collect_problems(looked: Looked) -> Iterator[None]:
    """Collect the error of a place, so that the other place is still read."""
    try:
        yield
    except (Unavailable, Refused) as error:
        looked.problems.append(error)
    except Over:
        looked.problems.append(Unavailable("stopped before dead letters could be read"))


def _group(pile: Pile) -> Group:
    cumulated = [0, *pile.younger, pile.count]
    counts = [later - earlier for earlier, later in pairwise(cumulated)]
    return Group(
        where=Where.QUARANTINE,
        reason=pile.reason,
        count=pile.count,
        ages=dict(zip([*AGES, OLDER], counts, strict=True)),
        oldest=pile.oldest,
        newest=pile.newest,
        sample_id=pile.sample.message_id,
        sample_original_id=pile.sample.original_id,
        sample=read(pile.sample).redacted,
    )
