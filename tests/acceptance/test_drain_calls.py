"""`ses-worker drain`, by the calls it makes: when it is over, what it asks for, what it leaves."""

import json
import re
import subprocess
import sys

import boto3
import pytest
from support import mail

from simulators.sqs import SEND, SERVICE_UNAVAILABLE
from worker.commands import drain


def send(emulator, queue, count):
    for address in mail.addresses(count):
        emulator.send(queue, mail.bounce(address))


def asks_for_counts(request):
    names = request.arguments.get("AttributeNames", ())
    return request.operation == "GetQueueAttributes" and "ApproximateNumberOfMessages" in names


@pytest.mark.parametrize("messages", [0, 1])
def test_the_counts_are_requested_after_two_empty_receives_in_a_row(run, emulator, queue, messages):
    send(emulator, queue, messages)
    assert run("drain", "--json", SES_WORKER_QUEUE__POLLERS="1").json["applied"] == messages
    reported = [
        request
        for request in emulator.journal.requests(queue="feedback")
        if request.operation == "ReceiveMessage" or asks_for_counts(request)
    ]
    first = next(i for i, request in enumerate(reported) if request.operation == "ReceiveMessage")
    counted = next(
        i for i, request in enumerate(reported) if i > first and asks_for_counts(request)
    )
    brought = [len(request.answer.get("Messages", ())) for request in reported[first:counted]]
    assert brought[-2:] == [0, 0]
    assert sum(brought) == messages


def test_every_receive_asks_for_the_visibility_that_is_set(run, emulator, queue):
    send(emulator, queue, 35)
    run("drain", "--json", SES_WORKER_QUEUE__VISIBILITY_SECONDS="77")
    receives = emulator.journal.requests("ReceiveMessage")
    assert len(receives) > 5
    assert {request.arguments["VisibilityTimeout"] for request in receives} == {77}
    waits = {request.arguments["WaitTimeSeconds"] for request in receives}
    assert waits == {0, 1}, "both that waits and that which adds to a full receive"


class TestOthersHoldAMessage:
    @pytest.fixture
    def held(self, emulator, queue):
        """A message that another client has received, for ten minutes."""
        emulator.send(queue, mail.bounce("held@example.com"))
        session = boto3.Session("AKIAEXAMPLE", "not-checked", region_name="us-east-1")
        client = session.client("sqs", endpoint_url=emulator.endpoint)
        (message,) = client.receive_message(QueueUrl=queue, VisibilityTimeout=600)["Messages"]
        client.close()
        return message

    @pytest.fixture
    def impatient(self, environment, tmp_path):
        """Drain with five seconds' wait budget; return the exit status and the figures."""
        seconds = "import worker.commands.drain; worker.commands.drain.WAIT_SECONDS = 5;from worker.cli import main; main()"

        def run():
            done = subprocess.run(
                [sys.executable, "-c", seconds, "drain", "--json"],
                env=environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            return done.returncode, json.loads(done.stdout)

        return run

    def test_they_are_waited_for_and_then_reported(self, impatient, emulator, queue, held):
        emulator.send(queue, mail.bounce("free@example.com"))
        status, figures = impatient()
        assert (status, figures["applied"], figures["remaining"]) == (4, 1, 1)
        assert (figures["remaining_in_flight"], figures["remaining_visible"]) == (1, 0)
        assert 5 <= figures["elapsed_s"] < 20

    def test_each_message_that_comes_renews_the_wait(self, impatient, emulator, queue, held):
        for delay in (4, 8):
            emulator.send(queue, mail.bounce("late@example.com"), delay=delay)
        send(emulator, queue, 1)
        began = emulator.clock.now()
        status, figures = impatient()
        assert (status, figures["applied"], figures["remaining"]) == (4, 3, 1)
        assert emulator.clock.now() - began >= 8 + 5

    def test_it_is_sixty_seconds(self):
        assert drain.WAIT_SECONDS == 60


class TestALimit:
    def test_what_remains_is_reported_by_state_with_the_elapsed_time(self, run, emulator, queue):
        send(emulator, queue, 25)
        done = run("drain", "--max-messages", 12, "--json")
        figures = done.json
        assert (done.status, figures["received"], figures["applied"]) == (4, 12, 12)
        assert figures["remaining"] == figures["remaining_visible"] == 13
        assert figures["remaining_in_flight"] == figures["remaining_delayed"] == 0
        assert emulator.counts(queue) == (13, 0, 0)
        assert 0 < figures["elapsed_s"] < 60

    def test_people_read_it_in_a_table(self, run, emulator, queue):
        send(emulator, queue, 25)
        out = run("drain", "--max-messages", 12).out
        shown = dict(re.findall(r"│ ([\w: ]+?) +│ +([\d,]+) │", out))
        assert (shown["received"], shown["applied"]) == ("12", "12")
        assert shown["remaining: visible"] == "13"
        assert (shown["remaining: in flight"], shown["remaining: delayed"]) == ("0", "0")


def test_a_dead_letter_that_cannot_be_sent_now_is_hidden_for_a_while(run, emulator, queue):
    emulator.faults.add(SERVICE_UNAVAILABLE, on=SEND)
    emulator.send(queue, "nonsense")
    run("drain", "--max-messages", 1, "--json")
    changes = [
        entry["VisibilityTimeout"]
        for request in emulator.journal.requests("ChangeMessageVisibilityBatch")
        for entry in request.arguments["Entries"]
    ]
    assert len(changes) == 1
    assert 1 <= changes[0] <= 60


def test_a_message_with_ten_attributes_gets_into_the_dead_letter_queue(
    run, emulator, queue, database
):
    theirs = {f"theirs{n}": {"DataType": "String", "StringValue": "x"} for n in range(10)}
    emulator.send(queue, "nonsense", attributes=theirs)
    done = run("drain", "--json")
    (dead_letter,) = emulator.messages("feedback-dlq")
    assert len(dead_letter.attributes) == 10
    assert dead_letter.attributes["ses_worker_reason"]["StringValue"] == "not_json"
    assert (done.json["dead_lettered"], database.count("quarantine")) == (1, 0)
