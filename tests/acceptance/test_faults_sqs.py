"""SQS fails under the real command: F11 to F17 of tests/FAULTS.md, and I8."""

import json
import time
from dataclasses import replace
from itertools import pairwise

import boto3
import pytest
from support import mail
from support.running import patched
from support.waiting import wait_until

from simulators.sqs import (
    ACCESS_DENIED,
    CHANGE_VISIBILITY,
    DELETE,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    RECEIVE,
    REQUEST_THROTTLED,
    SEND,
    SERVICE_UNAVAILABLE,
    THROTTLING,
    Cut,
    Hang,
)

REFUSED_403 = replace(REQUEST_THROTTLED, status=403)
"""As it was met in the field."""
QUICKLY = 400
"""Times as fast as back-offs are: a second and a half holds ten minutes of them."""
TEN_MINUTES = 600 / QUICKLY
LONGEST_BACK_OFF = 60 / QUICKLY
MOST_TRIES = 30
"""Of one call in ten minutes: each of the back-offs is 30 s and longer, after the first five."""

HURRIED = f"""
import worker.timing.retries
slow = worker.timing.retries.back_off
worker.timing.retries.back_off = lambda attempt: slow(attempt) / {QUICKLY}
"""
SOON = (
    "import worker.timing.retries; worker.timing.retries.back_off = lambda attempt: attempt * 0.1"
)
IMPATIENT = "import worker.aws.clients as c; c.READ_SECONDS = 0.5"
UNREACHABLE = "unreachable"
NAMELESS = f"""
import os, socket
known = socket.getaddrinfo
def getaddrinfo(*arguments, **named):
    if os.path.exists({UNREACHABLE!r}):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return known(*arguments, **named)
socket.getaddrinfo = getaddrinfo
"""


def named(fault):
    return f"{fault.code}-{fault.status}"


def problems(worker):
    return [line for line in worker.lines if '"queue.unavailable"' in line]


def assert_it_receives_again_within_a_back_off(emulator):
    began = time.monotonic()
    assert emulator.wait_for(lambda: emulator.long_polls, seconds=20)
    assert time.monotonic() - began < LONGEST_BACK_OFF + 3, "and what a busy machine takes"


class TestTenMinutes:
    @pytest.mark.parametrize(
        ("fault", "calls"),
        [(INTERNAL_ERROR, 1), (REFUSED_403, 1), (ACCESS_DENIED, 2)],
        ids=["500", "throttled", "denied"],
    )
    def test_of_errors_cost_few_calls_and_then_it_receives_again(
        self, daemon, emulator, queue, fault, calls
    ):
        """F11 to F13. A refusal may be about our keys: the call is repeated once with fresh ones."""
        rule = emulator.faults.add(fault)
        worker = daemon(program=patched(HURRIED))
        worker.wait_for("queue.unavailable")
        time.sleep(TEN_MINUTES)
        # Who receives, and at the start five times at the most who looks for the dead letters.
        assert 6 <= len(emulator.journal.requests()) <= MOST_TRIES * calls + 5
        assert len(emulator.journal.requests("ReceiveMessage")) <= MOST_TRIES * calls
        rule.stop()
        assert_it_receives_again_within_a_back_off(emulator)
        assert worker.stop()[0] == 0

    def test_without_a_name_for_sqs_likewise(self, daemon, emulator, queue, tmp_path):
        """F15: what is not found cannot be in the journal, so it is counted in the log."""
        (tmp_path / UNREACHABLE).touch()
        worker = daemon(program=patched(HURRIED + NAMELESS))
        worker.wait_for("queue.unavailable")
        assert "Could not connect" in problems(worker)[0]
        assert "Temporary failure in name resolution" in problems(worker)[0]
        time.sleep(TEN_MINUTES)
        assert 5 <= len(problems(worker)) <= MOST_TRIES
        (tmp_path / UNREACHABLE).unlink()
        assert_it_receives_again_within_a_back_off(emulator)
        assert worker.stop()[0] == 0


@pytest.mark.parametrize("fault", [REFUSED_403, THROTTLING], ids=named)
def test_each_call_that_is_throttled_is_repeated_later(
    daemon, emulator, queue, database, either_client, fault
):
    """F12, each operation for itself."""
    operations = (RECEIVE, DELETE, SEND, {"GetQueueAttributes"})
    rules = [emulator.faults.add(fault, on=operation, times=3) for operation in operations]
    sent = [
        emulator.send(queue, body) for body in ("nonsense", *map(mail.bounce, mail.addresses(9)))
    ]
    worker = daemon(program=patched(SOON), SES_WORKER_QUEUE__POLLERS="1")
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    assert [rule.struck for rule in rules] == [3] * 4
    assert {emulator.journal.fate(name).received for name in sent} == {1}
    assert (database.count("events"), len(emulator.messages("feedback-dlq"))) == (9, 1)
    for operation in ("ReceiveMessage", "DeleteMessageBatch", "SendMessage"):
        times = [request.at for request in emulator.journal.requests(operation)[:4]]
        assert all(after - before > 0.09 for before, after in pairwise(times)), operation
    assert worker.stop()[0] == 0


