"""Pauses between tries: within limits, longer each time, and with jitter."""

from itertools import pairwise
from statistics import fmean

import pytest

from worker.core.errors import Refused, Unavailable
from worker.timing.retries import a_few_times, back_off, release_delay

SIX_HOURS = 21_600
MANY = 400


def drawn(draw, number):
    return [draw(number) for _ in range(MANY)]


@pytest.mark.parametrize("receives", [1, 2, 3, 5, 9, 10, 20, 1_000])
def test_a_failed_message_is_hidden_for_at_least_a_second_and_at_most_six_hours(receives):
    seconds = drawn(release_delay, receives)
    assert min(seconds) >= 1
    assert max(seconds) <= min(30 * 2**receives, SIX_HOURS)


def test_the_more_often_it_failed_the_longer_it_is_hidden():
    means = [fmean(drawn(release_delay, receives)) for receives in (1, 3, 5, 7, 9)]
    assert all(2 * before < after for before, after in pairwise(means))


def test_messages_that_failed_together_do_not_come_again_together():
    seconds = drawn(release_delay, 3)
    assert max(seconds) - min(seconds) > 100


@pytest.mark.parametrize("attempt", [1, 2, 3, 5, 6, 7, 50, 10_000])
def test_a_far_side_is_looked_at_again_after_1_to_60_seconds(attempt):
    seconds = drawn(back_off, attempt)
    ceiling = min(2**attempt, 60)
    assert min(seconds) >= ceiling / 2 >= 1
    assert ceiling / 2 < max(seconds) <= ceiling
    assert len(set(seconds)) > 1


def test_a_short_failure_is_retried_and_an_outage_is_reported_after_five_tries():
    slept, tries = [], []

    def unreachable():
        tries.append(1)
        raise Unavailable("unreachable")

    with pytest.raises(Unavailable, match="unreachable"):
        a_few_times(slept.append)(unreachable)
    assert len(tries) == 5
    assert len(slept) == 4
    assert 0 < sum(slept) < 5


def test_what_is_refused_is_not_tried_again():
    tries = []

    def refused():
        tries.append(1)
        raise Refused("no")

    with pytest.raises(Refused):
        a_few_times(lambda _: None)(refused)
    assert tries == [1]
