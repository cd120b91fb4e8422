"""boto3 replaces our own client after several answers in a row that ours cannot read."""

import threading
import time

import pytest
from structlog.testing import capture_logs
from support.scripted import Scripted, answer

from simulators.sqs import CHANGE_VISIBILITY, DELETE, RECEIVE, Rewrite, SqsSimulator
from worker.core.errors import Unavailable
from worker.sqs.client.connection import DamagedAnswer
from worker.sqs.client.replacement import UNREADABLE_IN_A_ROW, Replacement
from worker.sqs.queue import ClientOptions, Queue

REGION = "eu-west-1"
ERROR = DamagedAnswer(endpoint_url="http://sqs.example", why="not as documented")


@pytest.fixture(autouse=True)
def isolated(nobodys_environment):
    """Before what a class or a test sets."""


@pytest.fixture
def emulator(monkeypatch):
    with SqsSimulator() as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.fixture
def queue(emulator):
    return Queue(
        emulator.create_queue("feedback"), region=REGION, client=ClientOptions(wait_seconds=1)
    )


def numbers_as_numbers(reply):
    """A change that boto3 reads all the same: `"ApproximateReceiveCount": 1`."""
    for message in reply.get("Messages", []):
        message["Attributes"] = {name: int(text) for name, text in message["Attributes"].items()}
    return reply


def ids_as_numbers(reply):
    return {name: [entry | {"Id": int(entry["Id"])} for entry in reply[name]] for name in reply}


def fail(call, times):
    for _ in range(times):
        with pytest.raises(Unavailable):
            call()


def replaced(lines):
    return [line for line in lines if line["event"] == "sqs_client.replaced"]


def test_boto3_takes_over_for_good_and_it_is_logged_once(emulator, queue):
    emulator.faults.add(Rewrite(numbers_as_numbers), on=RECEIVE)
    for number in range(UNREADABLE_IN_A_ROW + 2):
        emulator.send("feedback", f"message {number}")
    with capture_logs() as lines:
        fail(lambda: queue.receive(1, 1), UNREADABLE_IN_A_ROW)
        received = queue.receive(10, 1)
        assert len(received) == 2
        assert queue.release(received, [0, 0]) == []
        assert len(received := queue.receive(10, 1)) == 2
        assert queue.extend(received) == []
        assert queue.delete(received) == []
        queue._forget(queue._clients)  # new credentials, new clients
        assert queue.receive(10, 1) == []
    (line,) = lines
    assert line.pop("error").startswith("the answer of http://127.0.0.1:")
    assert line == {
        "event": "sqs_client.replaced",
        "log_level": "warning",
        "queue": "feedback",
        "operation": "receive_message",
        "answers": UNREADABLE_IN_A_ROW,
    }


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        (DELETE, lambda queue, received: queue.delete(received)),
        (CHANGE_VISIBILITY, lambda queue, received: queue.extend(received)),
    ],
    ids=["delete", "change visibility"],
)
def test_an_operation_counts_by_itself(emulator, queue, operation, call):
    """Receives that succeed between the deletes do not hide that no delete can be read."""
    emulator.faults.add(Rewrite(ids_as_numbers), on=operation)
    with capture_logs() as lines:
        for _ in range(UNREADABLE_IN_A_ROW):
            emulator.send("feedback", "hello")
            received = queue.receive(1, 1)
            fail(lambda received=received: call(queue, received), 1)
    assert len(replaced(lines)) == 1


def test_afterwards_boto3_makes_all_three_calls(monkeypatch, message):
    with Scripted(*[answer(b"[]", headers=["x-amzn-RequestId: 1"])] * UNREADABLE_IN_A_ROW) as sqs:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", sqs.endpoint)
        queue = Queue(
            "https://sqs.example/1/feedback", region=REGION, client=ClientOptions(wait_seconds=1)
        )
        fail(lambda: queue.receive(10, 1), UNREADABLE_IN_A_ROW)
        queue.receive(10, 1)
        queue.delete([message("x")])
        queue.extend([message("x")])
        by_boto3 = ["amz-sdk-invocation-id" in request.headers for request in sqs.requests]
    assert by_boto3 == [False] * UNREADABLE_IN_A_ROW + [True] * 3


def test_a_readable_answer_in_between_starts_the_count_again(emulator, queue):
    emulator.faults.add(Rewrite(lambda _: {"Messages": 7}), on=RECEIVE, times=4)
    emulator.faults.add(Rewrite(lambda _: {"Messages": 7}), on=RECEIVE, first=6, times=4)
    with capture_logs() as lines:
        fail(lambda: queue.receive(1, 1), UNREADABLE_IN_A_ROW - 1)
        assert queue.receive(1, 1) == []
        fail(lambda: queue.receive(1, 1), UNREADABLE_IN_A_ROW - 1)
        assert queue.receive(1, 1) == []
    assert lines == []


def test_answers_that_are_not_of_sqs_do_not_count(monkeypatch):
    """boto3 would take a proxy's HTML for an empty queue, and nobody would notice."""
    with Scripted(*[answer(b"<html>Sign in</html>")] * (2 * UNREADABLE_IN_A_ROW)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", proxy.endpoint)
        queue = Queue(
            "https://sqs.example/1/feedback", region=REGION, client=ClientOptions(wait_seconds=1)
        )
        with capture_logs() as lines:
            fail(lambda: queue.receive(10, 1), 2 * UNREADABLE_IN_A_ROW)
    assert lines == []


def test_answers_to_calls_at_the_same_time_count_once():
    replacement, called_at = Replacement("feedback"), time.monotonic()
    threads = [
        threading.Thread(target=replacement.unreadable, args=("receive_message", called_at, ERROR))
        for _ in range(3 * UNREADABLE_IN_A_ROW)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not replacement.is_done
    with capture_logs() as lines:
        for _ in range(UNREADABLE_IN_A_ROW + 3):
            replacement.unreadable("receive_message", time.monotonic(), ERROR)
    assert replacement.is_done
    assert len(lines) == 1
