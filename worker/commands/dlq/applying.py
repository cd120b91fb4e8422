"""Replays dead letters in this process: applies them like any message, or as a dry run."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from worker.consumer import Counters
from worker.consumer.writing import HANGING_SECONDS
from worker.core.dead_letter import DeadLetterMessage
from worker.core.decode import decode
from worker.core.errors import Misconfigured, Unavailable, WorkerError
from worker.core.model import DeadLetter, Delete, Handled, Outcome, Received, Release, User
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.process import process
from worker.store import Store
from worker.timing.retries import when_raced


class Verdict(Struct, frozen=True, kw_only=True):
    """The result of applying a dead letter, or the result that a dry run predicts."""

    dead_letter: DeadLetterMessage
    outcome: Outcome
    reason: str = ""
    """Why it stays, if it does."""
    error: str = ""


class Apply:
    """Applies dead letters as the daemon applies messages, with a commit for each batch."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        counters: Counters,
        report: Callable[[Sequence[Handled]], None],
    ) -> None:
        self.failure: Exception | None = None
        """The store was unavailable for the last batch."""
        self._store = store
        self._policy = policy
        self._counters = counters
        self._report = report

    def __call__(self, dead_letters: Sequence[DeadLetterMessage]) -> list[Verdict]:
        """Process and commit them; `applied` ones are durable when this returns."""
        self._counters.begun(len(dead_letters))
        with _broken_off(self._store):
            handled = self._process(
                [_as_first_received(dead_letter) for dead_letter in dead_letters]
            )
        self._report(handled)
        verdicts = []
        for dead_letter, result in zip(dead_letters, handled, strict=True):
            verdicts.append(verdict := _verdict(dead_letter, result))
            self._counters.ended(verdict.outcome)
            if result.met_an_outage:
                self.failure = result.error
        return verdicts

    def _process(self, batch: Sequence[Received]) -> list[Handled]:
        """Process a batch; if it fails although the store works, each dead letter by itself.

        Dead letters have failed before, so a few of them may make a whole batch fail.
        """
        handled = process(batch, self._store, self._policy)
        if len(batch) == 1 or not any(result.met_an_outage for result in handled):
            return handled
        try:
            self._store.probe()
        except (Unavailable, Misconfigured):
            return handled
        return [
            process([result.received], self._store, self._policy)[0]
            if result.met_an_outage
            else result
            for result in handled
        ]


class _Enough(Exception):
    """Raised to roll back a transaction that only read."""


class DryRun:
    """Decides as `Apply` would, and writes nothing."""

    def __init__(self, store: Store, policy: Policy, counters: Counters) -> None:
        self.failure: Exception | None = None
        self._store = store
        self._policy = policy
        self._counters = counters
        self._keys: set[str] = set()
        self._users: dict[str, User] = {}

    def __call__(self, dead_letters: Sequence[DeadLetterMessage]) -> list[Verdict]:
        """Decide without writing.

        Raises:
            Unavailable: the store is unavailable.

        """
        self._counters.begun(len(dead_letters))
        with _broken_off(self._store):
            handled = self._look([_as_first_received(dead_letter) for dead_letter in dead_letters])
        verdicts = [_verdict(*pair) for pair in zip(dead_letters, handled, strict=True)]
        for verdict in verdicts:
            self._counters.ended(verdict.outcome)
        return verdicts

    def _look(self, batch: Sequence[Received]) -> list[Handled]:
        """Decide; if a batch fails, each dead letter by itself."""
        try:
            return self._look_at(batch)
        except WorkerError:
            raise
        except Exception as error:  # noqa: BLE001 whatever a dead letter can break
            if len(batch) > 1:
                return [self._look([message])[0] for message in batch]
            return [Handled(batch[0], Release(0), error=error)]

    @when_raced.wraps
    def _look_at(self, batch: Sequence[Received]) -> list[Handled]:
        opened = [(received, decode(received.body, self._policy.topics)) for received in batch]
        feedback = [item for _, content in opened if isinstance(content, tuple) for item in content]
        with suppress(_Enough), self._store.transaction() as transaction:
            users = transaction.users({item.address.key for item in feedback if item.address})
            known_keys = {*transaction.known_keys(feedback), *self._keys}
            raise _Enough
        unit = UnitOfWork(self._policy, known_keys, users | self._users, transaction.locked)
        handled = [unit.enter(*message) for message in opened]
        self._users |= unit.created | unit.changed
        for decision in unit.decisions:
            self._keys |= {decision.feedback.dedupe_key, decision.feedback.route_key}
        return handled


def _as_first_received(dead_letter: DeadLetterMessage) -> Received:
    """The message as it was received first.

    Then an event without a readable time is dated by its first receipt, not by today's; and a
    message that fails is deferred, however often it was received.
    """
    received = dead_letter.received
    received_at = dead_letter.first_seen or received.received_at
    return replace(received, receive_count=1, received_at=received_at)


def _verdict(dead_letter: DeadLetterMessage, handled: Handled) -> Verdict:
    match handled.disposition:
        case Delete(outcome):
            return Verdict(dead_letter=dead_letter, outcome=outcome)
        case DeadLetter(reason, detail):
            stays = Outcome.DEAD_LETTERED
            return Verdict(
                dead_letter=dead_letter, outcome=stays, reason=reason.value, error=detail
            )
        case _:
            error = type(handled.error).__name__ if handled.error else ""
            return Verdict(dead_letter=dead_letter, outcome=Outcome.DEFERRED, error=error)


@contextmanager
def _broken_off(store: Store) -> Iterator[None]:
    """End a write that hangs, as the daemon does: a stopped server never answers."""
    timer = threading.Timer(HANGING_SECONDS, store.break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
