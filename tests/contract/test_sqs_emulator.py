"""What the emulator can do that SQS cannot: go wrong on demand, leap in time, show everything.

That it is SQS otherwise is shown by `contract/test_sqs.py`.
"""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import ProtocolError

from simulators.sqs import (
    ACCESS_DENIED,
    CHANGE_VISIBILITY,
    DELETE,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    INVALID_CLIENT_TOKEN_ID,
    RECEIVE,
    REQUEST_THROTTLED,
    SEND,
    SERVICE_UNAVAILABLE,
    THROTTLING,
    Call,
    Cut,
    Delay,
    Deletion,
    FailEntries,
    ForgetDelete,
    HandOutTwice,
    Hang,
    OmitEntries,
    Refuse,
    Sending,
    SqsSimulator,
    State,
    StayVisible,
    What,
)

SESSION = boto3.Session("AKIAEXAMPLE", "not-checked", region_name="eu-west-1")


@pytest.fixture
def emulator() -> Iterator[SqsSimulator]:
    with SqsSimulator() as emulator:
        yield emulator


@pytest.fixture
def url(emulator: SqsSimulator) -> str:
    return emulator.create_queue("feedback", dead_letter="feedback-dlq", max_receive_count=3)


@pytest.fixture
def client(emulator: SqsSimulator) -> Iterator[Any]:
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=2)
    client = SESSION.client("sqs", endpoint_url=emulator.endpoint, config=config)
    yield client
    client.close()


