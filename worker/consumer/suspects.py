"""Messages at which the store breaks off although it works for all others.

A statement that times out, a server that runs out of memory, a lost connection: each looks like an
outage, and in an outage no message is to blame. So a message is blamed only after all of this:

1. The store broke off twice while the message was alone in its commit.
2. After each of these times the next probe succeeded, and another message was written.
3. The store then broke off at the message once more, and the next probe succeeded again.

A store that comes and goes would have to break off at the same message three times, and at no other
between. Where no other message arrives, five successful probes are enough, if the message was
received five times as well. An outage that a probe confirms does not count, nor does an outage in
which no transaction could be begun.
"""

from collections.abc import Sequence

from msgspec import Struct

from worker.core.errors import NotBegun, Unavailable, Unsynced
from worker.core.messages import Delete, Handled, Received
from worker.core.model import Outcome
from worker.timing.retries import RECEIVES_BEFORE_GIVING_UP

TIMES = 2
"""How often the store must break off at a message, before the last time, if others arrive."""
TIMES_WITHOUT_OTHERS = 5
"""The same, in all, if no other messages arrive."""
FIRST, WITH_OTHERS, LAST = 0, 1, 2
"""Ranks in which messages are written."""
MOST_KNOWN = 1_000
"""Suspects; the oldest is forgotten for a new suspect. Each takes some 300 bytes."""


class _Suspicion(Struct):
    """How often the store broke off at a message, and how often it worked afterwards."""

    probes_succeeded: int = 0
    others_written: int = 0
    awaits_others: bool = False
    """No other message has been written since the last time."""


class Suspects:
    """Suspected messages, by SQS's message id. Not thread-safe: only the writer uses it."""

    def __init__(self) -> None:
        self._suspicions: dict[str, _Suspicion] = {}
        self._latest: _Suspicion | None = None
        """About the message at which the store has just broken off, until the store is probed."""

    def broke_off(self, batch: Sequence[Received], error: BaseException) -> None:
        """Learn that the store broke off at a commit of these messages."""
        self._latest = None
        if len(batch) == 1 and _may_be_due_to_message(error):
            self._latest = self._suspicions.setdefault(batch[0].message_id, _Suspicion())
            if len(self._suspicions) > MOST_KNOWN:
                del self._suspicions[next(iter(self._suspicions))]

    def probed(self, *, was_unavailable: bool) -> None:
        """Learn that the store works again, and whether a probe has failed before."""
        if was_unavailable:
            for suspicion in self._suspicions.values():
                suspicion.awaits_others = False
        elif self._latest:
            self._latest.probes_succeeded += 1
            self._latest.awaits_others = True
        self._latest = None

    def handled(self, batch: Sequence[Handled]) -> None:
        """Learn which messages were written."""
        if not self._suspicions:
            return
        for message in batch:
            if isinstance(message.disposition, Delete):
                self._suspicions.pop(message.received.message_id, None)
        if any(message.disposition == Delete(Outcome.APPLIED) for message in batch):
            for suspicion in self._suspicions.values():
                suspicion.others_written += suspicion.awaits_others
                suspicion.awaits_others = False

    def has(self, message: Received) -> bool:
        """Return whether a message is a suspect, and must be alone in its commit."""
        return message.message_id in self._suspicions

    def rank(self, message: Received) -> int:
        """Return when to write a message: alone and first; with others; or alone, after others.

        A suspect comes first, because otherwise it would wait as long as other messages arrive.
        """
        suspicion = self._suspicions.get(message.message_id)
        return WITH_OTHERS if suspicion is None else LAST if suspicion.awaits_others else FIRST

    def any_in(self, messages: Sequence[Received]) -> bool:
        """Return whether a suspect is among the messages."""
        return bool(self._suspicions) and any(map(self.has, messages))

    def is_to_blame(self, message: Received) -> bool:
        """Return whether the store refuses this message, and no other."""
        suspicion = self._suspicions.get(message.message_id)
        if suspicion is None:
            return False
        if suspicion.others_written + suspicion.awaits_others > TIMES:
            return True
        is_old = message.receive_count >= RECEIVES_BEFORE_GIVING_UP
        return is_old and suspicion.probes_succeeded >= TIMES_WITHOUT_OTHERS


def _may_be_due_to_message(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and not isinstance(error, NotBegun | Unsynced)
