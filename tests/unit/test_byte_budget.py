"""The byte budget: nothing is counted while messages are small, and no thread waits for ever."""

import threading
import time

import pytest
from support.waiting import wait_until

from worker.sqs import byte_budget as byte_budgets
from worker.sqs.byte_budget import SMALL_BYTES, BudgetExhausted, ByteBudget

MIB = 1_048_576


class Poller:
    """Calls a byte budget from a thread of its own, as a poller does."""

    def __init__(self, byte_budget):
        self._byte_budget = byte_budget
        self._calls = []
        self._changed = threading.Condition()
        self.answers = []
        threading.Thread(target=self._run, daemon=True).start()

    def __getattr__(self, name):
        def call(*arguments):
            with self._changed:
                self._calls.append((name, arguments))
                self._changed.notify()

        return call

    def _run(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls)
                name, arguments = self._calls.pop(0)
            try:
                self.answers.append(getattr(self._byte_budget, name)(*arguments))
            except BudgetExhausted as error:
                self.answers.append(error)

    def done(self, count):
        wait_until(lambda: len(self.answers) >= count)
        return self.answers[-1]


@pytest.fixture
def byte_budget():
    return ByteBudget(in_all=8 * MIB)


@pytest.fixture
def pollers(byte_budget):
    return [Poller(byte_budget) for _ in range(3)]


def test_while_messages_are_small_a_full_receive_is_requested_and_nothing_counted(byte_budget):
    for _ in range(3):
        assert byte_budget.ask(10) == 10
        byte_budget.expect(SMALL_BYTES - 1)
        byte_budget.hold(50_000, 50_000, 5_000)
        assert byte_budget.held == 0
    byte_budget.hold(200 * 5_000, 50_000, 5_000)  # a backlog that is gathered
    assert byte_budget.held == 0
    assert not byte_budget.is_for_large


def test_after_large_messages_fewer_are_requested(byte_budget):
    byte_budget.hold(3 * MIB, 3 * MIB, 2 * MIB)
    byte_budget.give_back()
    assert byte_budget.is_for_large
    assert byte_budget.ask(10) == 4
    byte_budget.give_back()
    assert byte_budget.ask(3) == 3


def test_who_finds_no_room_waits_for_those_who_hold(byte_budget, pollers):
    first, second, third = pollers
    first.hold(7 * MIB, 7 * MIB, 4 * MIB)
    first.done(1)
    second.ask(10)
    time.sleep(0.05)
    assert second.answers == []
    first.give_back()
    assert second.done(1) == 2
    third.ask(10)  # the second receive under way counts, too
    time.sleep(0.05)
    assert third.answers == []
    second.give_back()
    assert third.done(1) == 2


def test_a_single_receive_gets_room_for_more_than_there_is(byte_budget):
    byte_budget.hold(40 * MIB, 40 * MIB, 40 * MIB)
    assert byte_budget.ask(10) == 1
    byte_budget.expect(60 * MIB)
    byte_budget.give_back()
    assert byte_budget.held == 0


def test_an_answer_is_read_when_there_is_room_for_it(byte_budget, pollers):
    first, second, _ = pollers
    first.expect(MIB)
    first.done(1)
    assert (
        byte_budget.held == 5 * MIB
    )  # while it is read: itself, and texts of four bytes a character
    second.expect(MIB)
    time.sleep(0.05)
    assert second.answers == []
    first.hold(MIB, MIB, MIB)
    second.done(1)
    assert byte_budget.held == 6 * MIB


def test_what_is_requested_keeps_no_answer_from_being_read(byte_budget, pollers):
    """An idle poller's long poll lasts for 20 s, and may be empty."""
    first, second, third = pollers
    first.hold(MIB, MIB, 4 * MIB)
    first.give_back()
    first.ask(10)
    first.done(3)
    second.expect(8 * MIB)
    second.done(1)
    third.expect(MIB)
    time.sleep(0.05)
    assert third.answers == []
    second.give_back()
    third.done(1)


def test_an_answer_waits_for_so_long_only(byte_budget, pollers, monkeypatch):
    monkeypatch.setattr(byte_budgets, "WAIT_SECONDS", 0.05)
    first, second, _ = pollers
    first.hold(8 * MIB, 8 * MIB, MIB)
    first.done(1)
    second.expect(MIB)
    assert isinstance(second.done(1), BudgetExhausted)
    assert byte_budget.held == 8 * MIB


def test_small_receives_let_it_forget_large_ones(byte_budget):
    byte_budget.hold(4 * MIB, 4 * MIB, 4 * MIB)
    receives = 0
    while byte_budget.is_for_large:
        byte_budget.give_back()
        assert 1 <= byte_budget.ask(10) <= 10
        byte_budget.hold(50_000, 50_000, 5_000)
        receives += 1
    assert 10 < receives < 40
    byte_budget.give_back()
    assert (byte_budget.held, byte_budget.ask(10)) == (0, 10)


def test_nobody_waits_once_it_is_over(byte_budget, pollers):
    first, second, third = pollers
    first.hold(8 * MIB, 8 * MIB, 4 * MIB)
    first.done(1)
    second.ask(10)
    third.expect(MIB)
    byte_budget.close()
    second.done(1)
    third.done(1)


def test_many_who_receive_and_settle_hold_no_more_than_there_is_and_none_is_left_out(byte_budget):
    """An answer larger than the whole budget is read alone."""
    most, rounds = [0], [0] * 8
    over = time.monotonic() + 1.0

    def poll(number):
        while time.monotonic() < over:
            requested = byte_budget.ask(10)
            byte_budget.expect(requested * MIB // 2)
            byte_budget.hold(requested * MIB // 2, requested * MIB // 2, MIB)
            most.append(byte_budget.held)
            byte_budget.give_back()
            rounds[number] += 1

    threads = [threading.Thread(target=poll, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 8 * MIB
    assert min(rounds) > 0
    assert byte_budget.held == 0
