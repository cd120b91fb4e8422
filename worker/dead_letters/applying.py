"""What a replay does to letters in this process: the path of every message, or a look ahead."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from worker.consumer import Tally
from worker.consumer.writing import HANGING_SECONDS
from worker.decode import decode
from worker.errors import Misconfigured, Unavailable, WorkerError
from worker.letters import Letter
from worker.model import DeadLetter, Delete, Handled, Outcome, Received, Release, User
from worker.page import Page
from worker.policy import Policy
from worker.process import process
from worker.retries import when_raced
from worker.store import Store


class Verdict(Struct, frozen=True, kw_only=True):
    """What has become of a letter, or would."""

    letter: Letter
    outcome: Outcome
    reason: str = ""
    """Why it stays, if it does."""
    error: str = ""


class Apply:
    """Applies letters as the daemon applies messages: one commit, then they are done."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        tally: Tally,
        tell: Callable[[Sequence[Handled]], None],
    ) -> None:
        self.failure: Exception | None = None
        """The books are away."""
        self._store = store
        self._policy = policy
        self._tally = tally
        self._tell = tell

    def __call__(self, letters: Sequence[Letter]) -> list[Verdict]:
        """Have them written; once this returns what is `applied` is durable."""
        self._tally.begun(len(letters))
        with _broken_off(self._store):
            handled = self._process([_as_first_seen(letter) for letter in letters])
        self._tell(handled)
        verdicts = []
        for letter, one in zip(letters, handled, strict=True):
            verdicts.append(verdict := _verdict(letter, one))
            self._tally.ended(verdict.outcome)
            if one.met_an_outage:
                self.failure = one.error
        return verdicts

    def _process(self, batch: Sequence[Received]) -> list[Handled]:
        """Have a batch written; if all of it breaks alike though the books are well, one by one.

        Letters that lie here because they broke once do just that.
        """
        handled = process(batch, self._store, self._policy)
        if len(batch) == 1 or not any(one.met_an_outage for one in handled):
            return handled
        try:
            self._store.probe()
        except (Unavailable, Misconfigured):
            return handled
        return [
            process([one.received], self._store, self._policy)[0] if one.met_an_outage else one
            for one in handled
        ]


class _Seen(Exception):
    """Enough was looked up; the transaction is to leave no trace."""


class Foretell:
    """Decides as `Apply` would, all letters one after the other, and writes nothing."""

    def __init__(self, store: Store, policy: Policy, tally: Tally) -> None:
        self.failure: Exception | None = None
        self._store = store
        self._policy = policy
        self._tally = tally
        self._keys: set[str] = set()
        self._users: dict[str, User] = {}

    def __call__(self, letters: Sequence[Letter]) -> list[Verdict]:
        """Look ahead.

        Raises:
            Unavailable: the books are away.

        """
        self._tally.begun(len(letters))
        with _broken_off(self._store):
            handled = self._look([_as_first_seen(letter) for letter in letters])
        verdicts = [_verdict(*pair) for pair in zip(letters, handled, strict=True)]
        for verdict in verdicts:
            self._tally.ended(verdict.outcome)
        return verdicts

    def _look(self, batch: Sequence[Received]) -> list[Handled]:
        """Decide; of letters that break, which may be why they lie here, each by itself."""
        try:
            return self._look_at(batch)
        except WorkerError:
            raise
        except Exception as error:  # noqa: BLE001 whatever one letter can break
            if len(batch) > 1:
                return [self._look([one])[0] for one in batch]
            return [Handled(batch[0], Release(0), error=error)]

    @when_raced.wraps
    def _look_at(self, batch: Sequence[Received]) -> list[Handled]:
        opened = [(received, decode(received.body, self._policy.topics)) for received in batch]
        feedback = [item for _, content in opened if isinstance(content, tuple) for item in content]
        with suppress(_Seen), self._store.transaction() as transaction:
            users = transaction.users({item.address.key for item in feedback if item.address})
            seen = {*transaction.seen(feedback), *self._keys}
            raise _Seen
        page = Page(self._policy, seen, users | self._users, transaction.locked)
        handled = [page.enter(*message) for message in opened]
        self._users |= page.created | page.changed
        for decision in page.decisions:
            self._keys |= {decision.feedback.dedupe_key, decision.feedback.route_key}
        return handled


def _as_first_seen(letter: Letter) -> Received:
    """The message as it first came.

    An event whose own time cannot be read counts from then, not from today; and one that breaks
    is told as such, not given up, however often it was looked at.
    """
    received = letter.received
    received_at = letter.first_seen or received.received_at
    return replace(received, receive_count=1, received_at=received_at)


def _verdict(letter: Letter, handled: Handled) -> Verdict:
    match handled.disposition:
        case Delete(outcome):
            return Verdict(letter=letter, outcome=outcome)
        case DeadLetter(reason, detail):
            stays = Outcome.DEAD_LETTERED
            return Verdict(letter=letter, outcome=stays, reason=reason.value, error=detail)
        case _:
            error = type(handled.error).__name__ if handled.error else ""
            return Verdict(letter=letter, outcome=Outcome.DEFERRED, error=error)


@contextmanager
def _broken_off(store: Store) -> Iterator[None]:
    """End a write that hangs, as the daemon does: a server that was stopped never answers."""
    timer = threading.Timer(HANGING_SECONDS, store.break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
