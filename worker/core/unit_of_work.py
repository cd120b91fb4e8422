"""The unit of work of a batch: what the store holds already, and what the batch changes.

Pure. Each decision starts from the user record as the previous decision left it. So two messages in
one batch have the same effect as the same messages in two batches.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from worker.core.account_events import AccountEvent, NewAccountEvent
from worker.core.counting import Fact, count_decision, count_event
from worker.core.decide import decide
from worker.core.decode import Decoded, Several, Single, feedback_in
from worker.core.effects import OutboxEntry
from worker.core.errors import Locked
from worker.core.memory import Memory
from worker.core.messages import DeadLetter, Delete, Handled, Received, Release
from worker.core.model import (
    Address,
    Counted,
    Decision,
    Feedback,
    Ignored,
    Malformed,
    Outcome,
    Reason,
    User,
    UserMatch,
)
from worker.core.outbox.feedback import entries_for
from worker.core.outbox.others import entries_for_account_event
from worker.core.parts import combined
from worker.core.policy import Policy, UnknownRecipients
from worker.core.redacting import named_by, without_people
from worker.core.tombstones import Tombstone, barred_by, decide_on_forgotten

_APPLIED, _DUPLICATE = Delete(Outcome.APPLIED), Delete(Outcome.DUPLICATE)
FORGOTTEN = "Forgotten"
"""The kind of an ignored message about nobody but people who were forgotten."""
_MOST_NAMED = 5
"""Unknown recipients that the detail of a dead letter lists by name."""


class UnitOfWork:
    """Event keys and user records: as the store holds them, then as the batch changes them."""

    def __init__(
        self,
        policy: Policy,
        known_keys: Iterable[str],
        users: Mapping[str, User],
        locked: Collection[str] = (),
    ) -> None:
        self._policy = policy
        self._has_effects = bool(policy.notify or policy.remove)
        self._requires_user = policy.unknown_recipients is UnknownRecipients.DEAD_LETTER
        self.creates_users = policy.unknown_recipients is UnknownRecipients.CREATE
        self.on_record: Mapping[str, User] = {}
        """The records that addresses have as soon as they are users, if events are on record."""
        self.begins_empty = False
        """What is on record about addresses is not made a part of their records, now or later."""
        self.with_record = 0
        """Created users whose records did not begin empty."""
        self._known_keys = set(known_keys)
        self._users = dict(users)
        self._locked = locked
        """Keys of users whose rows could not be read: another session has locked them."""
        self.decisions: list[Decision] = []
        self.account_events: list[NewAccountEvent] = []
        self.entries: list[OutboxEntry] = []
        self.created: dict[str, User] = {}
        self.changed: dict[str, User] = {}
        self.memory = Memory(policy)
        """Read only if `policy.needs_past`."""
        self.deliveries: dict[str, datetime] = {}
        """The last delivery to each user, where `policy.track_deliveries` has it kept."""
        self.facts: dict[Fact, int] = {}
        """What is counted by the hour."""
        self.shadowed: Mapping[str, User] = {}
        """Records of a second policy to write."""
        self.forgotten: dict[str, Tombstone] = {}
        """What is kept of those among the named people who were forgotten, by address."""
        self.tombstones: dict[str, Tombstone] = {}
        """Tombstones that block or pause for longer than before."""

    def decide_message(self, received: Received, content: Decoded) -> Handled:
        """Decide on a message; its disposition becomes valid when the unit is committed."""
        match content:
            case tuple() as feedback:  # first, as nearly every message is feedback
                if self._locked and (locked := self._locked_out(feedback)):
                    return Handled(received, Release(0), error=locked)
                enter = self._enter_others if self.forgotten else self._enter
                return enter(received, feedback)
            case Malformed():
                return Handled(received, DeadLetter(content.reason, content.detail))
            case Ignored():
                return self._ignore(received, content)
            case AccountEvent():
                return self._record(received, content)
            case Several():
                return self._decide_parts(received, content.parts)

    def _decide_parts(self, received: Received, parts: Sequence[Single]) -> Handled:
        """Decide on all parts, so that a part that cannot be read does not stop the others.

        A locked user stops all, before anything of the message is decided.
        """
        ignored = [part for part in parts if isinstance(part, Ignored)]
        if self._locked:
            locked = self._locked_out(feedback_in(parts))
            for part in ignored:
                locked = locked or self._lacks_delivered(part)
            if locked:
                return Handled(received, Release(0), error=locked)
        found = [
            None if isinstance(part, Ignored) else self.decide_message(received, part)
            for part in parts
        ]
        # A dead letter is replayed, and then counted.
        is_dead = any(each and isinstance(each.disposition, DeadLetter) for each in found)
        rest = iter(
            [
                Handled(received, Delete(Outcome.IGNORED), ignored=part)
                if is_dead
                else self._ignore(received, part)
                for part in ignored
            ]
        )
        return combined(received, [each or next(rest) for each in found])

    def _ignore(self, received: Received, content: Ignored) -> Handled:
        """Count what it says, if it is counted; nothing else of it is kept."""
        event, policy = content.counted, self._policy
        if event is None or not (policy.count_events or policy.track_deliveries):
            return Handled(received, Delete(Outcome.IGNORED), ignored=content)
        if policy.track_deliveries:
            if self._locked and (locked := self._lacks_delivered(content)):
                return Handled(received, Release(0), error=locked)
            self._delivered(event, received)
        if policy.count_events:
            count_event(self.facts, event, received.received_at, received.receive_count)
        return Handled(
            received, Delete(Outcome.IGNORED), ignored=content, is_counted=policy.count_events
        )

    def _lacks_delivered(self, content: Ignored) -> Locked | None:
        """Return an error if another session has locked a user who got a mail, where it is kept."""
        event = content.counted
        if event is None or not self._policy.track_deliveries:
            return None
        for key in event.delivered_to:
            if key in self._locked:
                return _held(key)
        return None

    def _delivered(self, event: Counted, received: Received) -> None:
        """Keep when users last got a mail."""
        at = min(event.occurred_at or received.received_at, received.received_at)
        for key in event.delivered_to:
            if key in self._users and (key not in self.deliveries or self.deliveries[key] < at):
                self.deliveries[key] = at
                if self._policy.forgives:
                    self._forgive(key, at, received.received_at)

    def _record(self, received: Received, event: AccountEvent) -> Handled:
        """Record an account event, unless it is on record."""
        if event.dedupe_key in self._known_keys:
            return Handled(received, _DUPLICATE)
        self._known_keys.add(event.dedupe_key)
        received_at = received.received_at
        new = NewAccountEvent(
            event=event,
            occurred_at=min(event.occurred_at or received_at, received_at),
            received_at=received_at,
        )
        self.account_events.append(new)
        self.entries += entries_for_account_event(new, self._policy)
        return Handled(received, _APPLIED, account_events=(new,))

    def _locked_out(self, feedback: Sequence[Feedback]) -> Locked | None:
        """Return an error if the message would change a user whose row is locked."""
        for item in feedback:
            if self._is_new(item) and item.address and item.address.key in self._locked:
                return _held(item.address.key)
        return None

    def _enter(self, received: Received, feedback: Sequence[Feedback]) -> Handled:
        decisions: list[Decision] = []
        unknown_recipients: list[str] = []
        for item in feedback:
            if not self._is_new(item):
                continue
            if self._requires_user and self._lacks_user(item):
                unknown_recipients.append(f"***@{item.address.domain}" if item.address else "")
            else:
                decisions.append(self._decide(item, received))
        self.decisions += decisions
        if self._has_effects:
            with_json = len(self.entries) < self._policy.notices_with_json
            self.entries += entries_for(decisions, self._policy, with_json=with_json)
        if unknown_recipients:
            detail = _unknown_recipients(unknown_recipients, of=len(feedback))
            return Handled(received, DeadLetter(Reason.UNKNOWN_RECIPIENT, detail), decisions)
        return Handled(received, _APPLIED if decisions else _DUPLICATE, decisions)

    def _enter_others(self, received: Received, feedback: Sequence[Feedback]) -> Handled:
        """Decide about those who were not forgotten; of the others only tombstones change."""
        others: list[Feedback] = []
        for item in feedback:
            tombstone = self.forgotten.get(item.address.key) if item.address else None
            if tombstone and self._is_new(item) and not self._is_of_user(item, tombstone, received):
                self._ignore_forgotten(item, tombstone, received)
                continue
            others.append(item)
            if tombstone and tombstone.bars_at(received.received_at) and item.address:
                self._bar(item.address.key, tombstone)
        if not others:
            counts = self._policy.count_events
            ignored = Ignored(FORGOTTEN)
            return Handled(received, Delete(Outcome.IGNORED), ignored=ignored, is_counted=counts)
        named = {item.address.key for item in feedback if item.address}
        for notification in {id(item.notification): item.notification for item in others}.values():
            named |= named_by(notification)
        if people := named.intersection(self.forgotten).difference(self._users):
            others = [without_people(item, people) for item in others]
        return self._enter(received, others)

    def _is_of_user(self, item: Feedback, tombstone: Tombstone, received: Received) -> bool:
        """Return whether it happened after somebody who was forgotten became a user again."""
        if item.address is None or item.address.key not in self._users:
            return False
        at = min(item.notification.occurred_at or received.received_at, received.received_at)
        return at > tombstone.forgotten_at

    def _ignore_forgotten(self, item: Feedback, before: Tombstone, received: Received) -> None:
        """Keep nothing of an event about somebody who was forgotten but a block or a pause."""
        key = item.address.key if item.address else ""
        decision, after = decide_on_forgotten(item, before, self._policy, received.received_at)
        if self._policy.count_events and received.receive_count == 1:  # else it may be counted
            count_decision(self.facts, decision, None)
        if after == before:
            return
        self.forgotten[key] = self.tombstones[key] = after
        self._bar(key, after)

    def _bar(self, key: str, tombstone: Tombstone) -> None:
        """Give a user what the tombstone keeps: an application may have made the row without."""
        user = self._users.get(key)
        if user and (barred := barred_by(user, tombstone)) != user:
            self._users[key] = barred
            (self.created if key in self.created else self.changed)[key] = barred

    def _is_new(self, item: Feedback) -> bool:
        """Return whether neither key is known; one known key makes a duplicate."""
        return item.dedupe_key not in self._known_keys and item.route_key not in self._known_keys

    def _lacks_user(self, item: Feedback) -> bool:
        """Return whether the recipient is not among the users.

        Where `policy.unknown_recipients` is `dead_letter` such feedback gets no row now, so that a
        replay can apply it later.
        """
        return item.address is not None and item.address.key not in self._users

    def _decide(self, item: Feedback, received: Received) -> Decision:
        self._known_keys.update((item.dedupe_key, item.route_key))
        address = item.address
        before = self._users.get(address.key) if address else None
        begun = before
        if before is None and address and address.key in self.on_record:
            begun = self._with_record(address)
        if self._policy.needs_past:
            decision = self.memory.decide(item, begun, received.received_at)
        else:
            decision = decide(item, begun, self._policy, received.received_at)
        if begun is not before:
            decision = replace(decision, match=UserMatch.MISSING)
        count_decision(self.facts, decision, begun)
        after = decision.user
        if after is not None and after is not before:
            self._users[after.email_key] = after
            new = before is None or after.email_key in self.created
            (self.created if new else self.changed)[after.email_key] = after
        return decision

    def _with_record(self, address: Address) -> User:
        """Return a new user, whose record begins with what is on record."""
        self.with_record += 1
        return replace(self.on_record[address.key], email=address.mailed)

    def _forgive(self, key: str, at: datetime, received_at: datetime) -> None:
        """Let a delivery forgive soft bounces, and perhaps end a pause."""
        before = self._users[key]
        after = self.memory.deliver(before, at, received_at)
        self._users[key] = after
        if after.paused_until != before.paused_until or after.pause_reason != before.pause_reason:
            (self.created if key in self.created else self.changed)[key] = after


def _held(key: str) -> Locked:
    return Locked(f"another session holds the row of a user at {key.rpartition('@')[2]}")


def _unknown_recipients(masked: Sequence[str], of: int) -> str:
    named = ", ".join(masked[:_MOST_NAMED])
    more = ", …" if masked[_MOST_NAMED:] else ""
    return f"{len(masked)} of {of} recipients are not among the users: {named}{more}"
