"""The dead-letter queue as `dlq` uses it: the calls to SQS, and how answers are read."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from support.dead import fill
from support.scripted import Scripted, answer

from simulators.sqs import SqsSimulator
from worker.core.dead_letter import dead_letter_from_queue
from worker.core.messages import DeadLetter
from worker.core.model import Reason
from worker.sqs.dead_letter_queue import DeadLetterQueue, Move, SourceQueue
from worker.sqs.queue import NoSuchQueue, Queue
from worker.sqs.queue.setting_aside import entries_that_fit
from worker.timing import clock

URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback-dlq"


@pytest.fixture(autouse=True)
def isolated(nobodys_environment):
    """Runs before other fixtures and the test change the environment."""


@pytest.fixture
def emulator(monkeypatch):
    with SqsSimulator() as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", emulator.endpoint)
        yield emulator


@pytest.fixture
def source(emulator):
    url = emulator.create_queue("feedback", dead_letter="feedback-dlq")
    return SourceQueue(url, region="eu-west-1")


def opened(url, **options):
    return DeadLetterQueue(url, region="eu-west-1", named_by="somebody", **options)


@pytest.fixture
def queue(emulator, source):
    return opened(emulator.url("feedback-dlq"))


@pytest.fixture
def asking(monkeypatch):
    """Make a queue that gets answers from a script."""

    def asking(server):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
        return opened(URL)

    return asking


@pytest.mark.parametrize("lean", [True, False])
def test_a_setting_says_whose_client_looks(emulator, source, lean):
    queue = opened(emulator.url("feedback-dlq"), lean=lean)
    assert queue.look() == []
    assert bool(queue._clients.lean) is lean


def test_a_person_waits_no_longer_than_eleven_seconds_for_an_answer(queue):
    """A long poll of a second, and ten seconds in addition."""
    clients = queue._connected()
    assert clients.boto3.meta.config.read_timeout == 11
    assert clients.lean._part.read_seconds == 10, "without the long poll"


class TestLooking:
    def test_dead_letters_are_hidden_for_a_minute_and_read_completely(self, emulator, queue):
        fill(emulator, "nonsense")
        (dead_letter,) = queue.look(3)
        assert (dead_letter.received.body, dead_letter.reason) == ("nonsense", "not_json")
        (request,) = emulator.journal.requests("ReceiveMessage")
        assert request.arguments == {
            "QueueUrl": queue.url,
            "MaxNumberOfMessages": 3,
            "WaitTimeSeconds": 1,
            "VisibilityTimeout": 60,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }

    def test_a_lease_counts_from_before_the_request_to_sqs(self, emulator, queue, monkeypatch):
        """A process suspended after the answer must not use an expired lease afterwards."""
        fill(emulator, "nonsense")
        times = iter([1_000.0])
        monkeypatch.setattr(clock, "now", lambda: next(times, 5_000.0))
        (dead_letter,) = queue.look()
        assert dead_letter.received.lease_until == 1_060

    def test_a_missing_queue_is_reported_with_who_names_it(self, asking):
        missing = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "none"}
        with Scripted(*[answer(missing, "400 Bad Request")] * 2) as server:
            output = "^the dead-letter queue feedback-dlq is not there, and somebody names it: "
            with pytest.raises(NoSuchQueue, match=output):
                asking(server).look()

    def test_dead_letters_are_kept_for_the_retention_of_the_queue_or_for_four_days(
        self, emulator, asking
    ):
        emulator.create_queue("long", MessageRetentionPeriod=1_209_600)
        assert opened(emulator.url("long")).retention() == timedelta(days=14)
        with Scripted(answer({})) as server:
            assert asking(server).retention() == timedelta(days=4)


class TestMoves:
    def test_sqs_gets_source_and_destination(self, emulator, source, queue):
        handle = queue.start_move(source.arn())
        (task,) = emulator.journal.requests("StartMessageMoveTask")
        assert task.arguments == {
            "SourceArn": emulator.arn("feedback-dlq"),
            "DestinationArn": emulator.arn("feedback"),
        }
        assert handle

    def test_a_move_task_is_cancelled_by_its_handle(self, asking):
        with Scripted() as server:
            asking(server).cancel_move("the handle")
            (requested,) = server.requests
        assert requested.headers["x-amz-target"] == "AmazonSQS.CancelMessageMoveTask"
        assert requested.body == {"TaskHandle": "the handle"}

    def test_the_latest_counts(self, asking):
        latest = {
            "Status": "FAILED",
            "ApproximateNumberOfMessagesMoved": 3,
            "ApproximateNumberOfMessagesToMove": 7,
            "FailureReason": "CouldNotDetermineMessageSource",
        }
        arn = answer({"Attributes": {"QueueArn": "arn:of:it"}})
        with Scripted(arn, answer({"Results": [latest, {"Status": "COMPLETED"}]})) as server:
            assert asking(server).look_at_move() == Move(
                state="FAILED", moved=3, to_move=7, failure="CouldNotDetermineMessageSource"
            )
            assert server.requests[1].body == {"SourceArn": "arn:of:it"}

    @pytest.mark.parametrize(
        "expected", [{}, {"Results": []}, {"Results": None}, {"Results": [{}]}]
    )
    def test_a_move_task_without_news_is_not_over(self, asking, expected):
        with Scripted(
            answer({"Attributes": {"QueueArn": "arn:of:it"}}), answer(expected)
        ) as server:
            found = asking(server).look_at_move()
        assert found == Move(state="", moved=0, to_move=0, failure="")
        assert not found.is_over

    @pytest.mark.parametrize(
        ("state", "is_over"),
        [
            ("RUNNING", False),
            ("CANCELLING", False),
            ("COMPLETED", True),
            ("CANCELLED", True),
            ("FAILED", True),
        ],
    )
    def test_it_is_over_when_nothing_more_will_be_moved(self, state, is_over):
        assert Move(state=state, moved=0, to_move=0, failure="").is_over is is_over


class TestSendingBack:
    def test_bodies_go_back_with_what_was_theirs_and_without_what_was_ours(
        self, emulator, source, queue
    ):
        theirs = {"DataType": "String", "StringValue": "theirs"}
        fill(emulator, "one", theirs=theirs["StringValue"])
        fill(emulator, "two")
        dead_letters = sorted(queue.look(), key=lambda dead_letter: dead_letter.received.body)
        assert source.send(dead_letters) == []
        (request,) = emulator.journal.requests("SendMessageBatch")
        assert request.arguments == {
            "QueueUrl": source.url,
            "Entries": [
                {"Id": "0", "MessageBody": "one", "MessageAttributes": {"theirs": theirs}},
                {"Id": "1", "MessageBody": "two"},
            ],
        }

    def test_entries_that_sqs_did_not_take_are_reported(self, monkeypatch, message):
        dead_letters = [dead_letter_from_queue(message(body), "") for body in ("a", "b", "c")]
        output = {
            "Successful": [{"Id": "0"}],
            "Failed": [{"Id": "1", "Code": "InvalidMessageContents", "SenderFault": True}],
        }
        with Scripted(answer(output)) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
            left = SourceQueue(URL, region="eu-west-1").send(dead_letters)
        assert [(item.item, item.code, item.again) for item in left] == [
            (dead_letters[1], "InvalidMessageContents", False),
            (dead_letters[2], "NoAnswer", True),
        ]


def test_a_dead_letter_is_there_if_sqs_gives_it_an_id_and_does_not_call_it_failed(
    monkeypatch, message
):
    """boto3 takes any of these answers; a message that is then deleted would be lost."""
    response = {
        "Successful": [{"Id": "0", "MessageId": "a"}, {"Id": "1"}, {"Id": "2", "MessageId": "c"}],
        "Failed": [{"Id": "2", "Code": "InternalError", "SenderFault": False}],
    }
    dead_letters = [(message("nonsense"), DeadLetter(Reason.NOT_JSON)) for _ in range(4)]
    with Scripted(answer(response), answer({})) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
        queue = Queue(f"{URL}-source", region="eu-west-1", dead_letter_url=URL)
        assert queue.send_dead_letters(dead_letters) == [dead_letters[0][0]]
        assert queue.send_dead_letters(dead_letters) == []


@pytest.mark.parametrize("value", [{"StringValue": "é" * 50_000}, {"BinaryValue": b"x" * 100_000}])
def test_a_call_takes_as_many_as_sqs_does_with_their_attributes(message, value):
    """SQS counts bytes, of the attributes as well, and would refuse the whole call."""
    attributes = {"theirs": {"DataType": "String", **value}}
    received = replace(message("é" * 50_000), attributes=attributes)
    entries = entries_that_fit([(received, DeadLetter(Reason.NOT_JSON))] * 10, URL)
    assert [entry["Id"] for entry in entries] == ["0", "1", "2", "3", "4"]
    assert all(entry["MessageAttributes"].keys() >= {"theirs"} for entry in entries)
