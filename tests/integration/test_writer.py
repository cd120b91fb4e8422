"""The writer: a single thread writes for all that wait; and an outage of the store."""

import threading
import time

import pytest
from support.waiting import wait_until

from worker.consumer import choosing, received_batch, writing
from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.callbacks import Callbacks
from worker.consumer.counters import Counters
from worker.consumer.writing import Writer
from worker.core.errors import Misconfigured, Unavailable
from worker.core.messages import Delete, Handled, Release
from worker.core.model import Outcome
from worker.observability.health import Health
from worker.timing import clock


class FakeStore:
    """A store that can be slow, or unavailable."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.unreachable = False
        self.probes = 0
        self.writers = 0
        self.most_writers = 0

    def process(self, batch):
        self.writers += 1
        self.most_writers = max(self.most_writers, self.writers)
        self.gate.wait(10)
        self.writers -= 1
        if self.unreachable:
            return [
                Handled(message, Release(0), error=Unavailable("unreachable")) for message in batch
            ]
        self.batches.append([message.message_id for message in batch])
        return [Handled(message, Delete(Outcome.APPLIED)) for message in batch]

    def probe(self):
        self.probes += 1
        if self.unreachable:
            raise Unavailable("still unreachable")


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def quick(monkeypatch):
    """Seconds become hundredths."""
    monkeypatch.setattr("worker.consumer.outage.back_off", lambda attempt: 0.02 * attempt)
    monkeypatch.setattr(writing, "TICK_SECONDS", 0.005)


@pytest.fixture
def stopping():
    return threading.Event()


@pytest.fixture
def autoscaler():
    return PollerAutoscaler(pollers=4, full=10)


@pytest.fixture
def make(store, stopping, autoscaler):
    def make(give_up=None):
        return Writer(
            health=Health(),
            callbacks=Callbacks(process=store.process, settled=lambda _: None),
            store=store,
            counters=Counters(),
            autoscaler=autoscaler,
            stopping=stopping,
            give_up=give_up,
        )

    return make


def write(writer, *batches):
    """Write each batch in a thread of its own; return the answers and the threads."""
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


def test_a_single_poller_writes_its_own_messages_at_once(make, store, message):
    handled = make().write([message("a"), message("b")])
    assert store.batches == [["message-1", "message-2"]]
    assert [result.disposition for result in handled] == [Delete(Outcome.APPLIED)] * 2


def test_those_who_come_while_somebody_writes_share_the_next_commit(make, store, message):
    writer = make()
    store.gate.clear()
    _, threads = write(writer, [message("a")])
    wait_until(lambda: store.writers)
    rest, more = write(writer, *[[message("b")] for _ in range(5)])
    wait_until(lambda: len(writer._waiting) == 6)
    store.gate.set()
    join([*threads, *more])
    assert [len(batch) for batch in store.batches] == [1, 5]
    assert store.most_writers == 1
    assert [len(answer) for answer in rest.values()] == [1] * 5


def test_a_commit_has_a_bound(make, store, message, monkeypatch):
    monkeypatch.setattr(choosing, "LARGEST_COMMIT", 4)
    writer = make()
    store.gate.clear()
    _, threads = write(writer, *[[message("x"), message("y")] for _ in range(5)])
    wait_until(lambda: len(writer._waiting) == 5)
    store.gate.set()
    join(threads)
    assert max(len(batch) for batch in store.batches) <= 4
    assert sum(len(batch) for batch in store.batches) == 10


def test_everybody_gets_the_answers_to_their_own_messages(make, store, message):
    batches = [[message(f"{n}-{m}") for m in range(3)] for n in range(20)]
    answers, threads = write(make(), *batches)
    join(threads)
    for number, batch in enumerate(batches):
        assert [item.received for item in answers[number]] == batch


def test_a_bug_reaches_the_caller_and_leaves_the_writer_free(make, store, message):
    writer = make()
    process = store.process
    writer._process = lambda batch: 1 / 0
    with pytest.raises(ZeroDivisionError):
        writer.write([message("a")])
    writer._process = process
    writer.write([message("b")])


class TestOutage:
    def test_a_short_outage_costs_nothing_but_time(self, make, store, message, autoscaler, quick):
        writer = make()
        store.unreachable = True
        answers, threads = write(writer, [message("a")])
        wait_until(lambda: store.probes)
        store.unreachable = False
        join(threads)
        assert answers[0][0].disposition == Delete(Outcome.APPLIED)
        assert autoscaler.await_slot(0)

    def test_nobody_polls_meanwhile(self, make, store, message, autoscaler, quick):
        writer = make()
        store.unreachable = True
        _, threads = write(writer, [message("a")])
        wait_until(lambda: store.probes)
        waiting = threading.Thread(target=writer.await_store, daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        assert autoscaler.halted
        store.unreachable = False
        join([*threads, waiting])

    def test_in_a_long_outage_messages_go_back_and_somebody_keeps_probing(
        self, make, store, message, quick, monkeypatch
    ):
        monkeypatch.setattr(received_batch, "HELD_SECONDS", 0.05)
        writer = make()
        store.unreachable = True
        answers, threads = write(writer, [message("a")], [message("b")])
        join(threads)
        assert [entry.disposition.seconds for answer in answers.values() for entry in answer] == [
            0,
            0,
        ]
        observed = store.probes
        waiting = threading.Thread(target=writer.await_store, daemon=True)
        waiting.start()
        wait_until(lambda: store.probes > observed)
        store.unreachable = False
        join([waiting])

    def test_they_go_back_before_their_lease_ends(self, make, store, message, quick):
        from msgspec.structs import replace

        store.unreachable = True
        short = replace(message("a"), lease_until=clock.now() + received_batch.LEASE_LEFT_SECONDS)
        started = time.monotonic()
        (handled,) = make().write([short])
        assert handled.disposition == Release(0, begun=True)
        assert time.monotonic() - started < 5

    def test_what_came_during_the_outage_is_handed_back_untouched(
        self, make, store, message, quick, monkeypatch
    ):
        monkeypatch.setattr(received_batch, "HELD_SECONDS", 0.1)
        writer = make()
        store.unreachable = True
        _, threads = write(writer, [message("a")])
        wait_until(lambda: store.probes)
        late, more = write(writer, [message("b")])
        join([*threads, *more])
        assert late[0][0].disposition == Release(0, begun=False)
        assert writer._counters.received == 1

    def test_a_stop_ends_it_at_once(self, make, store, message, stopping, quick):
        writer = make()
        store.unreachable = True
        answers, threads = write(writer, [message("a")])
        wait_until(lambda: store.probes)
        stopping.set()
        join(threads)
        assert answers[0][0].disposition == Release(0)
        writer.await_store()

    def test_a_caller_who_must_not_wait_gives_up(self, make, store, message, stopping):
        reported = []

        def give_up(error):
            reported.append(str(error))
            stopping.set()

        store.unreachable = True
        (handled,) = make(give_up).write([message("a")])
        assert (reported, handled.disposition) == (["unreachable"], Release(0))

    def test_outages_in_a_row_are_waited_out_longer_and_a_commit_forgets_them(
        self, make, store, message, monkeypatch
    ):
        waits = []
        monkeypatch.setattr("worker.consumer.outage.back_off", lambda n: waits.append(n) or 0)
        answers = iter(
            [unreachable, unreachable, unreachable, store.process, unreachable, store.process]
        )
        writer = make()
        writer._process = lambda batch: next(answers)(batch)  # noqa: PLW0108 each time the next
        writer.write([message("a")])
        writer.write([message("b")])
        assert waits == [1, 2, 3, 1]

    def test_a_single_message_is_tried_before_the_rest_and_before_anything_is_received(
        self, make, store, message, autoscaler, quick
    ):
        """A probe may succeed where messages fail."""
        tried = []

        def process(batch):
            tried.append((len(batch), autoscaler.halted))
            return unreachable(batch) if len(tried) < 4 else store.process(batch)

        writer = make()
        writer._process = process
        handled = writer.write([message("a") for _ in range(3)])
        # Messages that were tried are suspects now: each is alone, so that it costs no other.
        assert tried == [(3, False), *[(1, True)] * 3, *[(1, False)] * 2]
        assert {result.received.message_id for result in handled} == {
            f"message-{n}" for n in (1, 2, 3)
        }
        assert writer._counters.received == 3

    def test_after_two_outages_in_a_row_a_single_message_is_received_until_something_is_written(
        self, make, store, message, quick, monkeypatch
    ):
        monkeypatch.setattr(received_batch, "HELD_SECONDS", 0.1)
        writer = make()
        most = [writer.most]
        writer._process = unreachable
        (handled,) = writer.write([message("a")])
        most.append(writer.most)
        writer._process = lambda batch: [
            Handled(message, Delete(Outcome.IGNORED)) for message in batch
        ]
        writer.write([message("b")])
        most.append(writer.most)
        writer._process = store.process
        writer.write([message("b")])
        assert most == [10, 1, 1]
        assert writer.most == 10
        assert handled.disposition.seconds > 0  # not at once, or it would be received in a loop

    def test_a_message_to_blame_says_nothing_about_the_rest(
        self, make, store, message, quick, monkeypatch
    ):
        waits = []
        monkeypatch.setattr("worker.consumer.outage.back_off", lambda n: waits.append(n) or 0)
        broken = [
            lambda batch: [Handled(message, Release(30), error=ValueError()) for message in batch]
        ] * 2
        answers = iter([unreachable, *broken, store.process])
        writer = make()
        writer._process = lambda batch: next(answers)(batch)  # noqa: PLW0108 each time the next
        handled = writer.write([message("a") for _ in range(3)])
        assert [result.disposition for result in handled] == [
            Release(30), Release(30), Delete(Outcome.APPLIED)
        ]  # fmt: skip
        assert waits == [1]  # nor do the others wait

    def test_a_store_that_turns_out_to_be_something_else_is_waited_for_too(
        self, make, store, message, quick
    ):
        def probe():
            store.probes += 1
            if store.probes < 3:
                raise Misconfigured("is not a database")

        store.unreachable = True
        writer = make()
        store.probe = probe
        threading.Timer(0.02, lambda: setattr(store, "unreachable", False)).start()
        writer.write([message("a")])
        assert store.probes >= 3


def unreachable(batch):
    return [Handled(message, Release(0), error=Unavailable("unreachable")) for message in batch]
