"""Lines that are written by a thread of their own: nobody waits for a reader that stands still."""

import errno
import threading
import time

import pytest

from worker.observability.line_writer import LineWriter


class Reader:
    """Where lines go; it takes none while it is made to stand still."""

    def __init__(self):
        self.read = []
        self.goes_on = threading.Event()
        self.goes_on.set()

    def takes(self, line):
        def write():
            self.goes_on.wait(10)
            self.read.append(line)

        return write


@pytest.fixture
def reader():
    return Reader()


def writer(**changes):
    return LineWriter(**{"most_bytes": 100, "wait_budget": 0.1} | changes)


def test_lines_are_written_in_their_order(reader):
    ours = writer(most_bytes=1_000_000)
    for number in range(1_000):
        ours.put(reader.takes(number), 10, lines=lambda: 1)
    assert ours.finish(5)
    assert reader.read == list(range(1_000))


def test_a_slow_reader_is_waited_for_and_nothing_is_lost(reader):
    def slowly():
        time.sleep(0.01)

    ours = writer(wait_budget=5)
    for _ in range(50):
        ours.put(slowly, 40, lines=lambda: 1)
    assert ours.finish(5)
    assert (ours.lost, ours.is_stuck) == (0, False)


def test_a_reader_that_stands_still_is_waited_for_once_and_lines_are_counted(reader):
    reader.goes_on.clear()
    ours = writer()
    began = time.monotonic()
    for number in range(1_000):
        ours.put(reader.takes(number), 40, lines=lambda: 3)
    assert time.monotonic() - began < 1
    assert (ours.is_stuck, ours.lost) == (True, 3 * 998)
    assert not ours.finish(0.05)

    reader.goes_on.set()
    assert ours.finish(5)
    assert not ours.is_stuck
    ours.put(reader.takes("later"), 40, lines=lambda: 1)
    assert ours.finish(5)
    assert reader.read == [0, 1, "later"]


def test_a_line_larger_than_all_room_is_written_when_nothing_waits():
    ours = writer()
    found = []
    ours.put(lambda: found.append("large"), 10_000, lines=lambda: 1)
    assert ours.finish(5)
    assert (found, ours.lost) == (["large"], 0)


def test_what_cannot_be_written_is_no_end_of_the_thread(reader):
    ours = writer()
    ours.put(lambda: 1 / 0, 10, lines=lambda: 1)
    ours.put(reader.takes("next"), 10, lines=lambda: 1)
    assert ours.finish(5)
    assert reader.read == ["next"]


def test_lines_whose_write_fails_are_counted_until_a_write_succeeds(reader):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    ours = writer()
    for _ in range(2):
        ours.put(full, 10, lines=lambda: 3)
    assert ours.finish(5)
    assert (ours.lost, ours.failure.errno, ours.is_stuck) == (6, errno.ENOSPC, False)
    ours.put(reader.takes("next"), 10, lines=lambda: 1)
    assert ours.finish(5)
    assert (ours.lost, ours.failure) == (6, None)
