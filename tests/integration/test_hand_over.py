"""Dead letters are set aside beside the pollers: nothing good waits for them, and none is lost."""

import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from msgspec import structs
from support.waiting import wait_until

from worker.consumer import Callbacks, Consumer, Plan, hand_over
from worker.consumer.hand_over import MOST_WAITING, MOST_WAITING_BYTES, HandOver
from worker.consumer.leases import Leases
from worker.core.messages import DeadLetter, Delete, Handled, Received
from worker.core.model import Outcome, Reason
from worker.observability.health import Health
from worker.sqs.byte_budget import ByteBudget
from worker.timing import clock

WHY = DeadLetter(Reason.WRONG_SIGNATURE)


def message(number, body="good", seconds=60.0):
    return Received(
        message_id=str(number),
        body=body,
        receipt_handle=str(number),
        receive_count=1,
        received_at=datetime.now(UTC),
        lease_until=clock.now() + seconds,
    )


class Queue:
    """Ten messages a receive; the dead-letter queue takes nothing before its gate is open."""

    name = url = "queue"
    visibility_seconds = 60

    def __init__(self, messages=()):
        self.messages = list(messages)
        self.gate = threading.Event()
        self.deleted, self.sent, self.extended = [], [], []
        self.received = 0
        self._lock = threading.Lock()

    def receive(self, most, wait_seconds):
        with self._lock:
            taken, self.messages = self.messages[:most], self.messages[most:]
            self.received += len(taken)
        if not taken:
            time.sleep(0.005)
        return taken

    def delete(self, messages):
        self.deleted += [message.message_id for message in messages]
        return []

    def extend(self, messages):
        self.extended += [message.message_id for message in messages]
        return []

    def send_dead_letters(self, dead_letters):
        self.gate.wait(20)
        self.sent += [received.message_id for received, _ in dead_letters]
        return [received for received, _ in dead_letters]

    def send_dead_letter(self, received, why):
        self.gate.wait(20)
        self.sent.append(received.message_id)


def process(batch):
    return [
        Handled(received, WHY if received.body == "wrong" else Delete(Outcome.IGNORED))
        for received in batch
    ]


@pytest.fixture
def begin():
    """Start a consumer with a single poller; at the end the gate is opened, and it is stopped."""
    started = []

    def begin(queue):
        consumer = Consumer(
            Plan(wait_seconds=1, pollers=1),
            queue=queue,
            store=SimpleNamespace(probe=lambda: None),
            callbacks=Callbacks(process=process, settled=lambda _: None),
            health=Health(),
            byte_budget=ByteBudget(),
        )
        started.append((consumer, queue))
        consumer.start()
        return consumer

    yield begin
    for consumer, queue in started:
        queue.gate.set()
        assert consumer.finish()


def test_good_messages_are_settled_while_the_dead_letter_queue_keeps_others_waiting(begin):
    queue = Queue([message(0, "wrong"), message(1), message(2, "wrong")])
    consumer = begin(queue)
    wait_until(lambda: queue.deleted == ["1"])
    queue.messages = [message(number) for number in range(3, 30)]
    wait_until(lambda: len(queue.deleted) == 28)
    assert (consumer.held, queue.sent) == (2, [])
    queue.gate.set()
    wait_until(lambda: consumer.held == 0)
    assert queue.sent == queue.deleted[28:] == ["0", "2"]


def test_where_too_many_wait_a_poller_sets_its_own_aside_and_receives_no_more(begin):
    queue = Queue(message(number, "wrong") for number in range(4 * MOST_WAITING))
    consumer = begin(queue)
    time.sleep(0.5)
    assert queue.received <= 2 * MOST_WAITING, "its own, and as many in the other thread"
    assert queue.deleted == []
    queue.gate.set()
    wait_until(lambda: len(queue.deleted) == 4 * MOST_WAITING)
    wait_until(lambda: consumer.held == 0)
    assert sorted(queue.sent) == sorted(queue.deleted)
    assert len(set(queue.sent)) == 4 * MOST_WAITING


def test_a_stop_waits_for_what_was_handed_over(begin):
    queue = Queue([message(0, "wrong"), message(1, "wrong")])
    consumer = begin(queue)
    wait_until(lambda: queue.received == 2)
    consumer.stop()
    threading.Timer(0.3, queue.gate.set).start()
    assert consumer.finish()
    assert queue.sent == queue.deleted == ["0", "1"]
    assert consumer.counters.as_dict()["dead_lettered"] == 2


