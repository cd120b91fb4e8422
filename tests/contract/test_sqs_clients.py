"""Our client of five calls and boto3: one suite, over the emulator, moto's server and a scripted
server.

Where boto3 is known to be less careful, `BOTO3_DIFFERS` says how, and the test is skipped for it,
unless BOTO3_TOO is set in the environment.
"""

import gc
import gzip
import hashlib
import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from moto.server import ThreadedMotoServer
from msgspec.structs import replace
from structlog.testing import capture_logs
from support.scripted import Scripted, answer, answer_with
from support.waiting import wait_until

from simulators.sqs import RECEIVE, Cut, SqsSimulator
from simulators.sqs.showing import SENDER_ID
from worker.aws import AwsRefused, NoIdentity, Throttled
from worker.aws import clients as aws
from worker.core.errors import Refused, Unavailable
from worker.core.messages import DeadLetter
from worker.core.model import Reason
from worker.sqs.client.replacement import UNREADABLE_IN_A_ROW
from worker.sqs.dead_letter_queue import DeadLetterQueue
from worker.sqs.queue import ClientOptions, FailedEntry, NoSuchQueue, Queue


@pytest.fixture(autouse=True)
def isolated(nobodys_environment):
    """Before what a class or a test sets."""


URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"
REGION = "eu-west-1"
BOTH = ["lean", "boto3"]

A_LOST_END = (
    "it takes what has come for an answer, and an answer that is no JSON for an empty answer"
)
BOTO3_DIFFERS = {
    "test_a_damaged_answer_passes_and_spoils_its_connection[half a head]": A_LOST_END,
    "test_a_damaged_answer_passes_and_spoils_its_connection[half a body]": A_LOST_END,
    "test_a_damaged_answer_passes_and_spoils_its_connection[another length": A_LOST_END,
    "test_a_damaged_answer_passes_and_spoils_its_connection[no JSON": A_LOST_END,
    "test_a_damaged_answer_passes_and_spoils_its_connection[another shape": "it lets it through",
    "test_a_damaged_answer_passes_and_spoils_its_connection[no message": "it lets it through",
    "test_a_damaged_answer_passes_and_spoils_its_connection[nested": "some Pythons let it through",
    "test_a_damaged_answer_passes_and_spoils_its_connection[too large": "it has no bound",
    "test_a_damaged_answer_passes_and_spoils_its_connection[another coding": "it ignores it",
    "test_a_strange_message_keeps_none_of_its_neighbours[no UTF-8": "all of them",
    "test_a_strange_message_keeps_none_of_its_neighbours[bare control": "it lets it through",
    "test_a_strange_message_keeps_none_of_its_neighbours[no base64": "it lets it through",
    "test_a_delete_whose_answer_has_begun": A_LOST_END,
    "test_an_answer_that_drips_is_broken_off": "it waits for as long as something comes",
    "test_its_last_bytes_are_waited_for": "it waits for as long as something comes",
    "test_unrequested_bytes_are_never_taken_for_an_answer": "it is",
    "test_a_delete_on_a_connection_that_was_dropped_is_sent_once_more": "ours sends it again",
    "test_two_calls_that_find_the_clock_wrong": "it goes by the machine's clock",
    "test_a_clock_that_is_wrong_is_corrected": "it goes by the machine's clock",
}
"""By the name of the test, or by what its name and its parameters begin with."""


@pytest.fixture(params=BOTH)
def lean(request):
    if request.param == "boto3" and not os.environ.get("BOTO3_TOO"):
        name = request.node.name.replace("[boto3]", "").replace("[boto3-", "[")
        for known, how in BOTO3_DIFFERS.items():
            if name.startswith(known):
                pytest.skip(f"boto3 differs: {how}")
    return request.param == "lean"


@pytest.fixture
def asking(monkeypatch, lean):
    """Make a queue that asks a server, by the client that the test is about."""

    def asking(server, url=URL, dead_letter_url=None, **options):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
        client = ClientOptions(lean=lean, wait_seconds=1, **options)
        return Queue(url, region=REGION, dead_letter_url=dead_letter_url, client=client)

    return asking


def query_answer(body="hello", **more):
    digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    return {"MessageId": "m1", "ReceiptHandle": "h1", "Body": body, "MD5OfBody": digest} | more


HELLO = json.dumps({"Messages": [query_answer()]}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(HELLO)
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(HELLO), HELLO)


def bodies(received):
    return [message.body for message in received]


