"""The pollers together: how they end, and how they react to errors of SQS."""

import threading
import time
import weakref
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from support.waiting import wait_until

from worker import consumer as consuming
from worker.consumer import Callbacks, Consumer, Plan
from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.leases import Leases
from worker.consumer.polling import GATHERED
from worker.consumer.refusal import Refusal
from worker.core.errors import Unavailable
from worker.core.messages import Delete, Handled, Received
from worker.core.model import Outcome
from worker.observability.health import Health
from worker.sqs.byte_budget import ByteBudget
from worker.timing import clock
from worker.timing.threads import GuardedThreads


class Queue:
    """Long polls last until `gate` is open; then they are empty, or raise `error`."""

    name = url = "queue"
    visibility_seconds = 60

    def __init__(self):
        self.gate = threading.Event()
        self.error = None
        self.polling = 0
        self.polled = 0

    def receive(self, most, wait_seconds):
        self.polling += 1
        self.polled += 1
        self.gate.wait(10)
        self.polling -= 1
        if self.error:
            raise self.error
        time.sleep(0.001)
        return []


class Backlog:
    """A queue that answers as a distant queue does: each call after a while."""

    name = url = "queue"
    visibility_seconds = 60

    def __init__(self, messages):
        self.messages = messages
        self.polling = 0
        self.most_polling = 0

    def receive(self, most, wait_seconds):
        self.polling += 1
        if self.messages:
            self.most_polling = max(self.most_polling, self.polling)
        time.sleep(0.03)
        taken, self.messages = self.messages[:most], self.messages[most:]
        self.polling -= 1
        return taken

    def delete(self, messages):
        return []


@pytest.fixture
def queue():
    return Queue()


def message(number, body=""):
    return Received(
        message_id=str(number),
        body=body,
        receipt_handle=str(number),
        receive_count=1,
        received_at=datetime.now(UTC),
        lease_until=clock.now() + 60,
    )


def ignored(message):
    return Handled(message, Delete(Outcome.IGNORED))


def consumer_of(queue, process=lambda _: [], report=print, byte_budget=None):
    return Consumer(
        Plan(wait_seconds=1, pollers=4),
        queue=queue,
        store=SimpleNamespace(probe=lambda: None),
        callbacks=Callbacks(process=process, settled=report),
        health=Health(),
        byte_budget=byte_budget or ByteBudget(),
    )


@pytest.fixture
def consumer(queue):
    return consumer_of(queue)


class Body(str):
    """A text to which a weak reference can be held."""

    __slots__ = ("__weakref__",)


class Once(Queue):
    """Returns some messages; then long polls last until `gate` is open."""

    def __init__(self, *messages):
        super().__init__()
        self.messages = messages
        self.requests = []

    def receive(self, most, wait_seconds):
        self.requests.append(most)
        if self.messages:
            taken, self.messages = self.messages[:most], self.messages[most:]
            return list(taken)
        return super().receive(most, wait_seconds)

    def delete(self, messages):
        return []


class TestMemory:
    def test_nothing_is_kept_of_the_last_receive_while_the_next_waits(self):
        """The long poll of an idle poller lasts for 20 s."""
        body = Body("x" * 1_000_000)
        kept = weakref.ref(body)
        queue = Once(message(1, body))
        del body
        consumer = consumer_of(
            queue, lambda batch: [ignored(message) for message in batch], report=bool
        )
        consumer.start()
        wait_until(lambda: queue.polling)
        gone = kept() is None
        queue.gate.set()
        consumer.finish()
        assert gone

    def test_after_large_messages_fewer_are_requested_and_none_is_gathered(self):
        messages = [message(number, "x" * 2_000_000) for number in range(25)]
        queue = Once(*messages)
        held = []

        def process(batch):
            held.append(len(batch))
            return [ignored(message) for message in batch]

        consumer = consumer_of(queue, process, report=bool)
        consumer.start()
        wait_until(lambda: queue.polling)
        queue.gate.set()
        consumer.finish()
        assert queue.requests[0] == 10
        assert max(queue.requests[1:7]) <= 4  # 8 MiB
        assert sum(held) == 25
        assert consumer._shared.byte_budget.held == 0

    def test_room_that_nobody_gives_back_does_not_keep_it_from_stopping(self):
        queue = Once(*[message(number, "x" * 9_000_000) for number in range(3)])
        busy = threading.Event()

        def process(batch):
            busy.wait(10)
            return [ignored(message) for message in batch]

        consumer = consumer_of(queue, process, report=bool)
        consumer.start()
        wait_until(lambda: consumer.held)
        consumer.stop()
        busy.set()
        queue.gate.set()
        assert consumer.finish()


def test_a_call_left_behind_is_reported(consumer, queue, monkeypatch):
    monkeypatch.setattr(consuming, "SHUTDOWN_SECONDS", 0.1)
    consumer.start()
    while not queue.polling:
        time.sleep(0.001)
    assert not consumer.finish()
    queue.gate.set()
    assert consumer.finish()


def test_a_hurried_stop_waits_until_finished_work_is_reported():
    telling, reported, hurry = threading.Event(), [], threading.Event()

    def report(batch):
        telling.set()
        time.sleep(0.1)
        reported.extend(batch)

    queue = Backlog([message(1)])
    consumer = consumer_of(queue, lambda some: [ignored(message) for message in some], report)
    consumer.start()
    assert telling.wait(10)
    hurry.set()
    consumer.finish(hurry)
    assert len(reported) == 1


