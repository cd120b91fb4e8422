"""Where letters are worked on: both places, and the signals that end it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from msgspec import Struct

from worker.app.dead_letters import find_dead_letter_queue, make_source_queue
from worker.bounds import Bounds, Over, signals_heeded
from worker.dead_letter_queue import HIDDEN_SECONDS, DeadLetterQueue, SourceQueue
from worker.errors import Unavailable
from worker.settings import Settings
from worker.signals import Asked
from worker.store import Store

Result = TypeVar("Result")


class Desk(Struct, frozen=True, kw_only=True):
    """All that is worked with."""

    source: SourceQueue
    queue: DeadLetterQueue | None
    """None: there is no dead-letter queue."""
    store: Store
    asked: Asked


class LeftBehind(Unavailable):
    """Work that a second signal did not wait for: what it counts is not to be relied on."""


@contextmanager
def opened(settings: Settings, open_store: Callable[[Settings], Store]) -> Iterator[Desk]:
    """Find the places; a signal before they are found ends it.

    Raises:
        Misconfigured: the settings lack a queue.
        Unavailable, Refused: a place cannot be looked into.

    """
    source = make_source_queue(settings)
    with signals_heeded() as asked:
        bounds = Bounds(asked)
        try:
            store = bounds.call(open_store, settings)
            queue = bounds.call(find_dead_letter_queue, settings, source, bounds.sleep)
        except Over:
            raise Unavailable("stopped before it could begin") from None
        yield Desk(source=source, queue=queue, store=store, asked=asked)
        if not asked.to_hurry.is_set():
            store.close()  # else whoever is left behind is in it, and it would wait


def see_through(asked: Asked, work: Callable[[], Result]) -> Result:
    """Do work that heeds the first signal itself; the second leaves it behind.

    Raises:
        LeftBehind: a second signal came.

    """
    try:
        return Bounds(Asked(asked.to_hurry, asked.to_hurry)).call(work)
    except Over:
        raise LeftBehind(
            f"left at once: letters that were looked at stay hidden for {HIDDEN_SECONDS} s at most"
        ) from None
