"""How many pollers poll."""

import threading

from worker.consumer.pace import Pace


def may(pace, poller):
    """Whether that poller's turn comes at once."""
    turn = []
    thread = threading.Thread(target=lambda: turn.append(pace.await_turn(poller)), daemon=True)
    thread.start()
    thread.join(0.05)
    return turn == [True]


def test_one_polls_at_first_and_one_more_with_each_full_receive():
    pace = Pace(pollers=3, full=10)
    assert (may(pace, 0), may(pace, 1)) == (True, False)
    pace.received(10)
    assert (may(pace, 1), may(pace, 2)) == (True, False)
    pace.received(10)
    pace.received(10)
    assert may(pace, 2)


def test_a_partial_receive_changes_nothing_and_an_empty_one_leaves_one_poller():
    pace = Pace(pollers=3, full=10)
    pace.received(10)
    pace.received(4)
    assert may(pace, 1)
    pace.received(0)
    assert (may(pace, 0), may(pace, 1)) == (True, False)


def test_trouble_leaves_one_poller():
    pace = Pace(pollers=3, full=10)
    pace.received(10)
    pace.stumbled()
    assert (may(pace, 0), may(pace, 1)) == (True, False)


def test_empty_receives_are_counted_in_a_row():
    pace = Pace(pollers=1, full=10)
    for count, in_a_row in ((0, 1), (0, 2), (3, 0), (0, 1)):
        pace.received(count)
        assert pace.empty_in_a_row == in_a_row


def test_nobody_polls_while_halted_and_one_afterwards():
    pace = Pace(pollers=2, full=10)
    pace.received(10)
    pace.halt()
    assert not may(pace, 0)
    pace.go_on()
    assert (may(pace, 0), may(pace, 1)) == (True, False)


def test_closing_sends_all_home():
    pace = Pace(pollers=2, full=10)
    pace.halt()
    answers = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(pace.await_turn(n))) for n in range(2)
    ]
    for thread in threads:
        thread.start()
    pace.close()
    for thread in threads:
        thread.join(5)
    assert answers == [False, False]
