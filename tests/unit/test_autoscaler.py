"""How many pollers receive."""

import threading

import pytest

from worker.consumer.autoscaler import WINDOW_SECONDS, PollerAutoscaler


class Clocks:
    """Wall time and CPU time, moved by the test."""

    def __init__(self):
        self.now = self.cpu = 0.0

    def pass_window(self, busy):
        self.now += 2 * WINDOW_SECONDS
        self.cpu += 2 * WINDOW_SECONDS * busy


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def autoscaler(clocks):
    return PollerAutoscaler(
        pollers=5, full=10, clock=lambda: clocks.now, cpu_clock=lambda: clocks.cpu
    )


def may(autoscaler, poller):
    """Whether that poller may receive at once."""
    allowed = []
    thread = threading.Thread(
        target=lambda: allowed.append(autoscaler.await_slot(poller)), daemon=True
    )
    thread.start()
    thread.join(0.05)
    return allowed == [True]


def allowed(autoscaler):
    return [may(autoscaler, number) for number in range(5)].count(True)


def receive(autoscaler, clocks, count, busy):
    clocks.pass_window(busy)
    autoscaler.received(count)


def test_a_single_poller_polls_at_first(autoscaler):
    assert allowed(autoscaler) == 1


def test_each_full_receive_adds_a_poller_as_long_as_the_interpreter_waits(autoscaler, clocks):
    for number in (2, 3, 4, 5, 5):
        receive(autoscaler, clocks, 10, busy=0.5)
        assert allowed(autoscaler) == number


def test_where_it_is_idle_for_the_most_part_they_bring_twice_as_many(autoscaler, clocks):
    for number in (2, 4, 5, 5):
        receive(autoscaler, clocks, 10, busy=0.3)
        assert allowed(autoscaler) == number


def test_a_busy_interpreter_gets_no_more_pollers_and_an_overloaded_interpreter_gets_fewer(
    autoscaler, clocks
):
    receive(autoscaler, clocks, 10, busy=0.3)
    receive(autoscaler, clocks, 10, busy=0.85)
    assert allowed(autoscaler) == 2
    receive(autoscaler, clocks, 10, busy=1.0)
    receive(autoscaler, clocks, 10, busy=1.0)
    assert allowed(autoscaler) == 1


def test_it_is_judged_over_a_while_and_not_by_every_receive(autoscaler, clocks):
    for _ in range(5):
        autoscaler.received(10)
    assert allowed(autoscaler) == 1


def test_a_partial_receive_changes_nothing_and_an_empty_receive_leaves_a_single_poller(
    autoscaler, clocks
):
    receive(autoscaler, clocks, 10, busy=0.1)
    receive(autoscaler, clocks, 4, busy=0.1)
    assert allowed(autoscaler) == 2
    receive(autoscaler, clocks, 0, busy=0.1)
    assert allowed(autoscaler) == 1


def test_an_error_leaves_a_single_poller(autoscaler, clocks):
    receive(autoscaler, clocks, 10, busy=0.1)
    autoscaler.receive_failed()
    assert allowed(autoscaler) == 1


def test_empty_receives_are_counted_in_a_row(autoscaler):
    for count, in_a_row in ((0, 1), (0, 2), (3, 0), (0, 1)):
        autoscaler.received(count)
        assert autoscaler.empty_in_a_row == in_a_row


def test_nobody_polls_while_halted_and_a_single_poller_afterwards(autoscaler, clocks):
    receive(autoscaler, clocks, 10, busy=0.1)
    autoscaler.halt("store")
    autoscaler.halt("deletes")
    assert allowed(autoscaler) == 0
    autoscaler.go_on("store")
    assert allowed(autoscaler) == 0
    autoscaler.go_on("deletes")
    assert allowed(autoscaler) == 1


def test_closing_sends_all_home(autoscaler):
    autoscaler.halt("store")
    answers = []
    threads = [
        threading.Thread(target=lambda n=number: answers.append(autoscaler.await_slot(n)))
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    autoscaler.close()
    for thread in threads:
        thread.join(5)
    assert answers == [False, False]
