"""Leases of messages held for long are extended; messages with lost leases are left alone."""

import threading
from itertools import pairwise

import pytest
from msgspec.structs import replace

from worker.consumer.leases import LONGEST_TICK_SECONDS, Leases
from worker.core.errors import Unavailable
from worker.sqs.queue import LONGEST_HOLD_SECONDS, FailedEntry
from worker.timing import clock

VISIBILITY = 60


class Queue:
    """Records extensions; some of them fail."""

    visibility_seconds = VISIBILITY

    def __init__(self):
        self.extended = []
        self.fails = {}
        self.unreachable = False

    def extend(self, messages):
        if self.unreachable:
            raise Unavailable("unreachable")
        self.extended.append([message.message_id for message in messages])
        return [
            FailedEntry(message, "No", self.fails[message.message_id])
            for message in messages
            if message.message_id in self.fails
        ]


@pytest.fixture
def time(monkeypatch):
    """A clock that the test moves."""

    class Time:
        now = 1_000_000.0

    monkeypatch.setattr(clock, "now", lambda: Time.now)
    return Time


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def leases(queue):
    return Leases(queue)


@pytest.fixture
def received(message, time):
    """Make messages that are received now."""

    def make(count=1):
        return [replace(message("a"), lease_until=time.now + VISIBILITY) for _ in range(count)]

    return make


def test_a_lease_is_extended_once_half_of_it_has_passed(leases, queue, received, time):
    (first,) = received()
    leases.hold(0, [first])
    time.now += VISIBILITY / 2
    leases.extend()
    assert queue.extended == []
    time.now += 1
    leases.extend()
    leases.extend()
    assert queue.extended == [["message-1"]]
    time.now += VISIBILITY - 1
    assert leases.lasts(first)
    time.now += 1
    assert not leases.lasts(first)


def test_it_goes_on_for_as_long_as_it_is_held_but_not_beyond_twelve_hours(
    leases, queue, received, time
):
    (first,) = received()
    leases.hold(0, [first])
    began = time.now
    while leases.lasts(first):
        time.now += VISIBILITY / 4
        leases.extend()
    held = time.now - began
    assert LONGEST_HOLD_SECONDS - VISIBILITY <= held <= LONGEST_HOLD_SECONDS


def test_many_are_extended_in_tens(leases, queue, received, time):
    leases.hold(0, received(12))
    leases.hold(1, received(1))
    time.now += VISIBILITY * 0.6
    leases.extend()
    assert [len(some) for some in queue.extended] == [10, 2, 1]


def test_a_lease_that_has_run_out_is_not_taken_back(leases, queue, received, time):
    (first,) = received()
    leases.hold(0, [first])
    time.now += VISIBILITY
    leases.extend()
    assert queue.extended == []
    assert not leases.lasts(first)


def test_what_sqs_would_not_extend_runs_out_or_is_lost_at_once(leases, queue, received, time):
    passing, lost, fine = received(3)
    queue.fails = {passing.message_id: True, lost.message_id: False}
    leases.hold(0, [passing, lost, fine])
    time.now += VISIBILITY * 0.6
    leases.extend()
    assert [leases.lasts(item) for item in (passing, lost, fine)] == [True, False, True]
    queue.extended.clear()
    leases.extend()
    assert queue.extended == [[passing.message_id]]
    time.now += VISIBILITY * 0.5
    assert [leases.lasts(item) for item in (passing, lost, fine)] == [False, False, True]


def test_what_was_let_go_is_not_extended_and_leaves_nothing_behind(leases, queue, received, time):
    first, second = received(2)
    leases.hold(0, [first, second])
    time.now += VISIBILITY * 0.6
    leases.extend()
    leases.hold(0, [second])
    time.now += VISIBILITY * 0.6
    leases.extend()
    assert queue.extended == [[first.message_id, second.message_id], [second.message_id]]
    leases.hold(0, ())
    assert (leases._held, leases._until) == ({}, {})


def test_letting_go_waits_for_an_extension_under_way(leases, queue, received, time):
    """Otherwise it would come after the release, and hide the released message."""
    (first,) = received()
    leases.hold(0, [first])
    time.now += VISIBILITY * 0.6
    requested, answer = threading.Event(), threading.Event()

    def slow(messages):
        requested.set()
        answer.wait(10)
        return []

    queue.extend = slow
    threading.Thread(target=leases.extend).start()
    assert requested.wait(5)
    letting_go = threading.Thread(target=leases.hold, args=(0, ()))
    letting_go.start()
    letting_go.join(0.2)
    assert letting_go.is_alive()
    answer.set()
    letting_go.join(5)
    assert not letting_go.is_alive()


def test_an_error_of_sqs_is_waited_for(queue, received, message, monkeypatch):
    monkeypatch.setattr("worker.timing.retries.back_off", lambda _: 0.01)
    monkeypatch.setattr(queue, "visibility_seconds", 0.4)
    leases, over = Leases(queue), threading.Event()
    queue.unreachable = True
    leases.hold(0, [replace(message("a"), lease_until=clock.now() + 3_600)])
    monkeypatch.setattr(leases, "_is_due", lambda _: True)
    keeper = threading.Thread(target=leases.keep, args=(over,))
    keeper.start()
    over.wait(0.3)
    assert keeper.is_alive()
    queue.unreachable = False
    while not queue.extended:
        over.wait(0.01)
    over.set()
    keeper.join(5)
    assert not keeper.is_alive()


def test_while_sqs_is_unreachable_it_is_called_often_enough_for_a_lease_to_last(
    leases, queue, received, time
):
    (first,) = received()
    leases.hold(0, [first])
    received_at, tries = time.now, []

    def extend(messages):
        tries.append(time.now)
        if time.now < received_at + VISIBILITY - LONGEST_TICK_SECONDS - 1:
            raise Unavailable("unreachable")
        return []

    class Over(threading.Event):
        def wait(self, seconds=None):
            time.now += seconds
            return time.now > received_at + VISIBILITY

    queue.extend = extend
    leases.keep(Over())
    assert len(tries) > 5
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert max(gaps) <= 2 * LONGEST_TICK_SECONDS
    assert leases.lasts(first)