def test_a_hurried_stop_leaves_them_in_the_queue_after_a_while(begin, monkeypatch):
    monkeypatch.setattr("worker.consumer.HURRIED_SECONDS", 0.3)
    queue = Queue([message(0, "wrong"), message(1, "wrong")])
    consumer = begin(queue)
    wait_until(lambda: queue.received == 2)
    hurry = threading.Event()
    hurry.set()
    began = time.monotonic()
    assert not consumer.finish(hurry)
    assert time.monotonic() - began < 5
    assert queue.deleted == [], "they are received again"


def test_a_thread_that_dies_ends_the_run(begin, monkeypatch):
    def die(*_):
        raise MemoryError

    monkeypatch.setattr("worker.consumer.settling.Settler.set_aside", die)
    queue = Queue([message(0, "wrong")])
    consumer = begin(queue)
    assert consumer.stopped.wait(10)
    assert isinstance(consumer.failure, MemoryError)
    assert queue.deleted == []


class TestLeases:
    def test_what_waits_has_its_lease_extended_whoever_holds_it(self):
        queue = Queue()
        leases = Leases(queue)
        over, first, second = HandOver(leases, 1), message(1, seconds=20), message(2, seconds=20)
        leases.hold(0, [first, second])
        leases.extend()
        assert over.take(0, [(first, WHY)])
        leases.hold(0, [])
        assert leases.until(first) > clock.now() + 50, "it is known that it was extended"
        assert leases.until(second) < clock.now() + 30
        third = message(3, seconds=20)
        leases.hold(0, [third])
        assert over.take(0, [(third, WHY)])
        leases.extend()
        assert queue.extended == ["1", "2", "3"]
        ended = []

        def set_aside(dead_letters):
            ended.extend(received.message_id for received, _ in dead_letters)
            assert all(leases.until(each) > clock.now() + 50 for each, _ in dead_letters)
            leases.hold(7, [])

        over.leave()
        over.run(7, set_aside)
        assert ended == ["1", "3"]
        leases.extend()
        assert queue.extended == ["1", "2", "3"]

    def test_what_is_handed_over_meanwhile_is_held_while_others_are_set_aside(self):
        queue = Queue()
        leases = Leases(queue)
        over, second = HandOver(leases, 1), message(2, seconds=20)
        assert over.take(0, [(message(1, seconds=20), WHY)])
        rounds = []

        def set_aside(dead_letters):
            rounds.append([received.message_id for received, _ in dead_letters])
            if len(rounds) == 1:
                assert over.take(0, [(second, WHY)])
                assert over.held == 2
                over.leave()
            else:
                assert over.held == 1
            leases.hold(7, [])
            leases.extend()

        over.run(7, set_aside)
        assert rounds == [["1"], ["2"]]
        assert queue.extended == ["2"]
        assert over.held == 0


class TestRoom:
    def test_so_many_and_so_many_bytes_are_taken_and_no_more(self, monkeypatch):
        monkeypatch.setattr(hand_over, "MOST_WAITING", 3)
        over = HandOver(Leases(Queue()), 1)
        two = [(message(number), WHY) for number in range(2)]
        assert over.take(0, two)
        assert not over.take(0, two)
        assert over.take(0, two[:1])
        assert over.held == 3

    def test_what_is_large_stays_with_its_poller_whose_budget_counts_it(self):
        over = HandOver(Leases(Queue()), 1)
        large = [(message(1, "x" * MOST_WAITING_BYTES), WHY)]
        assert not over.take(0, large)
        assert over.held == 0
        half = [(message(1, "x" * (MOST_WAITING_BYTES // 2 + 1)), WHY)]
        assert over.take(0, half)
        assert not over.take(0, half)
        over.leave()
        over.run(7, lambda _: None)
        assert over.take(0, half)

    def test_a_text_that_grows_while_it_is_sent_makes_no_room(self):
        """Python keeps the UTF-8 of a text with it, once it was encoded."""
        over = HandOver(Leases(Queue()), 1)
        large = "\N{GREEK SMALL LETTER ALPHA}" * 100_000
        assert over.take(0, [(message(1, large + "1"), WHY)])
        over.leave()
        over.run(7, lambda dead_letters: [received.body.encode() for received, _ in dead_letters])
        assert over._bytes == 0

    def test_attributes_count_too(self):
        over = HandOver(Leases(Queue()), 1)
        attributes = {"a": {"DataType": "String", "StringValue": "x" * MOST_WAITING_BYTES}}
        large = structs.replace(message(1, "x"), attributes=attributes)
        assert not over.take(0, [(large, WHY)])
