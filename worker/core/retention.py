"""How long what is kept, and what is kept longer because it still serves. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum

from msgspec import Struct

from worker.core.backtesting import Bar, bar_of
from worker.core.folding import Fold, Recorded, empty_user, feedback_of
from worker.core.model import FORGIVENESS, REINSTATEMENT, Action, Kind, User
from worker.core.pausing import later
from worker.core.policy import REPEATS_WITHIN, Policy, Rule, is_refusal, rule_for

ANNOUNCED_FOR = timedelta(days=7)
"""So long it is only announced how much would go, before it goes."""
AT_ONCE = timedelta(days=31)
"""By so much may a limit move since the last purge without an announcement. Beyond that somebody
has shortened a period, has upgraded, or a clock is wrong."""
LATE = timedelta(days=28)
"""How late an event may arrive: 14 days in a queue, and 14 in a dead-letter queue."""
MOST_TRIED = 50
"""Events of an address that are tried as the single event to keep."""
MOST_TRIED_OF_MANY = 4
"""The same of an address with many events: all are read for each."""
_ANYBODY = User(email="", email_key="")
_KINDS = frozenset(kind.value for kind in Kind)
_PAUSES = (Action.HARD_BOUNCE, Action.SOFT_BOUNCE)


class Retention(Struct, frozen=True, kw_only=True):
    """The operator's choices; None: for ever."""

    events: timedelta | None = timedelta(days=90)
    messages: timedelta | None = timedelta(days=14)
    keys: timedelta | None = timedelta(days=400)


class Announced(Struct, frozen=True, kw_only=True):
    """How far a purge may go, and what was announced."""

    through: datetime | None = None
    """What is older may go."""
    since: datetime | None = None
    """When an announcement began; None: there is none."""
    cutoff: datetime | None = None
    """The limit that is announced."""


def announced(before: Announced, cutoff: datetime, now: datetime, *, has_older: bool) -> Announced:
    """Return how far a purge may go now; `has_older`: there is something beyond the limit."""
    if not has_older or (before.through and cutoff <= before.through + AT_ONCE):
        return Announced(through=cutoff)
    since, limit = before.since, before.cutoff
    if since is None or limit is None or since > now:  # a clock was ahead
        return Announced(through=before.through, since=now, cutoff=cutoff)
    if now - since < ANNOUNCED_FOR:
        return before
    return Announced(through=min(cutoff, limit + AT_ONCE))


class Fate(Enum):
    """What becomes of an old event."""

    GOES = "goes"
    STAYS = "stays"
    ASK = "ask"
    """It depends on the other events of the address."""


class Judge:
    """Judges old events, each by itself, by the policy in force."""

    def __init__(self, policy: Policy, now: datetime) -> None:
        self._policies = (policy, policy.shadow) if policy.shadow else (policy,)
        self._now = now
        self._rules: dict[tuple[object, ...], Rule] = {}

    @property
    def longest_pause(self) -> timedelta:
        """The longest pause of a bounce."""
        policy = self._policies[0]
        return max(*map(policy.pause_for, _PAUSES), policy.repeat_pause)

    def fate(  # noqa: PLR0911 a case each
        self, event: Recorded, *, is_refused_lately: bool
    ) -> Fate:
        """Return what becomes of an event; `is_refused_lately`: SES has refused mail there."""
        if event.kind == REINSTATEMENT:
            return Fate.ASK
        if event.kind != FORGIVENESS and event.kind not in _KINDS:
            return Fate.GOES
        if any(self._is_remembered(event, policy) for policy in self._policies):
            return Fate.STAYS
        if event.kind == FORGIVENESS:
            return Fate.ASK if self._policies[0].forgives else Fate.GOES
        rule = self._rule(event, self._policies[0])
        if rule.action is Action.NO_ACTION:
            return Fate.GOES
        is_over = self._end(event, rule, self._policies[0]) <= self._now
        if not is_over or (rule.action is Action.AUTO_BLOCK_SPAM and not rule.is_timed):
            return Fate.ASK
        # Without this bounce, a bounce that SES has refused would be the first and pause.
        return Fate.ASK if is_refused_lately else Fate.GOES

    def _is_remembered(self, event: Recorded, policy: Policy) -> bool:
        """Return whether a policy with a memory may still look at the event.

        A bounce begins a pause unless the pause of an earlier bounce lasts, and the pauses of 90
        days count; so a bounce matters until 90 days after the end of its own pause.
        """
        if not policy.needs_past:
            return False
        window = max(REPEATS_WITHIN, policy.soft_bounce_window) + LATE
        if event.kind == FORGIVENESS:
            return later(event.occurred_at, window) > self._now
        rule = self._rule(event, policy)
        if rule.action not in _PAUSES and not rule.is_timed:
            return False
        return later(later(event.occurred_at, policy.pause_for(rule.action)), window) > self._now

    def _end(self, event: Recorded, rule: Rule, policy: Policy) -> datetime:
        return later(event.occurred_at, max(policy.pause_for(rule.action), policy.repeat_pause))

    def _rule(self, event: Recorded, policy: Policy) -> Rule:
        looked_at = (
            event.kind, event.type, event.subtype, event.fault, event.mentions_spam,
            event.out_of_office, event.permanent_status, policy is self._policies[0],
        )  # fmt: skip
        if looked_at not in self._rules:
            self._rules[looked_at] = rule_for(feedback_of(event), _ANYBODY, policy)
        return self._rules[looked_at]


