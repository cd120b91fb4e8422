"""The difference between our clock and SQS's: how it is measured, and when it is reported."""

from email.utils import formatdate

import pytest
from structlog.testing import capture_logs
from support.clocks import Clock

from worker.consumer.clock_watch import ClockWatch
from worker.observability.health import Health, Phase
from worker.sqs.client.skew import READ_EVERY_SECONDS, STALE_SECONDS, ClockSkew, read_date
from worker.topology.checks.clock import describe_skew, judge_clock

NOW = 1_764_000_000.0


@pytest.fixture
def monotonic(monkeypatch):
    clock = Clock(1_000.0)
    monkeypatch.setattr("worker.sqs.client.skew.time.monotonic", clock)
    monkeypatch.setattr("worker.sqs.client.skew.time.time", lambda: NOW)
    return clock


@pytest.fixture
def skew(monotonic):
    return ClockSkew()


def read(skew, clock, *behind):
    """Answers of an SQS whose clock is so many seconds behind ours."""
    for seconds in behind:
        clock.advance(READ_EVERY_SECONDS)
        skew.read(formatdate(NOW - seconds, usegmt=True))


class TestMeasuring:
    def test_the_middle_of_the_last_three_counts(self, skew, monotonic):
        found = []
        for seconds in (0, 900, 0, 900, 900, 0, 0):
            read(skew, monotonic, seconds)
            found.append(skew.seconds)
        assert found == [None, None, 0, 900, 900, 900, 0]
        assert skew.latest_seconds == 0

    def test_not_every_answer_is_read(self, skew, monotonic):
        for _ in range(100):
            monotonic.advance(READ_EVERY_SECONDS / 10)
            skew.read(formatdate(NOW, usegmt=True))
        assert len(skew._readings) == 3
        monotonic.advance(READ_EVERY_SECONDS / 100)
        skew.read(formatdate(NOW - 900, usegmt=True))
        assert skew.latest_seconds == 0

    def test_when_there_are_no_answers_any_more_nothing_is_known(self, skew, monotonic):
        read(skew, monotonic, 900, 900, 900)
        monotonic.advance(STALE_SECONDS + 1)
        assert skew.seconds is None

    @pytest.mark.parametrize(
        "text",
        [
            None,
            "",
            "soon",
            "Mon, 99 Nov 2026 99:00:00 GMT",
            "Mon, 01 Jan 99999 00:00:00 GMT",
            "1" * 60_000,
        ],
    )
    def test_what_is_no_date_is_passed_over(self, skew, text):
        assert read_date(text) is None
        skew.read(text)
        assert skew.latest_seconds is None

    @pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000", ""])
    def test_a_date_without_a_zone_is_utc(self, zone):
        assert read_date(f"Mon, 24 Nov 2025 16:00:00 {zone}") == NOW


class TestTelling:
    @pytest.fixture
    def watch(self):
        health = Health()
        health.phase = Phase.WORKING

        def look(*differences):
            with capture_logs() as lines:
                for difference in differences:
                    look.difference = difference
                    look.watch.look()
            return [line["event"] for line in lines]

        look.health = health
        look.watch = ClockWatch(lambda: look.difference, health)
        return look

    def test_it_is_reported_once_when_it_begins_and_once_when_it_ends(self, watch):
        assert watch(None, 0.4, 119, -119) == []
        assert watch(-86_400, -86_400, None, -86_399) == ["clock.skewed"]
        report = watch.health.report()
        assert report.ready
        (problem,) = report.problems
        assert problem.what == "clock"
        assert problem.error.startswith("the clock of this machine is 24 hours behind SQS's: set")
        assert watch(0.5, 0.5) == ["clock.corrected"]
        assert watch.health.problems == []

    def test_a_difference_at_the_limit_is_reported_once(self, watch):
        assert watch(*[119.5, 120.5] * 20) == ["clock.skewed"]

    def test_a_clock_that_is_set_wrongly_once_more_is_shown_as_it_is(self, watch):
        assert watch(600, 600, 40 * 86_400, 40 * 86_400) == ["clock.skewed"]
        (problem,) = watch.health.problems
        assert "40 days ahead of" in problem.error
        assert watch.health.met["clock"] == 2


@pytest.mark.parametrize(
    ("seconds", "status", "expected"),
    [
        (0.4, "ok", "0 s ahead of SQS's"),
        (-119, "ok", "119 s behind SQS's"),
        (121, "wrong", "2 minutes ahead of SQS's"),
        (-7_300, "wrong", "2 hours behind SQS's"),
        (-40 * 86_400, "wrong", "40 days behind SQS's"),
        (None, "unknown", "no date"),
    ],
)
def test_a_check_judges_it(seconds, status, expected):
    finding = judge_clock(seconds)
    assert (finding.check, finding.status) == ("clock", status)
    assert expected in finding.message
    assert bool(finding.fix) == (status == "wrong")
    assert seconds is None or finding.message == describe_skew(seconds)
