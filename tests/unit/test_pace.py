"""How many pollers poll."""

import threading

import pytest

from worker.consumer.pace import WINDOW_SECONDS, Pace


class Clocks:
    """Time, and how much of it the interpreter has worked."""

    def __init__(self):
        self.now = self.cpu = 0.0

    def pass_window(self, busy):
        self.now += 2 * WINDOW_SECONDS
        self.cpu += 2 * WINDOW_SECONDS * busy


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def pace(clocks):
    return Pace(pollers=5, full=10, clock=lambda: clocks.now, cpu_clock=lambda: clocks.cpu)


def may(pace, poller):
    """Whether that poller's turn comes at once."""
    turn = []
    thread = threading.Thread(target=lambda: turn.append(pace.await_turn(poller)), daemon=True)
    thread.start()
    thread.join(0.05)
    return turn == [True]


def allowed(pace):
    return [may(pace, number) for number in range(5)].count(True)


def receive(pace, clocks, count, busy):
    clocks.pass_window(busy)
    pace.received(count)


def test_one_polls_at_first(pace):
    assert allowed(pace) == 1


def test_full_receives_bring_one_more_each_as_long_as_the_interpreter_waits(pace, clocks):
    for number in (2, 3, 4, 5, 5):
        receive(pace, clocks, 10, busy=0.5)
        assert allowed(pace) == number


def test_where_it_is_idle_for_the_most_part_they_bring_twice_as_many(pace, clocks):
    for number in (2, 4, 5, 5):
        receive(pace, clocks, 10, busy=0.3)
        assert allowed(pace) == number


def test_a_busy_interpreter_has_pollers_enough_and_an_overrun_one_too_many(pace, clocks):
    receive(pace, clocks, 10, busy=0.3)
    receive(pace, clocks, 10, busy=0.85)
    assert allowed(pace) == 2
    receive(pace, clocks, 10, busy=1.0)
    receive(pace, clocks, 10, busy=1.0)
    assert allowed(pace) == 1


def test_it_is_judged_over_a_while_and_not_by_every_receive(pace, clocks):
    for _ in range(5):
        pace.received(10)
    assert allowed(pace) == 1


def test_a_partial_receive_changes_nothing_and_an_empty_one_leaves_one_poller(pace, clocks):
    receive(pace, clocks, 10, busy=0.1)
    receive(pace, clocks, 4, busy=0.1)
    assert allowed(pace) == 2
    receive(pace, clocks, 0, busy=0.1)
    assert allowed(pace) == 1


def test_trouble_leaves_one_poller(pace, clocks):
    receive(pace, clocks, 10, busy=0.1)
    pace.stumbled()
    assert allowed(pace) == 1


def test_empty_receives_are_counted_in_a_row(pace):
    for count, in_a_row in ((0, 1), (0, 2), (3, 0), (0, 1)):
        pace.received(count)
        assert pace.empty_in_a_row == in_a_row


def test_nobody_polls_while_halted_and_one_afterwards(pace, clocks):
    receive(pace, clocks, 10, busy=0.1)
    pace.halt("books")
    pace.halt("deletes")
    assert allowed(pace) == 0
    pace.go_on("books")
    assert allowed(pace) == 0
    pace.go_on("deletes")
    assert allowed(pace) == 1


def test_closing_sends_all_home(pace):
    pace.halt("books")
    answers = []
    threads = [
        threading.Thread(target=lambda n=number: answers.append(pace.await_turn(n)))
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    pace.close()
    for thread in threads:
        thread.join(5)
    assert answers == [False, False]