def receive(client: Any, url: str, **more: Any) -> list[dict[str, Any]]:
    requested = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"]} | more
    answer = client.receive_message(QueueUrl=url, **requested)
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def delete(client: Any, url: str, messages: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Delete in one batch, with the places in the list as Ids; return which were and which
    failed."""
    entries = [
        {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
        for place, message in enumerate(messages)
    ]
    answer = client.delete_message_batch(QueueUrl=url, Entries=entries)
    return (
        [entry["Id"] for entry in answer.get("Successful", ())],
        [entry["Id"] for entry in answer.get("Failed", ())],
    )


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return sorted(message["Body"] for message in messages)


# Faults that end a call


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (INTERNAL_ERROR, "InternalFailure", 500),
        (SERVICE_UNAVAILABLE, "ServiceUnavailable", 503),
        (REQUEST_THROTTLED, "RequestThrottled", 400),
        (THROTTLING, "ThrottlingException", 400),
        (ACCESS_DENIED, "AccessDenied", 403),
        (EXPIRED_TOKEN, "ExpiredToken", 403),
        (INVALID_CLIENT_TOKEN_ID, "InvalidClientTokenId", 403),
    ],
)
def test_a_refusal_is_what_boto3_shows_and_nothing_is_done(
    emulator: SqsSimulator, url: str, client: Any, fault: Refuse, code: str, status: int
) -> None:
    emulator.faults.add(fault, on=SEND, times=1)
    with pytest.raises(ClientError) as caught:
        client.send_message(QueueUrl=url, MessageBody="body")
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert emulator.messages(url) == []
    client.send_message(QueueUrl=url, MessageBody="body")
    assert len(emulator.messages(url)) == 1


def test_a_cut_connection_has_done_nothing(emulator: SqsSimulator, url: str, client: Any) -> None:
    emulator.send(url, "body")
    emulator.faults.add(Cut(), on=RECEIVE, times=1)
    with pytest.raises(ConnectionClosedError):
        receive(client, url)
    assert emulator.counts(url) == (1, 0, 0)
    assert bodies(receive(client, url)) == ["body"]


def test_a_ghost_receive_hides_messages_that_nobody_has(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    message_id = emulator.send(url, "body")
    emulator.faults.add(Cut(done=True), on=RECEIVE, times=1)
    with pytest.raises(ConnectionClosedError):
        receive(client, url)
    assert receive(client, url) == []
    assert emulator.counts(url) == (0, 1, 0)
    assert emulator.journal.fate(message_id).received == 1
    emulator.clock.advance(31)
    (message,) = receive(client, url)
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_delete_whose_answer_is_lost_has_deleted(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    emulator.send(url, "body")
    messages = receive(client, url)
    emulator.faults.add(Cut(done=True), on=DELETE, times=1)
    with pytest.raises(ConnectionClosedError):
        delete(client, url, messages)
    assert emulator.messages(url) == []
    assert delete(client, url, messages) == (["0"], [])


@pytest.mark.parametrize("part", [0.001, 0.5, 0.999])
def test_an_answer_can_break_off_in_the_middle(
    emulator: SqsSimulator, url: str, client: Any, part: float
) -> None:
    emulator.send(url, "x" * 100_000)
    emulator.faults.add(Cut(part=part), on=RECEIVE, times=1)
    with pytest.raises(
        (ResponseStreamingError, ConnectionClosedError, HTTPClientError, ProtocolError)
    ):
        receive(client, url)
    assert emulator.counts(url) == (0, 1, 0)


@pytest.mark.parametrize("done", [False, True])
def test_an_answer_may_never_come(
    emulator: SqsSimulator, url: str, client: Any, done: bool
) -> None:
    emulator.send(url, "body")
    emulator.faults.add(Hang(60, done=done), on=RECEIVE, times=1)
    with pytest.raises(ReadTimeoutError):
        receive(client, url)
    assert emulator.counts(url) == ((0, 1, 0) if done else (1, 0, 0))


def test_an_answer_can_come_late(emulator: SqsSimulator, url: str, client: Any) -> None:
    emulator.faults.add(Delay(0.3), on=SEND, times=1)
    started = time.monotonic()
    client.send_message(QueueUrl=url, MessageBody="body")
    assert time.monotonic() - started >= 0.3


# Faults within a batch


@pytest.mark.parametrize("sender_fault", [False, True])
def test_failed_entries_are_not_done_and_the_rest_is(
    emulator: SqsSimulator, url: str, client: Any, sender_fault: bool
) -> None:
    for body in "abc":
        emulator.send(url, body)
    messages = receive(client, url)
    emulator.faults.add(
        FailEntries({"1"}, sender_fault=sender_fault, code="Odd"), on=DELETE, times=1
    )
    entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
    answer = client.delete_message_batch(QueueUrl=url, Entries=entries)
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("1", "Odd", sender_fault)
    assert [message.body for message in emulator.messages(url)] == [messages[1]["Body"]]
    assert delete(client, url, messages) == (["0", "1", "2"], [])


def test_all_entries_may_fail_or_those_that_a_test_picks(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    for body in "abc":
        emulator.send(url, body)
    messages = receive(client, url)
    rule = emulator.faults.add(FailEntries(), on=DELETE)
    assert delete(client, url, messages) == ([], ["0", "1", "2"])
    rule.stop()
    handle = messages[2]["ReceiptHandle"]
    emulator.faults.add(FailEntries(lambda entry: entry["ReceiptHandle"] == handle), on=DELETE)
    assert delete(client, url, messages) == (["0", "1"], ["2"])


@pytest.mark.parametrize(("done", "left"), [(False, 1), (True, 0)])
def test_an_entry_may_be_missing_from_the_answer(
    emulator: SqsSimulator, url: str, client: Any, done: bool, left: int
) -> None:
    for body in "ab":
        emulator.send(url, body)
    messages = receive(client, url)
    emulator.faults.add(OmitEntries({"0"}, done=done), on=DELETE, times=1)
    assert delete(client, url, messages) == (["1"], [])
    assert len(emulator.messages(url)) == left


# Faults that only SQS itself could explain


def test_a_message_can_be_delivered_twice_in_the_same_answer(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    emulator.send(url, "a")
    emulator.send(url, "b")
    emulator.faults.add(HandOutTwice(), on=RECEIVE, times=1)
    messages = receive(client, url)
    assert bodies(messages) == ["a", "a", "b", "b"]
    assert len({message["ReceiptHandle"] for message in messages}) == 4
    assert delete(client, url, messages) == (["0", "1", "2", "3"], [])
    assert emulator.messages(url) == []


def test_a_message_can_be_handed_out_to_two_consumers_at_once(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    emulator.send(url, "body")
    emulator.faults.add(StayVisible(), on=RECEIVE, times=1)
    first, second = receive(client, url), receive(client, url)
    assert first[0]["MessageId"] == second[0]["MessageId"]
    delete(client, url, first)
    assert emulator.counts(url) == (0, 1, 0)


def test_a_deleted_message_can_come_back(emulator: SqsSimulator, url: str, client: Any) -> None:
    message_id = emulator.send(url, "body")
    emulator.faults.add(ForgetDelete(), on=DELETE, times=1)
    assert delete(client, url, receive(client, url)) == (["0"], [])
    assert receive(client, url) == []
    emulator.clock.advance(31)
    assert delete(client, url, receive(client, url)) == (["0"], [])
    fate = emulator.journal.fate(message_id)
    assert (fate.received, fate.forgotten_deletes, fate.deleted) == (2, 1, True)


def test_a_deleted_message_can_come_back_at_once(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    emulator.send(url, "body")
    emulator.faults.add(ForgetDelete(after_seconds=0), on=DELETE, times=1)
    (message,) = receive(client, url)
    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert bodies(receive(client, url)) == ["body"]


# Which calls a fault strikes


def sends_that_fail(emulator: SqsSimulator, url: str, client: Any, calls: int) -> list[int]:
    failed = []
    for number in range(1, calls + 1):
        try:
            client.send_message(QueueUrl=url, MessageBody=f"body {number}")
        except ClientError:
            failed.append(number)
    return failed


def _is_body_4(call: Call) -> bool:
    return bool(call.arguments["MessageBody"] == "body 4")


@pytest.mark.parametrize(
    ("rule", "failed"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"times": 2}, [1, 2]),
        ({"first": 3}, [3, 4, 5]),
        ({"first": 2, "times": 1}, [2]),
        ({"on": RECEIVE}, []),
        ({"on": "SendMessage", "first": 5}, [5]),
        ({"queue": "feedback", "times": 1}, [1]),
        ({"queue": "http://anywhere/111122223333/feedback", "times": 1}, [1]),
        ({"queue": "feedback-dlq"}, []),
        ({"when": _is_body_4}, [4]),
    ],
    ids=lambda value: str(value).partition(" at 0x")[0],
)
def test_a_rule_strikes_the_calls_it_was_made_for(
    emulator: SqsSimulator, url: str, client: Any, rule: dict[str, Any], failed: list[int]
) -> None:
    made = emulator.faults.add(THROTTLING, **rule)
    assert sends_that_fail(emulator, url, client, calls=5) == failed
    assert made.struck == len(failed)


def test_rules_strike_together_the_first_outermost(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    emulator.faults.add(Delay(0.1), on=SEND)
    emulator.faults.add(THROTTLING, on=SEND, first=2)
    assert sends_that_fail(emulator, url, client, calls=3) == [2, 3]
    assert [request.faults for request in emulator.journal.requests("SendMessage")] == [
        ("Delay",),
        ("Delay", "Refuse"),
        ("Delay", "Refuse"),
    ]
    emulator.faults.clear()
    assert sends_that_fail(emulator, url, client, calls=3) == []


def test_a_rule_for_an_operation_that_there_is_not_is_a_mistake(emulator: SqsSimulator) -> None:
    with pytest.raises(ValueError, match="RecieveMessage"):
        emulator.faults.add(THROTTLING, on="RecieveMessage")


def test_faults_do_not_strike_what_the_test_itself_does(emulator: SqsSimulator, url: str) -> None:
    emulator.faults.add(THROTTLING)
    emulator.send(url, "body")
    assert emulator.counts(url) == (1, 0, 0)


# Hooks


def test_a_delete_hook_sees_the_message_before_it_is_deleted(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    observed: list[tuple[Deletion, int]] = []
    emulator.on_delete(lambda deletion: observed.append((deletion, len(emulator.messages(url)))))
    message_id = emulator.send(url, "body")
    (message,) = receive(client, url)
    delete(client, url, [message])
    deletion = Deletion(message_id, "body", message["ReceiptHandle"], "feedback", stale=False)
    assert observed == [(deletion, 1)]
    assert emulator.messages(url) == []


def test_a_delete_hook_is_called_for_stale_handles_and_not_for_deleted_messages(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    observed: list[bool] = []
    emulator.on_delete(lambda deletion: observed.append(deletion.stale))
    emulator.send(url, "body")
    stale, latest = receive(client, url, VisibilityTimeout=0), receive(client, url)
    for messages in (stale, latest, latest):
        delete(client, url, messages)
    assert observed == [True, False]


def test_a_delete_hook_may_take_its_time_and_others_go_on(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def block(_: Deletion) -> None:
        entered.set()
        leave.wait(5)

    emulator.on_delete(block)
    emulator.send(url, "body")
    thread = threading.Thread(target=delete, args=(client, url, receive(client, url)))
    thread.start()
    assert entered.wait(5)
    client.send_message(QueueUrl=url, MessageBody="meanwhile")
    assert emulator.counts(url) == (1, 1, 0)
    leave.set()
    thread.join(5)
    assert emulator.counts(url) == (1, 0, 0)


def test_a_send_hook_sees_the_message_before_it_is_there(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    observed: list[tuple[Sending, int]] = []
    emulator.on_send(lambda sending: observed.append((sending, len(emulator.messages(url)))))
    message_id = client.send_message(QueueUrl=url, MessageBody="body")["MessageId"]
    assert observed == [(Sending(message_id, "body", "feedback", {}), 0)]


def test_a_sent_hook_sees_the_message_once_it_is_there(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    observed: list[tuple[Sending, int]] = []
    emulator.on_sent(lambda sending: observed.append((sending, len(emulator.messages(url)))))
    why = {"why": {"DataType": "String", "StringValue": "because"}}
    message_id = client.send_message(QueueUrl=url, MessageBody="body", MessageAttributes=why)[
        "MessageId"
    ]
    assert observed == [(Sending(message_id, "body", "feedback", why), 1)]


@pytest.mark.parametrize("complain", [partial(pytest.fail, "not committed"), partial(int, "x")])
def test_what_a_hook_raises_comes_out_at_the_end(complain: Callable[[], None]) -> None:
    def hook(_: Sending) -> None:
        complain()

    with pytest.raises(BaseExceptionGroup) as caught, SqsSimulator() as emulator:
        emulator.on_send(hook)
        emulator.send(emulator.create_queue("feedback"), "body")
        assert emulator.counts("feedback") == (1, 0, 0)
    assert len(caught.value.exceptions) == 1


# The journal


def test_what_was_taken_from_the_journal_is_gone_from_it(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    client.send_message(QueueUrl=url, MessageBody="a body")
    receive(client, url)
    requests, happened = emulator.journal.take()
    assert [request.operation for request in requests] == ["SendMessage", "ReceiveMessage"]
    assert happened == {("feedback", What.SENT): 1, ("feedback", What.RECEIVED): 1}
    assert (emulator.journal.requests(), emulator.journal.fates()) == ([], {})


def test_the_journal_knows_whose_call_it_was(emulator: SqsSimulator, url: str, client: Any) -> None:
    receive(client, url)
    (request,) = emulator.journal.requests("ReceiveMessage")
    assert request.client == client._request_signer._credentials.access_key
    assert request.clock <= time.monotonic()


def test_the_journal_holds_every_request_with_its_answer(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    body = "a body"
    client.send_message(QueueUrl=url, MessageBody=body)
    (message,) = receive(client, url)
    delete(client, url, [message])
    operations = [request.operation for request in emulator.journal.requests(queue="feedback")]
    assert operations == ["SendMessage", "ReceiveMessage", "DeleteMessageBatch"]
    (request,) = emulator.journal.requests("ReceiveMessage")
    assert (request.queue, request.status, request.code) == ("feedback", 200, "")
    assert request.arguments["MaxNumberOfMessages"] == 10
    assert request.answer is not None
    assert request.answer["Messages"][0]["ReceiptHandle"] == message["ReceiptHandle"]
    assert request.at <= request.until
    (sent,) = emulator.journal.requests("SendMessage")
    assert request.answer["Messages"][0]["Body"] is sent.arguments["MessageBody"]


def test_the_journal_distinguishes_errors_and_cuts(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    emulator.send(url, "body")
    emulator.faults.add(THROTTLING, on=RECEIVE, times=1)
    emulator.faults.add(Cut(done=True), on=RECEIVE, first=2, times=1)
    for error in (ClientError, ConnectionClosedError):
        with pytest.raises(error):
            receive(client, url)
    refused, cut = emulator.journal.requests("ReceiveMessage")
    assert (refused.status, refused.code, refused.answer) == (400, "ThrottlingException", None)
    assert (cut.status, cut.code, cut.faults) == (0, "", ("Cut",))
    assert cut.answer is not None
    assert len(cut.answer["Messages"]) == 1


def test_the_journal_knows_the_fate_of_every_message(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    deleted = emulator.send(url, "deleted")
    stale = receive(client, url, VisibilityTimeout=0)
    delete_me = receive(client, url)
    delete(client, url, stale)
    delete(client, url, delete_me)
    fate = emulator.journal.fate(deleted)
    assert (fate.received, fate.stale_deletes, fate.deleted, fate.left_in) == (2, 1, True, None)

    left = emulator.send(url, "left", delay=5)
    assert emulator.journal.fate(left).left_in == "feedback"
    emulator.clock.advance(6)
    for _ in range(3):
        receive(client, url, VisibilityTimeout=0)
    receive(client, url)
    fate = emulator.journal.fate(left)
    assert (fate.received, fate.dead_lettered, fate.left_in) == (3, True, "feedback-dlq")

    client.start_message_move_task(SourceArn=emulator.arn("feedback-dlq"))
    fate = emulator.journal.fate(left)
    assert (fate.ended, fate.left_in) == (What.MOVED, None)
    assert fate.became is not None
    assert emulator.journal.fate(fate.became).left_in == "feedback"

    client.purge_queue(QueueUrl=url)
    assert emulator.journal.fate(fate.became).ended is What.PURGED
    assert {fate.left_in for fate in emulator.journal.fates().values()} == {None}
    assert [event.what for event in emulator.journal.story(left)] == [
        What.SENT, What.RECEIVED, What.RECEIVED, What.RECEIVED, What.DEAD_LETTERED, What.MOVED,
    ]  # fmt: skip


def test_the_journal_can_forget(emulator: SqsSimulator, url: str) -> None:
    message_id = emulator.send(url, "body")
    emulator.journal.clear()
    assert emulator.journal.fates() == {}
    with pytest.raises(LookupError):
        emulator.journal.fate(message_id)


# Time


def test_a_leap_ends_a_long_poll(emulator: SqsSimulator, url: str, client: Any) -> None:
    leap = threading.Timer(0.2, emulator.clock.advance, [20])
    leap.start()
    started = time.monotonic()
    assert receive(client, url, WaitTimeSeconds=20) == []
    assert time.monotonic() - started < 10
    leap.join()


def test_a_leap_shows_a_waiting_long_poll_what_has_become_visible(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    emulator.send(url, "body", delay=10)
    leap = threading.Timer(0.2, emulator.clock.advance, [11])
    leap.start()
    assert bodies(receive(client, url, WaitTimeSeconds=20)) == ["body"]
    leap.join()


def test_time_does_not_go_back(emulator: SqsSimulator) -> None:
    with pytest.raises(ValueError, match="does not go back"):
        emulator.clock.advance(-1)


# Too many in flight


def test_with_too_many_in_flight_a_short_poll_is_refused_and_a_long_poll_empty() -> None:
    with SqsSimulator(most_in_flight=3) as emulator:
        url = emulator.create_queue("feedback")
        config = Config(retries={"total_max_attempts": 1})
        client = SESSION.client("sqs", endpoint_url=emulator.endpoint, config=config)
        for body in "abcd":
            emulator.send(url, body)
        messages = receive(client, url)
        assert len(messages) == 3
        with pytest.raises(ClientError) as caught:
            receive(client, url)
        assert caught.value.response["Error"]["Code"] == "OverLimit"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert receive(client, url, WaitTimeSeconds=1) == []
        delete(client, url, messages[:1])
        assert len(receive(client, url)) == 1
        client.close()


# Holding it


def test_a_test_sees_what_is_in_a_queue_without_receiving_it(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    attributes = {"a": {"DataType": "String", "StringValue": "b"}}
    emulator.send(url, "held", attributes=attributes)
    receive(client, url)
    emulator.send("feedback", "waiting")
    emulator.send(url, "later", delay=5)
    held, waiting, later = emulator.messages("feedback")
    states = (held.state, waiting.state, later.state)
    assert states == (State.IN_FLIGHT, State.VISIBLE, State.DELAYED)
    assert (held.body, held.receive_count, held.attributes) == ("held", 1, attributes)
    assert 29 < held.visible_at - emulator.clock.now() <= 30
    assert emulator.counts(url) == (1, 1, 1)


def test_a_queue_is_made_with_what_stands_behind_it(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    made = emulator.create_queue("slow", VisibilityTimeout=2, DelaySeconds=1)
    names = ["VisibilityTimeout", "DelaySeconds"]
    found = client.get_queue_attributes(QueueUrl=made, AttributeNames=names)["Attributes"]
    assert found == {"VisibilityTimeout": "2", "DelaySeconds": "1"}
    policy = client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    assert json.loads(policy["Attributes"]["RedrivePolicy"]) == {
        "deadLetterTargetArn": emulator.arn("feedback-dlq"),
        "maxReceiveCount": 3,
    }
    assert emulator.url("feedback") == url


def test_a_test_can_wait_for_something_to_happen(emulator: SqsSimulator, url: str) -> None:
    later = threading.Timer(0.1, emulator.send, [url, "body"])
    later.start()
    assert emulator.wait_for(lambda: emulator.counts(url).visible == 1)
    assert not emulator.wait_for(lambda: emulator.counts(url).visible == 2, seconds=0.1)
    later.join()


def test_the_environment_leads_a_client_to_the_emulator(
    emulator: SqsSimulator, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    client: Any = boto3.Session(region_name=emulator.region).client("sqs")
    client.send_message(QueueUrl=url, MessageBody="body")
    assert emulator.counts(url) == (1, 0, 0)
    client.close()


def test_closing_ends_long_polls_at_once() -> None:
    with SqsSimulator() as emulator:
        url = emulator.create_queue("feedback")
        client = SESSION.client(
            "sqs", endpoint_url=emulator.endpoint, config=Config(retries={"total_max_attempts": 1})
        )
        found: list[Any] = []

        def poll() -> None:
            try:
                found.append(receive(client, url, WaitTimeSeconds=20))
            except HTTPClientError as error:
                found.append(error)

        thread = threading.Thread(target=poll)
        thread.start()
        time.sleep(0.2)
        started = time.monotonic()
    thread.join(5)
    client.close()
    assert time.monotonic() - started < 10
    assert len(found) == 1


def test_long_polls_may_be_hurried_and_then_wait_as_long_as_before(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    with emulator.hurried():
        started = time.monotonic()
        assert bodies(receive(client, url, WaitTimeSeconds=20)) == []
        assert time.monotonic() - started < 10
    started = time.monotonic()
    assert bodies(receive(client, url, WaitTimeSeconds=1)) == []
    assert time.monotonic() - started >= 0.9


# On the wire


def request_bytes(operation: str, **arguments: Any) -> bytes:
    body = json.dumps(arguments)
    head = (
        "POST / HTTP/1.1",
        f"X-Amz-Target: AmazonSQS.{operation}",
        "Authorization: AWS4-HMAC-SHA256 x",
        f"Content-Length: {len(body)}",
        "",
        body,
    )
    return "\r\n".join(head).encode()


def test_a_client_that_has_gone_takes_no_message_along(
    emulator: SqsSimulator, url: str, client: Any
) -> None:
    """Or every test that kills a worker would have to wait for a visibility timeout."""
    address = urlsplit(emulator.endpoint)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(request_bytes("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
        time.sleep(0.2)
    emulator.send(url, "body")
    time.sleep(0.1)
    assert bodies(receive(client, url)) == ["body"]


def post(emulator: SqsSimulator, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(urlsplit(emulator.endpoint).netloc, timeout=5)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/", body, named)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return answer.status, found


SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "shape"),
    [
        (b"{}", {}, 403, "MissingAuthenticationTokenException"),
        (b"{}", {"Authorization": "Basic x"}, 403, "IncompleteSignature"),
        (b"Action=ListQueues", SIGNED, 400, "UnknownOperationException"),
        (b"{}", {**SIGNED, "X_Amz_Target": "AmazonSQS.TagQueue"}, 400, "UnsupportedOperation"),
        (b"{", {**SIGNED, "X_Amz_Target": "AmazonSQS.ListQueues"}, 400, "SerializationException"),
        (b"[]", {**SIGNED, "X_Amz_Target": "AmazonSQS.ListQueues"}, 400, "SerializationException"),
        (
            b'{"QueueUrl": "x", "MessageBody": 1}',
            {**SIGNED, "X_Amz_Target": "AmazonSQS.SendMessage"},
            400,
            "SerializationException",
        ),
        (
            b'{"QueueUrl": "x", "MessageBody": "y", "MessageGroupId": "z"}',
            {**SIGNED, "X_Amz_Target": "AmazonSQS.SendMessage"},
            400,
            "UnsupportedOperation",
        ),
    ],
)
def test_a_request_that_is_not_understood_is_refused(
    emulator: SqsSimulator, body: bytes, headers: dict[str, str], status: int, shape: str
) -> None:
    found_status, found = post(emulator, body, **headers)
    assert (found_status, found["__type"]) == (status, f"com.amazonaws.sqs#{shape}")


def test_no_message_is_lost_or_invented_under_many_hands(emulator: SqsSimulator) -> None:
    """Four consumers that delete, release and forget, while messages are still being sent."""
    url = emulator.create_queue("busy", dead_letter="busy-dlq", max_receive_count=4)
    many = 400
    sent: list[str] = []

    def produce() -> None:
        sent.extend(emulator.send(url, f"body {number}") for number in range(many))

    def consume() -> None:
        connection = http.client.HTTPConnection(urlsplit(emulator.endpoint).netloc, timeout=5)
        call = partial(ask, connection)
        polled = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
        while messages := call("ReceiveMessage", **polled).get("Messages"):
            handles = [
                {"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages
            ]
            done, released = handles[:6], [item | {"VisibilityTimeout": 0} for item in handles[6:9]]
            call("DeleteMessageBatch", QueueUrl=url, Entries=done)
            if released:
                call("ChangeMessageVisibilityBatch", QueueUrl=url, Entries=released)
        connection.close()

    threads = [threading.Thread(target=work) for work in (produce, *[consume] * 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    fates = emulator.journal.fates()
    assert len(sent) == many
    assert set(sent) == set(fates)
    left = {
        message.message_id for queue in (url, "busy-dlq") for message in emulator.messages(queue)
    }
    assert left == {fate.message_id for fate in fates.values() if fate.left_in}
    assert left.isdisjoint(fate.message_id for fate in fates.values() if fate.deleted)
    assert all(fate.deleted or fate.left_in for fate in fates.values())
    handed = [event for item in sent for event in emulator.journal.story(item)]
    handles = [event.receipt_handle for event in handed if event.what is What.RECEIVED]
    assert len(set(handles)) == len(handles)


def ask(connection: http.client.HTTPConnection, operation: str, **arguments: Any) -> Any:
    headers = {**SIGNED, "X-Amz-Target": f"AmazonSQS.{operation}"}
    connection.request("POST", "/", json.dumps(arguments), headers)
    return json.loads(connection.getresponse().read())


def test_what_is_not_http_ends_the_connection(emulator: SqsSimulator) -> None:
    address = urlsplit(emulator.endpoint)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(b"EHLO there\r\n\r\n")
        assert connection.recv(100) == b""


def test_a_bug_of_the_emulator_itself_is_reported() -> None:
    def mistake(_: Call) -> bool:
        raise RuntimeError("in a predicate")

    with pytest.raises(BaseExceptionGroup), SqsSimulator() as emulator:
        emulator.faults.add(THROTTLING, on=CHANGE_VISIBILITY, when=mistake)
        target = {**SIGNED, "X_Amz_Target": "AmazonSQS.ChangeMessageVisibility"}
        assert post(emulator, b"{}", **target)[0] == 500
