"""What our worker and its tests take SQS to be; one suite for the emulator, moto and fauxqs, by
boto3.

The emulator is what the other tests stand on; moto and fauxqs (from npm, where `make contract` has
brought it) are other people's readings of the same documentation. Where one is known to differ,
`MOTO_DIFFERS` or `FAUXQS_DIFFERS` says how, and the test is skipped for it alone. "Recorded" means
that others have recorded AWS's own answer: LocalStack's snapshots of 2024 and 2025, or an issue
that quotes it.
"""

import itertools
import json
import os
import shutil
import subprocess
import threading
import time
import warnings
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from simulators.sqs import SqsSimulator

REGION = "eu-west-1"
LEGACY = "AWS.SimpleQueueService"
MEBIBYTE = 1_048_576
TWELVE_HOURS = 43_200

MOTO_DIFFERS = {
    # what moto 5.2.5 does where AWS does what the test's name says
    "test_an_unknown_system_attribute_is_refused": "it ignores the name",
    "test_a_receive_count_out_of_range_is_refused[{'VisibilityTimeout': -1}]": "it takes it",
    "test_a_visibility_out_of_range_is_refused[-1]": "it takes it",
    "test_visibility_beyond_12_hours_since_the_receive_is_refused_not_clamped": (
        "it measures the 12 hours from the send"
    ),
    "test_visibility_of_a_deleted_message_cannot_be_changed": "it says ReceiptHandleIsInvalid",
    "test_a_stale_receipt_handle_is_acknowledged_and_deletes_nothing": (
        "it deletes by any handle that the message ever had; so did AWS, when tried in 2021 (moto"
        " #4655), although its documentation says that the message might not be deleted"
    ),
    "test_a_garbage_handle_is_refused": "it says so with 400",
    "test_a_list_that_would_be_empty_is_absent": "it shows an empty list",
    "test_a_wrong_batch_is_refused_as_a_whole[delete_message_batch-eleven": (
        "it says BatchEntryIdsNotDistinct"
    ),
    "test_a_wrong_batch_is_refused_as_a_whole[delete_message_batch-no name": "it does not look",
    "test_a_wrong_batch_is_refused_as_a_whole[change_message_visibility_batch": (
        "it does not look"
    ),
    "test_a_mebibyte_is_the_most_with_attributes_counted": "it does not count attributes",
    "test_bytes_are_counted_not_characters": "it counts characters",
    "test_the_queue_s_own_limit_fails_an_entry_not_the_batch": "it refuses the batch",
    "test_a_character_that_sqs_refuses_is_refused": "it takes every character",
    "test_an_empty_message_is_refused": "it takes it",
    "test_more_than_ten_message_attributes_are_refused": "it takes any number",
    "test_a_wrong_message_attribute_is_refused": "it takes most of them",
    "test_a_dead_letter_names_its_source_queue": "it has no DeadLetterQueueSourceArn",
    "test_deleting_what_has_been_dead_lettered_meanwhile_leaves_it_there": (
        "it says ReceiptHandleIsInvalid"
    ),
    "test_a_redrive_policy_that_cannot_work_is_refused": (
        "it takes some, keeps others although it refuses them, and breaks on the rest"
    ),
    "test_a_move_task": "it has no message move tasks",
    "test_what_was_sent_straight_to_the_dead_letter_queue": "it has no message move tasks",
    "test_only_the_last_move_task_is_listed": "it has no message move tasks",
    "test_attributes_can_be_set_and_wrong_ones_are_refused": "it takes wrong ones",
    "test_a_message_expires_even_in_flight": "it keeps what has expired in its counts",
    "test_a_deleted_queue_is_gone_and_its_name_is_free_after_a_minute": "it is free at once",
    "test_a_long_poll_ends_when_its_queue_is_deleted": "it goes on to its end",
    "test_an_unsigned_request_is_refused": "it takes it",
    "test_a_request_without_a_required_parameter_is_refused": "it says ReceiptHandleIsInvalid",
}
"""By the name of the test, or by what its name and its parameters begin with."""

NO_ASTRAL = "it refuses characters beyond the first 65,536"
ITS_DIGEST = "its digest is that of all attributes"
LEGACY_CODES = "it has the prefix of the older protocol on every code"
FAUXQS_DIFFERS = {
    # what fauxqs 2.4.1 does, likewise
    "test_a_message_comes_back_with_its_body_and_the_digest": NO_ASTRAL,
    "test_every_other_character_comes_back_as_it_was[\\U": NO_ASTRAL,
    "test_unrequested_attributes_are_not_shown": "it shows all message attributes",
    "test_an_unknown_system_attribute_is_refused": "it ignores the name",
    "test_message_attributes_come_back_as_requested_with_the_digest_of_aws[asked2": ITS_DIGEST,
    "test_message_attributes_come_back_as_requested_with_the_digest_of_aws[asked3": ITS_DIGEST,
    "test_message_attributes_come_back_as_requested_with_the_digest_of_aws[asked4": (
        "it knows no pattern but .*"
    ),
    "test_a_receive_count_out_of_range_is_refused": LEGACY_CODES,
    "test_a_visibility_out_of_range_is_refused": LEGACY_CODES,
    "test_bytes_are_counted_not_characters": LEGACY_CODES,
    "test_a_mebibyte_is_the_most_with_attributes_counted": LEGACY_CODES,
    "test_a_character_that_sqs_refuses_is_refused": LEGACY_CODES,
    "test_an_empty_message_is_refused": LEGACY_CODES,
    "test_creating_a_queue_again_finds_it_unless_it_is_to_be_different": LEGACY_CODES,
    "test_attributes_can_be_set_and_wrong_ones_are_refused": LEGACY_CODES,
    "test_a_request_without_a_required_parameter_is_refused": LEGACY_CODES,
    "test_visibility_beyond_12_hours_since_the_receive_is_refused_not_clamped": "it takes it",
    "test_visibility_of_a_deleted_message_cannot_be_changed": "it says MessageNotInflight",
    "test_a_stale_receipt_handle_still_changes_visibility": "it says MessageNotInflight",
    "test_a_garbage_handle_is_refused": "it acknowledges the delete",
    "test_a_handle_of_another_queue_is_refused": "it acknowledges the delete",
    "test_batches_are_deleted_entry_by_entry": "it acknowledges a handle that is garbage",
    "test_a_list_that_would_be_empty_is_absent": "it shows an empty list",
    "test_a_wrong_batch_is_refused_as_a_whole[send_message_batch-no name: too long": (
        "it takes a name of any length"
    ),
    "test_a_wrong_batch_is_refused_as_a_whole[delete_message_batch-no name: too long": (
        "it takes a name of any length"
    ),
    "test_a_wrong_batch_is_refused_as_a_whole[change_message_visibility_batch-no name: too long": (
        "it takes a name of any length"
    ),
    "test_more_than_ten_message_attributes_are_refused": "it takes any number",
    "test_a_wrong_message_attribute_is_refused": "it takes most of them",
    "test_a_delay_beyond_15_minutes_fails_an_entry_not_the_batch": "it takes it",
    "test_a_message_is_dead_lettered_when_its_receives_would_exceed_the_limit": (
        "it counts the receive that moves it"
    ),
    "test_a_dead_letter_names_its_source_queue": "it has no DeadLetterQueueSourceArn",
    "test_source_queues_of_a_dead_letter_queue_are_listed": "it cannot list them",
    "test_a_redrive_policy_that_cannot_work_is_refused": "it takes it",
    "test_a_move_task": "it has no message move tasks",
    "test_what_was_sent_straight_to_the_dead_letter_queue": "it has no message move tasks",
    "test_only_the_last_move_task_is_listed": "it has no message move tasks",
    "test_counts_distinguish_visible_in_flight_and_delayed": "it asks its clock at receives only",
    "test_queues_are_listed_by_the_beginning_of_their_names": "it shows an empty list",
    "test_a_purge_takes_everything_and_is_allowed_once_a_minute": "it allows it at any time",
    "test_a_message_expires_even_in_flight": "with it nothing expires",
    "test_a_dead_letter_expires_by_the_time_it_was_first_sent": "with it nothing expires",
    "test_a_deleted_queue_is_gone_and_its_name_is_free_after_a_minute": "it is free at once",
    "test_a_long_poll_ends_when_its_queue_is_deleted": "it comes back empty",
    "test_an_unsigned_request_is_refused": "it takes it",
}
DIFFERS = {"emulator": {}, "moto": MOTO_DIFFERS, "fauxqs": FAUXQS_DIFFERS}
NPM = Path(__file__).parent / "npm"
OLDEST_NODE = (22, 5)

