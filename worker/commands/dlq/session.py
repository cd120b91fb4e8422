"""A session on dead letters: the dead-letter queue, the quarantine, and the signals that end it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from msgspec import Struct

from worker.app.dead_letters import find_dead_letter_queue, make_source_queue
from worker.core.errors import Unavailable
from worker.service.bounded_call import Deadline, Over, signals_heeded
from worker.service.signals import SignalEvents
from worker.settings import Settings
from worker.sqs.dead_letter_queue import HIDDEN_SECONDS, DeadLetterQueue, SourceQueue
from worker.store import Store

Result = TypeVar("Result")


class Session(Struct, frozen=True, kw_only=True):
    """The parts of a session."""

    source: SourceQueue
    queue: DeadLetterQueue | None
    """None: there is no dead-letter queue."""
    store: Store
    signals: SignalEvents


class LeftBehind(Unavailable):
    """Work was abandoned after a second signal: its figures are not reliable."""


@contextmanager
def opened(settings: Settings, open_store: Callable[[Settings], Store]) -> Iterator[Session]:
    """Open the store and find the dead-letter queue; a signal meanwhile ends the session.

    Raises:
        Misconfigured: the settings name no queue.
        Unavailable, Refused: the store or SQS cannot be used, or a signal came.

    """
    source = make_source_queue(settings)
    with signals_heeded() as signals:
        deadline = Deadline(signals)
        try:
            store = deadline.call(open_store, settings)
            queue = deadline.call(find_dead_letter_queue, settings, source, deadline.sleep)
        except Over:
            raise Unavailable("stopped before it could begin: nothing was done") from None
        yield Session(source=source, queue=queue, store=store, signals=signals)
        if not signals.to_hurry.is_set():
            store.close()  # in a hurry, an abandoned thread still uses it, and close would wait


def see_through(signals: SignalEvents, work: Callable[[], Result]) -> Result:
    """Do work that handles the first signal itself; a second signal abandons it.

    Raises:
        LeftBehind: a second signal came.

    """
    try:
        return Deadline(SignalEvents(signals.to_hurry, signals.to_hurry)).call(work)
    except Over:
        raise LeftBehind(
            f"ended at once: received dead letters stay hidden for up to {HIDDEN_SECONDS} s"
        ) from None
