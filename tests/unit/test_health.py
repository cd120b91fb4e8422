"""What problems a worker, and which of its loops are late."""

import pytest
from support.clocks import Clock

from worker.observability.health import Health, Late, Phase


@pytest.fixture
def clock():
    return Clock(100.0)


@pytest.fixture
def health(clock):
    return Health(clock)


def test_a_problem_is_kept_until_resolved_with_its_beginning_and_its_last_error(health):
    health.report_problem("queue", "reset")
    health.report_problem("store", "locked")
    (first, _) = health.problems
    health.report_problem("queue", ValueError("refused"))
    again, store = health.problems
    assert (again.what, again.error, again.since) == ("queue", "refused", first.since)
    health.resolve("queue")
    health.resolve("lane slack")
    assert health.problems == [store]


def test_a_loop_is_late_when_its_step_takes_longer_than_announced(health, clock):
    pulse = health.pulse("poller-0")
    assert health.late == []
    pulse.within(10)
    clock.now += 10
    assert health.late == []
    clock.now += 2.5
    assert health.late == [Late("poller-0", 2.5)]
    pulse.within(10)
    assert health.late == []


def test_a_loop_that_rests_is_never_late(health, clock):
    pulse = health.pulse("writer")
    pulse.within(1)
    pulse.rest()
    clock.now += 1_000
    assert health.late == []


def test_a_loop_takes_over_the_pulse_of_its_predecessor(health, clock):
    health.pulse("relay-slack").within(1)
    health.pulse("relay-slack")
    clock.now += 100
    assert health.late == []


class TestReport:
    @pytest.fixture
    def working(self, health):
        health.phase = Phase.WORKING
        return health

    def test_it_is_ready_when_it_works_and_not_before_nor_after(self, health):
        assert (health.report().alive, health.report().ready) == (True, False)
        health.phase = Phase.WORKING
        assert health.report().ready
        health.phase = Phase.STOPPING
        assert (health.report().alive, health.report().ready) == (True, False)

    @pytest.mark.parametrize("what", ["queue", "store", "deletes"])
    def test_what_keeps_messages_from_being_worked_on_makes_it_unready(self, working, what):
        working.report_problem(what, "unreachable")
        assert (working.report().alive, working.report().ready) == (True, False)
        working.resolve(what)
        assert working.report().ready

    @pytest.mark.parametrize("what", ["lane slack", "lane suppression", "outbox of slack"])
    def test_a_problem_that_only_delays_notices_is_reported_and_leaves_it_ready(
        self, working, what
    ):
        working.report_problem(what, "unreachable")
        assert working.report().ready
        assert [problem.what for problem in working.report().problems] == [what]

    def test_a_late_loop_makes_it_neither_alive_nor_ready(self, working, clock):
        working.pulse("writer").within(1)
        clock.now += 3
        report = working.report()
        assert (report.alive, report.ready) == (False, False)
        assert report.late == [Late("writer", 2)]

    def test_no_address_and_no_foreign_line_break_gets_out(self, working):
        working.report_problem("queue", "no such queue as jane@example.com\nready: true")
        (problem,) = working.report().problems
        assert problem.error == "no such queue as ***@example.com\\nready: true"


def test_problems_are_counted_from_zero(health):
    assert health.met == {"queue": 0, "store": 0, "deletes": 0, "signatures": 0}
    health.report_problem("queue", "reset")
    health.report_problem("queue", "reset")
    health.resolve("queue")
    health.report_problem("lane slack", "404")
    assert health.met == {
        "queue": 2, "store": 0, "deletes": 0, "signatures": 0, "lane slack": 1,
    }  # fmt: skip
