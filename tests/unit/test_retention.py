"""How far a purge may go, which old events still serve, and what is left of a key."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mail
from support.examples import examples
from support.remembering import DAY

from worker.core.decode import decode
from worker.core.folding import Recorded
from worker.core.keys import kept_key
from worker.core.model import FORGIVENESS, REINSTATEMENT
from worker.core.policy import Policy
from worker.core.purged import mark_of, with_kept
from worker.core.retention import (
    Announced,
    Fate,
    Judge,
    _answers,
    announced,
    required,
    required_of_many,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LIMIT = NOW - 90 * DAY


def event(id_, days_ago, kind="bounce", type_="Permanent", subtype="General", **changes):
    at = NOW - days_ago * DAY
    return Recorded(
        id=id_, recipient="jane@example.com", kind=kind, type=type_, subtype=subtype,
        user_match="missing", action="no_action", status="", fault="", mentions_spam=False,
        occurred_at=at, received_at=at, **changes,
    )  # fmt: skip


class TestAnnouncements:
    def test_what_is_much_is_announced_for_a_week(self):
        first = announced(Announced(), LIMIT, NOW, has_older=True)
        assert first == Announced(since=NOW, cutoff=LIMIT)
        later = announced(first, LIMIT + 6 * DAY, NOW + 6 * DAY, has_older=True)
        assert later == first
        done = announced(first, LIMIT + 7 * DAY, NOW + 7 * DAY, has_older=True)
        assert done == Announced(through=LIMIT + 7 * DAY)

    def test_where_nothing_is_old_nothing_is_announced(self):
        assert announced(Announced(), LIMIT, NOW, has_older=False) == Announced(through=LIMIT)

    def test_each_day_a_day_goes_at_once(self):
        before = Announced(through=LIMIT)
        assert announced(before, LIMIT + DAY, NOW + DAY, has_older=True).through == LIMIT + DAY

    def test_a_shorter_period_is_announced_if_it_is_by_more_than_a_month(self):
        before = Announced(through=LIMIT)
        assert announced(before, LIMIT + 31 * DAY, NOW, has_older=True).through
        shortened = announced(before, LIMIT + 60 * DAY, NOW, has_older=True)
        assert (shortened.through, shortened.since) == (LIMIT, NOW)

    def test_a_longer_period_removes_less(self):
        before = Announced(through=LIMIT)
        assert announced(before, LIMIT - 60 * DAY, NOW, has_older=True).through == LIMIT - 60 * DAY

    def test_a_clock_that_leaps_a_year_ahead_removes_a_month_at_most_after_a_week(self):
        before, year = Announced(through=LIMIT), 365 * DAY
        leapt = announced(before, LIMIT + year, NOW + year, has_older=True)
        assert (leapt.through, leapt.since) == (LIMIT, NOW + year)
        corrected = announced(leapt, LIMIT + DAY, NOW + DAY, has_older=True)
        assert corrected.through == LIMIT + DAY

    def test_a_clock_that_leaps_while_something_is_announced_removes_a_month_more_at_most(self):
        first, year = Announced(since=NOW, cutoff=LIMIT), 365 * DAY
        leapt = announced(first, LIMIT + year, NOW + year, has_older=True)
        assert leapt == Announced(through=LIMIT + 31 * DAY)

    def test_an_announcement_by_a_clock_that_was_ahead_begins_anew(self):
        ahead = Announced(since=NOW + 300 * DAY, cutoff=LIMIT + 300 * DAY)
        assert announced(ahead, LIMIT, NOW, has_older=True).since == NOW


class TestFates:
    @pytest.mark.parametrize(
        ("given", "fate"),
        [
            (event(1, 100), Fate.GOES),
            (event(1, 100, type_="Transient"), Fate.GOES),
            (event(1, 100, type_="Undetermined"), Fate.GOES),
            (event(1, 20), Fate.ASK),
            (event(1, 100, kind="complaint", type_="abuse", subtype=None), Fate.ASK),
            (event(1, 100, kind=REINSTATEMENT), Fate.ASK),
            (event(1, 100, kind=FORGIVENESS), Fate.GOES),
            (event(1, 100, kind="of a newer program"), Fate.GOES),
        ],
    )
    def test_by_itself(self, given, fate):
        assert Judge(Policy(), NOW).fate(given, is_refused_lately=False) is fate

    def test_where_ses_refuses_now_a_bounce_of_a_mailbox_is_looked_at_with_the_others(self):
        assert Judge(Policy(), NOW).fate(event(1, 100), is_refused_lately=True) is Fate.ASK

    def test_a_policy_with_a_memory_keeps_a_bounce_until_118_days_after_its_pause(self):
        policy = Policy(repeat_pause=90 * DAY)
        fate = {
            days: Judge(policy, NOW).fate(event(1, days), is_refused_lately=False)
            for days in (147, 148)
        }
        assert fate == {147: Fate.STAYS, 148: Fate.GOES}

    def test_so_does_a_second_policy(self):
        policy = Policy(shadow=Policy(repeat_pause=90 * DAY))
        assert Judge(policy, NOW).fate(event(1, 140), is_refused_lately=False) is Fate.STAYS


class TestWhatMustStay:
    def complaint(self, id_, days_ago):
        return event(id_, days_ago, kind="complaint", type_="abuse", subtype=None)

    def test_of_many_complaints_a_single_complaint(self):
        events = [self.complaint(id_, 300 - id_) for id_ in range(1, 20)]
        assert required(events, range(1, 20), Policy(), NOW) == {19}

    def test_none_if_a_newer_event_bars(self):
        events = [self.complaint(1, 300), self.complaint(2, 10)]
        assert required(events, {1}, Policy(), NOW) == set()

    def test_the_bounce_without_which_a_refusal_would_pause(self):
        events = [event(1, 300), event(2, 10, subtype="Suppressed")]
        assert required(events, {1}, Policy(), NOW) == {1}

    def test_a_reinstatement_stays_with_the_complaint_that_it_lifted(self):
        """The complaint bars an address that is no user; the user that it may become it does not."""
        events = [self.complaint(1, 300), event(2, 200, kind=REINSTATEMENT)]
        assert required(events, {1, 2}, Policy(), NOW) == {1, 2}


class TestKeys:
    def test_of_an_id_of_ses_the_time_stays_and_of_any_other_text_nothing(self):
        digest = "0123456789abcdef01234567"
        assert kept_key(f"0100018f1c0e5a3b-8a2d-000000:{digest}") == f"0100018f1c0e5a3b{digest}"
        for text in ("jane@example.com, jane@example.com", "x", "", '{"notificationType": "B'):
            assert kept_key(f"{text}:{digest}") == digest

    def test_a_batch_of_new_feedback_looks_up_nothing(self):
        new = decode(mail.bounce("jane@example.com", at=NOW.isoformat()))
        old = decode(mail.bounce("joe@example.com", at=(LIMIT - DAY).isoformat()))
        undated = decode(mail.bounce("jo@example.com", at="never"))
        looked_up = []

        def look_up(keys):
            looked_up.extend(keys)
            return keys

        mark = mark_of(LIMIT)
        assert with_kept({mark}, new, look_up) == set()
        assert looked_up == []
        found = with_kept({mark, "known"}, [*new, *old, *undated], look_up)
        keys = {key for item in (*old, *undated) for key in (item.dedupe_key, item.route_key)}
        assert found == {"known", *keys}
        assert set(looked_up) == set(map(kept_key, keys))


MADE = st.lists(
    st.builds(
        dict,
        days_ago=st.integers(1, 400),
        made=st.sampled_from(
            [
                {"kind": "complaint", "type_": "abuse", "subtype": None},
                {"kind": REINSTATEMENT, "type_": None, "subtype": None},
                {"kind": FORGIVENESS, "type_": None, "subtype": None},
                {},
                {"subtype": "Suppressed"},
                {"type_": "Transient"},
            ]
        ),
        is_refused=st.booleans(),
    ),
    max_size=14,
)


class TestOfMany:
    @pytest.mark.hypothesis
    @settings(max_examples=examples(300), deadline=None)
    @given(made=MADE, pause=st.sampled_from([1, 30, 90, 200]))
    def test_without_what_goes_the_answer_is_what_it_was_and_nobody_is_free_on_the_way(
        self, made, pause
    ):
        policy = Policy(hard_bounce_pause=pause * DAY)
        judge = Judge(policy, NOW)
        given_ = [event(id_, each["days_ago"], **each["made"]) for id_, each in enumerate(made, 1)]
        old = [
            each.id
            for each, how in zip(given_, made, strict=True)
            if how["days_ago"] > 90
            and judge.fate(each, is_refused_lately=how["is_refused"]) is not Fate.STAYS
        ]
        stay = required_of_many(lambda: ((each, each.id in old) for each in given_), policy, NOW)
        goes = [] if stay is None else [id_ for id_ in old if id_ not in stay]
        expected = _answers(given_, policy, NOW)
        for number in range(len(goes) + 1):
            left = [each for each in given_ if each.id not in goes[:number]]
            for before, after in zip(expected, _answers(left, policy, NOW), strict=True):
                assert after.reason or not before.reason, "unblocked on the way"
        assert _answers(left, policy, NOW) == expected

    def test_of_a_complaint_among_many_bounces_only_that_stays(self):
        bar = event(1, 300, kind="complaint", type_="abuse", subtype=None)
        events = [bar, *(event(id_, 200) for id_ in range(2, 200))]
        assert required_of_many(lambda: ((each, True) for each in events), Policy(), NOW) == {1}

    def test_with_a_reinstatement_among_them_all_stay_for_nobody_may_be_free_on_the_way(self):
        events = [
            *(event(id_, 300, kind="complaint", type_="abuse", subtype=None) for id_ in (1, 2)),
            event(3, 200, kind=REINSTATEMENT),
        ]
        assert required_of_many(lambda: ((each, True) for each in events), Policy(), NOW) is None
