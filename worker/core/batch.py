"""From messages to decisions: decode, read users and known keys, decide.

The message path, the dry run of a replay and the probe of the store all do it with these functions.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from worker.core.decode import Decoded, decode, feedback_in, parts_of
from worker.core.folding import Recorded, strangers
from worker.core.model import AccountEvent, Feedback, Handled, Received, User
from worker.core.past import OnRecord, past_of
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork

MOST_ROWS = 2_000
"""Rows of `events` in a transaction; `outbox` and `users` get about as many at most. A single
message with more of them is written alone."""
MOST_CHARACTERS = 2 * 1_048_576
"""Characters of message bodies in a transaction. 200 messages as SES usually writes them have
half as many."""


class Reader(Protocol):
    """The reading part of a store's transaction (`worker.core.ports.Transaction`)."""

    @property
    def locked(self) -> Collection[str]:
        """Return which users of those asked for could not be read: another session holds them."""

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Return the known users, by key."""

    def on_record(self, email_keys: Collection[str]) -> Iterable[Recorded]:
        """Return the events of these addresses, those of each in the order of ids."""

    def known_keys(self, feedback: Sequence[Feedback]) -> Collection[str]:
        """Return the dedupe and route keys that are recorded already."""

    def known_account_events(self, events: Sequence[AccountEvent]) -> Collection[str]:
        """Return the dedupe keys of account events that are recorded already."""

    def past(self, keys: Collection[str]) -> Mapping[str, Sequence[OnRecord]]:
        """Return the newest events of these addresses, `MOST_PAST` of each at most."""


class DecodedBatch(Struct, frozen=True):
    """Decoded messages that fit into a transaction."""

    messages: Sequence[tuple[Received, Decoded]]
    feedback: Sequence[Feedback]
    """The feedback of all messages."""
    account_events: Sequence[AccountEvent] = ()

    @property
    def needs_store(self) -> bool:
        """There is something to look up, and perhaps to write."""
        return bool(self.feedback or self.account_events)


def decode_batch(batch: Sequence[Received], policy: Policy) -> DecodedBatch:
    """Decode the first messages, as many as fit into a transaction; at least one."""
    messages: list[tuple[Received, Decoded]] = []
    feedback: list[Feedback] = []
    account_events: list[AccountEvent] = []
    characters = 0
    for received in batch:
        characters += len(received.body)
        if characters > MOST_CHARACTERS and messages:
            break
        content = decode(received.body, policy.sources)
        if isinstance(content, tuple):  # nearly always
            found: Sequence[Feedback] = content
            events: Sequence[AccountEvent] = ()
        else:
            found, events = _contents_of(content)
        if len(feedback) + len(found) > MOST_ROWS and messages:
            break
        feedback += found
        account_events += events
        messages.append((received, content))
    return DecodedBatch(messages, feedback, account_events)


def _contents_of(content: Decoded) -> tuple[list[Feedback], list[AccountEvent]]:
    """Return the feedback and the account events of a body that is not plain feedback."""
    parts = list(parts_of(content))
    return feedback_in(parts), [part for part in parts if isinstance(part, AccountEvent)]


def decide_batch(
    batch: DecodedBatch, policy: Policy, transaction: Reader | None
) -> tuple[UnitOfWork, list[Handled]]:
    """Decide on each message; return what is to be written, and each message's disposition.

    A batch that does not need the store may have None as `transaction`.
    """
    if transaction is None:
        unit = UnitOfWork(policy, known_keys=(), users={})
    else:
        keys = {address.key for item in batch.feedback if (address := item.address)}
        users = transaction.users(keys)  # locks them, so that the known keys stay true
        known_keys = transaction.known_keys(batch.feedback)
        if batch.account_events:
            known_events = transaction.known_account_events(batch.account_events)
            known_keys = {*known_keys, *known_events}
        unit = UnitOfWork(policy, known_keys, users, transaction.locked)
        if unit.creates_users and (missing := keys.difference(users, transaction.locked)):
            unit.on_record = strangers(transaction.on_record(missing), policy)
        if policy.needs_past and keys:
            found = transaction.past(keys)
            unit.remember({key: past_of(events, policy) for key, events in found.items()})
    return unit, [unit.decide_message(*message) for message in batch.messages]
