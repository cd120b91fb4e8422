"""Policies that ask for earlier events: a record depends on the events, not on their order."""

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.examples import examples
from support.remembering import BEGIN, DAY, JANE, SORTS, Store, event, kept, on

from worker.core.past import past_of
from worker.core.pausing import pauses_of
from worker.core.policy import Policy

THREE = Policy(soft_bounces_to_pause=3, soft_bounce_window=7 * DAY, track_deliveries=True)
REPEAT = Policy(repeat_pause=60 * DAY)


def paused(*events, policy):
    """Until which day mail pauses after these, and because of what; the same in any order."""
    bodies = [event(*each) for each in events]
    found = {
        (user.paused_until, user.pause_reason)
        for order in permutations(bodies)
        for user in [kept(order, policy).user]
    }
    ((until, reason),) = found
    return until and (until - BEGIN) / DAY, reason


days = st.integers(0, 120) | st.integers(0, 8)
happening = st.tuples(st.sampled_from([*SORTS, "soft", "soft", "delivery", "hard"]), days)
happenings = st.lists(happening.map(lambda what: event(*what)), min_size=1, max_size=9)
pauses = st.sampled_from([DAY, 5 * DAY, 30 * DAY])
policies = st.builds(
    Policy,
    hard_bounce_pause=pauses,
    soft_bounce_pause=pauses | st.just(0 * DAY),
    soft_bounces_to_pause=st.integers(1, 4),
    soft_bounce_window=st.sampled_from([2 * DAY, 7 * DAY, 90 * DAY]),
    repeat_pause=st.sampled_from([0 * DAY, 10 * DAY, 90 * DAY]),
    ignore_out_of_office=st.booleans(),
    trust_status=st.booleans(),
    complaint_block=st.sampled_from([0 * DAY, 5 * DAY, 60 * DAY]),
    track_deliveries=st.just(value=True),
)


@settings(max_examples=examples(300), deadline=None)
@given(happenings, policies, st.data())
def test_any_order_in_any_batches_with_any_redelivery_gives_the_same_record(bodies, policy, data):
    again = data.draw(st.lists(st.sampled_from(bodies), max_size=3))
    order = data.draw(st.permutations(bodies + again))
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    expected = kept(bodies, policy).user
    assert kept(order, policy, sizes).user == expected
    assert kept(bodies[::-1], policy).user == expected, "each pair the other way round"


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(happening, min_size=1, max_size=9, unique=True), policies, st.data())
def test_a_reinstatement_outlasts_older_events_whenever_they_arrive(found, policy, data):
    at = on(5.5)
    bodies = {what: event(*what) for what in found}
    older = [what for what in found if on(what[1]) < at]
    early = data.draw(st.lists(st.sampled_from(older), unique=True)) if older else []
    late = data.draw(st.permutations([what for what in found if what not in early]))
    some_came_before = kept([bodies[what] for what in early], policy)
    all_came_after = Store()
    for store, rest in ((some_came_before, late), (all_came_after, found)):
        store.reinstate(at)
        for what in rest:
            store.commit([bodies[what]], policy)
    assert some_came_before.user == all_came_after.user


@settings(max_examples=examples(200), deadline=None)
@given(happenings, policies)
def test_rows_forgive_what_the_last_delivery_forgives(bodies, policy):
    """So a fold over the rows, which sees no other delivery, gives the same pause."""
    live = kept(bodies, policy)
    past = past_of(live.recorded, policy)
    by_delivery, by_rows = (
        pauses_of(past, user, policy).longest(policy)
        for user in (live.user, replace(live.user, last_delivery=None))
    )
    assert by_rows == by_delivery


class TestSoftBounces:
    @pytest.mark.parametrize(
        ("days", "until"),
        [
            ((1, 2), None),
            ((1, 2, 3), 4),
            ((1, 4, 8), 9),
            ((1, 4, 8.1), None),
            ((1, 2, 3, 10.5), 4),
            ((1, 2, 3, 4), 5),
        ],
    )
    def test_they_pause_from_the_third_within_seven_days_on(self, days, until):
        reason = until and "soft_bounce"
        events = [("soft", day) for day in days]
        assert paused(*events, policy=THREE) == (until, reason)

    def test_a_later_delivery_forgives_them(self):
        soft = [("soft", 1), ("soft", 2), ("soft", 4)]
        assert paused(*soft, ("delivery", 3), policy=THREE) == (None, None)
        assert paused(*soft, ("delivery", 0), policy=THREE) == (5, "soft_bounce")

    def test_it_ends_their_pause_too(self):
        soft = [("soft", 1), ("soft", 2), ("soft", 3)]
        assert paused(*soft, ("delivery", 3.5), policy=THREE) == (None, None)

    def test_it_leaves_the_pause_of_a_hard_bounce(self):
        soft = [("soft", 1), ("soft", 2), ("soft", 3)]
        assert paused(*soft, ("hard", 0), ("delivery", 3.5), policy=THREE) == (30, "hard_bounce")

    def test_the_reason_says_the_number(self):
        store = kept([event("soft", day) for day in (1, 2, 3, 4)], THREE)
        assert store.reasons == ["transient:1_of_3", "transient:2_of_3", "transient", "transient"]
        assert store.user.soft_bounce_count == 4
        assert store.user.last_soft_bounce == on(4)

    def test_the_reason_says_that_it_was_forgiven_before(self):
        store = kept([event("delivery", 5), event("soft", 1)], THREE)
        assert store.reasons == ["transient:forgiven"]
        assert [row.occurred_at for row in store.recorded if row.feedback is None] == [on(5)]

    def test_a_delivery_that_forgives_nothing_leaves_no_row(self):
        store = kept([event("delivery", 1), event("soft", 2), event("delivery", 2)], THREE)
        assert [row for row in store.recorded if row.feedback is None] == []

    def test_a_delivery_that_comes_again_leaves_a_single_row(self):
        again = event("delivery", 2)
        store = kept([event("soft", 1), again, again, event("delivery", 3)], THREE)
        assert [row.occurred_at for row in store.recorded if row.feedback is None] == [on(2)]

    def test_a_pause_that_was_changed_by_hand_stays(self):
        store = kept([event("soft", day) for day in (1, 2, 3)], THREE)
        for until in (None, on(300)):
            store.user = replace(store.user, paused_until=until, pause_reason="by hand")
            store.commit([event("delivery", 4)], THREE)
            assert store.user.paused_until == until

    def test_soft_bounces_from_before_a_reinstatement_do_not_count(self):
        store = kept([event("soft", 1), event("soft", 2)], THREE)
        store.reinstate(on(2.5))
        store.commit([event("soft", 3)], THREE)
        assert store.reasons[-1] == "transient:1_of_3"
        assert store.user.paused_until is None


