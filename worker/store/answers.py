"""Answers questions about users with the driver alone, because commands must start fast."""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from worker.core.parsing import as_time
from worker.core.policy import Policy
from worker.core.privacy import PrivacyKey
from worker.core.tombstones import REASON, Tombstone
from worker.store import Store
from worker.store.asking import Asks
from worker.store.needs import to_read
from worker.store.tombstones import forgotten_among
from worker.timing import clock

READ = to_read("do_not_mail", "users", "events_by_recipient", "forgotten")
"""What `verdict_on` reads."""
_BARRED = "SELECT reason, until FROM do_not_mail WHERE email_key = {key}"
_IS_USER = "SELECT EXISTS (SELECT 1 FROM users WHERE email_key = {key})"
_HAS_EVENTS = "SELECT EXISTS (SELECT 1 FROM events_by_recipient WHERE recipient = {key})"
_ANY_USER = "SELECT EXISTS (SELECT 1 FROM users)"
_USERS = "SELECT count(*) FROM users"
_PAUSES_OVER = """
    SELECT count(*) FROM users
    WHERE paused_until > {now} AND pause_reason IN ('hard_bounce', 'soft_bounce')
        AND (last_hard_bounce IS NULL OR last_hard_bounce <= {hard})
        AND (last_soft_bounce IS NULL OR last_soft_bounce <= {soft})
"""
_NEWEST = "SELECT coalesce(max(id), 0) FROM users"
_FEW_WITH_EVENTS = """
    SELECT email_key FROM users
    WHERE id > {newest}
        AND EXISTS (SELECT 1 FROM events_by_recipient WHERE recipient = users.email_key)
"""
# CROSS JOIN has SQLite read the events once, and look for the user of each.
_MANY_WITH_EVENTS = """
    SELECT DISTINCT email_key FROM events CROSS JOIN users
    WHERE users.email_key = events.recipient AND users.id > {newest}
"""
FEW = 500
"""So many users at most have their events looked up one by one. In SQLite a look-up takes as long
as reading a thousandth of the events, or more."""
_LONG_AGO = datetime(1, 1, 1)  # noqa: DTZ001 only its distance from now is used


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether mail may go to an address now, by the view `do_not_mail`."""

    is_user: bool
    is_known: bool
    """There is a user, or an event."""
    reason: str | None = None
    """Why no mail may go there; None: it may."""
    until: datetime | None = None
    """When mail may flow again; None: not by itself."""
    forgotten_at: datetime | None = None
    """When a person was forgotten who is no user: the rest is what the tombstone says."""

    @property
    def may_send(self) -> bool:
        """Whether mail may go there now."""
        return self.reason is None


def verdict_on(
    store: Asks, key: str, privacy_key: PrivacyKey | None = None, *, has_events: bool = False
) -> Verdict:
    """Ask whether mail may go to a normalised address; `has_events`: it is known to have some.

    Raises:
        Misconfigured: people were forgotten, and the key is not set, or another.
        Unavailable: the database cannot be read now.

    """
    barred = store.ask(_BARRED, key=key)
    is_user = bool(store.ask(_IS_USER, key=key)[0][0])
    # Last: a person who is forgotten meanwhile is found here, or was found before.
    stone = forgotten_among(store, [key], privacy_key).get(key)
    reason, until = barred[0] if barred else (None, None)
    verdict = Verdict(
        is_user=is_user,
        is_known=is_user
        or bool(barred)
        or has_events
        or stone is not None
        or bool(store.ask(_HAS_EVENTS, key=key)[0][0]),
        reason=reason,
        until=as_time(until),
    )
    return with_tombstone(verdict, stone) if stone else verdict


def with_tombstone(verdict: Verdict, stone: Tombstone) -> Verdict:
    """Return the verdict on somebody who was forgotten: what bars for longer counts.

    Such a person may have a record again that an application has made, or events of the time when
    they were a user again.
    """
    now = clock.wall()
    blocks, until = stone.blocked, stone.paused_until
    is_blocked = verdict.reason is not None and verdict.until is None
    is_longer = blocks or (until is not None and until > (verdict.until or now))
    if not is_blocked and is_longer:
        verdict = replace(verdict, reason=REASON, until=None if blocks else until)
    is_by_tombstone = verdict.reason in {None, REASON} and not verdict.is_user
    forgotten_at = stone.forgotten_at if is_by_tombstone else None
    return replace(verdict, is_known=True, forgotten_at=forgotten_at)


def has_users(store: Store) -> bool:
    """Return whether there is any user.

    Raises:
        Unavailable: the database cannot be read now.

    """
    return bool(store.ask(_ANY_USER)[0][0])


def how_many_users(store: Store) -> int:
    """Count the users.

    Raises:
        Unavailable: the database cannot be read now.

    """
    return int(store.ask(_USERS)[0][0])


def newest_user(store: Store) -> int:
    """Return the id of the user who was added last; 0 if there is none.

    Raises:
        Unavailable: the database cannot be read now.

    """
    return int(store.ask(_NEWEST)[0][0])


def with_events(store: Store, newest: int, added: int) -> list[str]:
    """Return the users with events on record among those added after `newest`, some `added`.

    Raises:
        Unavailable: the database cannot be read now.

    """
    query = _FEW_WITH_EVENTS if added <= FEW else _MANY_WITH_EVENTS
    return sorted(key for (key,) in store.ask(query, newest=newest))


def pauses_over(store: Store, policy: Policy, now: datetime) -> int:
    """Count the users whose pause would be over now, had it been set by this policy.

    Raises:
        Unavailable: the database cannot be read now.

    """
    hard, soft = (
        _before(now, pause) for pause in (policy.hard_bounce_pause, policy.soft_bounce_pause)
    )
    return int(store.ask(_PAUSES_OVER, now=now, hard=hard, soft=soft)[0][0])


def _before(now: datetime, pause: timedelta) -> datetime:
    return now - min(pause, now.replace(tzinfo=None) - _LONG_AGO)
