"""`ses-worker run`: works, stops, waits for what is unavailable."""

import json
import signal
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from support import mail

from simulators.sqs import ACCESS_DENIED, DELETE, RECEIVE, SERVICE_UNAVAILABLE, Delay


def test_messages_flow_until_it_is_stopped(daemon, run, emulator, queue, database, either_store):
    run("users", "import", "-", input="email\nperson0@example.com\n")
    worker = daemon()
    worker.wait_for("worker.started")
    for address in mail.addresses(30):
        emulator.send(queue, mail.bounce(address))
    assert emulator.wait_for(lambda: not emulator.messages(queue))
    assert database.count("events") == 30
    assert database.user("person0@example.com")["hard_bounce_count"] == 1
    status, seconds = worker.stop()
    assert (status, seconds < 15) == (0, True)
    assert '"event":"worker.stopped"' in worker.lines[-1]
    assert '"applied":30' in worker.lines[-1]


def test_an_idle_queue_costs_a_receive_per_long_poll(daemon, emulator, queue):
    daemon(SES_WORKER_QUEUE__WAIT_SECONDS="2")
    assert emulator.wait_for(
        lambda: len(emulator.journal.requests("ReceiveMessage")) >= 3, seconds=30
    )
    receives = emulator.journal.requests("ReceiveMessage")
    assert {request.arguments["WaitTimeSeconds"] for request in receives} == {2}
    assert all(request.until - request.at > 1.9 for request in receives), "to its end"
    assert all(pair.until <= next.at for pair, next in pairwise(receives)), "one at a time"


def test_a_message_is_recorded_at_once(daemon, emulator, queue, database):
    worker = daemon(SES_WORKER_QUEUE__WAIT_SECONDS="20")
    assert emulator.wait_for(lambda: emulator.long_polls)
    sent = datetime.now(UTC)
    emulator.send(queue, mail.bounce("jane@example.com"))
    assert emulator.wait_for(lambda: not emulator.messages(queue))
    (event,) = database.rows("SELECT received_at FROM events")
    received = datetime.fromisoformat(event["received_at"]).replace(tzinfo=UTC)
    assert received - sent < timedelta(seconds=2)
    worker.process.kill()


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_in_a_long_poll_waits_for_it_and_leaves_with_0(
        self, daemon, emulator, queue, number
    ):
        worker = daemon(SES_WORKER_QUEUE__WAIT_SECONDS="3")
        assert emulator.wait_for(lambda: emulator.long_polls)
        status, seconds = worker.stop(number)
        assert (status, seconds < 15) == (0, True)

    def test_a_message_that_the_last_long_poll_brings_is_handed_back_at_once(
        self, daemon, emulator, queue, database
    ):
        worker = daemon(SES_WORKER_QUEUE__WAIT_SECONDS="5")
        assert emulator.wait_for(lambda: emulator.long_polls)
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("worker.stopping")
        time.sleep(0.5)  # it is reported before it is done
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert worker.process.wait(20) == 0
        assert (emulator.counts(queue).visible, database.count("events")) == (1, 0)

    def test_what_is_begun_is_finished_and_the_rest_goes_back(
        self, daemon, emulator, queue, database
    ):
        for address in mail.addresses(2_000):
            emulator.send(queue, mail.bounce(address))
        worker = daemon()
        assert emulator.wait_for(lambda: emulator.journal.requests("DeleteMessageBatch"))
        status, _ = worker.stop()
        counts = emulator.counts(queue)
        assert status == 0
        assert counts.in_flight == 0
        assert 0 < database.count("events") == 2_000 - counts.visible < 2_000

    def test_a_second_signal_does_not_wait_for_the_long_poll(self, daemon, emulator, queue):
        worker = daemon(SES_WORKER_QUEUE__WAIT_SECONDS="20")
        assert emulator.wait_for(lambda: emulator.long_polls)
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("worker.stopping")
        status, seconds = worker.stop(signal.SIGINT)
        assert (status, seconds < 15) == (0, True)

    def test_hurry_or_not_nothing_is_deleted_before_its_commit(
        self, daemon, emulator, queue, database
    ):
        """The deletes hang while the second signal comes: what was committed comes again."""
        for address in mail.addresses(20):
            emulator.send(queue, mail.bounce(address))
        emulator.faults.add(Delay(30), on=DELETE)
        worker = daemon()
        assert emulator.wait_for(lambda: database_has(database, 20))
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("worker.stopping")
        status, seconds = worker.stop()
        assert (status, seconds < 8) == (0, True)
        assert len(emulator.messages(queue)) == 20


def database_has(database, count):
    try:
        return database.count("events") >= count
    except sqlite3.OperationalError:
        return False


