"""How many effects may go out now."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from support.mail import NOW

from worker.core.rate_limit import (
    LARGEST_DIGEST,
    SECONDS_BETWEEN_DIGESTS,
    RateLimit,
    Slot,
    first_level,
    most_claimable,
    next_slot,
    refilled,
    taken,
)

CHANNEL = RateLimit(name="slack:1", per_second=1, per_minute=20)
ACCOUNT = RateLimit(name="suppression:1", per_second=1)
LEVEL = first_level(CHANNEL, NOW)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def level_at(level, rate_limit, due, now=NOW):
    """The number of due effects, as a reader counts them."""
    return next_slot(level, rate_limit, min(due, most_claimable(level, rate_limit)), now)


def test_a_single_effect_passes_straight_through():
    assert level_at(LEVEL, CHANNEL, 1).take == 1


def test_half_a_minutes_budget_goes_out_separately():
    assert level_at(LEVEL, CHANNEL, 9).take == 1


def test_more_than_that_are_folded():
    assert level_at(LEVEL, CHANNEL, 10).take == LARGEST_DIGEST


@pytest.mark.parametrize("every", [0.4, 1, 1.4, 2, 3, 5, 6, 7, 20])
@pytest.mark.parametrize("budget", [1, 2, 20])
def test_no_sixty_seconds_hold_more_than_the_budget(every, budget):
    channel = RateLimit(name="slack:1", per_second=1, per_minute=budget)
    level, due, last, sent = first_level(channel, NOW), 0, 0.0, []
    for tenth in range(6_000):
        second = tenth / 10
        if second - last >= every:
            due, last = due + 1, second
        level = refilled(level, channel, after(second))
        its_slot = level_at(level, channel, due, after(second))
        if took := min(its_slot.take, due):
            level, due = taken(level, channel, its_slot, after(second)), due - took
            sent.append(second)
    assert sent
    for start in sent:
        assert len([item for item in sent if start <= item < start + 60]) <= budget


def test_after_a_message_the_channel_rests_for_a_second():
    level = taken(LEVEL, CHANNEL, Slot(1), NOW)
    waiting = level_at(level, CHANNEL, 1, after(0.4))
    assert (waiting.take, waiting.seconds) == (0, pytest.approx(0.6))
    assert level_at(level, CHANNEL, 1, after(1)).take == 1


def test_a_minute_fills_the_budget_and_no_more_than_that():
    level = replace(LEVEL, tokens=0.0)
    assert refilled(level, CHANNEL, after(30)).tokens == pytest.approx(4.75)
    assert refilled(level, CHANNEL, after(3_600)).tokens == pytest.approx(9.5)
    assert refilled(level, CHANNEL, after(-60)).tokens == 0


def test_a_burst_is_reported_once_a_minute():
    level, now, messages = LEVEL, NOW, 0
    for second in range(600):
        now = after(second)
        level = refilled(level, CHANNEL, now)
        its_slot = level_at(level, CHANNEL, 1_000, now)
        messages += bool(its_slot.take)
        level = taken(level, CHANNEL, its_slot, now) if its_slot.take else level
    assert messages == 10


def test_a_trickle_above_the_budget_stays_near_it():
    """One a second for ten minutes: 600 effects, at most the budget and a digest a minute."""
    level, due, messages, reported = LEVEL, 0, 0, 0
    for second in range(600):
        now = after(second)
        due += 1
        level = refilled(level, CHANNEL, now)
        its_slot = level_at(level, CHANNEL, due, now)
        if took := min(its_slot.take, due):
            level, due = taken(level, CHANNEL, its_slot, now), due - took
            messages, reported = messages + 1, reported + took
    assert messages <= 20 * 11
    assert reported + due == 600
    assert due <= 60


def test_the_second_digest_waits_for_its_minute():
    level = taken(LEVEL, CHANNEL, Slot(LARGEST_DIGEST), NOW)
    waiting = level_at(level, CHANNEL, 100, after(10))
    assert waiting.take == 0
    assert 0 < waiting.seconds <= SECONDS_BETWEEN_DIGESTS - 10
    assert level_at(level, CHANNEL, 100, after(60)).take == LARGEST_DIGEST


def test_a_clock_that_is_set_back_keeps_no_digest_waiting_for_it_to_come_round_again():
    level = taken(LEVEL, CHANNEL, Slot(LARGEST_DIGEST), after(86_400))
    assert level_at(refilled(level, CHANNEL, NOW), CHANNEL, 100).take == LARGEST_DIGEST


def test_nothing_is_folded_where_there_is_no_budget():
    assert level_at(first_level(ACCOUNT, NOW), ACCOUNT, 1_000).take == 1


@pytest.mark.parametrize("doubt", [{"failures": 1}, {"blocked": "no_service"}])
def test_in_doubt_a_single_effect_probes(doubt):
    assert level_at(replace(LEVEL, **doubt), CHANNEL, 1_000).take == 1


def test_with_nothing_due_there_is_nothing_to_do():
    assert level_at(LEVEL, CHANNEL, 0).take == 0