def required(
    events: Sequence[Recorded], old: Collection[int], policy: Policy, now: datetime
) -> set[int]:
    """Return the ids of the old events of an address that must stay.

    `events`: all on record of the address, in the order of ids. Without the others the answer for
    the address is what it was, both while it is no user and once it has become a user.
    """
    expected = _answers(events, policy, now)
    rest = [event for event in events if event.id not in old]
    if _answers(rest, policy, now) == expected:
        return set()
    candidates = [event for event in events if event.id in old and _may_bar(event)]
    for candidate in reversed(candidates[-MOST_TRIED:]):
        kept = sorted((*rest, candidate), key=lambda event: event.id)
        if _answers(kept, policy, now) == expected:
            return {candidate.id}
    return set(old)


def _may_bar(event: Recorded) -> bool:
    return event.kind in _KINDS


class _Answers:
    """Whether mail may go to an address that is no user, and to the user that it may become.

    The view `do_not_mail` does not know that an address that is no user was reinstated.
    """

    def __init__(self, policy: Policy) -> None:
        self._no_user, self._user = Fold(empty_user(""), policy), Fold(empty_user(""), policy)

    def add(self, event: Recorded) -> None:
        if event.kind != REINSTATEMENT:
            self._no_user.add(event)
        self._user.add(event)

    def at(self, now: datetime) -> tuple[Bar, Bar]:
        return bar_of(self._no_user.user, now), bar_of(self._user.user, now)


def _answers(events: Iterable[Recorded], policy: Policy, now: datetime) -> tuple[Bar, Bar]:
    answers = _Answers(policy)
    for event in events:
        answers.add(event)
    return answers.at(now)


class _Likely:
    """Of each shape of old events the newest: one of them, or all, are likely to be enough."""

    def __init__(self) -> None:
        self._newest: dict[tuple[object, ...], Recorded] = {}

    def add(self, event: Recorded) -> None:
        shape = (
            event.kind, event.type, event.subtype, event.fault, event.mentions_spam,
            event.out_of_office, event.permanent_status,
        )  # fmt: skip
        self._newest.pop(shape, None)
        self._newest[shape] = event
        if len(self._newest) > MOST_TRIED:
            del self._newest[next(iter(self._newest))]

    def sets(self) -> list[frozenset[int]]:
        newest = list(self._newest.values())
        bars = [event for event in reversed(newest) if _may_bar(event)]
        alone = [frozenset({event.id}) for event in bars[:MOST_TRIED_OF_MANY]]
        return [*alone, frozenset(event.id for event in newest)]


def required_of_many(
    read: Callable[[], Iterable[tuple[Recorded, bool]]], policy: Policy, now: datetime
) -> frozenset[int] | None:
    """Return the ids of the old events of an address that must stay; None: all of them.

    As `required`, for an address with more events than shall be in memory: `read` reads them in the
    order of ids, each with whether it is old, twice at most. It is judged once, and then the old
    ones go in the order of ids, in several transactions. Somebody who is barred must be so after
    each of them, for a purge may be killed there. So of somebody who is barred all old ones stay if
    among them is what frees: a reinstatement, a forgiveness, or a bounce in whose place a refusal
    by SES would pause from another day.
    """
    whole, rest, likely = _Answers(policy), _Answers(policy), _Likely()
    lifts = refusals = bounces = False
    for event, is_old in read():
        whole.add(event)
        refused = event.kind == Kind.BOUNCE and is_refusal(feedback_of(event))
        refusals = refusals or refused
        if is_old:
            likely.add(event)
            lifts = lifts or event.kind in {REINSTATEMENT, FORGIVENESS}
            bounces = bounces or (event.kind == Kind.BOUNCE and not refused)
        else:
            rest.add(event)
    expected = whole.at(now)
    if any(bar.reason for bar in expected) and (lifts or (bounces and refusals)):
        return None
    if rest.at(now) == expected:
        return frozenset()
    tried = [(ids, _Answers(policy)) for ids in likely.sets()]
    for event, is_old in read():
        for ids, answers in tried:
            if not is_old or event.id in ids:
                answers.add(event)
    return next((ids for ids, answers in tried if answers.at(now) == expected), None)