def test_while_only_deletes_are_unavailable_nothing_more_is_received(
    daemon, emulator, queue, database
):
    """What is applied and not deleted would come again until the redrive policy moves it."""
    rule = emulator.faults.add(SERVICE_UNAVAILABLE, on=DELETE)
    first, later = mail.addresses(510)[:10], mail.addresses(510)[10:]
    for address in first:
        emulator.send(queue, mail.bounce(address))
    worker = daemon(program=patched(SOON))
    worker.wait_for("queue.unavailable")
    for address in later:
        emulator.send(queue, mail.bounce(address))
    wait_until(lambda: not emulator.long_polls)  # a poll that had begun may bring 200
    time.sleep(1)
    held = emulator.counts(queue).in_flight
    time.sleep(1)
    assert emulator.counts(queue).in_flight == held < 510
    rule.stop()
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    assert database.count("events") == 510
    assert {fate.received for fate in emulator.journal.fates().values()} == {1}


def test_a_hand_back_that_is_throttled_is_repeated(run, emulator, queue):
    """F12."""
    emulator.faults.add(SERVICE_UNAVAILABLE, on=SEND)
    rule = emulator.faults.add(REFUSED_403, on=CHANGE_VISIBILITY, times=3)
    emulator.send(queue, "nonsense")
    assert run("drain", "--max-messages", 1, "--json").json["deferred"] == 1
    assert rule.struck == 3
    assert [
        request.status for request in emulator.journal.requests("ChangeMessageVisibilityBatch")
    ][-1] == 200


class TestKeys:
    @pytest.fixture
    def rotate(self, environment, tmp_path):
        """Write keys into AWS's own file."""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.pop(name, None)
        file = tmp_path / "credentials"
        environment["AWS_SHARED_CREDENTIALS_FILE"] = str(file)
        environment["AWS_CONFIG_FILE"] = str(tmp_path / "none")

        def rotate(name):
            file.write_text(
                f"[default]\naws_access_key_id = {name}\naws_secret_access_key = not-checked\n"
            )

        return rotate

    @pytest.mark.parametrize("fault", [EXPIRED_TOKEN, ACCESS_DENIED], ids=named)
    def test_that_are_rotated_are_taken_up_without_a_restart(
        self, daemon, emulator, queue, database, either_client, rotate, fault
    ):
        """F13."""
        rotate("AKIAOLD")
        worker = daemon(program=patched(HURRIED))
        assert emulator.wait_for(lambda: emulator.long_polls)
        emulator.faults.add(fault, when=lambda call: call.access_key == "AKIAOLD")
        worker.wait_for("queue.unavailable")
        emulator.send(queue, mail.bounce("jane@example.com"))
        rotate("AKIANEW")
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=20)
        assert database.count("events") == 1
        assert worker.stop()[0] == 0


def test_a_queue_that_is_deleted_and_made_anew_is_found_again(
    daemon, emulator, environment, queue, database
):
    """F14."""
    worker = daemon(program=patched(HURRIED))
    assert emulator.wait_for(lambda: emulator.long_polls)
    client = boto3.Session("AKIAEXAMPLE", "not-checked", region_name="us-east-1").client(
        "sqs", endpoint_url=emulator.endpoint
    )
    client.delete_queue(QueueUrl=queue)
    client.close()
    worker.wait_for("queue.unavailable")
    assert "is not there" in json.loads(problems(worker)[0])["error"]
    emulator.journal.clear()
    time.sleep(TEN_MINUTES / 3)
    assert len(emulator.journal.requests()) <= MOST_TRIES / 3 + 5
    emulator.clock.advance(61)
    assert emulator.create_queue("feedback") == queue
    emulator.send(queue, mail.bounce("jane@example.com"))
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=20)
    assert database.count("events") == 1
    assert worker.stop()[0] == 0


class TestLostAnswers:
    @pytest.mark.parametrize("fault", [Cut(done=True), Cut(part=0.5), Hang(60, done=True)], ids=str)
    def test_a_receive_whose_answer_is_lost_comes_again_after_its_visibility_timeout(
        self, daemon, emulator, queue, database, either_client, fault
    ):
        """F15 and F16: a reset, a reset in the middle of the answer, a socket that is half open."""
        sent = emulator.send(queue, mail.bounce("jane@example.com"))
        emulator.faults.add(fault, on=RECEIVE, times=1)
        worker = daemon(program=patched(HURRIED + IMPATIENT))
        worker.wait_for("queue.unavailable")
        assert emulator.wait_for(lambda: emulator.long_polls), "it polls again"
        assert emulator.counts(queue).in_flight == 1
        emulator.clock.advance(61)
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        assert emulator.journal.fate(sent).received == 2
        assert database.count("events") == 1
        assert worker.stop()[0] == 0

    @pytest.mark.parametrize("fault", [Cut(done=True), Cut(part=0.5), Hang(60, done=True)], ids=str)
    def test_a_delete_whose_answer_is_lost_is_repeated_and_does_no_harm(
        self, daemon, emulator, queue, database, either_client, fault
    ):
        """F15 and F17."""
        sent = [emulator.send(queue, mail.bounce(address)) for address in mail.addresses(3)]
        emulator.faults.add(fault, on=DELETE, times=1)
        worker = daemon(program=patched(HURRIED + IMPATIENT))
        wait_until(lambda: deletes_answered(emulator))
        assert {emulator.journal.fate(name).received for name in sent} == {1}
        assert (emulator.messages(queue), database.count("events")) == ([], 3)
        assert worker.stop()[0] == 0
        assert '"applied":3,"duplicate":0' in worker.lines[-1]


def deletes_answered(emulator):
    return [
        request
        for request in emulator.journal.requests("DeleteMessageBatch")
        if request.status == 200
    ]