class TestOverTheEmulator:
    @pytest.fixture
    def emulator(self):
        with SqsSimulator() as emulator:
            yield emulator

    @pytest.fixture
    def url(self, emulator):
        return emulator.create_queue("feedback", dead_letter="feedback-dlq")

    @pytest.fixture
    def queue(self, emulator, url, asking):
        return asking(emulator, url)

    def test_what_is_received_is_what_was_sent(self, emulator, url, queue):
        attributes = {
            "text": {"DataType": "String", "StringValue": 'ü "\\'},
            "bytes": {"DataType": "Binary", "BinaryValue": "AP+A"},
        }
        body = 'ü \u2028 \U0001f600 "quoted" \\ \t\n </script>' + "x" * 300_000
        emulator.send(url, body, attributes=attributes)
        (received,) = queue.receive(10, 1)
        assert received.body == body
        assert (received.receive_count, received.sender) == (1, SENDER_ID)
        assert abs(received.sent_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert received.attributes["text"] == attributes["text"]
        assert received.attributes["bytes"] == {"DataType": "Binary", "BinaryValue": b"\0\xff\x80"}

    def test_attributes_go_on_to_the_dead_letter_queue_as_they_were(self, emulator, url, queue):
        attribute = {"DataType": "Binary", "BinaryValue": "AP+A"}
        emulator.send(url, "x", attributes={"bytes": attribute})
        (received,) = queue.receive(10, 1)
        queue.send_dead_letter(received, DeadLetter(Reason.NOT_JSON, "why"))
        (dead_letter,) = emulator.messages("feedback-dlq")
        assert dead_letter.attributes["bytes"] == attribute

    def test_several_go_to_the_dead_letter_queue_in_a_call_as_they_were(self, emulator, url, queue):
        attribute = {"DataType": "Binary", "BinaryValue": "AP+A"}
        for body in ('ü \u2028 \U0001f600 "quoted" \\ \t\n', "x" * 300_000):
            emulator.send(url, body, attributes={"bytes": attribute})
        received = queue.receive(10, 1)
        why = DeadLetter(Reason.NOT_JSON, "why")
        assert queue.send_dead_letters([(each, why) for each in received]) == received
        dead_letters = emulator.messages("feedback-dlq")
        assert bodies(dead_letters) == bodies(received)
        assert [each.attributes["bytes"] for each in dead_letters] == [attribute, attribute]

    def test_half_a_pair_of_surrogates_is_refused_by_sqs_and_not_by_the_client(
        self, queue, message
    ):
        dead_letter = replace(message("a\ud800"), attributes={"b": {"BinaryValue": b"\0\xff"}})
        with pytest.raises(AwsRefused) as alone:
            queue.send_dead_letter(dead_letter, DeadLetter(Reason.NOT_JSON, "why"))
        assert alone.value.code == "InvalidMessageContents"
        assert queue.send_dead_letters([(dead_letter, DeadLetter(Reason.NOT_JSON, "why"))]) == []

    def test_an_empty_queue_is_empty(self, queue):
        assert queue.receive(10, 0) == []

    def test_ten_are_hidden_longer_shown_again_and_deleted(self, emulator, url, queue):
        for number in range(10):
            emulator.send(url, str(number))
        held = queue.receive(10, 1)
        assert (len(held), queue.extend(held)) == (10, [])
        assert queue.release(held[:3], [0, 0, 0]) == []
        assert emulator.counts(url).visible == 3
        assert queue.delete(held[3:]) == []
        assert queue.delete(queue.receive(10, 1)) == []
        assert emulator.messages(url) == []

    def test_failed_entries_are_reported_as_by_sqs(self, emulator, url, queue):
        emulator.send(url, "x")
        (held,) = queue.receive(10, 1)
        assert queue.delete([held]) == []
        (failed,) = queue.release([held], [5])
        assert failed.item is held
        assert not failed.again

    def test_refusals_have_sqss_own_codes(self, emulator, url, asking):
        with pytest.raises(AwsRefused) as caught:
            asking(emulator, url + "-none").receive(10, 1)
        assert caught.value.code == "AWS.SimpleQueueService.NonExistentQueue"
        assert (caught.value.status, caught.value.operation) == (400, "ReceiveMessage")

    def test_the_permission_to_delete_is_tested_without_deleting(self, emulator, url, queue):
        emulator.send(url, "x")
        queue.ask_to_delete()
        assert len(emulator.messages(url)) == 1

    @pytest.mark.parametrize("cut", [Cut(), Cut(done=True), Cut(part=0.5)], ids=str)
    def test_a_receive_whose_answer_is_lost_is_not_repeated(self, emulator, url, queue, cut):
        queue.receive(1, 0)
        emulator.send(url, "x")
        emulator.faults.add(cut, on=RECEIVE, times=1)
        with pytest.raises(Unavailable) as caught:
            queue.receive(10, 1)
        assert not isinstance(caught.value, NoIdentity)
        assert len(emulator.journal.requests("ReceiveMessage")) == 2

    def test_many_threads_each_get_their_own_answers(self, emulator, url, asking):
        queue = asking(emulator, url, connections=4)
        for number in range(400):
            emulator.send(url, str(number))

        def work(_):
            observed = []
            while found := queue.receive(10, 0):
                assert queue.extend(found) == queue.delete(found) == []
                observed += bodies(found)
            return observed

        with ThreadPoolExecutor(12) as pool:
            observed = [body for item in pool.map(work, range(12)) for body in item]
        assert sorted(observed, key=int) == [str(number) for number in range(400)]
        assert emulator.messages(url) == []


def test_moto_is_understood_too(monkeypatch, asking):
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        server.endpoint = f"http://{host}:{port}"
        sqs = boto3.client("sqs", region_name=REGION, endpoint_url=server.endpoint)
        url = sqs.create_queue(QueueName="feedback")["QueueUrl"]
        queue = asking(server, url)
        assert queue.receive(1, 0) == []
        attribute = {"DataType": "String", "StringValue": "y"}
        sqs.send_message(QueueUrl=url, MessageBody="ü", MessageAttributes={"x": attribute})
        sqs.close()
        (held,) = queue.receive(10, 1)
        assert (held.body, held.attributes) == ("ü", {"x": attribute})
        assert queue.extend([held]) == queue.delete([held]) == []
    finally:
        server.stop()


@pytest.mark.parametrize(
    "reported",
    [
        answer_with(HEAD + HELLO),
        answer_with(HEAD[:20], HEAD[20:], HELLO[:9], HELLO[9:]),
        answer_with(HEAD.replace(b"Content-Length", b"content-LENGTH") + HELLO),
        answer_with(CHUNKS + CHUNK + b"0\r\n\r\n"),
        answer_with(
            CHUNKS,
            b"5\r\n" + HELLO[:5],
            b"\r\n%x\r\n" % len(HELLO[5:]),
            HELLO[5:],
            b"\r\n0\r\n\r\n",
        ),
        answer_with(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + HELLO),
        answer_with(
            HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + HELLO, then="close"
        ),
        answer_with(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + HELLO, then="close"),
        answer_with(HEAD.replace(b"1.1", b"1.0") + HELLO, then="close"),
    ],
    ids=["whole", "pieces", "letters", "chunk", "chunks", "continue", "close", "end", "1.0"],
)
def test_an_answer_is_understood_however_it_comes(asking, reported):
    with Scripted(reported, answer(HELLO)) as server:
        queue = asking(server)
        assert bodies(queue.receive(10, 1)) == ["hello"]
        assert bodies(queue.receive(10, 1)) == ["hello"]


def outcome(call):
    try:
        return call()
    except (Unavailable, AwsRefused) as error:
        reported = (type(error), str(error))
        return (*reported, error.code, error.status) if isinstance(error, AwsRefused) else reported


def refused(status, body, *headers):
    return answer(body if isinstance(body, bytes) else json.dumps(body).encode(), status, headers)


MISSING = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "none"}
THROTTLED = {"__type": "com.amazon.coral.service#ThrottlingException", "message": "Rate exceeded"}
DENIED = {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "no"}
OLDER = "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender"


