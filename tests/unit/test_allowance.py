"""A limit on messages in all, shared by the pollers."""

import threading

from worker.consumer.allowance import Allowance


def in_background(function, *arguments):
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*arguments)))
    thread.start()
    return thread, result


def test_without_a_limit_everything_is_granted():
    allowance = Allowance()
    for _ in range(100):
        assert allowance.take(10) == 10
    assert not allowance.exhausted


def test_no_more_is_granted_than_is_left():
    allowance = Allowance(15)
    assert [allowance.take(10), allowance.take(10)] == [10, 5]
    assert not allowance.exhausted
    allowance.give_back(10, used=10)
    allowance.give_back(5, used=5)
    assert allowance.exhausted
    assert allowance.take(10) == 0


def test_what_a_receive_did_not_bring_may_be_had_again():
    allowance = Allowance(10)
    allowance.give_back(allowance.take(10), used=3)
    assert allowance.take(10) == 7


def test_one_who_finds_none_left_waits_for_what_others_may_return():
    allowance = Allowance(10)
    allowance.take(10)
    waiting, result = in_background(allowance.take, 10)
    waiting.join(0.05)
    assert waiting.is_alive()
    allowance.give_back(10, used=8)
    waiting.join(5)
    assert result == [2]


def test_one_who_waits_learns_of_the_end():
    allowance = Allowance(10)
    allowance.take(10)
    waiting, result = in_background(allowance.take, 10)
    allowance.give_back(10, used=10)
    waiting.join(5)
    assert result == [0]


def test_one_with_messages_in_hand_does_not_wait():
    allowance = Allowance(10)
    allowance.take(10)
    assert allowance.take(10, wait=False) == 0


def test_closing_wakes_all_who_wait_and_grants_no_more():
    allowance = Allowance(10)
    allowance.take(10)
    waiting, result = in_background(allowance.take, 10)
    allowance.close()
    waiting.join(5)
    assert result == [0]
    assert Allowance().take(1) == 1
