"""From messages to decisions: decode, read users and known keys, decide.

The message path, the dry run of a replay and the probe of the store all do it with these functions.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from worker.core.account_events import AccountEvent
from worker.core.decode import Decoded, decode, feedback_in, parts_of
from worker.core.folding import Recorded, users_of
from worker.core.memory import may_forgive
from worker.core.messages import Handled, Received
from worker.core.model import Counted, Feedback, Ignored, User
from worker.core.past import OnRecord, Past, past_of
from worker.core.policy import Policy
from worker.core.redacting import named_by
from worker.core.shadow import Shadow
from worker.core.tombstones import Tombstone, require_key
from worker.core.unit_of_work import UnitOfWork

MOST_ROWS = 2_000
"""Rows of `events` in a transaction; `outbox` and `users` get about as many at most. A single
message with more of them is written alone."""
MOST_CHARACTERS = 2 * 1_048_576
"""Characters of message bodies in a transaction. 200 messages as SES usually writes them have
half as many."""


class Reader(Protocol):
    """The part of a store's transaction that reads (`worker.core.ports.Transaction`)."""

    @property
    def locked(self) -> Collection[str]:
        """Return which of the requested users could not be read: another session holds them."""

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Return the known users, by key."""

    def on_record(self, email_keys: Collection[str]) -> Iterable[Recorded]:
        """Return the events of these addresses, those of each in the order of ids."""

    def shadow_users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Return the records that a second policy has made of users, by key."""

    def known_keys(self, feedback: Sequence[Feedback]) -> Collection[str]:
        """Return the dedupe and route keys that are recorded already."""

    def known_account_events(self, events: Sequence[AccountEvent]) -> Collection[str]:
        """Return the dedupe keys of account events that are recorded already."""

    @property
    def key_id(self) -> str:
        """The key by which people were forgotten; empty: nobody was. Known after `known_keys`."""

    def forgotten(self, digests: Collection[bytes]) -> Iterable[Tombstone]:
        """Return the tombstones with these digests."""

    def past(self, keys: Collection[str]) -> Mapping[str, Sequence[OnRecord]]:
        """Return the newest events of these addresses, `MOST_PAST` of each at most."""


class DecodedBatch(Struct, frozen=True):
    """Decoded messages that fit into a transaction."""

    messages: Sequence[tuple[Received, Decoded]]
    feedback: Sequence[Feedback]
    """The feedback of all messages."""
    account_events: Sequence[AccountEvent] = ()
    delivered_to: Sequence[str] = ()
    """Keys of those who got a mail, where their last delivery is kept."""
    has_counted: bool = False
    """There are events that are counted."""

    @property
    def needs_store(self) -> bool:
        """There is something to look up, and perhaps to write."""
        return bool(self.feedback or self.account_events or self.has_counted or self.delivered_to)


def decode_batch(batch: Sequence[Received], policy: Policy) -> DecodedBatch:
    """Decode the first messages, as many as fit into a transaction; at least one."""
    messages: list[tuple[Received, Decoded]] = []
    feedback: list[Feedback] = []
    account_events: list[AccountEvent] = []
    counted: list[Counted] = []
    characters = 0
    for received in batch:
        characters += len(received.body)
        if characters > MOST_CHARACTERS and messages:
            break
        content = decode(received.body, policy.acceptance)
        if isinstance(content, tuple):  # nearly always
            found: Sequence[Feedback] = content
            events: Sequence[AccountEvent] = ()
        else:
            found, events, only_counted = _contents_of(content)
            counted += only_counted
        if len(feedback) + len(found) > MOST_ROWS and messages:
            break
        feedback += found
        account_events += events
        messages.append((received, content))
    return DecodedBatch(
        messages,
        feedback,
        account_events,
        delivered_to=(
            [key for event in counted for key in event.delivered_to]
            if policy.track_deliveries
            else ()
        ),
        has_counted=bool(counted) and policy.count_events,
    )


