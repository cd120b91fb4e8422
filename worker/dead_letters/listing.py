"""`ses-worker dlq list` and `show`: looking, and leaving everything as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec import Struct

from worker.app import open_existing_store
from worker.app.dead_letters import find_dead_letter_queue, make_source_queue
from worker.bounds import Bounds, Over, signals_heeded
from worker.dead_letters.desk import see_through
from worker.dead_letters.groups import AGES, OLDER, Group, Groups, read
from worker.dead_letters.in_queue import InQueue
from worker.errors import Refused, Unavailable
from worker.letters import Letter, Wanted, Where
from worker.settings import Settings
from worker.signals import Asked
from worker.store.quarantine import Pile, newest_row, pile_up, read_letters
from worker.store.users import among_users

MOST_LETTERS = 10_000
LOOK_SECONDS = 30
"""Half of the time for which letters are hidden: the first are still ours when the last is seen."""


class Looked(Struct, kw_only=True):
    """What there was to be seen, and how much of it was not."""

    wanted: Wanted = Wanted()
    groups: list[Group] = []
    letter: Letter | None = None
    """The one that was looked for."""
    strangers: frozenset[str] | None = None
    """Of its recipients, as users are matched, those that are none; None: nobody can tell."""
    queue: str = ""
    """The dead-letter queue's name; empty: there is none, or nobody says which."""
    no_queue: bool = False
    """There is none, for certain."""
    is_readable: bool = False
    """It has told how many letters there are."""
    retention: timedelta | None = None
    seen: int = 0
    """Letters of the queue that came by."""
    about: int = 0
    """Letters there are in it, by SQS's counts."""
    is_sample: bool = False
    """It was left off, for there were many."""
    in_quarantine: int = 0
    interrupted: bool = False
    troubles: list[Exception] = []
    """Of a place that could not be looked into; the other was."""


def look(
    settings: Settings, wanted: Wanted, watch: Callable[[int, int], None] = lambda _, __: None
) -> Looked:
    """Look at the letters that are meant, and group them; at a sample, where they are many.

    Raises:
        Misconfigured: the settings lack a queue, or the books are no books.

    """
    now, looked = datetime.now(UTC), Looked(wanted=wanted)
    groups = Groups(now)
    seen = 0

    def count(letter: Letter) -> bool:
        nonlocal seen
        watch(seen := seen + 1, looked.about)
        if wanted.fits(letter):
            groups.add(letter)
        return False

    with signals_heeded() as asked:
        with _troubles_in(looked):
            store = Bounds(asked).call(open_existing_store, settings)
            for pile in pile_up(store, wanted, [now - age for age in AGES.values()]):
                groups.add_group(_group(pile))
                looked.in_quarantine += pile.count
            store.close()
        with _troubles_in(looked):
            _look_into_queue(
                settings, asked, looked, count, most=MOST_LETTERS, seconds=LOOK_SECONDS
            )
        looked.interrupted = asked.to_stop.is_set()
    looked.groups = groups.biggest_first()
    return looked


def find(settings: Settings, message_id: str) -> Looked:
    """Look for one letter, at every one if need be.

    Raises:
        Misconfigured: as above.

    """
    looked = Looked()
    wanted = Wanted(message_ids=frozenset({message_id}))

    def is_it(letter: Letter) -> bool:
        if wanted.fits(letter):
            looked.letter = letter
        return looked.letter is not None

    with signals_heeded() as asked:
        with _troubles_in(looked):
            store = Bounds(asked).call(open_existing_store, settings)
            for letter in read_letters(store, wanted, up_to=newest_row(store), most=1):
                is_it(letter)
            store.close()
        if looked.letter is None:
            with _troubles_in(looked):
                _look_into_queue(settings, asked, looked, is_it)
        if looked.letter:
            with suppress(Unavailable, Refused, Over):  # that books are away was told
                keys = [key for key in read(looked.letter).keys if key]
                store = Bounds(asked).call(open_existing_store, settings)
                looked.strangers = frozenset(keys) - among_users(store, keys)
                store.close()
        looked.interrupted = asked.to_stop.is_set()
    return looked


def _look_into_queue(
    settings: Settings,
    asked: Asked,
    looked: Looked,
    enough: Callable[[Letter], bool],
    *,
    most: int | None = None,
    seconds: float | None = None,
) -> None:
    """Go through the dead-letter queue until it is enough; all that was seen is given back."""
    source, bounds = make_source_queue(settings), Bounds(asked)
    queue = bounds.call(find_dead_letter_queue, settings, source, bounds.sleep)
    if queue is None:
        looked.no_queue = True
        return

    def work() -> None:
        looked.queue = queue.name
        looked.retention = queue.retention()
        place = InQueue(queue, asked, most=most, seconds=seconds)
        try:
            looked.about = place.counts().total
            looked.is_readable = True
            any(enough(letter) for letters in place.batches() for letter in letters)
            looked.is_sample = place.left_off
            about = 0 if looked.letter else place.unseen()
            looked.about = place.seen + about
        finally:
            looked.seen = place.seen
            place.give_back()

    see_through(asked, work)


@contextmanager
def _troubles_in(looked: Looked) -> Iterator[None]:
    """Note what keeps us from looking into one place: the other may tell enough."""
    try:
        yield
    except (Unavailable, Refused) as error:
        looked.troubles.append(error)
    except Over:
        looked.troubles.append(Unavailable("stopped before it could begin"))


def _group(pile: Pile) -> Group:
    bounds = [0, *pile.younger, pile.count]
    counts = [later - earlier for earlier, later in pairwise(bounds)]
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
