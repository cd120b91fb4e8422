"""Rates against AWS's lines, how sure they are, and where the number of mails comes from."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cli.plots import bar, sparkline, together
from worker.core.reporting.lines import BOUNCES, COMPLAINTS, FEWEST_MAILS, State, interval, judge
from worker.core.reporting.report import Report
from worker.core.reporting.sends import FromSes, Sends, Source, sends_of
from worker.core.reporting.sums import OTHER, Sums, largest, sums_of, total
from worker.core.reporting.words import budget, notes, percent, verdict

DAYS = [date(2026, 11, day) for day in range(1, 8)]


def report_of(**given):
    facts = {
        "made_at": datetime(2026, 11, 7, 12, tzinfo=UTC),
        "since": datetime(2026, 11, 1, tzinfo=UTC),
        "days": DAYS,
        "by": "day",
        "total": Sums(hard_bounce=1),
        "by_day": {},
        "sends": Sends(source=Source.UNKNOWN),
        "sends_by_day": {},
        "rows": [],
        "reasons": [],
        "statuses": [],
        "spenders": {},
        "newest": [],
    }
    return Report(**facts | given)


class TestLines:
    @pytest.mark.parametrize(
        ("lines", "counted", "mails", "state"),
        [
            (BOUNCES, 0, 1_000, State.BELOW),
            (BOUNCES, 3_999, 100_000, State.BELOW),
            (BOUNCES, 4_000, 100_000, State.NEAR),
            (BOUNCES, 4_999, 100_000, State.NEAR),
            (BOUNCES, 5_000, 100_000, State.REVIEW),
            (BOUNCES, 9_999, 100_000, State.REVIEW),
            (BOUNCES, 10_000, 100_000, State.PAUSE),
            (COMPLAINTS, 79, 100_000, State.BELOW),
            (COMPLAINTS, 80, 100_000, State.NEAR),
            (COMPLAINTS, 100, 100_000, State.REVIEW),
            (COMPLAINTS, 500, 100_000, State.PAUSE),
        ],
    )
    def test_a_rate_is_where_aws_draws_its_lines(self, lines, counted, mails, state):
        assert judge(lines, counted, mails).state is state

    def test_a_single_bounce_of_three_mails_is_no_alarm(self):
        found = judge(BOUNCES, 1, 3)
        assert found.state is State.TOO_FEW
        assert "too few mails to judge" in verdict("hard bounces", found)
        assert budget("hard bounces", found) == ""
        assert judge(BOUNCES, FEWEST_MAILS - 1, FEWEST_MAILS - 1).state is State.TOO_FEW

    def test_without_mails_or_with_more_bounces_than_mails_the_rate_is_unknown(self):
        for mails in (None, 0, 6):
            found = judge(BOUNCES, 7, mails)
            assert (found.state, found.rate, found.sends) == (State.UNKNOWN, None, None)
            assert "the rate is unknown" in verdict("hard bounces", found)

    def test_a_single_complaint_is_singular_and_has_the_day_since_when_mails_are_known(self):
        assert verdict("complaints", judge(COMPLAINTS, 1, None)).startswith("1 complaint; the rate")
        sentences = verdict("complaints", judge(COMPLAINTS, 3, 3_215), " since 2026-11-28")
        assert "3 complaints of 3,215 mails since 2026-11-28: near" in sentences

    @given(counted=st.integers(0, 3_000), mails=st.integers(1_000, 30_000))
    def test_so_many_more_fit_before_the_line_and_no_more(self, counted, mails):
        for lines in (BOUNCES, COMPLAINTS):
            found = judge(lines, counted, max(mails, counted))
            for left, over in (
                (found.left_to_review, {State.REVIEW, State.PAUSE}),
                (found.left_to_pause, {State.PAUSE}),
            ):
                at_most = counted + left
                if at_most >= 0:
                    assert judge(lines, at_most, found.sends).state not in over
                if at_most + 1 <= found.sends:
                    assert judge(lines, at_most + 1, found.sends).state in over

    def test_what_is_too_much_is_called_so(self):
        assert budget("hard bounces", judge(BOUNCES, 60, 1_000)) == (
            "11 hard bounces too many for a review; 39 more before a pause"
        )
        assert budget("hard bounces", judge(BOUNCES, 40, 1_000)) == (
            "9 more hard bounces fit before a review, 59 before a pause"
        )
        assert budget("complaints", judge(COMPLAINTS, 5, 1_000)) == (
            "1 complaint too many for the line for a pause, 5 for a review"
        )

    def test_the_interval_is_wilsons(self):
        # Newcombe 1998 (https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8), table I, method 3
        for count, of, low, high in (
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ):
            assert interval(count, of) == pytest.approx((low, high), abs=5e-5)
        assert interval(20, 20)[1] == 1.0

    def test_a_rate_that_may_lie_on_either_side_of_a_line_is_called_uncertain(self):
        assert not judge(BOUNCES, 52, 1_000).is_certain
        assert "on either side of a line" in verdict("hard bounces", judge(BOUNCES, 52, 1_000))
        assert judge(BOUNCES, 700, 10_000).is_certain
        assert "either side" not in verdict("hard bounces", judge(BOUNCES, 700, 10_000))

    def test_a_small_share_is_not_written_as_none(self):
        assert [percent(share) for share in (0, 0.00001, 0.00123, 0.5, None)] == [
            "0.00 %", "<0.01 %", "0.12 %", "50.00 %", "-",
        ]  # fmt: skip


class TestSums:
    def test_aws_counts_hard_bounces_and_its_own_list_but_not_the_senders_lists(self):
        assert Sums(hard_bounce=10, refused=4, refused_globally=1).counted_bounces == 7

    def test_bounces_are_new_repeated_or_of_no_user(self):
        sums = Sums(
            hard_bounce=6, soft_bounce=3, other_bounce=1, repeated_bounce=2, unknown_bounce=3
        )
        assert (sums.bounces, sums.new_bounces) == (10, 5)

    def test_nothing_becomes_negative_when_the_simulators_mail_is_subtracted(self):
        sums = Sums(send=1)
        sums.add({"send": 3, "open": 7, "complaint": 1}, sign=-1)
        assert sums == Sums()

    def test_the_largest_have_a_line_and_the_rest_is_other(self):
        found = {f"d{n}.example": Sums(hard_bounce=n) for n in range(1, 30_001)}
        found[OTHER] = Sums(hard_bounce=5, send=7)
        shown = largest(found, 2)
        assert [(value, sums.hard_bounce) for value, sums in shown[:2]] == [
            ("d30000.example", 30_000), ("d29999.example", 29_999),
        ]  # fmt: skip
        assert shown[2][0] == OTHER
        assert total(sums for _, sums in shown) == total(found.values())

    def test_without_a_rest_there_is_no_other(self):
        assert [value for value, _ in largest({"a": Sums(send=1), "b": Sums()}, 2)] == ["a", "b"]


class TestSends:
    def test_send_events_come_before_all_else(self):
        by_day = {day: Sums(send=100, delivery=90, hard_bounce=2) for day in DAYS}
        found = sends_of(by_day, DAYS, FromSes(source=Source.VDM, by_day={DAYS[0]: 7}))
        assert (found.source, found.count, found.since) == (Source.SEND, 700, DAYS[0])
        assert found.sums.hard_bounce == 14

    def test_else_deliveries_and_bounces_are_what_was_sent(self):
        found = sends_of({day: Sums(delivery=90, soft_bounce=3) for day in DAYS}, DAYS)
        assert (found.source, found.count) == (Source.DELIVERY, 7 * 93)

    def test_else_ses_is_believed(self):
        ses = FromSes(source=Source.STATISTICS, by_day=dict.fromkeys(DAYS[3:], 50))
        found = sends_of({day: Sums(hard_bounce=1) for day in DAYS}, DAYS, ses)
        assert (found.source, found.count, found.since) == (Source.STATISTICS, 150, DAYS[4])
        assert found.sums.hard_bounce == 3

    def test_else_it_is_unknown(self):
        by_day = {day: Sums(hard_bounce=1) for day in DAYS}
        assert sends_of(by_day, DAYS) == Sends(source=Source.UNKNOWN, sums=Sums(hard_bounce=7))

    def test_days_before_sends_are_counted_raise_no_rate(self):
        """30 bounces were recorded before Send events came, and 1 a day since."""
        by_day = {day: Sums(hard_bounce=10) for day in DAYS[:3]}
        by_day |= {day: Sums(send=1_000, hard_bounce=1) for day in DAYS[3:]}
        found = sends_of(by_day, DAYS)
        assert (found.since, found.count, found.sums.hard_bounce) == (DAYS[4], 3_000, 3)

    def test_the_very_first_day_counts_where_there_is_no_other(self):
        found = sends_of({DAYS[-1]: Sums(send=10)}, DAYS)
        assert (found.since, found.count) == (DAYS[-1], 10)


class TestNotes:
    def test_a_note_says_where_sends_come_from_and_that_ses_computes_its_own_rates(self):
        sentences = list(notes(report_of(sends=Sends(source=Source.SEND, since=DAYS[2], count=5))))
        assert sentences[0] == "Mails sent are counted by SES's Send events."
        assert sentences[1].startswith("Mails sent are known from 2026-11-03 on")
        assert sentences[-1].startswith("SES computes its own rates")

    def test_an_unknown_rate_comes_with_the_way_to_know_it(self):
        first, *_ = notes(report_of())
        assert "the rates" in first
        assert "report --ses" in first

    def test_after_an_upgrade_the_first_send_is_awaited_and_the_note_has_its_time(self):
        since = datetime(2026, 11, 6, 14, 47, tzinfo=UTC)
        first, *_ = notes(report_of(others_since=since))
        assert "Send events are counted since 2026-11-06 14:47 UTC" in first
        assert "Have SES publish" not in first
        assert "report --ses" in first

    def test_receives_above_the_first_are_noted_beside_the_rates(self):
        total_ = Sums(send=900, delivery=100, received_again=25)
        sentences = list(notes(report_of(total=total_, sends=Sends(source=Source.SEND, count=900))))
        assert any("Up to 2.5 %" in note for note in sentences)

    def test_what_is_missing_is_noted(self):
        since = datetime(2026, 11, 3, 4, 5, tzinfo=UTC)
        sentences = " ".join(notes(report_of(bounces_since=since, others_since=since, simulated=3)))
        for part in ("yet to be counted", "counted since 2026-11-03 04:05 UTC", "3 bounces and"):
            assert part in sentences
        long_ago = since - timedelta(days=99)
        old = report_of(others_since=long_ago, bounces_since=long_ago)
        assert "counted" not in " ".join(notes(old)).replace("counted by", "")

    def test_ses_is_named_where_it_did_not_answer_and_where_it_counts_otherwise(self):
        refused = FromSes(problem="ses:BatchGetMetricData is not permitted")
        assert any("is not permitted" in note for note in notes(report_of(ses=refused)))
        counted = FromSes(source=Source.VDM, by_day={DAYS[0]: 1_234})
        sentences = notes(report_of(ses=counted, sends=Sends(source=Source.SEND, count=1_300)))
        assert any("SES itself counts 1,234 mails" in note for note in sentences)

    def test_nothing_counted_needs_no_sentence_about_rates(self):
        assert list(notes(report_of(total=Sums()))) == []


class TestPlots:
    def test_a_line_has_a_character_for_each_count_and_none_above_0_is_invisible(self):
        assert sparkline([0, 1, 500, 1_000], 10) == " ▁▄█"
        assert sparkline([0, 0], 10) == "▁▁"
        assert sparkline([], 10) == ""

    @pytest.mark.parametrize("most", [0, -4])
    def test_without_room_a_line_has_a_single_character(self, most):
        assert sparkline([0, 1, 500, 1_000], most) == "█"

    @given(st.lists(st.integers(0, 10**6), max_size=400), st.integers(1, 100))
    def test_many_days_are_drawn_together_and_none_is_lost(self, counts, most):
        found = together(counts, most)
        assert len(found) <= most
        assert sum(found) == sum(counts)
        assert len(sparkline(counts, most)) == len(found)

    @given(st.floats(0, 1), st.integers(1, 40))
    def test_a_bar_is_as_wide_as_it_may_be(self, share, width):
        drawn = bar(share, width)
        assert len(drawn) == width
        assert bool(drawn.strip()) == (share > 0)


def test_measures_that_no_report_needs_are_left_out():
    assert sums_of({"open": 5, "click": 6, "send": 7}) == Sums(send=7)
