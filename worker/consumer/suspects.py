"""Messages at which the store breaks off, although it is well for everything else.

A statement that times out, a server that runs out of memory, a connection that is lost: each looks
like an outage, and an outage blames nobody. So a message is to blame only when the store has broken
off twice while it was alone in its commit, the next look found the store well, by a sample and a
commit, and another message was written after each of these times; and when the store then breaks
off at it once more, and the next look finds it well again: a store that comes and goes has to meet
the same message three times, and no other between. Where no other message comes, five such looks
will do, if the message was received five times as well. An outage that any look meets counts for
nothing, nor does one in which no transaction could be begun.
"""

from collections.abc import Sequence

from msgspec import Struct

from worker.core.errors import NotBegun, Unavailable, Unsynced
from worker.core.model import Delete, Handled, Outcome, Received
from worker.timing.retries import RECEIVES_BEFORE_GIVING_UP

TIMES, TIMES_WITHOUT_OTHERS = 2, 5
FIRST, WITH_OTHERS, LAST = 0, 1, 2
MOST_KNOWN = 1_000
"""Messages; the one known longest is forgotten for a new one. Each takes some 300 bytes."""


class _Times(Struct):
    """How often the store broke off at one message, and what was examined of the store after it."""

    well_for_samples: int = 0
    well_for_others: int = 0
    awaits_others: bool = False
    """Nothing else has been written since the last time."""


class Suspects:
    """What this process knows of them, by SQS's message id. Not thread-safe: the writer's own."""

    def __init__(self) -> None:
        self._times: dict[str, _Times] = {}
        self._latest: _Times | None = None
        """Of the message that was alone when the store broke off, until the store is looked at."""

    def broke_off(self, batch: Sequence[Received], error: BaseException) -> None:
        """Learn that the store broke off at these messages, which were one commit."""
        self._latest = None
        if len(batch) == 1 and _may_be_about_it(error):
            self._latest = self._times.setdefault(batch[0].message_id, _Times())
            if len(self._times) > MOST_KNOWN:
                del self._times[next(iter(self._times))]

    def looked(self, *, unreachable: bool) -> None:
        """Learn whether the looks at the store after that have found it away."""
        if unreachable:
            for times in self._times.values():
                times.awaits_others = False
        elif self._latest:
            self._latest.well_for_samples += 1
            self._latest.awaits_others = True
        self._latest = None

    def handled(self, batch: Sequence[Handled]) -> None:
        """Learn what the store took."""
        if not self._times:
            return
        for message in batch:
            if isinstance(message.disposition, Delete):
                self._times.pop(message.received.message_id, None)
        if any(message.disposition == Delete(Outcome.APPLIED) for message in batch):
            for times in self._times.values():
                times.well_for_others += times.awaits_others
                times.awaits_others = False

    def has(self, message: Received) -> bool:
        """Return whether a message is to be alone in its commit, so that no other suffers."""
        return message.message_id in self._times

    def rank(self, message: Received) -> int:
        """Return when a message is tried: alone and first; with others; alone, after the others.

        First, because otherwise it would wait as long as other messages arrive.
        """
        times = self._times.get(message.message_id)
        return WITH_OTHERS if times is None else LAST if times.awaits_others else FIRST

    def any_in(self, messages: Sequence[Received]) -> bool:
        """Return whether one of them is."""
        return bool(self._times) and any(map(self.has, messages))

    def is_to_blame(self, message: Received) -> bool:
        """Return whether the store refuses this message, and no other."""
        times = self._times.get(message.message_id)
        if times is None:
            return False
        if times.well_for_others + times.awaits_others > TIMES:  # and it was tried once more
            return True
        is_old = message.receive_count >= RECEIVES_BEFORE_GIVING_UP
        return is_old and times.well_for_samples >= TIMES_WITHOUT_OTHERS


def _may_be_about_it(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and not isinstance(error, NotBegun | Unsynced)
