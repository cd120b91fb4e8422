"""One user's record is the same in whatever order, and in whatever batches, the events come."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support import mail
from support.examples import examples

from worker.core.decode import decode
from worker.core.messages import Received
from worker.core.model import Action, User
from worker.core.policy import Policy, UnknownRecipients
from worker.core.unit_of_work import UnitOfWork

WHO = "jane@example.com"
JANE = User(email=WHO, email_key=WHO)
DAY = timedelta(days=1)
DELIVERY = '{"notificationType": "Delivery", "delivery": {}, "mail": {"messageId": "m"}}'
SPAM = mail.recipient(WHO, diagnosticCode="550 looks like spam")
SORTS = {
    "mailbox": lambda at: mail.bounce(WHO, at=at),
    "refusal": lambda at: mail.bounce(WHO, subtype="Suppressed", at=at),
    "other refusal": lambda at: mail.bounce(WHO, subtype="OnAccountSuppressionList", at=at),
    "soft": lambda at: mail.bounce(WHO, type="Transient", at=at),
    "spam": lambda at: mail.bounce(SPAM, at=at),
    "neither": lambda at: mail.bounce(WHO, type="Undetermined", at=at),
    "complaint": lambda at: mail.complaint(WHO, at=at),
    "not spam": lambda at: mail.complaint(WHO, feedback="not-spam", at=at),
    "refused complaint": lambda at: mail.complaint(WHO, subtype="XSuppressionList", at=at),
    "delivery": lambda _: DELIVERY,
}


def event(sort, day):
    return SORTS[sort](f"2026-11-{day:02}T00:00:00Z")


def record(bodies, policy, sizes=(1,), first=JANE):
    """What the events leave of Jane, in batches of these sizes, over and over."""
    user = None if policy.unknown_recipients is UnknownRecipients.CREATE else first
    sizes, left, observed = list(sizes), list(bodies), set()
    while left:
        size = sizes.pop(0)
        sizes.append(size)
        batch, left = left[:size], left[size:]
        unit = UnitOfWork(policy, observed, {WHO: user} if user else {})
        for body in batch:
            unit.decide_message(received(body), decode(body))
        user = (unit.created | unit.changed).get(WHO, user)
    return user


def received(body):
    return Received(
        message_id="m",
        body=body,
        receipt_handle="",
        receive_count=1,
        received_at=mail.NOW,
        lease_until=0,
    )


events = st.lists(
    st.builds(event, st.sampled_from([*SORTS]), st.integers(1, 4)), min_size=1, max_size=9
)
policies = st.builds(
    Policy,
    hard_bounce_pause=st.sampled_from([30 * DAY, DAY, 0 * DAY, 10**6 * DAY]),
    soft_bounce_pause=st.sampled_from([DAY, 2 * DAY, 30 * DAY, 0 * DAY, 10**6 * DAY]),
    bounce_actions=st.dictionaries(
        st.sampled_from(["Permanent/Suppressed", "Permanent/General", "Transient/*"]),
        st.sampled_from(Action),
    ),
    unknown_recipients=st.sampled_from([UnknownRecipients.RECORD, UnknownRecipients.CREATE]),
)


@settings(max_examples=examples(300))
@given(events, policies, st.data())
def test_any_order_in_any_batches_gives_the_same_record(bodies, policy, data):
    order = data.draw(st.permutations(bodies))
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    reinstated = data.draw(st.none() | st.integers(1, 4))
    first = replace(JANE, reinstated_at=on(reinstated))
    expected = record(bodies, policy, first=first)
    assert record(order, policy, sizes, first) == expected
    assert record(bodies[::-1], policy, first=first) == expected, "each pair the other way round"


@given(
    st.lists(st.tuples(st.sampled_from([*SORTS]), st.integers(1, 2)), max_size=5),
    st.lists(st.tuples(st.sampled_from([*SORTS]), st.integers(3, 4)), max_size=5),
    st.data(),
)
def test_what_was_before_a_reinstatement_counts_and_bars_nobody(before, after, data):
    reinstated = replace(JANE, reinstated_at=on(2))
    mixed = data.draw(st.permutations([event(*item) for item in [*before, *after]]))
    found = record(mixed, Policy(), first=reinstated)
    bars = record([event(*item) for item in after], Policy(), first=reinstated)
    for name in ("auto_block_spam", "paused_until", "pause_reason"):
        assert getattr(found, name) == getattr(bars, name)
    whole = record(mixed, Policy())
    for name in ("hard_bounce_count", "soft_bounce_count", "complaint_count", "last_complaint"):
        assert getattr(found, name) == getattr(whole, name)


@given(st.lists(st.tuples(st.sampled_from([*SORTS]), st.integers(1, 4)), max_size=9))
def test_the_record_is_the_sum_of_all_events(expected):
    """A mailbox's latest bounce, else SES's earliest refusal; the later of both pauses."""
    hard = [day for sort, day in expected if sort == "mailbox"]
    refused = [day for sort, day in expected if "refusal" in sort]
    soft = [day for sort, day in expected if sort == "soft"]
    complaints = [day for sort, day in expected if sort == "complaint"]
    dates = [max(hard) if hard else min(refused, default=None), max(soft, default=None)]
    ends = [
        (day + pause, reason)
        for day, pause, reason in zip(dates, (30, 1), ("hard_bounce", "soft_bounce"), strict=True)
        if day
    ]
    until, reason = max(ends, default=(None, None))
    assert record([event(*item) for item in expected], Policy()) == User(
        email=WHO,
        email_key=WHO,
        auto_block_spam=bool(complaints or [1 for sort, _ in expected if sort == "spam"]),
        last_hard_bounce=on(dates[0]),
        last_soft_bounce=on(dates[1]),
        last_complaint=on(max(complaints, default=None)),
        hard_bounce_count=len(hard) + len(refused),
        soft_bounce_count=len(soft),
        complaint_count=len(complaints),
        paused_until=on(until),
        pause_reason=reason,
        hard_bounce_refused=bool(refused and not hard),
    )


def on(day):
    return day and datetime(2026, 11, 1, tzinfo=UTC) + (day - 1) * DAY


def test_a_pause_from_before_a_reinstatement_does_not_come_back():
    policy = Policy(hard_bounce_pause=30 * DAY, soft_bounce_pause=33 * DAY)
    events = [event("soft", 1), event("refusal", 4), event("other refusal", 3)]
    found = record(events, policy, first=replace(JANE, reinstated_at=on(2)))
    assert (found.paused_until, found.pause_reason) == (on(33), "hard_bounce")


class TestPausesThatSomebodyHasChanged:
    """They stay: what the worker takes back is its own."""

    REFUSED = (event("refusal", 4),)

    @pytest.mark.parametrize("sort", ["mailbox", "refusal"])
    @pytest.mark.parametrize("until", [None, datetime(2099, 1, 1, tzinfo=UTC)])
    def test_when_the_date_moves_back(self, sort, until):
        reason = until and "hard_bounce"
        changed = replace(record(self.REFUSED, Policy()), paused_until=until, pause_reason=reason)
        after = entered(changed, event(sort, 1))
        assert after.last_hard_bounce == on(1)
        assert (after.paused_until, after.pause_reason) == (until, reason)

    def test_a_lifted_pause_does_not_come_back_with_the_other_ones_end(self):
        policy = Policy(bounce_actions={"Permanent/Suppressed": Action.SOFT_BOUNCE})
        hard = record([event("mailbox", 4)], policy)
        lifted = replace(hard, paused_until=None, pause_reason=None)
        refused = entered(lifted, event("refusal", 4), policy)
        assert (refused.paused_until, refused.pause_reason) == (on(5), "soft_bounce")
        earlier = entered(refused, event("refusal", 2), policy)
        assert (earlier.paused_until, earlier.pause_reason) == (on(3), "soft_bounce")


def entered(user, body, policy=Policy()):
    unit = UnitOfWork(policy, known_keys=(), users={WHO: user})
    unit.decide_message(received(body), decode(body))
    return unit.changed[WHO]


@given(
    st.lists(st.tuples(st.sampled_from([*SORTS]), st.integers(1, 4)), max_size=9),
    policies,
    st.data(),
)
def test_a_reinstatement_outlasts_older_events_whenever_they_arrive_and_no_newer_event(
    expected, policy, data
):
    """A reinstatement between the second and the third day, after which late events arrive."""
    lifted_at = datetime(2026, 11, 2, 12, tzinfo=UTC)
    older = [item for item in expected if item[1] <= 2]
    before = data.draw(st.lists(st.sampled_from(older), unique=True)) if older else []
    after = data.draw(st.permutations([item for item in expected if item not in before]))
    before = [item for item in expected if item in before]
    bodies = [[event(*item) for item in items] for items in (before, after)]
    known = replace(policy, unknown_recipients=UnknownRecipients.RECORD)
    user = replace(
        record(bodies[0], known),
        auto_block_spam=False,
        paused_until=None,
        pause_reason=None,
        reinstated_at=lifted_at,
    )
    assert record(bodies[1], known, first=user) == record(
        bodies[0] + bodies[1], known, first=replace(JANE, reinstated_at=lifted_at)
    )
    newer = [event(*item) for item in expected if item[1] > 2]
    alone = record(newer, known)
    found = record(bodies[1], known, first=user)
    barring = ("auto_block_spam", "paused_until", "pause_reason")
    assert [getattr(found, name) for name in barring] == [getattr(alone, name) for name in barring]
