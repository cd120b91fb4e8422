"""Permits: room for what is received, given back exactly once."""

import threading

import pytest

from worker.consumer.permits import Permits


def in_background(function, *arguments):
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*arguments)))
    thread.start()
    return thread, result


def test_a_receive_waits_for_room():
    permits = Permits(at_once=15)
    assert permits.reserve(10) == 10
    waiting, result = in_background(permits.reserve, 10)
    waiting.join(0.05)
    assert waiting.is_alive()
    permits.fill(10, messages=5)
    waiting.join(5)
    assert result == [10]
    assert permits.held == 5


def test_held_messages_keep_their_room_until_they_are_settled():
    permits = Permits(at_once=10)
    permits.fill(permits.reserve(10), messages=10)
    waiting, result = in_background(permits.reserve, 10)
    permits.give_back(9)
    waiting.join(0.05)
    assert waiting.is_alive()
    permits.give_back(1)
    waiting.join(5)
    assert result == [10]


def test_more_cannot_come_back_than_is_held():
    permits = Permits(at_once=10)
    permits.fill(permits.reserve(10), messages=1)
    with pytest.raises(ValueError, match="2 permits come back, 1 are held"):
        permits.give_back(2)


def test_with_a_limit_no_more_is_granted_than_is_left():
    permits = Permits(at_once=100, in_all=15)
    assert permits.reserve(10) == 10
    permits.fill(10, messages=10)
    assert permits.reserve(10) == 5
    permits.fill(5, messages=5)
    assert not permits.exhausted
    permits.give_back(15)
    assert permits.exhausted
    assert permits.reserve(10) == 0


def test_what_a_receive_did_not_use_does_not_count_against_the_limit():
    permits = Permits(at_once=100, in_all=10)
    permits.fill(permits.reserve(10), messages=3)
    permits.give_back(3)
    assert permits.reserve(10) == 7


def test_one_who_waits_at_the_limit_learns_of_its_end():
    permits = Permits(at_once=100, in_all=10)
    permits.reserve(10)
    waiting, result = in_background(permits.reserve, 10)
    permits.fill(10, messages=10)
    permits.give_back(10)
    waiting.join(5)
    assert result == [0]


def test_closing_wakes_all_who_wait():
    permits = Permits(at_once=10)
    permits.reserve(10)
    waiting, result = in_background(permits.reserve, 10)
    permits.close()
    waiting.join(5)
    assert result == [0]
    assert permits.reserve(1) == 0
