"""The queue: credentials that go stale, answers that say nothing, what a receive asks for."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from twin import OmitEntries, Twin

from worker import clock
from worker.aws import AwsRefused
from worker.model import DeadLetter, Reason
from worker.queue import Queue, Unsettled, unsettled
from worker.sqs import Clients

URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"


@pytest.fixture
def twin(monkeypatch):
    with Twin() as twin:
        for name, value in twin.environment.items():
            monkeypatch.setenv(name, value)
        yield twin


@pytest.fixture
def url(twin):
    return twin.create_queue("feedback", dead_letter="feedback-dlq", max_receive_count=5)


@pytest.fixture(params=[True, False], ids=["lean", "boto3"])
def queue(url, request):
    return Queue(url, region="us-east-1", visibility_seconds=77, wait_seconds=1, lean=request.param)


class TestCredentials:
    @pytest.fixture
    def clients(self, monkeypatch):
        """Clients as they are made; whatever the first of them is asked, it raises `error`."""

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
        monkeypatch.setattr("worker.queue.connect", clients.make)
        return clients

    @pytest.mark.parametrize(
        "code",
        [
            "AccessDenied",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
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

    def test_any_other_refusal_leaves_the_client_as_it_is(self, clients):
        queue = Queue(URL, region="eu-west-1")
        code = "AWS.SimpleQueueService.NonExistentQueue"
        clients.error = ClientError({"Error": {"Code": code}}, "ReceiveMessage")
        for _ in range(2):
            with pytest.raises(AwsRefused):
                queue.receive(10, 1)
        assert len(clients) == 1


class TestAnswers:
    def test_an_entry_that_an_answer_does_not_mention_is_not_done_and_may_be_asked_for_again(
        self, message
    ):
        one = message("x")
        assert unsettled([one], {}) == [Unsettled(one, "NoAnswer", again=True)]

    def test_likewise_over_the_wire(self, twin, url, queue):
        for body in ("a", "b", "c"):
            twin.send(url, body)
        held = queue.receive(10, 1)
        twin.faults.add(OmitEntries({"1"}), times=1)
        assert queue.delete(held) == [Unsettled(held[1], "NoAnswer", again=True)]
        assert queue.delete([held[1]]) == []
        assert twin.messages(url) == []


def test_a_receive_asks_for_the_visibility_that_is_set(twin, url, queue):
    twin.send(url, "x")
    (received,) = queue.receive(10, 1)
    (request,) = twin.journal.requests("ReceiveMessage")
    assert request.arguments["VisibilityTimeout"] == 77
    assert twin.messages(url)[0].visible_at - twin.clock.now() == pytest.approx(77, abs=10)
    assert received.receive_count == 1


@pytest.mark.parametrize(("seconds", "left"), [(0, 77), (4, 77), (300, -223)])
def test_an_answer_that_lay_in_the_socket_of_a_suspended_process_brings_an_old_lease(
    twin, url, queue, monkeypatch, seconds, left
):
    """Somebody else may have had the message, and done with it, before we woke up."""
    twin.send(url, "x")
    times = iter([1_000.0, 1_000.0 + seconds])
    monkeypatch.setattr(clock, "now", lambda: next(times))
    (received,) = queue.receive(10, 1)
    assert received.lease_until == 1_000 + seconds + left


class TestDeadLetters:
    def letter(self, twin, url, queue, attributes):
        twin.send(url, "nonsense", attributes=attributes)
        (received,) = queue.receive(10, 1)
        queue.send_dead_letter(received, DeadLetter(Reason.NOT_JSON, "why"))
        (letter,) = twin.messages("feedback-dlq")
        return letter

    def test_ten_attributes_of_theirs_leave_room_for_ours(self, twin, url, queue):
        theirs = {f"theirs{n}": {"DataType": "String", "StringValue": "x"} for n in range(10)}
        found = self.letter(twin, url, queue, theirs).attributes
        assert len(found) == 10
        assert {name for name in found if name not in theirs} == {
            "ses_worker_reason",
            "ses_worker_error",
            "ses_worker_first_seen",
            "ses_worker_source_queue",
            "ses_worker_version",
            "ses_worker_message_id",
        }

    def test_theirs_never_take_the_place_of_ours(self, twin, url, queue):
        forged = {"DataType": "String", "StringValue": "forged"}
        names = ("reason", "error", "first_seen", "source_queue", "version")
        theirs = {f"ses_worker_{name}": forged for name in names}
        found = self.letter(twin, url, queue, theirs).attributes
        assert found["ses_worker_reason"]["StringValue"] == "not_json"
        assert found["ses_worker_source_queue"]["StringValue"] == url
        assert forged not in found.values()

    def test_first_seen_is_when_sqs_had_it_and_not_when_we_did(self, twin, url, queue):
        twin.clock.advance(3_600)
        found = self.letter(twin, url, queue, {}).attributes
        seen = datetime.fromisoformat(found["ses_worker_first_seen"]["StringValue"])
        assert (seen - datetime.now(UTC)).total_seconds() == pytest.approx(3_600, abs=60)