class TestUnreachableServices:
    def test_a_queue_that_is_made_later_is_found(self, daemon, emulator, environment, database):
        environment["SES_WORKER_QUEUE__URL"] = f"{emulator.endpoint}/111122223333/later"
        worker = daemon()
        worker.wait_for("queue.unavailable")
        url = emulator.create_queue("later")
        emulator.send(url, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: not emulator.messages(url))
        assert worker.stop()[0] == 0
        assert database.count("events") == 1

    @pytest.mark.parametrize(
        "fault", [SERVICE_UNAVAILABLE, ACCESS_DENIED], ids=lambda fault: fault.code
    )
    def test_an_error_of_sqs_is_waited_for_without_a_busy_loop(
        self, daemon, emulator, queue, database, fault
    ):
        rule = emulator.faults.add(fault, on=RECEIVE)
        worker = daemon()
        worker.wait_for("queue.unavailable")
        time.sleep(2)
        assert rule.struck <= 5
        rule.stop()
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        assert worker.stop()[0] == 0
        (over,) = [line for line in worker.lines if '"queue.available"' in line]
        assert json.loads(over)["outage_seconds"] >= 2

    def test_a_stop_cuts_the_waiting_short(self, daemon, emulator, queue):
        emulator.faults.add(SERVICE_UNAVAILABLE, on=RECEIVE)
        worker = daemon()
        worker.wait_for("queue.unavailable")
        time.sleep(3)
        status, seconds = worker.stop()
        assert (status, seconds < 15) == (0, True)

    def test_postgresql_that_is_unreachable_at_the_start_is_waited_for(
        self, daemon, emulator, queue
    ):
        worker = daemon(SES_WORKER_STORE__URL="postgresql://127.0.0.1:9/app")
        worker.wait_for("store.unavailable")
        assert emulator.journal.requests("ReceiveMessage") == []
        assert worker.stop()[0] == 0

    def test_a_folder_that_is_mounted_later_is_waited_for(
        self, daemon, emulator, queue, database, environment, tmp_path
    ):
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{tmp_path / 'later' / 'worker.db'}"
        worker = daemon()
        worker.wait_for("store.unavailable")
        assert "later does not exist" in "".join(worker.lines)
        (tmp_path / "later").mkdir()
        worker.wait_for("store.available")
        worker.wait_for("worker.started")
        assert worker.stop()[0] == 0

    def test_postgresql_that_restarts_costs_nothing_but_time(
        self, daemon, emulator, queue, own_postgresql, database, environment
    ):
        environment["SES_WORKER_STORE__URL"] = own_postgresql.url
        worker = daemon()
        for address in mail.addresses(5):
            emulator.send(queue, mail.bounce(address))
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        own_postgresql.stop()
        for address in mail.addresses(30):
            emulator.send(queue, mail.bounce(address))
        worker.wait_for("store.unavailable")
        time.sleep(1)
        own_postgresql.start()
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=60)
        assert worker.stop()[0] == 0
        assert database.count("events") == 35
        assert emulator.messages("feedback-dlq") == []
        assert max(fate.received for fate in emulator.journal.fates().values()) <= 2

    def test_a_full_disk_is_waited_out(
        self, daemon, emulator, queue, database, environment, small_disk
    ):
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
        worker = daemon()
        worker.wait_for("worker.started")
        small_disk.fill()
        for address in mail.addresses(200):
            emulator.send(queue, mail.bounce(mail.recipient(address, diagnosticCode="x" * 9_000)))
        worker.wait_for("store.unavailable")
        time.sleep(2)
        small_disk.empty()
        worker.wait_for("store.available", seconds=40)
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=60)
        assert worker.stop()[0] == 0
        assert database.count("events") == 200
        assert emulator.messages("feedback-dlq") == []


def test_malformed_messages_never_stop_it(daemon, emulator, queue, database):
    worker = daemon()
    for body in ("nonsense", "[" * 60_000, '{"notificationType": "Bounce"}', "null", '"\\ud800"'):
        emulator.send(queue, body)
    emulator.send(queue, mail.bounce("jane@example.com"))
    assert emulator.wait_for(lambda: not emulator.messages(queue))
    assert database.count("events") == 1
    assert len(emulator.messages("feedback-dlq")) == 5
    assert worker.stop()[0] == 0


@pytest.mark.parametrize("point", ["polling:2", "writing", "settling", "extending", "claiming"])
def test_a_thread_that_dies_ends_the_process_with_1(
    failing, emulator, queue, slack, environment, point
):
    environment["SES_WORKER_QUEUE__WAIT_SECONDS"] = "1"
    emulator.send(queue, mail.bounce("jane@example.com"))
    done = failing(point, "raise", "run")
    assert done.status == 1
    assert [
        line["exc_info" if "exc_info" in line else "event"]
        for line in done.log
        if line["event"] == "thread.died"
    ]
