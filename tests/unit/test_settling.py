"""The calls that settle messages, their order, and which messages are left alone."""

import threading
import time

import pytest
from msgspec.structs import replace

from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.counters import Counters
from worker.consumer.leases import Leases
from worker.consumer.message_budget import MessageBudget
from worker.consumer.refusal import Refusal
from worker.consumer.settling import Settler
from worker.consumer.shared import Shared
from worker.core.errors import Misconfigured, Raced, Refused, Unavailable
from worker.core.messages import DeadLetter, Delete, Handled, Release
from worker.core.model import Outcome, Reason
from worker.observability.health import Health
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.queue import FailedEntry
from worker.timing import clock

WHY = DeadLetter(Reason.NOT_JSON)
APPLIED = Delete(Outcome.APPLIED)


class Queue:
    """Records its calls; deletes can be refused, dead letters slow."""

    url = "https://queue"
    visibility_seconds = 60

    def __init__(self):
        self.calls = []
        self.refuses = set()
        self.send_seconds = 0

    def _note(self, call, messages):
        self.calls.append((call, [message.message_id for message in messages]))
        if call in self.refuses:
            raise Refused(f"not allowed to {call}")
        return []

    def delete(self, messages):
        return self._note("delete", messages)

    def release(self, messages, seconds):
        return self._note("release", messages)

    def ask_to_delete(self):
        self._note("delete", [])

    def send_dead_letters(self, dead_letters):
        raise Refused("one at a time, to see what becomes of each")

    def send_dead_letter(self, received, why):
        time.sleep(self.send_seconds)
        self._note("send", [received])


class FakeStore:
    """A store in which transactions fail."""

    def __init__(self, error):
        self.error = error

    def transaction(self):
        raise self.error


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def stopping():
    return threading.Event()


@pytest.fixture
def autoscaler():
    return PollerAutoscaler(pollers=2, full=10)


@pytest.fixture
def given_up():
    return []


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def make(queue, autoscaler, stopping, counters):
    def make(*, store=None, give_up=None):
        leases, health = Leases(queue), Health()
        refusal = Refusal(
            autoscaler=autoscaler, leases=leases, health=health, stopping=stopping, give_up=give_up
        )
        shared = Shared(
            wait_seconds=1,
            counters=counters,
            autoscaler=autoscaler,
            leases=leases,
            message_budget=MessageBudget(),
            byte_budget=ByteBudget(),
            health=health,
            stopping=stopping,
            give_up=give_up,
        )
        pulse = health.pulse("poller-0")
        return Settler(0, queue=queue, store=store, shared=shared, pulse=pulse, refusal=refusal)

    return make


@pytest.fixture
def log(monkeypatch):
    from structlog.testing import capture_logs

    with capture_logs() as lines:
        yield lines


def test_what_others_wait_for_comes_before_dead_letters(make, queue, message):
    dead_letters = [Handled(message("nonsense"), WHY) for _ in range(3)]
    rest = [Handled(message("a"), APPLIED), Handled(message("b"), Release(0))]
    make().settle([*dead_letters, *rest])
    assert [call for call, _ in queue.calls] == [
        "delete", "release", "send", "send", "send", "delete"
    ]  # fmt: skip
    assert queue.calls[-1][1] == ["message-1", "message-2", "message-3"]


def test_messages_set_aside_are_deleted_in_tens_and_soon(make, queue, message, monkeypatch):
    make().settle([Handled(message("nonsense"), WHY) for _ in range(12)])
    assert [len(names) for call, names in queue.calls if call == "delete"] == [10, 2]
    queue.calls.clear()
    monkeypatch.setattr("worker.consumer.settling.SOON_SECONDS", 0)
    make().settle([Handled(message("nonsense"), WHY) for _ in range(2)])
    assert [call for call, _ in queue.calls] == ["send", "delete", "send", "delete"]


def test_a_slow_dead_letter_queue_makes_no_copies(make, queue, counters, message):
    """The third would be sent after its lease, when another receiver may hold it."""
    queue.send_seconds = 0.2
    until = clock.now() + 0.5
    dead_letters = [replace(message("nonsense"), lease_until=until) for _ in range(4)]
    make().settle([Handled(dead_letter, WHY) for dead_letter in dead_letters])
    assert [call for call, _ in queue.calls] == ["send", "send", "release", "release", "delete"]
    assert counters.as_dict()["dead_lettered"] == counters.as_dict()["deferred"] == 2


def test_a_message_whose_lease_has_ended_is_left_alone(make, queue, counters, message):
    late = replace(message("late"), lease_until=clock.now())
    make().settle([Handled(late, WHY), Handled(late, Release(0)), Handled(late, APPLIED)])
    assert queue.calls == []
    assert counters.set_aside == 2


def test_a_message_whose_lease_ends_while_others_are_released_is_left_alone(
    make, queue, message, log, monkeypatch
):
    """A stale receipt handle would end the lease of another receiver."""
    until = clock.now() + 2 * queue.visibility_seconds
    released = [replace(message("nonsense"), lease_until=until) for _ in range(25)]
    monkeypatch.setattr(clock, "now", lambda: until - 15 + 10 * len(queue.calls))
    make().settle([Handled(message, Release(0)) for message in released])
    assert [len(names) for _, names in queue.calls] == [10, 10]
    assert [line["count"] for line in log if line["event"] == "message.visibility_expired"] == [5]


