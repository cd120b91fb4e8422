"""The queue: expired credentials, answers without entries, the arguments of a receive."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from support.dead import client

from simulators.sqs import (
    ACCESS_DENIED,
    DELETE,
    EXPIRED_TOKEN,
    RECEIVE,
    SEND,
    Clock,
    OmitEntries,
    Refuse,
    SqsSimulator,
)
from worker import __version__
from worker.aws import AwsRefused
from worker.core.errors import Refused, Unavailable
from worker.core.messages import DeadLetter
from worker.core.model import Reason
from worker.sqs.client import Clients
from worker.sqs.queue import (
    ClientOptions,
    Counts,
    FailedEntry,
    NoSuchQueue,
    Queue,
    as_received,
    failed_entries,
)
from worker.sqs.redrive import read_redrive_policy, read_redrive_target
from worker.timing import clock

URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"


def delete_queue(emulator, name):
    sqs = client(emulator)
    sqs.delete_queue(QueueUrl=emulator.url(name))
    sqs.close()


@pytest.fixture
def emulator(monkeypatch):
    with SqsSimulator() as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.fixture
def url(emulator):
    return emulator.create_queue("feedback", dead_letter="feedback-dlq", max_receive_count=5)


@pytest.fixture(params=[True, False], ids=["lean", "boto3"])
def queue(url, request):
    client = ClientOptions(lean=request.param, wait_seconds=1)
    return Queue(url, region="us-east-1", visibility_seconds=77, client=client)


class TestTimes:
    @pytest.mark.parametrize(
        ("ahead_days", "is_theirs"), [(40, True), (1, True), (-1, False), (40_000, False)]
    )
    def test_it_is_received_when_it_was_sent_or_now_whichever_is_later(
        self, monkeypatch, ahead_days, is_theirs
    ):
        """But SQS's time, or what a simulator takes for it, is no century ahead of ours."""
        now = time.time()
        with SqsSimulator(clock=Clock(now + ahead_days * 86_400)) as emulator:
            for name, value in emulator.environment.items():
                monkeypatch.setenv(name, value)
            url = emulator.create_queue("feedback")
            emulator.send(url, "hello")
            for lean in (True, False):
                (message,) = Queue(
                    url, region="us-east-1", visibility_seconds=0, client=ClientOptions(lean=lean)
                ).receive(1, 1)
                assert (message.received_at == message.sent_at) == is_theirs
                if not is_theirs:
                    assert abs(message.received_at.timestamp() - now) < 30

    @pytest.mark.parametrize(
        "expected", [None, "", "soon", "1e99", "-5", 17, "9" * 18, "99999999999999"]
    )
    def test_a_time_that_is_none_is_passed_over(self, expected):
        now = datetime(2026, 11, 21, tzinfo=UTC)
        message = {"MessageId": "m", "Body": "", "ReceiptHandle": "r"}
        received = as_received(message | {"Attributes": {"SentTimestamp": expected}}, now, 0.0)
        assert received.received_at == now

    @pytest.mark.parametrize("ahead", [40 * 86_400, 0, -86_400])
    def test_the_date_of_answers_measures_how_far_our_clock_is_from_sqs_s(
        self, emulator, queue, monkeypatch, ahead
    ):
        monkeypatch.setattr("worker.sqs.client.skew.READ_EVERY_SECONDS", 0.0)
        emulator.date_ahead = ahead
        for _ in range(3):
            assert queue.clock_skew.seconds is None
            queue.receive(1, 0)
        assert -1 < queue.clock_skew.seconds + ahead < 3

    def test_so_does_that_of_a_refusal(self, emulator, queue, monkeypatch):
        monkeypatch.setattr("worker.sqs.client.skew.READ_EVERY_SECONDS", 0.0)
        emulator.date_ahead = 86_400
        emulator.faults.add(ACCESS_DENIED, on=RECEIVE)
        for _ in range(3):
            with pytest.raises(Refused):
                queue.receive(1, 0)
        assert -1 < queue.clock_skew.seconds + 86_400 < 3