@pytest.mark.parametrize(
    ("reported", "kind"),
    [
        (refused("400 Bad Request", MISSING, OLDER), NoSuchQueue),
        (refused("400 Bad Request", MISSING), NoSuchQueue),
        (refused("400 Bad Request", THROTTLED), Throttled),
        (refused("403 Forbidden", {"__type": "RequestThrottled", "message": "x"}), Throttled),
        (refused("403 Forbidden", b"<html>a firewall's page</html>"), AwsRefused),
        (refused("403 Forbidden", b""), AwsRefused),
        (refused("404 Not Found", b"no such page"), AwsRefused),
        (refused("301 Moved Permanently", b"", "Location: http://elsewhere/"), AwsRefused),
        (refused("307 Temporary Redirect", b"", "Location: http://elsewhere/"), AwsRefused),
        (refused("408 Request Timeout", b""), Throttled),
        (refused("429 Too Many Requests", b"<html>slowly</html>"), Throttled),
        (refused("500 Internal Server Error", {"__type": "InternalFailure"}), Unavailable),
        (refused("502 Bad Gateway", b"<html>nobody</html>"), Unavailable),
        (refused("503 Service Unavailable", b""), Unavailable),
        (refused("504 Gateway Timeout", b"\xff"[:0] + b"late"), Unavailable),
    ],
    ids=lambda value: value.parts[0][9:30].decode() if hasattr(value, "parts") else "",
)
def test_both_clients_report_the_same_refusal(monkeypatch, reported, kind):
    with Scripted(*[reported] * 4) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
        queues = [
            Queue(URL, region=REGION, client=ClientOptions(lean=lean)) for lean in (True, False)
        ]
        ours, theirs = (outcome(lambda queue=queue: queue.receive(10, 1)) for queue in queues)
        assert ours == theirs
        assert ours[0] is kind


def test_stale_credentials_are_looked_for_once_more(asking):
    denied = refused("403 Forbidden", DENIED)
    with Scripted(denied, answer(HELLO), denied, denied) as server:
        queue = asking(server)
        assert bodies(queue.receive(10, 1)) == ["hello"]
        with pytest.raises(AwsRefused):
            queue.receive(10, 1)