SESSION = boto3.Session("AKIAEXAMPLE", "not-checked", region_name=REGION)
_numbers = itertools.count(1)


class Sqs:
    """One implementation, with queues of its own for each test."""

    def __init__(self, endpoint, advance):
        self.endpoint = endpoint
        self.advance = advance
        self.client = self.make_client()

    def make_client(self, **config):
        plain = Config(retries={"total_max_attempts": 1, "mode": "standard"}, **config)
        return SESSION.client("sqs", endpoint_url=self.endpoint, config=plain)

    def queue(self, name=None, **attributes):
        name = name or f"queue-{next(_numbers)}"
        texts = {key: str(value) for key, value in attributes.items()}
        return self.client.create_queue(QueueName=name, Attributes=texts)["QueueUrl"]

    def pair(self, max_receive_count=2, **attributes):
        """A queue, and the dead-letter queue behind it."""
        dead = self.queue()
        policy = {"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": max_receive_count}
        return self.queue(RedrivePolicy=json.dumps(policy), **attributes), dead

    def arn(self, url):
        return self.attributes(url, "QueueArn")["QueueArn"]

    def attributes(self, url, *names):
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
        return found.get("Attributes", {})

    def counts(self, url):
        """Visible, in flight, delayed."""
        prefix = "ApproximateNumberOfMessages"
        found = self.attributes(url, prefix, f"{prefix}NotVisible", f"{prefix}Delayed")
        return tuple(int(found[prefix + end]) for end in ("", "NotVisible", "Delayed"))

    def send(self, url, *bodies, **more):
        for body in bodies:
            sent = self.client.send_message(QueueUrl=url, MessageBody=body, **more)
        return sent

    def receive(self, url, **more):
        """What a short poll for ten brings, with all there is to know about it."""
        requested = {
            "MaxNumberOfMessages": 10,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        answer = self.client.receive_message(QueueUrl=url, **(requested | more))
        return answer.get("Messages", [])

    def receive_message(self, url, **more):
        (message,) = self.receive(url, **more)
        return message

    def delete(self, url, message):
        handle = message["ReceiptHandle"]
        return self.client.delete_message(QueueUrl=url, ReceiptHandle=handle)

    def hide(self, url, message, seconds):
        return self.client.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
        )


@pytest.fixture(scope="module")
def moto_server():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto_advance(monkeypatch):
    """Moto asks two functions for the time; both can be made to run ahead."""
    from moto.sqs import models

    ahead = [0.0]
    now, now_millis = models.unix_time, models.unix_time_millis
    monkeypatch.setattr(models, "unix_time", lambda: now() + ahead[0])
    monkeypatch.setattr(models, "unix_time_millis", lambda: now_millis() + ahead[0] * 1000)

    def advance(seconds):
        ahead[0] += seconds

    return advance


