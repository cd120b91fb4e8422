"""boto3 replaces our own client after several answers in a row that ours cannot read."""

import gzip
import threading
import time

import pytest
from structlog.testing import capture_logs
from support.scripted import Scripted, answer, answer_with

from simulators.sqs import CHANGE_VISIBILITY, DELETE, RECEIVE, Rewrite, SqsSimulator
from worker.core.errors import Unavailable
from worker.sqs.client import replacement
from worker.sqs.client.connection import DamagedAnswer
from worker.sqs.client.replacement import UNREADABLE_IN_A_ROW, Replacement
from worker.sqs.queue import ClientOptions, Queue

REGION = "eu-west-1"
UNREADABLE = answer(b"[]", headers=["x-amzn-RequestId: 1"])
ERROR = DamagedAnswer(endpoint_url="http://sqs.example", why="not as documented")


@pytest.fixture(autouse=True)
def isolated(nobodys_environment):
    """Before what a class or a test sets."""


@pytest.fixture
def at_once(monkeypatch):
    """Without the minute that unreadable answers must last."""
    monkeypatch.setattr(replacement, "LEAST_SECONDS", 0)


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


def asking(server, monkeypatch):
    """Return a queue whose calls the server answers."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
    return Queue(
        "https://sqs.example/1/feedback", region=REGION, client=ClientOptions(wait_seconds=1)
    )


def numbers_as_numbers(reply):
    """A change that boto3 reads all the same: `"ApproximateReceiveCount": 1`."""
    for message in reply.get("Messages", []):
        message["Attributes"] = {
            name: int(text) if text.isdecimal() else text
            for name, text in message["Attributes"].items()
        }
    return reply


def ids_as_numbers(reply):
    return {name: [entry | {"Id": int(entry["Id"])} for entry in reply[name]] for name in reply}


def fail(call, times):
    for _ in range(times):
        with pytest.raises(Unavailable):
            call()


def replaced(lines):
    return [line for line in lines if line["event"] == "sqs_client.replaced"]


@pytest.mark.usefixtures("at_once")
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


@pytest.mark.usefixtures("at_once")
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


@pytest.mark.usefixtures("at_once")
def test_afterwards_boto3_makes_all_three_calls(monkeypatch, message):
    with Scripted(*[UNREADABLE] * UNREADABLE_IN_A_ROW) as sqs:
        queue = asking(sqs, monkeypatch)
        fail(lambda: queue.receive(10, 1), UNREADABLE_IN_A_ROW)
        queue.receive(10, 1)
        queue.delete([message("x")])
        queue.extend([message("x")])
        by_boto3 = ["amz-sdk-invocation-id" in request.headers for request in sqs.requests]
    assert by_boto3 == [False] * UNREADABLE_IN_A_ROW + [True] * 3


@pytest.mark.usefixtures("at_once")
def test_a_readable_answer_in_between_starts_the_count_again(emulator, queue):
    emulator.faults.add(Rewrite(lambda _: {"Messages": 7}), on=RECEIVE, times=4)
    emulator.faults.add(Rewrite(lambda _: {"Messages": 7}), on=RECEIVE, first=6, times=4)
    with capture_logs() as lines:
        fail(lambda: queue.receive(1, 1), UNREADABLE_IN_A_ROW - 1)
        assert queue.receive(1, 1) == []
        fail(lambda: queue.receive(1, 1), UNREADABLE_IN_A_ROW - 1)
        assert queue.receive(1, 1) == []
    assert lines == []


REFUSAL = b'{"__type": "com.amazonaws.sqs#RequestThrottled", "message": "slow down"}'


@pytest.mark.usefixtures("at_once")
def test_a_refusal_of_sqs_in_between_starts_the_count_again(monkeypatch):
    refusal = answer(REFUSAL, status="400 Bad Request", headers=["x-amzn-RequestId: 1"])
    script = [UNREADABLE, refusal] * (2 * UNREADABLE_IN_A_ROW)
    with Scripted(*script) as sqs, capture_logs() as lines:
        queue = asking(sqs, monkeypatch)
        fail(lambda: queue.receive(10, 1), len(script))
    assert lines == []


@pytest.mark.usefixtures("at_once")
def test_an_error_of_a_proxy_in_between_does_not(monkeypatch):
    script = [UNREADABLE, answer(b"<html>", status="502 Bad Gateway")] * UNREADABLE_IN_A_ROW
    with Scripted(*script) as sqs, capture_logs() as lines:
        queue = asking(sqs, monkeypatch)
        fail(lambda: queue.receive(10, 1), len(script) - 1)
    assert len(replaced(lines)) == 1


def test_answers_within_less_than_a_minute_do_not_replace_the_client(monkeypatch):
    """Eight pollers that back off for a second each see a fault of half a second, one by one."""
    now = time.monotonic()
    monkeypatch.setattr(replacement.time, "monotonic", lambda: now)
    counted = Replacement("feedback")
    with capture_logs() as lines:
        for _ in range(3 * UNREADABLE_IN_A_ROW):
            now += 59 / (3 * UNREADABLE_IN_A_ROW)
            counted.unreadable("receive_message", now, ERROR)
        assert (counted.is_done, lines) == (False, [])
        now += 10
        counted.unreadable("receive_message", now, ERROR)
    assert counted.is_done
    assert [line["answers"] for line in lines] == [3 * UNREADABLE_IN_A_ROW + 1]


@pytest.mark.usefixtures("at_once")
def test_answers_to_pollers_that_call_at_the_same_time_count_once(monkeypatch):
    pollers = 2 * UNREADABLE_IN_A_ROW
    together = threading.Barrier(pollers)
    late = answer_with(b"", *UNREADABLE.parts, pause=0.5)
    with Scripted(*[late] * pollers) as sqs, capture_logs() as lines:
        queue = asking(sqs, monkeypatch)
        failed = []

        def poll():
            together.wait()
            try:
                queue.receive(10, 1)
            except Unavailable as error:
                failed.append(error)

        threads = [threading.Thread(target=poll) for _ in range(pollers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(failed) == pollers
    assert replaced(lines) == []


SIGN_IN = b"<html>Sign in</html>"
NOT_OF_SQS = {
    "HTML": answer(SIGN_IN),
    "not HTTP": answer_with(b"Sign in please\r\n\r\n", then="close"),
    "gzip": answer(gzip.compress(SIGN_IN), headers=["Content-Encoding: gzip"]),
    "gzip, chunked": answer_with(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", then="close"
    ),
    "too large": answer_with(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", then="close"
    ),
    "a malformed chunk": answer_with(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", then="close"
    ),
    "a malformed header": answer_with(
        b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nbroken\r\n\r\n", then="close"
    ),
}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", NOT_OF_SQS)
def test_answers_that_are_not_of_sqs_do_not_count(monkeypatch, name):
    """boto3 would take a proxy's HTML for an empty queue, and nobody would notice."""
    with (
        Scripted(*[NOT_OF_SQS[name]] * (2 * UNREADABLE_IN_A_ROW)) as proxy,
        capture_logs() as lines,
    ):
        queue = asking(proxy, monkeypatch)
        fail(lambda: queue.receive(10, 1), 2 * UNREADABLE_IN_A_ROW)
    assert lines == []


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", ["gzip", "gzip, chunked", "too large", "a malformed chunk"])
def test_with_the_request_id_of_sqs_the_same_answers_count(monkeypatch, name):
    (head,), then, _ = NOT_OF_SQS[name]
    head = head.replace(b"200 OK\r\n", b"200 OK\r\nx-amzn-RequestId: 1\r\n")
    sqs_answer = answer_with(head, then=then)
    with Scripted(*[sqs_answer] * UNREADABLE_IN_A_ROW) as sqs, capture_logs() as lines:
        queue = asking(sqs, monkeypatch)
        fail(lambda: queue.receive(10, 1), UNREADABLE_IN_A_ROW)
    assert len(replaced(lines)) == 1


@pytest.mark.usefixtures("at_once")
def test_answers_to_calls_at_the_same_time_count_once():
    counted, called_at = Replacement("feedback"), time.monotonic()
    threads = [
        threading.Thread(target=counted.unreadable, args=("receive_message", called_at, ERROR))
        for _ in range(3 * UNREADABLE_IN_A_ROW)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not counted.is_done
    with capture_logs() as lines:
        for _ in range(UNREADABLE_IN_A_ROW + 3):
            counted.unreadable("receive_message", time.monotonic(), ERROR)
    assert counted.is_done
    assert len(lines) == 1