DAMAGED = {
    "noise": answer_with(b"\0" * 70_000, then="close"),
    "another protocol": answer_with(b"SSH-2.0-OpenSSH\r\n\r\n", then="close"),
    "no end of headers": answer_with(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 20_000, then="close"),
    "half a head": answer_with(HEAD[:30], then="close"),
    "half a head, reset": answer_with(HEAD[:30], then="reset"),
    "half a body": answer_with(HEAD + HELLO[:40], then="close"),
    "half a body, reset": answer_with(HEAD + HELLO[:40], then="reset"),
    "half a chunk": answer_with(CHUNKS + CHUNK[:40], then="close"),
    "no last chunk": answer_with(CHUNKS + CHUNK, then="close"),
    "another length": answer_with(answer(HELLO, length=len(HELLO) - 7).parts[0], then="close"),
    "no JSON": answer(b"<html>an intranet's front page</html>"),
    "no text": answer(b'{"Messages": "\xff\xfe"}'),
    "another shape": answer({"Messages": {"a": 1}}),
    "no list": answer({"Messages": 7}),
    "no message": answer({"Messages": [{"MessageId": "m"}, 7]}),
    "nested deeply": answer(b'{"X": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "too large": answer_with(
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", then="close"
    ),
    "another coding": answer(HELLO, headers=["Content-Encoding: br"]),
    "compressed": answer(gzip.compress(HELLO), headers=["Content-Encoding: gzip"]),
    "compressed, without a header": answer(gzip.compress(HELLO)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_answer_passes_and_spoils_its_connection(asking, name):
    """F15: nothing is taken for an answer that is none; the next call is as good as ever."""
    with Scripted(answer(), DAMAGED[name], answer(HELLO)) as server:
        queue = asking(server)
        assert queue.receive(10, 1) == []
        with pytest.raises(Unavailable) as caught:
            queue.receive(10, 1)
        assert type(caught.value) is Unavailable
        assert bodies(queue.receive(10, 1)) == ["hello"]
        assert len(server.requests) == 3, "it is not ours to ask again"


def test_an_empty_body_is_an_empty_answer_and_no_outage(asking, message):
    """Of an empty queue, or of stand-ins for SQS; boto3 reads it so."""
    with Scripted(*[answer(b"")] * 20) as server, capture_logs() as lines:
        queue = asking(server)
        for _ in range(UNREADABLE_IN_A_ROW + 1):
            assert queue.receive(10, 1) == []
        held = [message("x")]
        nothing = [FailedEntry(held[0], "NoAnswer", again=True)]
        assert queue.delete(held) == nothing, "it confirms no entry"
        assert queue.extend(held) == nothing
        assert server.connections == 1
    assert lines == []


def test_an_empty_body_is_no_count_of_zero(asking):
    """Else a drain would take a queue for empty that a proxy hides."""
    with Scripted(answer(b""), answer({"Attributes": {}})) as server:
        queue = asking(server)
        for _ in range(2):
            with pytest.raises(Unavailable, match="no count of messages"):
                queue.counts()


def test_a_dead_letter_that_is_not_confirmed_counts_as_refused(asking, message):
    """boto3 takes an empty body for a success; the message would be deleted, and perhaps lost."""
    dead_letter_url = f"{URL}-dlq"
    with Scripted(answer(b""), answer({}), answer({"MessageId": "m"})) as server:
        queue = asking(server, dead_letter_url=dead_letter_url)
        for _ in range(2):
            with pytest.raises(Refused, match="confirms nothing"):
                queue.send_dead_letter(message("x"), DeadLetter(Reason.NOT_JSON, "why"))
        queue.send_dead_letter(message("x"), DeadLetter(Reason.NOT_JSON, "why"))


def test_dead_letters_that_an_answer_does_not_confirm_are_not_taken_for_sent(asking, message):
    dead_letters = [(message("x"), DeadLetter(Reason.NOT_JSON, "why")) for _ in range(4)]
    entries = [{"Id": "0", "MessageId": "m"}, {"Id": "1"}, {"Id": "2", "MessageId": None}]
    failed = [{"Id": "3", "Code": "InternalError", "SenderFault": False}]
    reported = answer({"Successful": entries, "Failed": failed})
    with Scripted(answer(b""), answer({}), reported) as server:
        queue = asking(server, dead_letter_url=f"{URL}-dlq")
        for _ in range(2):
            assert queue.send_dead_letters(dead_letters) == []
        assert queue.send_dead_letters(dead_letters) == [dead_letters[0][0]]


@pytest.mark.parametrize("together", [False, True])
def test_our_client_sends_dead_letters_itself_and_as_boto3_does(monkeypatch, message, together):
    """Anybody who may write to the queue can make any number of them; boto3 costs ten times more."""
    sent = []
    for lean in (True, False):
        with Scripted(answer({"MessageId": "m", "Successful": []})) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
            client = ClientOptions(lean=lean, wait_seconds=1)
            queue = Queue(URL, region=REGION, dead_letter_url=f"{URL}-dlq", client=client)
            dead_letter = replace(message("ü\u2028"), message_id="m")
            dead_letter = replace(dead_letter, attributes={"b": {"BinaryValue": b"\0\xff"}})
            why = DeadLetter(Reason.NOT_JSON, "why")
            if together:
                queue.send_dead_letters([(dead_letter, why)])
            else:
                queue.send_dead_letter(dead_letter, why)
        (request,) = server.requests
        sent.append(request)
    ours, theirs = sent
    assert ours.body == theirs.body
    of_boto3 = {name.lower() for name in theirs.headers} - {name.lower() for name in ours.headers}
    assert "amz-sdk-invocation-id" in of_boto3, "boto3 has sent both"


def test_a_task_that_is_not_confirmed_is_not_waited_for(monkeypatch, lean):
    with Scripted(answer({"Attributes": {"QueueArn": "arn"}}), answer(b"")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
        queue = DeadLetterQueue(URL, region=REGION, named_by="a setting", lean=lean)
        with pytest.raises(Unavailable, match="confirms nothing"):
            queue.start_move("arn")


THROTTLED_ENTRY = {"Id": "0", "Code": "RequestThrottled", "SenderFault": True}


@pytest.mark.parametrize("code", ["RequestThrottled", "RequestThrottledException"])
def test_a_throttled_call_or_entry_is_repeated_in_either_spelling(asking, message, code):
    """As no refusal: it would halt all pollers, with advice about permissions."""
    throttled = refused("400 Bad Request", {"__type": f"com.amazonaws.sqs#{code}", "message": "x"})
    failed = answer({"Failed": [THROTTLED_ENTRY | {"Code": code}]})
    with Scripted(throttled, failed) as server:
        queue, held = asking(server), [message("x")]
        with pytest.raises(Throttled):
            queue.delete(held)
        assert queue.delete(held) == [FailedEntry(held[0], code, again=True)]


def test_a_damaged_answer_to_a_delete_says_nothing_of_its_entries(asking, message):
    with Scripted(answer({"Failed": [{"Id": 7}]}), answer({})) as server:
        queue = asking(server)
        held = [message("x")]
        with suppress(Unavailable):
            queue.delete(held)
        assert queue.delete(held) == [FailedEntry(held[0], "NoAnswer", again=True)]


def test_an_entry_that_failed_without_a_reason_may_be_retried(asking, message):
    with Scripted(answer({"Failed": [{"Id": "0"}], "Successful": None})) as server:
        held = [message("x")]
        assert asking(server).delete(held) == [FailedEntry(held[0], "NoAnswer", again=True)]


def test_null_fields_are_allowed(asking):
    bare = {"MessageId": "m", "ReceiptHandle": "h", "Body": "hello"}
    nothing = dict.fromkeys(["MD5OfBody", "Attributes", "MessageAttributes"])
    with Scripted(answer({"Messages": None}), answer({"Messages": [bare | nothing]})) as server:
        queue = asking(server)
        assert queue.receive(10, 1) == []
        (received,) = queue.receive(10, 1)
        assert (received.body, received.attributes, received.receive_count) == ("hello", {}, 1)


def test_null_fields_are_allowed_in_a_dead_letter_too(monkeypatch, lean):
    with Scripted(answer({"Messages": [query_answer() | {"Attributes": None}]})) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
        queue = DeadLetterQueue(URL, region=REGION, named_by="a setting", lean=lean)
        assert [dead_letter.received.body for dead_letter in queue.look()] == ["hello"]


STRANGE = {
    "half a pair": (rb'"Body": "a\ud800b"', ["a\ud800b"]),
    "the other half": (rb'"Body": "\udc00"', ["\udc00"]),
    "half a pair in an attribute": (
        rb'"Body": "x", "MessageAttributes": {"a": {"DataType": "String", "StringValue": "\ud800"}}',
        ["x"],
    ),
    "NUL and what is no character": (rb'"Body": "\u0000\ufffe\u001f"', ["\0\ufffe\x1f"]),
    "a number of no size": (b'"Body": "x", "New": 1e99999, "More": ' + b"9" * 400, ["x"]),
    "no number": (b'"Body": "x", "New": NaN', ["x"]),
    "no count and no time": (
        b'"Body": "x", "Attributes": {"ApproximateReceiveCount": "x", "SentTimestamp": ""}',
        ["x"],
    ),
    "a count and a time without end": (
        b'"Body": "x", "Attributes": {"ApproximateReceiveCount": "%s", "SentTimestamp": "%s"}'
        % (b"9" * 5_000, b"9" * 5_000),
        ["x"],
    ),
    "digits that are none": (
        rb'"Body": "x", "Attributes": {"ApproximateReceiveCount": "\u00b2"}',
        ["x"],
    ),
    "a time beyond all": (
        b'"Body": "x", "Attributes": {"SentTimestamp": "%s"}' % (b"9" * 18),
        ["x"],
    ),
    "a sender that is none": (b'"Body": "x", "Attributes": {"SenderId": ""}', ["x"]),
    "no UTF-8": (b'"Body": "\xff", "MD5OfBody": "00594fd4f42ba43fc1ca0427a0576295"', []),
    "bare control character": (b'"Body": "\x01"', ["\x01"]),
    "no body": (b'"New": 1', []),
    "no base64": (
        b'"Body": "x", "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "*"}}',
        [],
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_message_keeps_none_of_its_neighbours(asking, name):
    """Else it would take them along, receive by receive, to where the redrive policy says."""
    strange, expected = STRANGE[name]
    whole = json.dumps(query_answer()).encode()
    reported = b'{"Messages": [%s, {"MessageId": "m2", "ReceiptHandle": "h2", %s}, %s]}'
    with Scripted(answer(reported % (whole, strange, whole))) as server:
        queue = asking(server)
        with capture_logs() as lines:
            assert bodies(queue.receive(10, 1)) == ["hello", *expected, "hello"]
        damaged = [line["message_id"] for line in lines if line["event"] == "message.corrupted"]
        assert damaged == ([] if expected else ["m2"])


def test_an_answer_may_take_longer_than_a_connection(asking, monkeypatch):
    monkeypatch.setattr(aws, "CONNECT_SECONDS", 0.2)
    with Scripted(answer_with(b"", HEAD, HELLO, pause=0.4)) as server:
        assert bodies(asking(server).receive(10, 1)) == ["hello"]


class TestWaiting:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr(aws, "READ_SECONDS", -0.6)  # and one for the long poll

    def test_an_answer_that_never_comes_is_given_up(self, asking):
        with Scripted(
            answer_with(b"", then="hang"), answer_with(HEAD, then="hang"), answer(HELLO)
        ) as server:
            queue = asking(server)
            for _ in range(2):
                with pytest.raises(Unavailable, match="timeout"):
                    queue.receive(10, 1)
            assert bodies(queue.receive(10, 1)) == ["hello"]
            assert server.connections == 3

    def test_an_answer_that_drips_is_broken_off(self, asking, monkeypatch):
        monkeypatch.setattr("worker.sqs.client.connection.SLOWEST_SECONDS", 0.2)
        with Scripted(answer_with(HEAD, *[b"x"] * 200, pause=0.1), answer(HELLO)) as server:
            queue = asking(server)
            began = time.monotonic()
            with pytest.raises(Unavailable, match="timeout"):
                queue.receive(10, 1)
            assert time.monotonic() - began < 10, "of twenty"
            assert bodies(queue.receive(10, 1)) == ["hello"]

    def test_its_last_bytes_are_waited_for_no_longer_than_for_all(self, asking, monkeypatch):
        monkeypatch.setattr(aws, "READ_SECONDS", 29)
        monkeypatch.setattr("worker.sqs.client.connection.SLOWEST_SECONDS", -29.5)
        with Scripted(answer_with(HEAD, then="hang")) as server:
            queue = asking(server)
            began = time.monotonic()
            with pytest.raises(Unavailable, match="timeout"):
                queue.receive(10, 1)
            assert time.monotonic() - began < 15, "of thirty"


class TestConnections:
    def test_a_connection_is_kept_from_call_to_call(self, asking):
        with Scripted(*[answer(HELLO)] * 20) as server:
            queue = asking(server)
            for _ in range(10):
                queue.delete(queue.receive(10, 1))
            assert (len(server.requests), server.connections) == (20, 1)

    def test_ours_sends_at_once_and_the_kernel_looks_whether_it_is_alive(self, monkeypatch):
        with Scripted() as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
            queue = Queue(URL, region=REGION)
            queue.receive(10, 1)
            (kept,) = queue._clients.lean._pool._idle
            assert kept._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert kept._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            # Often enough for NAT gateways, and less than a visibility timeout for what is lost.
            assert kept._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 45
            assert kept._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000

    @pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
    def test_a_connection_dropped_while_idle_is_replaced_unnoticed(self, asking, reset):
        with Scripted(*[answer(HELLO)] * 4) as server:
            queue = asking(server)
            for _ in range(2):
                assert bodies(queue.receive(10, 1)) == ["hello"]
                server.drop(reset=reset)
            assert bodies(queue.receive(10, 1)) == ["hello"]
            assert (len(server.requests), server.connections) == (3, 3)

    @pytest.mark.parametrize("then", ["close", "reset"])
    def test_a_receive_on_a_dropped_connection_is_sent_again_once(self, asking, then):
        with Scripted(answer(), answer_with(b"", then=then), answer(HELLO)) as server:
            queue = asking(server)
            queue.receive(10, 1)
            with pytest.raises(Unavailable):
                queue.receive(10, 1)
            assert len(server.requests) == 2

    @pytest.mark.parametrize("then", ["close", "reset"])
    def test_dead_letters_on_a_dropped_connection_are_sent_once(self, asking, message, then):
        """They may have arrived, and would be there twice; the caller decides."""
        dead_letters = [(message("x"), DeadLetter(Reason.NOT_JSON, "why"))]
        with Scripted(
            answer(), answer_with(b"", then=then), answer(), answer_with(b"", then=then)
        ) as server:
            queue = asking(server, dead_letter_url=f"{URL}-dlq")
            queue.receive(10, 1)
            with pytest.raises(Unavailable):
                queue.send_dead_letters(dead_letters)
            queue.receive(10, 1)
            with pytest.raises(Unavailable):
                queue.send_dead_letter(*dead_letters[0])
            assert len(server.requests) == 4

    @pytest.mark.parametrize("then", ["close", "reset"])
    def test_a_delete_on_a_connection_that_was_dropped_is_sent_once_more(
        self, asking, message, then
    ):
        done = answer({"Successful": [{"Id": "0"}]})
        with Scripted(answer(), answer_with(b"", then=then), done) as server:
            queue = asking(server)
            queue.receive(10, 1)
            assert queue.delete([message("x")]) == []
            assert [request.connection for request in server.requests] == [1, 1, 2]
            assert server.requests[1].body == server.requests[2].body

    def test_a_delete_whose_answer_has_begun_is_sent_once(self, asking, message):
        with Scripted(answer(), answer_with(HEAD[:30], then="close")) as server:
            queue = asking(server)
            queue.receive(10, 1)
            with pytest.raises(Unavailable):
                queue.delete([message("x")])
            assert len(server.requests) == 2

    def test_a_new_connection_that_is_dropped_is_retried(self, asking, message):
        with Scripted(answer_with(b"", then="close"), answer_with(b"", then="close")) as server:
            queue = asking(server)
            with pytest.raises(Unavailable):
                queue.delete([message("x")])
            assert len(server.requests) == 1

    def test_unrequested_bytes_are_never_taken_for_an_answer(self, asking):
        forged = answer({"Messages": [query_answer("forged")]}).parts[0]
        with Scripted(answer_with(answer().parts[0] + forged), answer(HELLO)) as server:
            queue = asking(server)
            assert queue.receive(10, 1) == []
            assert bodies(queue.receive(10, 1)) == ["hello"]
            assert server.connections == 2

    def test_of_several_the_latest_used_is_taken_and_the_others_may_end(self, asking):
        together = threading.Barrier(2)

        class Together(Scripted):
            def _send(self, connection, reported):
                if len(self.requests) <= 2:
                    together.wait(20)
                return super()._send(connection, reported)

        with Together() as server, ThreadPoolExecutor(2) as pool:
            queue = asking(server)
            queue._connected()
            list(pool.map(lambda _: queue.receive(1, 0), range(2)))
            for _ in range(4):
                queue.receive(1, 0)
            assert server.connections == 2
            assert len({request.connection for request in server.requests[2:]}) == 1

    def test_no_more_connections_are_kept_than_needed(self, asking):
        with Scripted() as server:
            queue = asking(server, connections=2)
            queue.receive(1, 0)
            together = threading.Barrier(6)

            def work(_):
                together.wait()
                return [queue.receive(1, 0) for _ in range(5)]

            with ThreadPoolExecutor(6) as pool:
                list(pool.map(work, range(6)))
            wait_until(lambda: server.open <= 2)

    def test_a_kept_connection_is_closed_with_its_queue(self, asking):
        """And without a ResourceWarning, which here is an error."""
        with Scripted(answer(HELLO)) as server:
            queue = asking(server)
            queue.receive(10, 1)
            assert server.open == 1
            del queue
            gc.collect()
            wait_until(lambda: server.open == 0)

    def test_nobody_there_passes(self, asking, monkeypatch):
        with Scripted() as server:
            queue = asking(server)
        with pytest.raises(Unavailable, match=r"Could not connect.*: Connection refused"):
            queue.receive(10, 1)

    def test_a_name_that_nobody_knows_passes(self, asking, monkeypatch):
        with Scripted() as server:
            server.endpoint = "http://no-such-host.invalid:9"
            queue = asking(server)
            with pytest.raises(Unavailable, match=r"Could not connect.*: Name or service"):
                queue.receive(10, 1)

    def test_an_ipv6_address_is_an_address(self, asking):
        try:
            server = Scripted(answer(HELLO), host="::1")
        except OSError:
            pytest.skip("this machine has no IPv6")
        with server:
            assert bodies(asking(server).receive(10, 1)) == ["hello"]
            assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


class TestBodies:
    @pytest.fixture
    def damaged(self):
        changed = query_answer("changed") | {"MD5OfBody": query_answer("sent")["MD5OfBody"]}
        return answer(
            {"Messages": [query_answer("one"), changed | {"MessageId": "m2"}, query_answer("two")]}
        )

    def test_a_body_changed_in_transit_is_left_alone(self, asking, damaged):
        with Scripted(damaged) as server:
            queue = asking(server)
            with capture_logs() as lines:
                assert bodies(queue.receive(10, 1)) == ["one", "two"]
            (line,) = [line for line in lines if line["event"] == "message.corrupted"]
            assert (line["queue"], line["message_id"]) == ("feedback", "m2")

    @pytest.mark.parametrize("lacking", ["MessageId", "ReceiptHandle", "Body"])
    def test_so_is_a_message_that_lacks_what_it_takes_to_handle_it(self, asking, lacking):
        half = query_answer("half") | {"MessageId": "m2"}
        del half[lacking]
        with Scripted(
            answer({"Messages": [query_answer("one"), half, query_answer("two")]})
        ) as server:
            queue = asking(server)
            with capture_logs() as lines:
                assert bodies(queue.receive(10, 1)) == ["one", "two"]
            (line,) = [line for line in lines if line["event"] == "message.corrupted"]
            assert line["message_id"] == ("?" if lacking == "MessageId" else "m2")

    def test_so_is_a_dead_letter(self, monkeypatch, lean, damaged):
        with Scripted(damaged) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
            queue = DeadLetterQueue(URL, region=REGION, named_by="a setting", lean=lean)
            assert [dead_letter.received.body for dead_letter in queue.look()] == ["one", "two"]

    def test_a_body_without_a_digest_is_accepted(self, asking):
        bare = {"MessageId": "m", "ReceiptHandle": "h", "Body": "hello"}
        with Scripted(answer({"Messages": [bare]})) as server:
            assert bodies(asking(server).receive(10, 1)) == ["hello"]

    def test_a_machine_that_forbids_md5_for_secrets_allows_it_for_checksums(
        self, asking, damaged, monkeypatch
    ):
        md5 = hashlib.md5

        def strict(data, *, usedforsecurity=True):
            if usedforsecurity:
                raise ValueError("[digital envelope routines] unsupported")
            return md5(data, usedforsecurity=False)

        with Scripted(damaged) as server:
            queue = asking(server)
            monkeypatch.setattr("hashlib.md5", strict)
            assert bodies(queue.receive(10, 1)) == ["one", "two"]

    def test_a_machine_that_forbids_md5_goes_without(self, asking, damaged, monkeypatch):
        def forbidden(*_, **__):
            raise ValueError("[digital envelope routines] unsupported")

        monkeypatch.setattr("hashlib.md5", forbidden)
        with Scripted(damaged) as server:
            assert bodies(asking(server).receive(10, 1)) == ["one", "changed", "two"]


class TestIdentity:
    @pytest.fixture
    def helper(self, monkeypatch, tmp_path):
        """Keys from a helper, others at each call, with the same end; or whatever it is to do."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        program, count = tmp_path / "helper.sh", tmp_path / "count"
        (tmp_path / "config").write_text(f"[default]\ncredential_process = sh {program}\n")

        def helper(ends):
            keys = (
                f"echo x >>{count}; n=$(wc -l <{count} | tr -d ' ')\n"
                'echo \'{"Version": 1, "SecretAccessKey": "s", "SessionToken": "t/+=",\'\n'
                'echo "\\"AccessKeyId\\": \\"AKIA$n\\", \\"Expiration\\": \\"%s\\"}"\n'
            )
            program.write_text("exit 3" if ends is None else keys % ends.isoformat())

        return helper

    def test_keys_that_end_soon_are_refreshed_for_each_call(self, asking, helper, lean):
        helper(datetime.now(UTC) + timedelta(minutes=1))
        with Scripted(*[answer()] * 3) as server:
            queue = asking(server)
            for _ in range(3):
                queue.receive(1, 0)
            assert bool(queue._clients.lean) is lean
            keys = [request.headers["authorization"].split("/")[0] for request in server.requests]
            assert len(set(keys)) == 3
            assert {request.headers["x-amz-security-token"] for request in server.requests} == {
                "t/+="
            }

    def test_a_credential_helper_that_breaks_later_is_called_again(self, asking, helper):
        helper(datetime.now(UTC) + timedelta(minutes=1))
        with Scripted(answer(HELLO), answer(HELLO)) as server:
            queue = asking(server)
            assert bodies(queue.receive(10, 1)) == ["hello"]
            helper(None)
            for _ in range(2):
                with pytest.raises(NoIdentity):
                    queue.receive(10, 1)
            assert len(server.requests) == 1
            helper(datetime.now(UTC) + timedelta(hours=2))
            assert bodies(queue.receive(10, 1)) == ["hello"]

    def test_permanent_keys_are_fetched_once(self, asking, helper, tmp_path):
        """By all who ask: a helper may want a person's finger, or count."""
        helper(datetime.now(UTC) + timedelta(hours=2))
        counted = answer({"Attributes": {"ApproximateNumberOfMessages": "0"}})
        with Scripted(answer(), answer(), counted) as server:
            queue = asking(server)
            for _ in range(2):
                queue.receive(1, 0)
            queue.counts()
            assert len(server.requests) == 3
        assert (tmp_path / "count").read_text() == "x\n"

    @pytest.mark.parametrize("ends", [None, datetime(2020, 1, 1, tzinfo=UTC)], ids=str)
    def test_a_credential_helper_that_breaks_or_is_late_is_called_again(self, asking, helper, ends):
        helper(ends)
        with Scripted(answer(HELLO)) as server:
            queue = asking(server)
            for _ in range(2):
                with pytest.raises(NoIdentity):
                    queue.receive(10, 1)
            assert server.requests == []
            helper(datetime.now(UTC) + timedelta(hours=2))
            assert bodies(queue.receive(10, 1)) == ["hello"]

    def test_no_keys_at_all_are_refused_without_asking_and_found_later(self, asking, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with Scripted(answer(HELLO)) as server:
            queue = asking(server)
            with pytest.raises(AwsRefused) as caught:
                queue.receive(10, 1)
            assert (caught.value.code, caught.value.status) == ("NoCredentials", 0)
            assert server.requests == []
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            assert bodies(queue.receive(10, 1)) == ["hello"]

    def test_keys_that_no_header_can_hold_send_nothing(self, asking, monkeypatch):
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a\r\nX-Evil: 1")
        with Scripted() as server:
            with pytest.raises((Unavailable, AwsRefused)):
                asking(server).receive(10, 1)
            assert server.requests == []

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_a_clock_that_is_wrong_is_corrected(self, asking, hours):
        """And again when somebody has set it right."""
        now = datetime.now(UTC)
        there = now + timedelta(hours=hours)
        hello = answer(HELLO)
        with Scripted(skewed(there), hello, hello, skewed(now), hello) as server:
            queue = asking(server)
            clients = queue._connected()
            for _ in range(3):
                assert bodies(queue.receive(10, 1)) == ["hello"]
            assert queue._clients is clients, "nobody has looked for other keys"
            signed = [_signed_at(request) for request in server.requests]
            for at, expected in zip(signed, [now, there, there, there, now], strict=True):
                assert abs(at - expected) < timedelta(minutes=2)

    def test_two_calls_that_find_the_clock_wrong_at_once_are_both_repeated(self, asking):
        wrong, together = skewed(datetime.now(UTC) + timedelta(hours=1)), threading.Barrier(2)

        class Together(Scripted):
            def _send(self, connection, reported):
                if reported is wrong:
                    together.wait(20)
                return super()._send(connection, reported)

        with Together(wrong, wrong, *[answer(HELLO)] * 2) as server, ThreadPoolExecutor(2) as pool:
            queue = asking(server)
            clients = queue._connected()
            found = list(pool.map(lambda _: bodies(queue.receive(10, 1)), range(2)))
            assert found == [["hello"]] * 2
            assert queue._clients is clients, "nobody has looked for other keys"

    def test_what_is_refused_by_the_right_clock_is_refused(self, asking):
        denied = refused("403 Forbidden", DENIED)
        wrong = skewed(datetime.now(UTC) + timedelta(hours=1))
        with Scripted(wrong, denied, wrong, denied) as server:
            with pytest.raises(AwsRefused) as caught:
                asking(server).receive(10, 1)
            assert caught.value.code == "AccessDeniedException"

    def test_a_refusal_for_another_reason_says_nothing_of_the_clock(self, asking):
        date = f"Date: {format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}"
        with Scripted(refused("400 Bad Request", MISSING, date), answer(HELLO)) as server:
            with pytest.raises(NoSuchQueue):
                asking(server).receive(10, 1)
            assert len(server.requests) == 1

    def test_a_signature_that_is_wrong_for_another_reason_is_refused(self, asking):
        date = f"Date: {format_datetime(datetime.now(UTC), usegmt=True)}"
        wrong = {"__type": "SignatureDoesNotMatch", "message": "no"}
        reported = refused("403 Forbidden", wrong, date)
        with Scripted(*[reported] * 4) as server:
            with pytest.raises(AwsRefused):
                asking(server).receive(10, 1)
            assert len(server.requests) == 2, "the second time with keys looked for anew"


def skewed(now):
    reported = {"__type": "InvalidSignatureException", "message": "Signature expired"}
    older = "x-amzn-query-error: SignatureDoesNotMatch;Sender"
    return refused("403 Forbidden", reported, f"Date: {format_datetime(now, usegmt=True)}", older)


def _signed_at(request):
    return datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_both_send_the_same(monkeypatch):
    """But for what is about retries, and how JSON is spaced."""
    from botocore import auth

    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime(2026, 11, 22, 1, 2, 3))  # noqa: DTZ001 as botocore has it
    moment = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC).timestamp()
    monkeypatch.setattr("worker.sqs.client.client.time.time", lambda: moment)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    with Scripted() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
        for lean in (True, False):
            Queue(URL, region=REGION, client=ClientOptions(lean=lean)).receive(10, 1)
        ours, theirs = server.requests
        assert ours.body == theirs.body
        ignored = {"amz-sdk-request", "amz-sdk-invocation-id", "content-length", "authorization"}
        assert {name: value for name, value in theirs.headers.items() if name not in ignored} == {
            name: value for name, value in ours.headers.items() if name not in ignored
        }
        scopes = [
            request.headers["authorization"].partition("Signature=")[0]
            for request in server.requests
        ]
        assert scopes[0] == scopes[1]