class TestRepeatedPauses:
    def test_the_third_within_ninety_days_is_longer_and_later_ones_are(self):
        assert paused(("soft", 1), ("soft", 10), policy=REPEAT) == (11, "soft_bounce")
        assert paused(("soft", 1), ("soft", 10), ("soft", 91), policy=REPEAT) == (
            151,
            "soft_bounce",
        )
        assert paused(("soft", 1), ("soft", 10), ("soft", 91.1), policy=REPEAT)[0] == 92.1

    def test_hard_bounces_count_too(self):
        assert paused(("soft", 1), ("hard", 5), ("soft", 40), policy=REPEAT)[0] == 100

    def test_bounces_while_mail_pauses_begin_no_pause(self):
        many = [("hard", day) for day in (1, 2, 3, 4)]
        assert paused(*many, policy=REPEAT) == (34, "hard_bounce")

    def test_an_ordinary_pause_that_is_longer_stays_as_long(self):
        policy = replace(REPEAT, repeat_pause=10 * DAY)
        assert paused(("soft", 1), ("soft", 5), ("hard", 9), policy=policy) == (39, "hard_bounce")

    def test_the_reason_says_so(self):
        store = kept([event("soft", day) for day in (1, 5, 9)], REPEAT)
        assert store.reasons == ["transient", "transient", "transient:repeated"]


class TestComplaintsThatBlockForATime:
    POLICY = Policy(complaint_block=20 * DAY)

    def test_they_pause_and_set_no_flag(self):
        store = kept([event("complaint", 1)], self.POLICY)
        assert (store.user.auto_block_spam, store.user.pause_reason) == (False, "complaint")
        assert (store.user.paused_until, store.reasons) == (on(21), ["timed_complaint"])

    @pytest.mark.parametrize("policy", [POLICY, replace(POLICY, repeat_pause=60 * DAY)])
    def test_the_later_end_counts_whatever_it_is_of(self, policy):
        assert paused(("complaint", 1), ("hard", 1), policy=policy) == (31, "hard_bounce")
        assert paused(("complaint", 15), ("hard", 1), policy=policy) == (35, "complaint")
        assert paused(("complaint", 11), ("hard", 1), policy=policy) == (31, "complaint")
        assert paused(("complaint", 12), ("refusal", 9), ("hard", 1), policy=policy)[0] == 32

    def test_the_later_complaint_counts(self):
        assert paused(("complaint", 1), ("complaint", 5), policy=self.POLICY)[0] == 25

    def test_a_bounce_that_says_spam_blocks_for_good(self):
        assert kept([event("spam", 1)], self.POLICY).user.auto_block_spam


def test_an_automatic_reply_is_no_bounce_where_the_policy_says_so():
    store = kept([event("out_of_office", 1)], Policy(ignore_out_of_office=True))
    assert (store.user, store.reasons) == (JANE, ["out_of_office"])
    assert kept([event("out_of_office", 1)], Policy()).user.paused_until == on(2)


def test_a_permanent_status_makes_a_hard_bounce_where_the_policy_says_so():
    store = kept([event("5.x.x", 1)], Policy(trust_status=True))
    assert (store.user.pause_reason, store.reasons) == ("hard_bounce", ["permanent_status"])
    assert kept([event("5.x.x", 1)], Policy()).user.pause_reason == "soft_bounce"


def test_without_such_a_policy_nobodys_past_is_read(monkeypatch):
    monkeypatch.setattr(Store, "past", None)
    policy = Policy(ignore_out_of_office=True, trust_status=True, complaint_block=DAY)
    kept([event(sort, 1) for sort in SORTS], policy)


def test_the_end_and_the_beginning_of_time_are_handled():
    policy = replace(THREE, soft_bounces_to_pause=2, repeat_pause=4 * 10**6 * DAY)
    bodies = [SORTS[sort]("0001-01-01T00:00:00Z") for sort in ("soft", "soft", "hard")]
    bodies += [event("hard", 1), event("hard", 40), event("hard", 80)]
    assert kept(bodies, policy).user.paused_until == datetime.max.replace(tzinfo=UTC)
