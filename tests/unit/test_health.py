"""What troubles a worker, and which of its loops are late."""

import pytest

from worker.health import Health, Late


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(clock)


def test_a_trouble_is_kept_until_it_is_mended_with_its_beginning_and_its_last_error(health):
    health.trouble("queue", "reset")
    health.trouble("store", "locked")
    (first, _) = health.troubles
    health.trouble("queue", ValueError("refused"))
    again, store = health.troubles
    assert (again.what, again.error, again.since) == ("queue", "refused", first.since)
    health.well("queue")
    health.well("lane slack")
    assert health.troubles == [store]


def test_a_loop_is_late_when_its_step_takes_longer_than_it_said(health, clock):
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


def test_a_loop_takes_over_the_pulse_of_the_one_before_it(health, clock):
    health.pulse("relay-slack").within(1)
    health.pulse("relay-slack")
    clock.now += 100
    assert health.late == []