class TestCredentials:
    @pytest.fixture
    def clients(self, monkeypatch):
        """Clients as they are made; each call of the first raises `error`."""

        class Client:
            def __init__(self, number):
                self.number = number

            def receive_message(self, **_):
                if self.number == 0:
                    raise clients.error
                return {}

        class Made(list):
            error = None

            def make(self, *_, **__):
                self.append(Client(len(self)))
                return Clients(self[-1], None)

        clients = Made()
        monkeypatch.setattr("worker.sqs.queue.connect", clients.make)
        return clients

    @pytest.mark.parametrize(
        "code",
        [
            "AccessDenied",
            "AccessDeniedException",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "MissingAuthenticationToken",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ],
    )
    def test_after_stale_ones_a_client_is_made_anew_and_kept(self, clients, code):
        queue = Queue(URL, region="eu-west-1")
        clients.error = ClientError({"Error": {"Code": code}}, "ReceiveMessage")
        with suppress(AwsRefused):
            queue.receive(10, 1)
        assert queue.receive(10, 1) == []
        assert queue.receive(10, 1) == []
        assert len(clients) == 2

    def test_likewise_where_there_were_none_at_all(self, clients):
        queue = Queue(URL, region="eu-west-1")
        clients.error = NoCredentialsError()
        with suppress(AwsRefused):
            queue.receive(10, 1)
        assert queue.receive(10, 1) == []
        assert len(clients) == 2

    def test_who_was_slow_to_notice_leaves_alone_what_another_has_made_since(self, clients):
        queue = Queue(URL, region="eu-west-1")
        stale = queue._connected()
        queue._forget(stale)
        fresh = queue._connected()
        queue._forget(stale)
        assert queue._connected() is fresh
        assert len(clients) == 2

    def test_any_other_refusal_leaves_the_client_as_it_is(self, clients):
        queue = Queue(URL, region="eu-west-1")
        code = "AWS.SimpleQueueService.NonExistentQueue"
        clients.error = ClientError({"Error": {"Code": code}}, "ReceiveMessage")
        for _ in range(2):
            with pytest.raises(AwsRefused):
                queue.receive(10, 1)
        assert len(clients) == 1


class TestAnswers:
    def test_an_entry_missing_in_the_answer_is_not_done_and_may_be_retried(self, message):
        first = message("x")
        assert failed_entries([first], {}) == [FailedEntry(first, "NoAnswer", again=True)]

    def test_likewise_over_the_wire(self, emulator, url, queue):
        for body in ("a", "b", "c"):
            emulator.send(url, body)
        held = queue.receive(10, 1)
        emulator.faults.add(OmitEntries({"1"}), times=1)
        assert queue.delete(held) == [FailedEntry(held[1], "NoAnswer", again=True)]
        assert queue.delete([held[1]]) == []
        assert emulator.messages(url) == []


def test_a_receive_asks_for_the_visibility_that_is_set(emulator, url, queue):
    emulator.send(url, "x")
    (received,) = queue.receive(10, 1)
    (request,) = emulator.journal.requests("ReceiveMessage")
    assert request.arguments["VisibilityTimeout"] == 77
    assert emulator.messages(url)[0].visible_at - emulator.clock.now() == pytest.approx(77, abs=10)
    assert received.receive_count == 1


@pytest.mark.parametrize(
    ("wait", "seconds", "left"), [(1, 0, 77), (1, 4, 77), (1, 7, 70), (1, 300, -223), (20, 24, 77)]
)
def test_an_answer_that_lay_in_the_socket_of_a_suspended_process_brings_an_old_lease(
    emulator, url, queue, monkeypatch, wait, seconds, left
):
    """Another receiver may have processed the message before this process woke up."""
    emulator.send(url, "x")
    times = iter([1_000.0, 1_000.0 + seconds])
    monkeypatch.setattr(clock, "now", lambda: next(times))
    (received,) = queue.receive(10, wait)
    assert received.lease_until == 1_000 + seconds + left


