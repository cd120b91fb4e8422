"""A limit on messages in total, shared by the pollers."""

import threading

from worker.consumer.message_budget import MessageBudget


def in_background(function, *arguments):
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*arguments)))
    thread.start()
    return thread, result


def test_without_a_limit_everything_is_granted():
    message_budget = MessageBudget()
    for _ in range(100):
        assert message_budget.take(10) == 10
    assert not message_budget.exhausted


def test_no_more_is_granted_than_is_left():
    message_budget = MessageBudget(15)
    assert [message_budget.take(10), message_budget.take(10)] == [10, 5]
    assert not message_budget.exhausted
    message_budget.give_back(10, used=10)
    message_budget.give_back(5, used=5)
    assert message_budget.exhausted
    assert message_budget.take(10) == 0


def test_what_a_receive_did_not_bring_may_be_had_again():
    message_budget = MessageBudget(10)
    message_budget.give_back(message_budget.take(10), used=3)
    assert message_budget.take(10) == 7


def test_a_poller_without_budget_waits_for_what_others_may_return():
    message_budget = MessageBudget(10)
    message_budget.take(10)
    waiting, result = in_background(message_budget.take, 10)
    waiting.join(0.05)
    assert waiting.is_alive()
    message_budget.give_back(10, used=8)
    waiting.join(5)
    assert result == [2]


def test_a_waiting_poller_learns_of_the_end():
    message_budget = MessageBudget(10)
    message_budget.take(10)
    waiting, result = in_background(message_budget.take, 10)
    message_budget.give_back(10, used=10)
    waiting.join(5)
    assert result == [0]


def test_a_poller_with_messages_in_hand_does_not_wait():
    message_budget = MessageBudget(10)
    message_budget.take(10)
    assert message_budget.take(10, wait=False) == 0


def test_closing_wakes_all_who_wait_and_grants_no_more():
    message_budget = MessageBudget(10)
    message_budget.take(10)
    waiting, result = in_background(message_budget.take, 10)
    message_budget.close()
    waiting.join(5)
    assert result == [0]
    assert MessageBudget().take(1) == 1