@pytest.mark.parametrize(
    "error", [Raced("40P01"), Misconfigured("no database"), Unavailable("locked"), ValueError()]
)
def test_quarantine_that_fails_defers_the_message_and_ends_no_thread(
    make, queue, counters, message, error, monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda _: None)
    queue.refuses.add("send")
    make(store=FakeStore(error)).settle([Handled(message("nonsense"), WHY)])
    assert queue.calls[-1][0] == "release"
    assert counters.as_dict()["deferred"] == 1


def test_where_a_dead_letter_could_not_be_sent_the_others_are_tried_once(
    make, queue, message, monkeypatch
):
    """A hanging dead-letter queue takes 50 s per try, and would delay all other dead letters."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    sent = []

    def send(received, why):
        sent.append(received.message_id)
        if len(sent) < 8:
            raise Unavailable("unreachable")

    queue.send_dead_letter = send
    make().settle([Handled(message("nonsense"), WHY) for _ in range(4)])
    assert sent == [*["message-1"] * 5, "message-2", "message-3", "message-4"]
    assert queue.calls[-4:] == [
        ("release", ["message-1"]),
        ("release", ["message-2"]),
        ("release", ["message-3"]),
        ("delete", ["message-4"]),
    ]


class TestRefusedDeletes:
    def test_nobody_receives_until_a_delete_succeeds_and_it_is_logged_once(
        self, make, queue, autoscaler, message, monkeypatch, log
    ):
        monkeypatch.setattr("worker.consumer.refusal.SOON_SECONDS", 0.01)
        monkeypatch.setattr("worker.timing.retries.back_off", lambda _: 0.01)
        queue.refuses.add("delete")
        settler = make()
        received = message("a")
        thread = threading.Thread(target=settler.settle, args=([Handled(received, APPLIED)],))
        thread.start()
        while len(queue.calls) < 5:
            time.sleep(0.001)
        assert autoscaler.halted
        queue.refuses.clear()
        thread.join(5)
        assert not autoscaler.halted
        assert {tuple(names) for _, names in queue.calls} == {("message-1",)}
        assert [line["event"] for line in log if line["log_level"] == "error"] == [
            "queue.call_denied"
        ]

    def test_a_message_whose_lease_has_ended_is_not_deleted_with_its_old_handle(
        self, make, queue, message, monkeypatch
    ):
        monkeypatch.setattr("worker.consumer.refusal.SOON_SECONDS", 0.05)
        monkeypatch.setattr("worker.timing.retries.back_off", lambda _: 0.05)
        queue.refuses.add("delete")
        short = replace(message("a"), lease_until=clock.now() + 0.02)
        settler = make()
        thread = threading.Thread(target=settler.settle, args=([Handled(short, APPLIED)],))
        thread.start()
        while len(queue.calls) < 3:
            time.sleep(0.001)
        queue.refuses.clear()
        thread.join(5)
        assert not thread.is_alive()
        assert [names for _, names in queue.calls[1:]] == [[]] * (len(queue.calls) - 1)

    def test_a_stop_does_not_wait_for_it(self, make, queue, stopping, message):
        queue.refuses.add("delete")
        stopping.set()
        make().settle([Handled(message("a"), APPLIED)])
        assert len(queue.calls) == 1

    def test_a_caller_who_must_not_wait_gives_up(self, make, queue, message, given_up):
        queue.refuses.add("delete")
        make(give_up=given_up.append).settle([Handled(message("a"), APPLIED)])
        assert [str(error) for error in given_up] == ["not allowed to delete"]


def test_refused_releases_stop_nobody_and_are_logged_once(make, queue, autoscaler, message, log):
    queue.refuses.add("release")
    settler = make()
    for _ in range(3):
        settler.settle([Handled(message("a"), Release(0))])
    assert not autoscaler.halted
    assert [line["event"] for line in log] == ["queue.call_denied"]


class TestEntriesThatFail:
    """SQS takes the call, answers with 200, and fails entries of it."""

    @pytest.fixture
    def fail(self, queue):
        """Let deletes fail entries, of all messages or of some, until the test ends that."""
        failing = {"which": lambda _: True, "code": "AccessDenied", "again": False}

        def delete(messages):
            queue._note("delete", messages)
            return [
                FailedEntry(message, failing["code"], again=failing["again"])
                for message in messages
                if failing["which"](message)
            ]

        queue.delete = delete
        return failing

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr("worker.consumer.refusal.SOON_SECONDS", 0.01)
        monkeypatch.setattr("worker.timing.retries.back_off", lambda _: 0.01)
        monkeypatch.setattr("time.sleep", lambda _: None)

    def applied(self, message, count):
        return [Handled(message("a"), APPLIED) for _ in range(count)]

    @pytest.mark.parametrize("code", ["AccessDenied", "ReceiptHandleIsInvalid", "InternalError"])
    def test_where_all_of_several_do_nobody_receives_until_a_delete_succeeds(
        self, make, queue, fail, autoscaler, message, log, code
    ):
        fail |= {"code": code, "again": code == "InternalError"}
        settler = make()
        thread = threading.Thread(target=settler.settle, args=(self.applied(message, 3),))
        thread.start()
        while not autoscaler.halted or len(queue.calls) < 8:
            threading.Event().wait(0.001)
        fail["which"] = lambda first: first.message_id != "message-2"
        thread.join(5)
        assert not autoscaler.halted
        output = [line for line in log if line["log_level"] == "error"]
        assert [line["event"] for line in output] == [
            "queue.unavailable" if fail["again"] else "queue.call_denied"
        ]
        assert output[0]["error"] == f"SQS failed each of 3 entries of DeleteMessageBatch: {code}"
        assert settler.most == 10

    def test_each_alone_they_count_until_a_delete_succeeds(
        self, make, fail, autoscaler, message, stopping
    ):
        settler = make()
        stopping.set()  # so that the refusal is not waited out
        for _ in range(2):
            settler.settle(self.applied(message, 1))
        assert not autoscaler.halted
        fail["which"] = lambda _: False
        settler.settle(self.applied(message, 1))
        fail["which"] = lambda _: True
        for _ in range(2):
            settler.settle(self.applied(message, 1))
        assert not autoscaler.halted
        settler.settle(self.applied(message, 1))
        assert autoscaler.halted

    def test_half_of_them_stop_nobody(self, make, queue, fail, autoscaler, message):
        """The work goes on; the failed message is received again after its visibility timeout."""
        fail["which"] = lambda first: int(first.message_id.partition("-")[2]) % 2
        settler = make()
        for _ in range(10):
            settler.settle(self.applied(message, 10))
        assert not autoscaler.halted

    def test_after_that_a_single_message_is_received_at_a_time_until_a_message_is_deleted(
        self, make, queue, fail, autoscaler, message
    ):
        """Expired handles prove nothing, and a new handle costs a receive."""
        queue.ask_to_delete = lambda: None
        short = [
            Handled(replace(message("a"), lease_until=clock.now() + 0.05), APPLIED)
            for _ in range(3)
        ]
        settler = make()
        settler.settle(short)
        assert (settler.most, autoscaler.halted) == (1, False)
        first = Handled(replace(message("a"), lease_until=clock.now() + 0.05), APPLIED)
        before = len(queue.calls)
        settler.settle([first])
        assert (settler.most, len(queue.calls) > before + 1) == (1, True)
        fail["which"] = lambda _: False
        settler.settle(self.applied(message, 1))
        assert settler.most == 10

    def test_a_caller_who_must_not_wait_gives_up(self, make, fail, message, given_up):
        make(give_up=given_up.append).settle(self.applied(message, 3))
        assert [str(error) for error in given_up] == [
            "SQS failed each of 3 entries of DeleteMessageBatch: AccessDenied"
        ]


class TestSentTogether:
    """A call takes ten dead letters; of some the answer says nothing."""

    @pytest.fixture(autouse=True)
    def some_confirmed(self, queue, monkeypatch):
        monkeypatch.setattr("time.sleep", lambda _: None)

        def send(dead_letters):
            messages = [received for received, _ in dead_letters]
            queue._note("send together", messages)
            return messages[1::2]

        queue.send_dead_letters = send

    def test_what_is_confirmed_is_deleted_before_others_are_sent_singly(
        self, make, queue, counters, message
    ):
        """A kill meanwhile would leave a copy of each that is sent and not deleted."""
        make().settle([Handled(message("nonsense"), WHY) for _ in range(4)])
        assert queue.calls == [
            ("send together", ["message-1", "message-2", "message-3", "message-4"]),
            ("delete", ["message-2", "message-4"]),
            ("send", ["message-1"]),
            ("send", ["message-3"]),
            ("delete", ["message-1", "message-3"]),
        ]
        assert counters.as_dict()["dead_lettered"] == 4

    def test_after_a_dead_letter_could_not_be_sent_the_others_of_its_call_are_tried_once(
        self, make, queue, message
    ):
        sent = []

        def send(received, why):
            sent.append(received.message_id)
            raise Unavailable("unreachable")

        queue.send_dead_letter = send
        make().settle([Handled(message("nonsense"), WHY) for _ in range(6)])
        assert sent == [*["message-1"] * 5, "message-3", "message-5"]
        deleted = [names for call, names in queue.calls if call == "delete"]
        assert deleted == [["message-2", "message-4", "message-6"]]

    def test_nothing_is_sent_while_the_lease_of_a_message_has_ended(self, make, queue, message):
        """Another receiver may hold it by now, and would send it, too."""
        late = replace(message("late"), lease_until=clock.now())
        make().settle([Handled(late, WHY), Handled(message("nonsense"), WHY)])
        assert queue.calls == [("send", ["message-2"]), ("delete", ["message-2"])]
