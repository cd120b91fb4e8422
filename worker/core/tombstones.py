"""What is kept of people who were forgotten: a digest, and whether mail may go to them. Pure."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from worker.core.decide import decide
from worker.core.errors import Misconfigured
from worker.core.model import Decision, Feedback, User
from worker.core.policy import Policy
from worker.core.privacy import PrivacyKey

REASON = "forgotten"
"""Why mail must not go to somebody who was forgotten: `reason` of an answer, and `pause_reason` of
a user who was imported again."""


class Tombstone(Struct, frozen=True, kw_only=True):
    """A row of `forgotten`."""

    digest: bytes
    """Of the normalised address, by `privacy.key`."""
    blocked: bool = False
    paused_until: datetime | None = None
    reinstated_at: datetime | None = None
    """Events up to then neither block nor pause: a person has lifted that."""
    forgotten_at: datetime

    def bars_at(self, now: datetime) -> bool:
        """Return whether mail must not go there at that time."""
        return self.blocked or (self.paused_until is not None and self.paused_until > now)

    def with_bar_of(self, user: User) -> "Tombstone":
        """Return it with the block or the longer pause of a record; it becomes no weaker."""
        return replace(
            self,
            blocked=self.blocked or user.auto_block_spam,
            paused_until=latest(self.paused_until, user.paused_until),
        )


def latest(time: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two times."""
    return max(time, other) if time and other else time or other


def barred_by(user: User, tombstone: Tombstone) -> User:
    """Return the record of a user with the block and the pause of the tombstone."""
    until = latest(user.paused_until, tombstone.paused_until)
    is_longer = until != user.paused_until
    return replace(
        user,
        auto_block_spam=user.auto_block_spam or tombstone.blocked,
        paused_until=until,
        pause_reason=REASON if is_longer else user.pause_reason,
    )


def decide_on_forgotten(
    feedback: Feedback, tombstone: Tombstone, policy: Policy, received_at: datetime
) -> tuple[Decision, Tombstone]:
    """Decide on an event about somebody who was forgotten; return what becomes of the tombstone."""
    key = feedback.address.key if feedback.address else ""
    nobody = User(email=key, email_key=key, reinstated_at=tombstone.reinstated_at)
    decision = decide(feedback, nobody, policy, received_at)
    after = tombstone.with_bar_of(decision.user) if decision.user else tombstone
    return replace(decision, user=None), after


def require_key(key: PrivacyKey | None, key_id: str) -> PrivacyKey:
    """Return the key of these settings, if people were forgotten by it.

    Raises:
        Misconfigured: it is not set, or another: nobody who was forgotten would be recognised.

    """
    if key is None:
        raise Misconfigured(
            "privacy.key is not set, and people were forgotten (users forget): without it they are "
            f"not recognised, and might be mailed again. Set the key with the id {key_id}, which "
            "they were forgotten with; if it is lost: docs/forget.md"
        )
    if key.key_id != key_id:
        raise Misconfigured(
            f"privacy.key has changed: its id is {key.key_id}, and people were forgotten with the "
            f"key {key_id}: they are not recognised, and might be mailed again. Set that key "
            "again; if it is lost: docs/forget.md"
        )
    return key