class TestRequests:
    def requests(self, emulator, operation):
        (request,) = emulator.journal.requests(operation)
        return request.arguments

    def test_a_receive_asks_for_so_many_waits_so_long_and_wants_to_know_this(
        self, emulator, url, queue
    ):
        emulator.send(url, "x")
        queue.receive(3, 20)
        assert self.requests(emulator, "ReceiveMessage") == {
            "QueueUrl": url,
            "MaxNumberOfMessages": 3,
            "WaitTimeSeconds": 20,
            "VisibilityTimeout": 77,
            "MessageSystemAttributeNames": [
                "ApproximateReceiveCount",
                "SentTimestamp",
                "SenderId",
            ],
            "MessageAttributeNames": ["All"],
        }

    def test_each_is_released_after_its_own_seconds_in_whole_ones(self, emulator, url, queue):
        for body in ("a", "b", "c"):
            emulator.send(url, body)
        held = queue.receive(10, 1)
        assert queue.release(held, [0, 4.6, 30]) == []
        entries = self.requests(emulator, "ChangeMessageVisibilityBatch")["Entries"]
        assert [entry["VisibilityTimeout"] for entry in entries] == [0, 5, 30]
        assert [entry["ReceiptHandle"] for entry in entries] == [
            message.receipt_handle for message in held
        ]

    def test_what_is_extended_is_hidden_for_another_visibility_timeout(self, emulator, url, queue):
        emulator.send(url, "x")
        assert queue.extend(queue.receive(10, 1)) == []
        (entry,) = self.requests(emulator, "ChangeMessageVisibilityBatch")["Entries"]
        assert entry["VisibilityTimeout"] == 77

    def test_a_missing_permission_to_delete_is_reported(self, emulator, queue):
        emulator.faults.add(ACCESS_DENIED, on=DELETE)
        with pytest.raises(AwsRefused, match="AccessDenied"):
            queue.ask_to_delete()

    @pytest.mark.parametrize(
        "code", ["ReceiptHandleIsInvalid", "com.amazonaws.sqs#ReceiptHandleIsInvalid"]
    )
    def test_who_is_refused_for_what_he_would_delete_may_delete(self, emulator, queue, code):
        emulator.faults.add(Refuse(code, 404), on=DELETE)
        queue.ask_to_delete()

    def test_what_is_in_both_queues_is_counted_apart(self, emulator, url, queue):
        for _ in range(4):
            emulator.send(url, "visible")
        queue.receive(3, 1)
        emulator.send(url, "delayed", delay=60)
        emulator.send(url, "delayed", delay=60)
        emulator.send("feedback-dlq", "dead letter")
        assert queue.counts() == Counts(visible=1, in_flight=3, delayed=2)
        assert queue.counts().total == 6
        assert queue.dead_letter_counts() == ("feedback-dlq", Counts(visible=1))

    def test_a_receive_count_is_sqss(self, emulator, url, queue):
        emulator.send(url, "x")
        for count in (1, 2):
            (received,) = queue.receive(10, 1)
            assert received.receive_count == count
            queue.release([received], [0])


class TestWhereDeadLettersGo:
    def requests(self, emulator):
        return len(emulator.journal.requests("GetQueueAttributes"))

    def test_the_redrive_policy_is_requested_once(self, emulator, url, queue):
        for _ in range(3):
            assert queue.find_dead_letter_queue() == emulator.url("feedback-dlq")
        assert json.loads(queue.redrive_policy())["deadLetterTargetArn"] == emulator.arn(
            "feedback-dlq"
        )
        assert self.requests(emulator) == 1
        assert queue.dead_letters_named_by == "the redrive policy of the queue feedback"

    def test_where_the_settings_name_it_nothing_is_requested(self, emulator, url):
        queue = Queue(url, region="eu-west-1", dead_letter_url="https://named/1/there")
        assert queue.find_dead_letter_queue() == "https://named/1/there"
        assert self.requests(emulator) == 0
        assert queue.dead_letters_named_by == "queue.dead_letter_url"

    def test_a_queue_without_a_redrive_policy_has_none_and_nothing_is_sent(self, emulator, message):
        queue = Queue(emulator.create_queue("alone"), region="eu-west-1")
        assert queue.find_dead_letter_queue() is None
        assert queue.dead_letter_counts() is None
        with pytest.raises(Refused, match=r"^there is no dead-letter queue$"):
            queue.send_dead_letter(message("nonsense"), DeadLetter(Reason.NOT_JSON))
        assert emulator.journal.requests("SendMessage") == []

    @pytest.mark.parametrize(
        "policy", ["", "{}", "no JSON", "[]", "7", '{"deadLetterTargetArn": 7}', "null"]
    )
    def test_a_policy_that_names_nothing_is_none(self, policy):
        assert read_redrive_policy(policy) is None
        assert read_redrive_target(policy) is None

    @pytest.mark.parametrize("count", ['"many"', "[]", "null"])
    def test_a_target_is_found_whatever_its_receive_count_is(self, count):
        policy = f'{{"deadLetterTargetArn": "arn:aws:sqs:::dead", "maxReceiveCount": {count}}}'
        assert read_redrive_target(policy) == "arn:aws:sqs:::dead"

    @pytest.mark.parametrize("named", [False, True], ids=["policy", "setting"])
    def test_a_missing_queue_is_looked_up_again_unless_the_settings_name_it(
        self, emulator, url, message, named
    ):
        there = emulator.url("feedback-dlq") if named else None
        queue = Queue(url, region="eu-west-1", dead_letter_url=there)
        assert queue.find_dead_letter_queue()
        delete_queue(emulator, "feedback-dlq")
        for _ in range(2):
            with pytest.raises(NoSuchQueue, match="dead-letter queue feedback-dlq is not there"):
                queue.send_dead_letter(message("nonsense"), DeadLetter(Reason.NOT_JSON))
        assert self.requests(emulator) == (0 if named else 2)


