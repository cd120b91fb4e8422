"""The writer: one at a time, for all who wait; and an outage of the books."""

import threading
import time

import pytest
from waiting import wait_until

from worker import clock
from worker.consumer import arrivals, writing
from worker.consumer.pace import Pace
from worker.consumer.tally import Tally
from worker.consumer.writing import Writer
from worker.errors import Misconfigured, Unavailable
from worker.health import Health
from worker.model import Delete, Handled, Outcome, Release


class Books:
    """Somewhere to write that can be slow, or away."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.away = False
        self.probes = 0
        self.writers = 0
        self.most_writers = 0

    def process(self, batch):
        self.writers += 1
        self.most_writers = max(self.most_writers, self.writers)
        self.gate.wait(10)
        self.writers -= 1
        if self.away:
            return [Handled(one, Release(0), error=Unavailable("away")) for one in batch]
        self.batches.append([one.message_id for one in batch])
        return [Handled(one, Delete(Outcome.APPLIED)) for one in batch]

    def probe(self):
        self.probes += 1
        if self.away:
            raise Unavailable("still away")


@pytest.fixture
def books():
    return Books()


@pytest.fixture
def quick(monkeypatch):
    """Seconds become hundredths."""
    monkeypatch.setattr("worker.consumer.outage.back_off", lambda attempt: 0.02 * attempt)
    monkeypatch.setattr(writing, "TICK_SECONDS", 0.005)


@pytest.fixture
def stopping():
    return threading.Event()


@pytest.fixture
def pace():
    return Pace(pollers=4, full=10)


@pytest.fixture
def make(books, stopping, pace):
    def make(give_up=None):
        return Writer(
            health=Health(),
            process=books.process,
            probe=books.probe,
            tally=Tally(),
            pace=pace,
            stopping=stopping,
            give_up=give_up,
        )

    return make


def write(writer, *batches):
    """Each batch by a poller of its own; return their answers and the threads."""
    answers = {}

    def poll(number, batch):
        answers[number] = writer.write(batch)

    threads = [threading.Thread(target=poll, args=pair, daemon=True) for pair in enumerate(batches)]
    for thread in threads:
        thread.start()
    return answers, threads


def join(threads):
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_one_poller_writes_its_own_messages_at_once(make, books, message):
    handled = make().write([message("a"), message("b")])
    assert books.batches == [["message-1", "message-2"]]
    assert [one.disposition for one in handled] == [Delete(Outcome.APPLIED)] * 2


def test_those_who_come_while_somebody_writes_share_the_next_commit(make, books, message):
    writer = make()
    books.gate.clear()
    _, threads = write(writer, [message("a")])
    wait_until(lambda: books.writers)
    rest, more = write(writer, *[[message("b")] for _ in range(5)])
    wait_until(lambda: len(writer._waiting) == 6)
    books.gate.set()
    join([*threads, *more])
    assert [len(batch) for batch in books.batches] == [1, 5]
    assert books.most_writers == 1
    assert [len(answer) for answer in rest.values()] == [1] * 5


def test_a_commit_has_a_bound(make, books, message, monkeypatch):
    monkeypatch.setattr(writing, "LARGEST_COMMIT", 4)
    writer = make()
    books.gate.clear()
    _, threads = write(writer, *[[message("x"), message("y")] for _ in range(5)])
    wait_until(lambda: len(writer._waiting) == 5)
    books.gate.set()
    join(threads)
    assert max(len(batch) for batch in books.batches) <= 4
    assert sum(len(batch) for batch in books.batches) == 10


def test_everybody_gets_the_answers_to_their_own_messages(make, books, message):
    batches = [[message(f"{n}-{m}") for m in range(3)] for n in range(20)]
    answers, threads = write(make(), *batches)
    join(threads)
    for number, batch in enumerate(batches):
        assert [one.received for one in answers[number]] == batch


def test_an_error_of_ours_reaches_who_wrote_and_leaves_the_turn_free(make, books, message):
    writer = make()
    process = books.process
    writer._process = lambda batch: 1 / 0
    with pytest.raises(ZeroDivisionError):
        writer.write([message("a")])
    writer._process = process
    writer.write([message("b")])


class TestOutage:
    def test_a_short_one_costs_nothing_but_time(self, make, books, message, pace, quick):
        writer = make()
        books.away = True
        answers, threads = write(writer, [message("a")])
        wait_until(lambda: books.probes)
        books.away = False
        join(threads)
        assert answers[0][0].disposition == Delete(Outcome.APPLIED)
        assert pace.await_turn(0)

    def test_nobody_polls_meanwhile(self, make, books, message, pace, quick):
        writer = make()
        books.away = True
        _, threads = write(writer, [message("a")])
        wait_until(lambda: books.probes)
        waiting = threading.Thread(target=writer.await_books, daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        assert pace.halted
        books.away = False
        join([*threads, waiting])

    def test_in_a_long_one_messages_go_back_and_somebody_keeps_looking(
        self, make, books, message, quick, monkeypatch
    ):
        monkeypatch.setattr(arrivals, "HELD_SECONDS", 0.05)
        writer = make()
        books.away = True
        answers, threads = write(writer, [message("a")], [message("b")])
        join(threads)
        assert [one.disposition.seconds for answer in answers.values() for one in answer] == [0, 0]
        seen = books.probes
        waiting = threading.Thread(target=writer.await_books, daemon=True)
        waiting.start()
        wait_until(lambda: books.probes > seen)
        books.away = False
        join([waiting])

    def test_they_go_back_before_their_lease_ends(self, make, books, message, quick):
        from msgspec.structs import replace

        books.away = True
        short = replace(message("a"), lease_until=clock.now() + arrivals.LEASE_LEFT_SECONDS)
        started = time.monotonic()
        (handled,) = make().write([short])
        assert handled.disposition == Release(0, begun=True)
        assert time.monotonic() - started < 5

    def test_what_came_during_the_outage_is_handed_back_untouched(
        self, make, books, message, quick, monkeypatch
    ):
        monkeypatch.setattr(arrivals, "HELD_SECONDS", 0.1)
        writer = make()
        books.away = True
        _, threads = write(writer, [message("a")])
        wait_until(lambda: books.probes)
        late, more = write(writer, [message("b")])
        join([*threads, *more])
        assert late[0][0].disposition == Release(0, begun=False)
        assert writer._tally.received == 1

    def test_a_stop_ends_it_at_once(self, make, books, message, stopping, quick):
        writer = make()
        books.away = True
        answers, threads = write(writer, [message("a")])
        wait_until(lambda: books.probes)
        stopping.set()
        join(threads)
        assert answers[0][0].disposition == Release(0)
        writer.await_books()

    def test_one_who_must_not_wait_gives_up(self, make, books, message, stopping):
        told = []

        def give_up(error):
            told.append(str(error))
            stopping.set()

        books.away = True
        (handled,) = make(give_up).write([message("a")])
        assert (told, handled.disposition) == (["away"], Release(0))

    def test_outages_in_a_row_are_waited_out_longer_and_a_commit_forgets_them(
        self, make, books, message, monkeypatch
    ):
        waits = []
        monkeypatch.setattr("worker.consumer.outage.back_off", lambda n: waits.append(n) or 0)
        answers = iter([away, away, away, books.process, away, books.process])
        writer = make()
        writer._process = lambda batch: next(answers)(batch)  # noqa: PLW0108 each time the next
        writer.write([message("a")])
        writer.write([message("b")])
        assert waits == [1, 2, 3, 1]

    def test_one_message_is_tried_before_the_rest_and_before_anything_is_received(
        self, make, books, message, pace, quick
    ):
        """The probe may be well where messages are not."""
        tried = []

        def process(batch):
            tried.append((len(batch), pace.halted))
            return away(batch) if len(tried) < 4 else books.process(batch)

        writer = make()
        writer._process = process
        handled = writer.write([message("a") for _ in range(3)])
        # Those that were tried are suspected by then: each is alone, so that it costs no other.
        assert tried == [(3, False), *[(1, True)] * 3, *[(1, False)] * 2]
        assert {one.received.message_id for one in handled} == {f"message-{n}" for n in (1, 2, 3)}
        assert writer._tally.received == 3

    def test_after_two_in_a_row_one_message_is_received_until_something_is_written(
        self, make, books, message, quick, monkeypatch
    ):
        monkeypatch.setattr(arrivals, "HELD_SECONDS", 0.1)
        writer = make()
        most = [writer.most]
        writer._process = away
        (handled,) = writer.write([message("a")])
        most.append(writer.most)
        writer._process = lambda batch: [Handled(one, Delete(Outcome.IGNORED)) for one in batch]
        writer.write([message("b")])
        most.append(writer.most)
        writer._process = books.process
        writer.write([message("b")])
        assert most == [10, 1, 1]
        assert writer.most == 10
        assert handled.disposition.seconds > 0  # not at once, so that it cannot spin

    def test_one_to_blame_itself_says_nothing_about_the_rest(
        self, make, books, message, quick, monkeypatch
    ):
        waits = []
        monkeypatch.setattr("worker.consumer.outage.back_off", lambda n: waits.append(n) or 0)
        broken = [
            lambda batch: [Handled(one, Release(30), error=ValueError()) for one in batch]
        ] * 2
        answers = iter([away, *broken, books.process])
        writer = make()
        writer._process = lambda batch: next(answers)(batch)  # noqa: PLW0108 each time the next
        handled = writer.write([message("a") for _ in range(3)])
        assert [one.disposition for one in handled] == [
            Release(30), Release(30), Delete(Outcome.APPLIED)
        ]  # fmt: skip
        assert waits == [1]  # nor does it make the others wait

    def test_books_that_turn_out_to_be_something_else_are_waited_for_too(
        self, make, books, message, quick
    ):
        def probe():
            books.probes += 1
            if books.probes < 3:
                raise Misconfigured("is not a database")

        books.away = True
        writer = make()
        writer._probe = probe
        threading.Timer(0.02, lambda: setattr(books, "away", False)).start()
        writer.write([message("a")])
        assert books.probes >= 3


def away(batch):
    return [Handled(one, Release(0), error=Unavailable("away")) for one in batch]