@pytest.fixture(scope="module")
def fauxqs_server():
    """Its address, and a way to have its clock run ahead."""
    if not (NPM / "node_modules" / "fauxqs").exists():
        pytest.skip("fauxqs is not installed: make contract (needs npm)")
    process = subprocess.Popen(
        [node(), NPM / "fauxqs.mjs"],
        env=os.environ | {"FAUXQS_DEFAULT_REGION": REGION},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def advance(seconds):
        process.stdin.write(f"advance {seconds}\n")
        process.stdin.flush()
        process.stdout.readline()

    with process:
        yield process.stdout.readline().strip(), advance
        process.stdin.close()


def node():
    """The program on PATH if it is new enough, else the program that npm has brought."""
    own = shutil.which("node")
    if own:
        output = subprocess.run([own, "--version"], capture_output=True, text=True, check=True)
        if tuple(map(int, output.stdout.strip()[1:].split(".")[:2])) >= OLDEST_NODE:
            return own
    brought = NPM / "node_modules" / "node" / "bin" / "node"
    if not brought.exists():
        pytest.skip("fauxqs needs Node 22.5")
    return brought


@pytest.fixture(params=["emulator", "moto", "fauxqs"])
def sqs(request):
    which = request.param
    name = request.node.name.replace(f"[{which}-", "[").replace(f"[{which}]", "")
    if reason := next(
        (DIFFERS[which][item] for item in DIFFERS[which] if name.startswith(item)), None
    ):
        pytest.skip(f"{which} differs: {reason}")
    if which == "moto":
        side = Sqs(request.getfixturevalue("moto_server"), request.getfixturevalue("moto_advance"))
        yield side
        side.client.close()
        return
    if which == "fauxqs":
        side = Sqs(*request.getfixturevalue("fauxqs_server"))
        yield side
        side.client.close()
        return
    with SqsSimulator(region=REGION) as emulator:
        side = Sqs(emulator.endpoint, emulator.clock.advance)
        yield side
        side.client.close()


def error_of(call, *arguments, **more):
    """The legacy code, the shape's name and the HTTP status of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **more)
    answer = caught.value.response
    output = answer["Error"]
    return (
        output["Code"],
        output.get("QueryErrorCode", output["Code"]),
        answer["ResponseMetadata"]["HTTPStatusCode"],
    )


def code_of(call, *arguments, **more):
    return error_of(call, *arguments, **more)[0]


def bodies(messages):
    return sorted(message["Body"] for message in messages)


def in_background(function, *arguments):
    """Start a call that takes its time; `join` returns its result and how long it took."""
    found = []

    def run():
        started = time.monotonic()
        try:
            result = function(*arguments)
        except ClientError as error:
            result = error.response["Error"]["Code"]
        found.append((result, time.monotonic() - started))

    thread = threading.Thread(target=run)
    thread.start()

    def join():
        thread.join(30)
        return found[0]

    return join


def test_the_table_of_differences_names_tests_that_exist():
    for item in (*MOTO_DIFFERS, *FAUXQS_DIFFERS):
        assert any(name.startswith(item.partition("[")[0]) for name in globals()), item


# Sending and receiving


def test_a_message_comes_back_with_its_body_and_the_digest_of_it(sqs):
    url = sqs.queue()
    sent = sqs.send(url, "grüße\r\n\t🙂")
    message = sqs.receive_message(url)
    assert message["Body"] == "grüße\r\n\t🙂"
    assert message["MessageId"] == sent["MessageId"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == "0c38c593b51041f1e22512faa0a4e0d2"


def test_unrequested_attributes_are_not_shown(sqs):
    url = sqs.queue()
    sqs.send(url, "body", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    (message,) = sqs.client.receive_message(QueueUrl=url)["Messages"]
    assert set(message) == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}


def test_a_receive_brings_a_single_message_by_default(sqs):
    url = sqs.queue()
    sqs.send(url, "1", "2", "3")
    assert len(sqs.client.receive_message(QueueUrl=url)["Messages"]) == 1
    assert len(sqs.receive(url)) == 2


def test_an_empty_receive_has_no_list_of_messages(sqs):
    """Recorded."""
    url = sqs.queue()
    assert "Messages" not in sqs.client.receive_message(QueueUrl=url)
    assert "Messages" not in sqs.client.receive_message(QueueUrl=url, WaitTimeSeconds=1)


def test_system_attributes_show_when_it_was_sent_and_how_often_received(sqs):
    url = sqs.queue(VisibilityTimeout=1)
    before = time.time()
    sqs.send(url, "body")
    first = sqs.receive_message(url)["Attributes"]
    sqs.advance(1.1)
    second = sqs.receive_message(url)["Attributes"]
    assert set(first) == {
        "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
    }  # fmt: skip
    assert (first.pop("ApproximateReceiveCount"), second.pop("ApproximateReceiveCount")) == (
        "1",
        "2",
    )
    assert first == second
    assert before - 1 < int(first["SentTimestamp"]) / 1000 < time.time() + 1


def test_the_older_name_of_system_attribute_names_still_works(sqs):
    url = sqs.queue()
    sqs.send(url, "body")
    answer = sqs.client.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])
    assert answer["Messages"][0]["Attributes"] == {"ApproximateReceiveCount": "1"}


def test_an_unknown_system_attribute_is_refused(sqs):
    url = sqs.queue()
    ask = sqs.client.receive_message
    code = code_of(ask, QueueUrl=url, MessageSystemAttributeNames=["Sender"])
    assert code == "InvalidAttributeName"


@pytest.mark.parametrize(
    ("names", "shown", "digest"),
    [
        (["All"], {"Help.Me", "Hello", "General"}, "4c360f3fdafd970e05fae2f149d997f5"),
        ([".*"], {"Help.Me", "Hello", "General"}, "4c360f3fdafd970e05fae2f149d997f5"),
        (["Hello", "General"], {"Hello", "General"}, "fca026605781cb4126a1e9044df24232"),
        (["Hello", "Foo"], {"Hello"}, "a311262e065454b75da111d535b8dacd"),
        (["Hel.*"], {"Help.Me", "Hello"}, "83fee93c1bcd8b9a5a923ffacdc636c7"),
    ],
)
def test_message_attributes_come_back_as_requested_with_the_digest_of_aws(
    sqs, names, shown, digest
):
    """Recorded, digests included."""
    url = sqs.queue()
    texts = {"Help.Me": "Me", "Hello": "There", "General": "Kenobi"}
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
    sent = sqs.send(url, "msg", MessageAttributes=attributes)
    assert sent["MD5OfMessageAttributes"] == "4c360f3fdafd970e05fae2f149d997f5"
    message = sqs.receive_message(url, MessageAttributeNames=names)
    assert message["MessageAttributes"] == {name: attributes[name] for name in shown}
    assert message["MD5OfMessageAttributes"] == digest


def test_binary_attributes_come_back_as_bytes(sqs):
    url = sqs.queue()
    attributes = {
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff\x1e"},
        "count": {"DataType": "Number.int", "StringValue": "42"},
    }
    sent = sqs.send(url, "body", MessageAttributes=attributes)
    message = sqs.receive_message(url)
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"MaxNumberOfMessages": 0},
        {"MaxNumberOfMessages": 11},
        {"WaitTimeSeconds": -1},
        {"WaitTimeSeconds": 21},
        {"VisibilityTimeout": -1},
        {"VisibilityTimeout": TWELVE_HOURS + 1},
    ],
    ids=str,
)
def test_a_receive_count_out_of_range_is_refused(sqs, wrong):
    assert code_of(sqs.receive, sqs.queue(), **wrong) == "InvalidParameterValue"


def test_a_delayed_message_comes_when_its_delay_is_over(sqs):
    url, slow = sqs.queue(), sqs.queue(DelaySeconds=5)
    sqs.send(url, "later", DelaySeconds=5)
    sqs.send(slow, "later")
    sqs.send(slow, "now", DelaySeconds=0)
    assert (sqs.receive(url), bodies(sqs.receive(slow))) == ([], ["now"])
    sqs.advance(5.1)
    assert bodies(sqs.receive(url)) == bodies(sqs.receive(slow)) == ["later"]


# Long polls


def test_a_long_poll_wakes_at_once_on_a_send(sqs):
    url = sqs.queue()
    join = in_background(lambda: sqs.receive(url, WaitTimeSeconds=10))
    time.sleep(0.3)
    sqs.send(url, "body")
    messages, seconds = join()
    assert bodies(messages) == ["body"]
    assert 0.25 < seconds < 8


def test_a_long_poll_wakes_when_a_message_becomes_visible_again(sqs):
    url = sqs.queue(VisibilityTimeout=1)
    sqs.send(url, "body")
    sqs.receive_message(url)
    started = time.monotonic()
    assert len(sqs.receive(url, WaitTimeSeconds=10)) == 1
    assert 0.8 < time.monotonic() - started < 8


def test_a_long_poll_on_an_empty_queue_ends_in_time(sqs):
    url, patient = sqs.queue(), sqs.queue(ReceiveMessageWaitTimeSeconds=1)
    for poll in (lambda: sqs.receive(url, WaitTimeSeconds=1), lambda: sqs.receive(patient)):
        started = time.monotonic()
        assert poll() == []
        assert 0.9 < time.monotonic() - started < 5


def test_other_calls_go_on_while_long_polls_wait(sqs):
    url = sqs.queue()
    joins = [in_background(lambda: sqs.receive(url, WaitTimeSeconds=3)) for _ in range(4)]
    started = time.monotonic()
    sqs.counts(url)
    assert time.monotonic() - started < 2
    assert [join()[0] for join in joins] == [[]] * 4


def test_a_message_goes_to_a_single_of_several_long_polls(sqs):
    url = sqs.queue()
    joins = [in_background(lambda: sqs.receive(url, WaitTimeSeconds=3)) for _ in range(4)]
    sqs.send(url, "body")
    assert sum(len(join()[0]) for join in joins) == 1


# Visibility


def test_a_received_message_is_hidden_until_its_visibility_timeout(sqs):
    url = sqs.queue(VisibilityTimeout=30)
    sqs.send(url, "body")
    first = sqs.receive_message(url)
    sqs.advance(29)
    assert sqs.receive(url) == []
    sqs.advance(1.1)
    second = sqs.receive_message(url)
    assert first["MessageId"] == second["MessageId"]
    assert first["ReceiptHandle"] != second["ReceiptHandle"]


def test_a_receive_can_name_its_own_visibility_timeout(sqs):
    url = sqs.queue()
    sqs.send(url, "body")
    sqs.receive_message(url, VisibilityTimeout=2)
    sqs.advance(2.1)
    sqs.receive_message(url, VisibilityTimeout=0)
    sqs.receive_message(url)


def test_visibility_0_brings_a_message_back_at_once(sqs):
    url = sqs.queue()
    sqs.send(url, "body")
    sqs.hide(url, sqs.receive_message(url), 0)
    assert sqs.receive_message(url)["Attributes"]["ApproximateReceiveCount"] == "2"


def test_visibility_can_be_extended_and_counts_from_the_change(sqs):
    url = sqs.queue(VisibilityTimeout=10)
    sqs.send(url, "body")
    message = sqs.receive_message(url)
    sqs.advance(9)
    sqs.hide(url, message, 10)
    sqs.advance(9)
    assert sqs.receive(url) == []
    sqs.advance(1.1)
    sqs.receive_message(url)


def test_visibility_can_be_changed_after_the_timeout_while_nobody_else_has_it(sqs):
    """Recorded: no MessageNotInflight."""
    url = sqs.queue(VisibilityTimeout=1)
    sqs.send(url, "body")
    message = sqs.receive_message(url)
    sqs.advance(1.1)
    sqs.hide(url, message, 5)
    assert sqs.receive(url) == []


def test_a_stale_receipt_handle_still_changes_visibility(sqs):
    """Recorded: so a consumer that releases what it has lost takes it from its new holder."""
    url = sqs.queue()
    sqs.send(url, "body")
    stale = sqs.receive_message(url, VisibilityTimeout=0)
    sqs.receive_message(url, VisibilityTimeout=30)
    sqs.hide(url, stale, 0)
    sqs.receive_message(url)


@pytest.mark.parametrize("seconds", [-1, TWELVE_HOURS + 1])
def test_a_visibility_out_of_range_is_refused(sqs, seconds):
    url = sqs.queue()
    sqs.send(url, "body")
    message = sqs.receive_message(url)
    assert code_of(sqs.hide, url, message, seconds) == "InvalidParameterValue"


def test_visibility_beyond_12_hours_since_the_receive_is_refused_not_clamped(sqs):
    url = sqs.queue(VisibilityTimeout=60)
    sqs.send(url, "body")
    sqs.advance(1800)
    message = sqs.receive_message(url)
    sqs.hide(url, message, TWELVE_HOURS - 30)
    sqs.advance(40)
    assert code_of(sqs.hide, url, message, TWELVE_HOURS - 30) == "InvalidParameterValue"
    sqs.hide(url, message, TWELVE_HOURS - 60)


def test_visibility_of_a_deleted_message_cannot_be_changed(sqs):
    """Recorded: InvalidParameterValue, although SQS gave the handle."""
    url = sqs.queue()
    sqs.send(url, "body")
    message = sqs.receive_message(url)
    sqs.delete(url, message)
    assert code_of(sqs.hide, url, message, 10) == "InvalidParameterValue"


def test_visibility_changes_in_batches_fail_entry_by_entry(sqs):
    url = sqs.queue()
    sqs.send(url, "1", "2")
    first, second = sqs.receive(url)
    answer = sqs.client.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "0", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "1", "ReceiptHandle": "garbage", "VisibilityTimeout": 0},
            {
                "Id": "2",
                "ReceiptHandle": second["ReceiptHandle"],
                "VisibilityTimeout": TWELVE_HOURS + 1,
            },
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["0"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [
        ("1", "ReceiptHandleIsInvalid", True),
        ("2", "InvalidParameterValue", True),
    ]
    assert bodies(sqs.receive(url)) == [first["Body"]]


# Deleting


def test_a_deleted_message_does_not_come_back(sqs):
    url = sqs.queue(VisibilityTimeout=1)
    sqs.send(url, "body")
    sqs.delete(url, sqs.receive_message(url))
    sqs.advance(1.1)
    assert sqs.receive(url) == []
    assert sqs.counts(url) == (0, 0, 0)


def test_deleting_again_is_acknowledged(sqs):
    url = sqs.queue()
    sqs.send(url, "body")
    message = sqs.receive_message(url)
    for _ in range(3):
        sqs.delete(url, message)


def test_the_latest_handle_deletes_after_the_visibility_timeout(sqs):
    """Recorded."""
    url = sqs.queue(VisibilityTimeout=1)
    sqs.send(url, "body")
    message = sqs.receive_message(url)
    sqs.advance(1.1)
    sqs.delete(url, message)
    assert sqs.receive(url) == []


def test_a_stale_receipt_handle_is_acknowledged_and_deletes_nothing(sqs):
    url = sqs.queue(VisibilityTimeout=1)
    sqs.send(url, "body")
    stale = sqs.receive_message(url)
    sqs.advance(1.1)
    latest = sqs.receive_message(url)
    sqs.delete(url, stale)
    assert sqs.counts(url) == (0, 1, 0)
    sqs.delete(url, latest)
    assert sqs.counts(url) == (0, 0, 0)


def test_a_garbage_handle_is_refused(sqs):
    """Recorded: 404."""
    url = sqs.queue()
    garbage = {"ReceiptHandle": "garbage"}
    invalid = ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404)
    assert error_of(sqs.delete, url, garbage) == error_of(sqs.hide, url, garbage, 1) == invalid


def test_a_handle_of_another_queue_is_refused(sqs):
    """Recorded."""
    url, other = sqs.queue(), sqs.queue()
    sqs.send(url, "body")
    message = sqs.receive_message(url)
    assert code_of(sqs.delete, other, message) == "ReceiptHandleIsInvalid"
    assert sqs.counts(url) == (0, 1, 0)


def test_batches_are_deleted_entry_by_entry(sqs):
    url = sqs.queue()
    sqs.send(url, *"123456789")
    messages = sqs.receive(url)
    entries = [
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
        for number, message in enumerate(messages)
    ]
    answer = sqs.client.delete_message_batch(
        QueueUrl=url, Entries=[*entries, {"Id": "bad", "ReceiptHandle": "garbage"}]
    )
    assert len(answer["Successful"]) == 9
    ((failed),) = answer["Failed"]
    assert (failed["Id"], failed["Code"]) == ("bad", "ReceiptHandleIsInvalid")
    assert failed["SenderFault"] is True
    assert sqs.counts(url) == (0, 0, 0)


def test_a_list_that_would_be_empty_is_absent(sqs):
    """Recorded."""
    answer = sqs.client.send_message_batch(
        QueueUrl=sqs.queue(), Entries=[{"Id": "0", "MessageBody": "body"}]
    )
    assert len(answer["Successful"]) == 1
    assert "Failed" not in answer


# Batches that are refused as a whole

IN_BATCHES = {
    "send_message_batch": {"MessageBody": "body"},
    "delete_message_batch": {"ReceiptHandle": "garbage"},
    "change_message_visibility_batch": {"ReceiptHandle": "garbage", "VisibilityTimeout": 0},
}


@pytest.mark.parametrize(
    ("ids", "shape"),
    [
        pytest.param([], "EmptyBatchRequest", id="none"),
        pytest.param(list("0123456789x"), "TooManyEntriesInBatchRequest", id="eleven"),
        pytest.param(["a", "b", "a"], "BatchEntryIdsNotDistinct", id="one twice"),
        pytest.param(["a:b"], "InvalidBatchEntryId", id="no name: a colon in it"),
        pytest.param([""], "InvalidBatchEntryId", id="no name: empty"),
        pytest.param(["x" * 81], "InvalidBatchEntryId", id="no name: too long"),
    ],
)
@pytest.mark.parametrize("operation", IN_BATCHES)
def test_a_wrong_batch_is_refused_as_a_whole(sqs, operation, ids, shape):
    """Recorded, for most."""
    url = sqs.queue()
    entries = [{"Id": message_id} | IN_BATCHES[operation] for message_id in ids]
    call = getattr(sqs.client, operation)
    error = error_of(call, QueueUrl=url, Entries=entries)
    assert error == (f"{LEGACY}.{shape}", shape, 400)
    assert sqs.counts(url) == (0, 0, 0)


def test_ten_entries_with_the_oddest_ids_are_a_batch(sqs):
    url = sqs.queue()
    ids = ["x" * 80, "-", "_", *"0123456"]
    entries = [{"Id": message_id, "MessageBody": message_id} for message_id in ids]
    answer = sqs.client.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ids


# What may be in a message


def test_a_mebibyte_is_the_most_with_attributes_counted(sqs):
    """Recorded."""
    url = sqs.queue()
    attributes = {"k": {"DataType": "String", "StringValue": "x"}}
    room = MEBIBYTE - len("kStringx")
    sqs.send(url, "a" * room, MessageAttributes=attributes)
    too_much = "a" * (room + 1)
    code = code_of(sqs.send, url, too_much, MessageAttributes=attributes)
    assert code == "InvalidParameterValue"


def test_bytes_are_counted_not_characters(sqs):
    url = sqs.queue(MaximumMessageSize=1024)
    sqs.send(url, "ä" * 512)
    assert code_of(sqs.send, url, "ä" * 513) == "InvalidParameterValue"


def test_a_batch_together_is_a_mebibyte_at_most(sqs):
    """Recorded."""
    url = sqs.queue()
    half = "a" * (MEBIBYTE // 2)

    def send(*texts):
        entries = [{"Id": str(n), "MessageBody": text} for n, text in enumerate(texts)]
        return sqs.client.send_message_batch(QueueUrl=url, Entries=entries)

    assert len(send(half, half)["Successful"]) == 2
    assert error_of(send, half, half, "a") == (
        f"{LEGACY}.BatchRequestTooLong",
        "BatchRequestTooLong",
        400,
    )
    assert sqs.counts(url) == (2, 0, 0)


def test_the_queue_s_own_limit_fails_an_entry_not_the_batch(sqs):
    """Recorded."""
    url = sqs.queue(MaximumMessageSize=1024)
    entries = [
        {"Id": "fits", "MessageBody": "a" * 1024},
        {"Id": "fits-not", "MessageBody": "a" * 1025},
    ]
    answer = sqs.client.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["fits"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"]) == ("fits-not", "InvalidParameterValue")
    assert failed["SenderFault"] is True


REFUSED_CHARACTERS = ["\0", "\x08", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"]
ALLOWED_CHARACTERS = [
    "\t\n\r",
    " ",
    "\x7f",
    "\ud7ff",
    "\ue000",
    "\ufffd",
    "\U0001f642",
    "\U0010ffff",
]


@pytest.mark.parametrize("character", REFUSED_CHARACTERS)
def test_a_character_that_sqs_refuses_is_refused(sqs, character):
    """Recorded for some."""
    url = sqs.queue()
    assert code_of(sqs.send, url, f"a{character}") == "InvalidMessageContents"
    entries = [{"Id": "0", "MessageBody": f"a{character}"}, {"Id": "1", "MessageBody": "fine"}]
    answer = sqs.client.send_message_batch(QueueUrl=url, Entries=entries)
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [
        ("0", "InvalidMessageContents")
    ]
    assert bodies(sqs.receive(url)) == ["fine"]


@pytest.mark.parametrize("character", ALLOWED_CHARACTERS)
def test_every_other_character_comes_back_as_it_was(sqs, character):
    url = sqs.queue()
    sqs.send(url, f"a{character}b")
    assert sqs.receive_message(url)["Body"] == f"a{character}b"


def test_an_empty_message_is_refused(sqs):
    """Recorded."""
    missing = ("MissingParameter", "MissingRequiredParameterException", 400)
    assert error_of(sqs.send, sqs.queue(), "") == missing


def test_more_than_ten_message_attributes_are_refused(sqs):
    url = sqs.queue()
    some = {f"a{n}": {"DataType": "String", "StringValue": "b"} for n in range(11)}
    assert code_of(sqs.send, url, "body", MessageAttributes=some) == "InvalidParameterValue"
    del some["a0"]
    sqs.send(url, "body", MessageAttributes=some)
    assert len(sqs.receive_message(url)["MessageAttributes"]) == 10


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("aWs.x", "String", "value"),
        ("AMAZON.x", "String", "value"),
        (".x", "String", "value"),
        ("x.", "String", "value"),
        ("x!", "String", "value"),
        ("x" * 257, "String", "value"),
        ("x", "Text", "value"),
        ("x", "Number." + "x" * 256, "1"),
        ("x", "String", ""),
    ],
)
def test_a_wrong_message_attribute_is_refused(sqs, name, kind, text):
    """Recorded."""
    wrong = {name: {"DataType": kind, "StringValue": text}}
    code = code_of(sqs.send, sqs.queue(), "body", MessageAttributes=wrong)
    assert code == "InvalidParameterValue"


def test_a_delay_beyond_15_minutes_fails_an_entry_not_the_batch(sqs):
    url = sqs.queue()
    assert code_of(sqs.send, url, "body", DelaySeconds=901) == "InvalidParameterValue"
    entries = [
        {"Id": "0", "MessageBody": "body", "DelaySeconds": 901},
        {"Id": "1", "MessageBody": "body", "DelaySeconds": 900},
    ]
    answer = sqs.client.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["1"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [
        ("0", "InvalidParameterValue")
    ]


# Redrive


def use_up(sqs, url, receives):
    """Receive so often, and find nothing the next time."""
    for _ in range(receives):
        message = sqs.receive_message(url, VisibilityTimeout=0)
    assert sqs.receive(url) == []
    return message


def test_a_message_is_dead_lettered_when_its_receives_would_exceed_the_limit(sqs):
    """Recorded, the count in the dead-letter queue included."""
    url, dead = sqs.pair(max_receive_count=2)
    attributes = {"a": {"DataType": "String", "StringValue": "b"}}
    sqs.send(url, "body", MessageAttributes=attributes)
    before = use_up(sqs, url, receives=2)
    sqs.advance(100)
    after = sqs.receive_message(dead)
    for kept in ("MessageId", "Body", "MessageAttributes"):
        assert after[kept] == before[kept]
    assert after["Attributes"]["SentTimestamp"] == before["Attributes"]["SentTimestamp"]
    assert after["Attributes"]["ApproximateReceiveCount"] == "3"


def test_a_dead_letter_names_its_source_queue(sqs):
    """Recorded."""
    url, dead = sqs.pair(max_receive_count=1)
    sqs.send(url, "body")
    use_up(sqs, url, receives=1)
    assert sqs.receive_message(dead)["Attributes"]["DeadLetterQueueSourceArn"] == sqs.arn(url)


def test_deleting_what_has_been_dead_lettered_meanwhile_leaves_it_there(sqs):
    url, dead = sqs.pair(max_receive_count=1)
    sqs.send(url, "body")
    message = use_up(sqs, url, receives=1)
    sqs.delete(url, message)
    assert len(sqs.receive(dead)) == 1


def test_a_redrive_makes_room_in_the_same_receive(sqs):
    url, dead = sqs.pair(max_receive_count=1)
    sqs.send(url, "worn")
    sqs.receive_message(url, VisibilityTimeout=0)
    sqs.send(url, "fresh")
    assert bodies(sqs.receive(url)) == ["fresh"]
    assert bodies(sqs.receive(dead)) == ["worn"]


def test_source_queues_of_a_dead_letter_queue_are_listed(sqs):
    url, dead = sqs.pair()
    list_origins = sqs.client.list_dead_letter_source_queues
    assert list_origins(QueueUrl=dead)["queueUrls"] == [url]
    assert list_origins(QueueUrl=url)["queueUrls"] == []


@pytest.mark.parametrize(
    "policy",
    [
        "no json",
        {"maxReceiveCount": 1},
        {"deadLetterTargetArn": "EXISTING"},
        {"deadLetterTargetArn": "EXISTING", "maxReceiveCount": "many"},
        {"deadLetterTargetArn": "EXISTING", "maxReceiveCount": 0},
        {"deadLetterTargetArn": "EXISTING", "maxReceiveCount": 1001},
        {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:123456789012:none", "maxReceiveCount": 1},
    ],
)
def test_a_redrive_policy_that_cannot_work_is_refused(sqs, policy):
    """Recorded for some."""
    url = sqs.queue()
    text = json.dumps(policy) if isinstance(policy, dict) else policy
    expected = {"RedrivePolicy": text.replace("EXISTING", sqs.arn(sqs.queue()))}
    code = code_of(sqs.client.set_queue_attributes, QueueUrl=url, Attributes=expected)
    assert code == "InvalidParameterValue"
    assert "RedrivePolicy" not in sqs.attributes(url, "All")


def test_an_empty_redrive_policy_removes_it(sqs):
    """Recorded."""
    url, dead = sqs.pair(max_receive_count=1)
    policy = sqs.attributes(url, "RedrivePolicy")["RedrivePolicy"]
    assert json.loads(policy)["deadLetterTargetArn"] == sqs.arn(dead)
    sqs.client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert "RedrivePolicy" not in sqs.attributes(url, "All")
    sqs.send(url, "body")
    sqs.receive_message(url, VisibilityTimeout=0)
    sqs.receive_message(url)


# Message move tasks


def with_dead_letters(sqs, *texts):
    url, dead = sqs.pair(max_receive_count=1)
    for text in texts:
        sqs.send(url, text)
        use_up(sqs, url, receives=1)
    return url, dead


def test_a_move_task_brings_dead_letters_back_as_new_messages(sqs):
    """Recorded; what becomes of the receive count is not documented."""
    url, dead = with_dead_letters(sqs, "1", "2")
    before = sqs.receive(dead, VisibilityTimeout=0)
    sqs.advance(10)
    sqs.client.start_message_move_task(SourceArn=sqs.arn(dead))
    after = sqs.receive(url)
    assert bodies(after) == ["1", "2"]
    assert {item["MessageId"] for item in after}.isdisjoint(item["MessageId"] for item in before)
    sent = [
        min(int(message["Attributes"]["SentTimestamp"]) for message in some)
        for some in (before, after)
    ]
    assert sent[1] - sent[0] >= 10_000
    (task,) = sqs.client.list_message_move_tasks(SourceArn=sqs.arn(dead))["Results"]
    assert task.pop("StartedTimestamp") > 0
    assert task == {
        "Status": "COMPLETED",
        "SourceArn": sqs.arn(dead),
        "ApproximateNumberOfMessagesMoved": 2,
        "ApproximateNumberOfMessagesToMove": 2,
    }


def test_a_move_task_can_go_elsewhere(sqs):
    _, dead = with_dead_letters(sqs, "body")
    elsewhere = sqs.queue()
    arns = {"SourceArn": sqs.arn(dead), "DestinationArn": sqs.arn(elsewhere)}
    sqs.client.start_message_move_task(**arns)
    assert bodies(sqs.receive(elsewhere)) == ["body"]


def test_a_move_task_leaves_what_is_in_flight(sqs):
    url, dead = with_dead_letters(sqs, "1", "2")
    (held,) = sqs.receive(dead, MaxNumberOfMessages=1)
    sqs.client.start_message_move_task(SourceArn=sqs.arn(dead))
    assert sqs.counts(dead) == (0, 1, 0)
    assert len(sqs.receive(url)) == 1
    sqs.delete(dead, held)


def test_what_was_sent_straight_to_the_dead_letter_queue_needs_a_destination(sqs):
    """AWS's troubleshooting guide. Our own worker sends its dead letters this way."""
    url, dead = sqs.pair()
    sqs.send(dead, "body")
    sqs.client.start_message_move_task(SourceArn=sqs.arn(dead))
    (task,) = sqs.client.list_message_move_tasks(SourceArn=sqs.arn(dead))["Results"]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert (sqs.counts(url)[0], sqs.counts(dead)[0]) == (0, 1)


def test_a_move_task_with_a_rate_can_be_cancelled_and_keeps_what_it_moved(sqs):
    url, dead = with_dead_letters(sqs, "1", "2", "3")
    arn = sqs.arn(dead)
    start, cancel = sqs.client.start_message_move_task, sqs.client.cancel_message_move_task
    handle = start(SourceArn=arn, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    assert code_of(start, SourceArn=arn) == "InvalidParameterValue"
    sqs.advance(1)
    (task,) = sqs.client.list_message_move_tasks(SourceArn=arn)["Results"]
    assert (task["Status"], task["TaskHandle"]) == ("RUNNING", handle)
    assert cancel(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"] == 2
    sqs.advance(10)
    assert (sqs.counts(url)[0], sqs.counts(dead)[0]) == (2, 1)
    (task,) = sqs.client.list_message_move_tasks(SourceArn=arn)["Results"]
    assert task["Status"] == "CANCELLED"
    assert "TaskHandle" not in task
    assert code_of(cancel, TaskHandle=handle) == "InvalidParameterValue"


def test_a_move_task_that_makes_no_sense_is_refused(sqs):
    """Recorded."""
    url, dead = sqs.pair()
    start, cancel = sqs.client.start_message_move_task, sqs.client.cancel_message_move_task
    nowhere = sqs.arn(url) + "-not"
    assert code_of(start, SourceArn=sqs.arn(url)) == "InvalidParameterValue"
    absent = ("ResourceNotFoundException", "ResourceNotFoundException", 404)
    assert error_of(start, SourceArn=nowhere) == absent
    assert error_of(start, SourceArn=sqs.arn(dead), DestinationArn=nowhere) == absent
    assert code_of(cancel, TaskHandle="foobared") == "InvalidParameterValue"


def test_only_the_last_move_task_is_listed_by_default(sqs):
    _, dead = sqs.pair()
    arn = sqs.arn(dead)
    for _ in range(3):
        sqs.client.start_message_move_task(SourceArn=arn)
    list_tasks = sqs.client.list_message_move_tasks
    assert len(list_tasks(SourceArn=arn)["Results"]) == 1
    assert len(list_tasks(SourceArn=arn, MaxResults=10)["Results"]) == 3


# Queues


def test_counts_distinguish_visible_in_flight_and_delayed(sqs):
    url = sqs.queue(VisibilityTimeout=10)
    sqs.send(url, "1", "2", "3")
    sqs.send(url, "later", DelaySeconds=5)
    sqs.receive(url, MaxNumberOfMessages=1)
    assert sqs.counts(url) == (2, 1, 1)
    sqs.advance(10.1)
    assert sqs.counts(url) == (4, 0, 0)


def test_a_queue_that_is_not_there_is_a_400_with_two_names(sqs):
    """Recorded."""
    url = sqs.queue() + "-not"
    absent = (f"{LEGACY}.NonExistentQueue", "QueueDoesNotExist", 400)
    assert error_of(sqs.receive, url) == absent
    assert error_of(sqs.send, url, "body") == absent
    assert error_of(sqs.client.get_queue_url, QueueName="not-there") == absent
    with pytest.raises(sqs.client.exceptions.QueueDoesNotExist):
        sqs.attributes(url, "All")


def test_a_queue_is_found_by_its_name_and_by_its_url(sqs):
    url = sqs.queue()
    name = url.rpartition("/")[2]
    assert sqs.client.get_queue_url(QueueName=name)["QueueUrl"] == url
    sqs.send(name, "body")
    assert len(sqs.receive(url)) == 1


def test_queues_are_listed_by_the_beginning_of_their_names(sqs):
    """Recorded, the absent list included."""
    first = sqs.queue()
    urls = [sqs.queue(f"{first.rpartition('/')[2]}-{character}") for character in "ab"]
    prefix = f"{first.rpartition('/')[2]}-"
    assert sqs.client.list_queues(QueueNamePrefix=prefix)["QueueUrls"] == urls
    assert "QueueUrls" not in sqs.client.list_queues(QueueNamePrefix="none-begins-so")


def test_queues_are_listed_in_pages(sqs):
    first = sqs.queue()
    prefix = f"{first.rpartition('/')[2]}-"
    urls = [sqs.queue(f"{prefix}{character}") for character in "abc"]
    listed = sqs.client.list_queues(QueueNamePrefix=prefix, MaxResults=2)
    token = listed["NextToken"]
    rest = sqs.client.list_queues(QueueNamePrefix=prefix, MaxResults=2, NextToken=token)
    assert listed["QueueUrls"] + rest["QueueUrls"] == urls
    assert "NextToken" not in rest


def test_a_queue_starts_with_aws_s_defaults(sqs):
    """Recorded."""
    found = sqs.attributes(sqs.queue(), "All")
    assert found.pop("CreatedTimestamp") == found.pop("LastModifiedTimestamp")
    assert found.pop("QueueArn").startswith(f"arn:aws:sqs:{REGION}:")
    assert found == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "DelaySeconds": "0",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    }


def test_creating_a_queue_again_finds_it_unless_it_is_to_be_different(sqs):
    """Recorded."""
    url = sqs.queue(VisibilityTimeout=20)
    name = url.rpartition("/")[2]
    assert sqs.queue(name) == sqs.queue(name, VisibilityTimeout=20) == url
    exists = ("QueueAlreadyExists", "QueueNameExists", 400)
    assert error_of(sqs.queue, name, VisibilityTimeout=21) == exists


def test_attributes_can_be_set_and_wrong_ones_are_refused(sqs):
    url = sqs.queue()

    def set_attribute(name, text):
        sqs.client.set_queue_attributes(QueueUrl=url, Attributes={name: text})

    set_attribute("VisibilityTimeout", "7")
    assert sqs.attributes(url, "VisibilityTimeout") == {"VisibilityTimeout": "7"}
    assert code_of(set_attribute, "Colour", "blue") == "InvalidAttributeName"
    assert code_of(set_attribute, "VisibilityTimeout", "43201") == "InvalidAttributeValue"
    assert code_of(set_attribute, "MessageRetentionPeriod", "59") == "InvalidAttributeValue"
    assert code_of(sqs.attributes, url, "Colour") == "InvalidAttributeName"


def test_no_attributes_are_shown_unless_requested(sqs):
    assert sqs.attributes(sqs.queue()) == {}


def test_a_purge_takes_everything_and_is_allowed_once_a_minute(sqs):
    """Recorded."""
    url = sqs.queue(VisibilityTimeout=1)
    sqs.send(url, "1", "2")
    sqs.send(url, "later", DelaySeconds=1)
    sqs.receive(url, MaxNumberOfMessages=1)
    sqs.client.purge_queue(QueueUrl=url)
    sqs.advance(2)
    assert sqs.receive(url) == []
    too_soon = (f"{LEGACY}.PurgeQueueInProgress", "PurgeQueueInProgress", 403)
    assert error_of(sqs.client.purge_queue, QueueUrl=url) == too_soon
    sqs.advance(60)
    sqs.client.purge_queue(QueueUrl=url)


def test_a_message_expires_even_in_flight(sqs):
    """Recorded."""
    url = sqs.queue(MessageRetentionPeriod=60, VisibilityTimeout=100)
    sqs.send(url, "1", "2")
    sqs.receive(url, MaxNumberOfMessages=1)
    sqs.advance(61)
    assert sqs.receive(url) == []
    assert sqs.counts(url) == (0, 0, 0)


def test_a_dead_letter_expires_by_the_time_it_was_first_sent(sqs):
    """Developer guide, dead-letter queues: the enqueue timestamp is unchanged."""
    url, dead = sqs.pair(max_receive_count=1, MessageRetentionPeriod=200)
    sqs.client.set_queue_attributes(QueueUrl=dead, Attributes={"MessageRetentionPeriod": "100"})
    sqs.send(url, "body")
    sqs.advance(90)
    use_up(sqs, url, receives=1)
    assert sqs.counts(dead) == (1, 0, 0)
    sqs.advance(20)
    assert sqs.receive(dead) == []


def test_a_deleted_queue_is_gone_and_its_name_is_free_after_a_minute(sqs):
    """Recorded."""
    url = sqs.queue()
    sqs.send(url, "body")
    sqs.client.delete_queue(QueueUrl=url)
    assert code_of(sqs.receive, url) == f"{LEGACY}.NonExistentQueue"
    name = url.rpartition("/")[2]
    assert code_of(sqs.queue, name) == f"{LEGACY}.QueueDeletedRecently"
    sqs.advance(61)
    assert sqs.receive(sqs.queue(name)) == []


def test_a_long_poll_ends_when_its_queue_is_deleted(sqs):
    url = sqs.queue()
    join = in_background(lambda: sqs.receive(url, WaitTimeSeconds=10))
    time.sleep(0.2)
    sqs.client.delete_queue(QueueUrl=url)
    result, seconds = join()
    assert result == f"{LEGACY}.NonExistentQueue"
    assert seconds < 8


# Requests


def test_an_unsigned_request_is_refused(sqs):
    client = sqs.make_client(signature_version=UNSIGNED)
    assert error_of(client.list_queues)[2] == 403
    client.close()


def test_a_request_without_a_required_parameter_is_refused(sqs):
    client = sqs.make_client(parameter_validation=False)
    url = sqs.queue()
    assert code_of(client.delete_message, QueueUrl=url) == "MissingParameter"
    client.close()