class TestDeadLetters:
    def dead_letter(self, emulator, url, queue, attributes, *, body="nonsense", why="why"):
        emulator.send(url, body, attributes=attributes)
        (received,) = queue.receive(10, 1)
        queue.send_dead_letter(received, DeadLetter(Reason.NOT_JSON, why))
        (dead_letter,) = emulator.messages("feedback-dlq")
        return dead_letter

    def test_ten_attributes_of_theirs_leave_room_for_ours(self, emulator, url, queue):
        theirs = {f"theirs{n}": {"DataType": "String", "StringValue": "x"} for n in range(10)}
        found = self.dead_letter(emulator, url, queue, theirs).attributes
        assert len(found) == 10
        assert {name for name in found if name not in theirs} == {
            "ses_worker_reason",
            "ses_worker_error",
            "ses_worker_first_seen",
            "ses_worker_source_queue",
            "ses_worker_version",
            "ses_worker_message_id",
        }

    def test_theirs_never_take_the_place_of_ours(self, emulator, url, queue):
        forged = {"DataType": "String", "StringValue": "forged"}
        names = ("reason", "error", "first_seen", "source_queue", "version")
        theirs = {f"ses_worker_{name}": forged for name in names}
        found = self.dead_letter(emulator, url, queue, theirs).attributes
        assert found["ses_worker_reason"]["StringValue"] == "not_json"
        assert found["ses_worker_source_queue"]["StringValue"] == url
        assert forged not in found.values()

    def test_the_first_receive_time_is_that_of_sqs_and_not_ours(self, emulator, url, queue):
        emulator.clock.advance(3_600)
        found = self.dead_letter(emulator, url, queue, {}).attributes
        observed = datetime.fromisoformat(found["ses_worker_first_seen"]["StringValue"])
        assert (observed - datetime.now(UTC)).total_seconds() == pytest.approx(3_600, abs=60)

    def test_its_body_is_the_messages_byte_for_byte(self, emulator, url, queue):
        body = ' \n{"a":\t1}\r\n '
        assert self.dead_letter(emulator, url, queue, {}, body=body).body == body

    def test_it_says_what_and_whence_it_was_and_who_set_it_aside(self, emulator, url, queue):
        dead_letter = self.dead_letter(emulator, url, queue, {}, why="jane@example.com\n\x1b[31m")
        (sent,) = emulator.messages(url)
        texts = {name: value["StringValue"] for name, value in dead_letter.attributes.items()}
        del texts["ses_worker_first_seen"]
        assert texts == {
            "ses_worker_reason": "not_json",
            "ses_worker_error": "***@example.com\\n\\x1b[31m",
            "ses_worker_source_queue": url,
            "ses_worker_version": __version__,
            "ses_worker_message_id": sent.message_id,
        }

    def test_sqs_takes_no_empty_attribute_and_gets_none(self, emulator, url, queue):
        found = self.dead_letter(emulator, url, queue, {}, why="").attributes
        assert found["ses_worker_error"]["StringValue"] == "-"

    def test_expired_credentials_prove_nothing_about_a_dead_letter(self, emulator, queue, message):
        """New credentials will come: the dead letter belongs in its queue, not in quarantine."""
        emulator.faults.add(EXPIRED_TOKEN, on=SEND)
        with pytest.raises(Unavailable, match="ExpiredToken"):
            queue.send_dead_letter(message("nonsense"), DeadLetter(Reason.NOT_JSON))

    @pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
    def test_who_may_not_send_is_refused(self, emulator, queue, message, code):
        emulator.faults.add(Refuse(code, 403), on=SEND)
        with pytest.raises(AwsRefused, match=code):
            queue.send_dead_letter(message("nonsense"), DeadLetter(Reason.NOT_JSON))