def test_a_thread_that_ends_while_it_is_inspected_is_no_problem(consumer, monkeypatch):
    ended = threading.Thread(target=print)
    ended.start()
    observed = iter([[ended], [], []])
    monkeypatch.setattr(GuardedThreads, "running", property(lambda _: next(observed)))
    assert consumer.finish()


def test_after_errors_of_sqs_a_single_poller_finds_out(consumer, queue, monkeypatch):
    monkeypatch.setattr("worker.timing.retries.back_off", lambda _: 0.01)
    consumer.autoscaler._allowed = 4
    consumer.start()
    while queue.polling < 4:
        time.sleep(0.001)
    queue.error = Unavailable("unreachable")
    queue.gate.set()
    while queue.polled < 12:
        time.sleep(0.001)
    assert consumer.autoscaler._allowed == 1
    assert consumer.finish()


def batches(queue, count):
    """Have so many messages processed; return the sizes of the batches."""
    sizes = []

    def process(messages):
        sizes.append(len(messages))
        return [ignored(message) for message in messages]

    consumer = consumer_of(queue, process)
    consumer.start()
    while sum(sizes) < count:
        time.sleep(0.001)
    assert consumer.finish()
    return sizes


@pytest.mark.parametrize(("backlog", "pollers"), [(GATHERED, 1), (5 * GATHERED, 4)])
def test_a_single_poller_receives_what_fits_into_a_commit_and_more_pollers_have_more(
    backlog, pollers, monkeypatch
):
    monkeypatch.setattr("worker.consumer.polling.GATHERING_SECONDS", 60)
    queue = Backlog([message(number) for number in range(backlog)])
    assert batches(queue, backlog)[0] == GATHERED
    assert queue.most_polling == pollers


def test_the_first_message_does_not_wait_long_for_the_last():
    queue = Backlog([message(number) for number in range(GATHERED)])
    assert batches(queue, GATHERED)[0] < GATHERED / 2


def test_large_messages_are_not_gathered():
    queue = Backlog([message(number, "x" * 1_048_576) for number in range(20)])
    assert batches(queue, 20) == [10, 7, 3]  # and fewer are requested: 8 MiB


def test_no_more_bytes_are_gathered_than_fit_into_a_commit(monkeypatch):
    monkeypatch.setattr("worker.consumer.polling.GATHERING_SECONDS", 60)
    monkeypatch.setattr("worker.consumer.polling.GATHERED_BYTES", 1_500)
    queue = Backlog([message(number, "x" * 100) for number in range(40)])
    assert batches(queue, 40)[0] == 20


def test_an_answer_that_breaks_off_leaves_its_room_to_others():
    """A poller may wait for a minute while SQS is unavailable."""
    byte_budget, receives = ByteBudget(), []

    class Breaking(Backlog):
        def receive(self, most, wait_seconds):
            receives.append(byte_budget.held)
            byte_budget.expect(4_000_000)
            raise Unavailable("it broke off")

    consumer = consumer_of(Breaking([]), byte_budget=byte_budget)
    consumer.start()
    wait_until(lambda: receives and not byte_budget.held)
    assert consumer.finish()
    assert not any(receives)


class Hanging(Backlog):
    """A queue whose second receive hangs until a lease was extended."""

    visibility_seconds = 1

    def __init__(self, messages):
        super().__init__(messages)
        self.receives = 0
        self.extended = threading.Event()

    def receive(self, most, wait_seconds):
        self.receives += 1
        if self.receives == 2:
            self.extended.wait(10)
        return super().receive(most, wait_seconds)

    def extend(self, messages):
        self.extended.set()
        return []


def test_what_is_in_hand_stays_ours_though_gathering_more_hangs():
    ends = clock.now() + Hanging.visibility_seconds
    queue = Hanging([replace(message(number), lease_until=ends) for number in range(10)])
    batches(queue, 10)
    assert queue.extended.is_set()


class Undeletable(Backlog):
    """A queue whose deletes are unavailable until the test ends that."""

    unreachable = True
    tries = 0

    def delete(self, messages):
        self.tries += 1
        if self.unreachable:
            raise Unavailable(f"deletes are unavailable, try {self.tries}")
        return []


def test_nobody_begins_to_poll_while_deletes_are_unavailable(monkeypatch):
    monkeypatch.setattr("worker.consumer.refusal.SOON_SECONDS", 0.01)
    monkeypatch.setattr("worker.timing.retries.back_off", lambda _: 0.01)
    queue, autoscaler, health = Undeletable([]), PollerAutoscaler(8, full=10), Health()
    refusal = Refusal(
        autoscaler=autoscaler,
        leases=Leases(queue),
        health=health,
        stopping=threading.Event(),
        give_up=None,
    )
    mine = replace(message(1), lease_until=clock.now() + 60)
    why, pulse = Unavailable("deletes are unavailable"), health.pulse("poller-0")
    waiting = threading.Thread(target=refusal.wait_out, args=(why, [mine], queue, pulse))
    waiting.start()
    wait_until(lambda: health.problems)
    assert autoscaler.halted
    since = health.problems[0].since
    wait_until(lambda: health.problems[0].error == "deletes are unavailable, try 3")
    assert health.problems[0].since == since
    queue.unreachable = False
    waiting.join(10)
    assert not autoscaler.halted
    assert not health.problems
