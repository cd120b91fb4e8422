"""Replays dead letters in this process: applies them like any message, or as a dry run."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from worker.consumer import Counters
from worker.consumer.writing import HANGING_SECONDS
from worker.core.account_events import AccountEvent
from worker.core.batch import decide_batch, decode_batch
from worker.core.dead_letter import DeadLetterMessage
from worker.core.errors import Misconfigured, NoCertificate, Unavailable, WorkerError
from worker.core.floods import Floods
from worker.core.folding import Recorded
from worker.core.messages import DeadLetter, Delete, Handled, Received, Release
from worker.core.model import Feedback, Outcome, User
from worker.core.past import OnRecord
from worker.core.policy import Policy
from worker.core.ports import Transaction
from worker.core.tombstones import Tombstone
from worker.process import process
from worker.signatures.verifying import Verifier
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
    """Applies dead letters as the daemon applies messages; they can be deleted after the commit."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        verifier: Verifier,
        counters: Counters,
        report: Callable[[Sequence[Handled]], None],
    ) -> None:
        self.failure: Exception | None = None
        """The error of an unavailable store, or of a certificate that cannot be had."""
        self._store = store
        self._policy = policy
        self._verifier = verifier
        self._counters = counters
        self._report = report
        self._floods = Floods()

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
        """Process a batch; if all of it fails in the same way, process each message by itself.

        That is a sign of an outage elsewhere (`worker.process.bisection`). But dead letters are
        messages that failed before, so a whole batch of them may fail in the same way while the
        store works.
        """
        handled = self._verifier.process(batch, self._policy.acceptance, self._process_verified)
        if len(batch) == 1 or not any(result.met_an_outage for result in handled):
            return handled
        try:
            self._store.probe()
        except (Unavailable, Misconfigured):
            return handled
        return [
            self._process_verified([result.received])[0]
            if result.met_an_outage and not isinstance(result.error, NoCertificate)
            else result
            for result in handled
        ]

    def _process_verified(self, batch: Sequence[Received]) -> list[Handled]:
        return process(batch, self._store, self._policy, self._floods)


class _RollBack(Exception):
    """Ends a transaction that only reads."""


class DryRun:
    """Decides as `Apply` does, and writes nothing."""

    def __init__(
        self, store: Store, policy: Policy, verifier: Verifier, counters: Counters
    ) -> None:
        self.failure: Exception | None = None
        self._store = store
        self._policy = policy
        self._verifier = verifier
        self._counters = counters
        self._keys: set[str] = set()
        """Dedupe and route keys that would have been written so far."""
        self._users: dict[str, User] = {}
        self._past: dict[str, list[OnRecord]] = {}
        """User records that would have been written so far, by key."""

    def __call__(self, dead_letters: Sequence[DeadLetterMessage]) -> list[Verdict]:
        """Decide without writing.

        Raises:
            Unavailable: the store is unavailable.

        """
        self._counters.begun(len(dead_letters))
        with _broken_off(self._store):
            handled = self._verifier.process(
                [_as_first_received(dead_letter) for dead_letter in dead_letters],
                self._policy.acceptance,
                self._look,
            )
        verdicts = [_verdict(*pair) for pair in zip(dead_letters, handled, strict=True)]
        for verdict in verdicts:
            self._counters.ended(verdict.outcome)
        return verdicts

    def _look(self, batch: Sequence[Received]) -> list[Handled]:
        """Decide on all; if a transaction fails, decide on each of its dead letters by itself."""
        handled: list[Handled] = []
        while rest := batch[len(handled) :]:
            try:
                handled += self._decide_some(rest)
            except WorkerError:
                raise
            except Exception as error:  # noqa: BLE001 a dead letter may break anything
                if len(rest) == 1:
                    return [*handled, Handled(rest[0], Release(0), error=error)]
                return [*handled, *(self._look([message])[0] for message in rest)]
        return handled

    @when_raced.wraps
    def _decide_some(self, batch: Sequence[Received]) -> list[Handled]:
        """Decide on the first dead letters, as many as fit into one transaction."""
        decoded = decode_batch(batch, self._policy)
        with suppress(_RollBack), self._store.transaction() as transaction:
            reader = _WithChanges(transaction, self._keys, self._users, self._past)
            unit, handled = decide_batch(decoded, self._policy, reader)
            raise _RollBack
        self._users |= unit.created | unit.changed
        for decision in unit.decisions:
            self._keys |= {decision.feedback.dedupe_key, decision.feedback.route_key}
            if address := decision.feedback.address:
                event = OnRecord(decision.occurred_at, decision.feedback)
                self._past.setdefault(address.key, []).append(event)
        for forgiveness in unit.memory.forgivenesses:
            event = OnRecord(forgiveness.delivered_at, None)
            self._past.setdefault(forgiveness.email_key, []).append(event)
        self._keys |= {new.event.dedupe_key for new in unit.account_events}
        return handled


class _WithChanges:
    """A transaction that also shows the changes that were not written."""

    def __init__(
        self,
        transaction: Transaction,
        keys: Collection[str],
        users: dict[str, User],
        past: Mapping[str, Sequence[OnRecord]],
    ) -> None:
        self._transaction = transaction
        self._keys = keys
        self._users = users
        self._past = past

    @property
    def locked(self) -> Collection[str]:
        return self._transaction.locked

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        return self._transaction.users(email_keys) | self._users

    def shadow_users(self, email_keys: Collection[str]) -> dict[str, User]:
        return self._transaction.shadow_users(email_keys)

    def on_record(self, email_keys: Collection[str]) -> Iterable[Recorded]:
        return self._transaction.on_record(email_keys)

    def known_keys(self, feedback: Sequence[Feedback]) -> Collection[str]:
        return {*self._transaction.known_keys(feedback), *self._keys}

    @property
    def key_id(self) -> str:
        return self._transaction.key_id

    def forgotten(self, digests: Collection[bytes]) -> Iterable[Tombstone]:
        return self._transaction.forgotten(digests)

    def known_account_events(self, events: Sequence[AccountEvent]) -> Collection[str]:
        return {*self._transaction.known_account_events(events), *self._keys}

    def past(self, keys: Collection[str]) -> dict[str, Sequence[OnRecord]]:
        found = self._transaction.past(keys)
        return {key: [*found.get(key, ()), *self._past.get(key, ())] for key in keys}


def _as_first_received(dead_letter: DeadLetterMessage) -> Received:
    """Return the message as it was at its first receive.

    An event whose own time cannot be read takes place then, and not today. A message that breaks is
    reported as deferred, however often it was received.
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
    """Break off a write that hangs, as the daemon does: a suspended server never answers."""
    timer = threading.Timer(HANGING_SECONDS, store.break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