def _contents_of(
    content: Decoded,
) -> tuple[list[Feedback], list[AccountEvent], list[Counted]]:
    """Return feedback, account events and counted events of a body that is not plain feedback."""
    if isinstance(content, Ignored):
        return [], [], [content.counted] if content.counted else []
    parts = list(parts_of(content))
    counted = [part.counted for part in parts if isinstance(part, Ignored) and part.counted]
    account_events = [part for part in parts if isinstance(part, AccountEvent)]
    return feedback_in(parts), account_events, counted


def decide_batch(
    batch: DecodedBatch, policy: Policy, transaction: Reader | None
) -> tuple[UnitOfWork, list[Handled]]:
    """Decide on each message; return what is to be written, and each message's disposition.

    A batch that does not need the store may have None as `transaction`.
    """
    if transaction is None:
        unit = UnitOfWork(policy, known_keys=(), users={})
    else:
        named = {address.key for item in batch.feedback if (address := item.address)}
        keys = named.union(batch.delivered_to) if batch.delivered_to else named
        # This locks the users, so that the known keys stay true.
        users = transaction.users(keys) if keys else {}
        known_keys = transaction.known_keys(batch.feedback) if batch.feedback else ()
        if batch.account_events:
            known_events = transaction.known_account_events(batch.account_events)
            known_keys = {*known_keys, *known_events}
        unit = UnitOfWork(policy, known_keys, users, transaction.locked)
        if transaction.key_id and named:
            unit.forgotten = _forgotten(batch, named, policy, transaction)
        if unit.creates_users and (missing := named.difference(users, transaction.locked)):
            if policy.begin_with_record:
                unit.on_record = users_of(transaction.on_record(missing), policy)
            else:
                unit.begins_empty = True
        if policy.needs_past:
            delivered_to = batch.delivered_to if policy.forgives else ()
            forgiving = {key for key in delivered_to if key in users and may_forgive(users[key])}
            unit.memory.take_in(_past(named | forgiving, policy, transaction))
        if policy.shadow:
            shadow = _shadow(policy.shadow, keys, transaction)
            handled = [unit.decide_message(*message) for message in batch.messages]
            unit.shadowed = _followed(shadow, unit, {**unit.on_record, **users})
            return unit, handled
    return unit, [unit.decide_message(*message) for message in batch.messages]


def _forgotten(
    batch: DecodedBatch, named: Collection[str], policy: Policy, transaction: Reader
) -> dict[str, Tombstone]:
    """Find who was forgotten of those whom messages name: in events, and in SES's texts.

    Raises:
        Misconfigured: nobody can be recognised, for the key is not that of the tombstones.

    """
    key = require_key(policy.privacy_key, transaction.key_id)
    addresses = set(named)
    for notification in {
        id(item.notification): item.notification for item in batch.feedback
    }.values():
        addresses |= named_by(notification)
    by_digest = {key.digest(address): address for address in addresses}
    return {by_digest[found.digest]: found for found in transaction.forgotten(by_digest)}


def _past(keys: Collection[str], policy: Policy, transaction: Reader) -> dict[str, Past]:
    """Read what happened before to these addresses, as a policy judges it."""
    found = transaction.past(keys) if keys else {}
    return {key: past_of(events, policy) for key, events in found.items()}


def _shadow(policy: Policy, keys: Collection[str], transaction: Reader) -> Shadow:
    """Read what a second policy needs, before anything is written."""
    past = _past(keys, policy, transaction) if policy.needs_past else {}
    return Shadow(policy, transaction.shadow_users(keys), past)


def _followed(shadow: Shadow, unit: UnitOfWork, before: Mapping[str, User]) -> Mapping[str, User]:
    """Let a second policy decide about a batch; return its records that have changed."""
    shadow.follow(unit.decisions, before)
    if shadow.forgives:
        for key, delivered_at in unit.deliveries.items():
            shadow.deliver(key, delivered_at, before)
    return shadow.changed
