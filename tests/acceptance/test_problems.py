"""What is unavailable, refused or hangs: nothing is lost, nothing spins, and a stop is obeyed."""

import json
import os
import signal
import sqlite3
import time
from contextlib import closing

import psycopg
import pytest
from support import mail
from support.running import sessions_of_workers

from simulators.sqs import (
    ACCESS_DENIED,
    CHANGE_VISIBILITY,
    DELETE,
    EXPIRED_TOKEN,
    RECEIVE,
    SEND,
    Delay,
    FailEntries,
)
from worker.store import ensure_schema, open_store
from worker.store.migrate import _ADVISORY_LOCK

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def receives(emulator):
    return sorted(fate.received for fate in emulator.journal.fates().values())


def events(watched):
    return [json.loads(line)["event"] for line in watched.lines if line.startswith("{")]


class TestAStoreThatTakesNothing:
    """A probe that only looked would succeed, and each try would cost every message one
    receive more, until the redrive policy moves them."""

    def send(self, emulator, queue):
        for address in mail.addresses(5):
            emulator.send(queue, mail.bounce(address))

    def check(self, emulator, queue, worker, fix):
        self.send(emulator, queue)
        worker.wait_for("store.unavailable")
        time.sleep(6)
        assert max(receives(emulator)) == 1
        fix()
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=40)
        assert max(receives(emulator)) <= 2
        assert emulator.messages("feedback-dlq") == []
        assert worker.stop()[0] == 0

    def test_a_role_that_may_not_insert_events(
        self, daemon, emulator, queue, environment, postgresql_url
    ):
        store = open_store(postgresql_url)
        ensure_schema(store, migrate=True)
        store.close()
        with psycopg.connect(postgresql_url, autocommit=True) as admin:
            admin.execute("DROP ROLE IF EXISTS limited")
            admin.execute("CREATE ROLE limited LOGIN")
            everything = "ALL TABLES IN SCHEMA public"
            admin.execute(f"GRANT SELECT, UPDATE, INSERT, DELETE ON {everything} TO limited")
            admin.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO limited")
            environment["SES_WORKER_STORE__URL"] = postgresql_url.replace("postgres:@", "limited:@")
            assert "limited" in environment["SES_WORKER_STORE__URL"]
            worker = daemon()
            assert emulator.wait_for(lambda: emulator.long_polls)
            admin.execute("REVOKE INSERT ON events FROM limited")
            grant = "GRANT INSERT ON events TO limited"
            self.check(emulator, queue, worker, lambda: admin.execute(grant))
            admin.execute("DROP OWNED BY limited")
            admin.execute("DROP ROLE limited")

    def test_a_column_that_was_renamed(self, daemon, run, emulator, queue, tmp_path):
        run("db", "upgrade")

        def rename(name, other):
            connection = sqlite3.connect(tmp_path / "worker.db")
            connection.execute(f"ALTER TABLE events RENAME COLUMN {name} TO {other}")
            connection.close()

        worker = daemon()
        assert emulator.wait_for(lambda: emulator.long_polls)
        rename("recipient_as_reported", "as_reported")
        self.check(emulator, queue, worker, lambda: rename("as_reported", "recipient_as_reported"))

    def test_where_they_are_so_at_the_start_nothing_is_received(
        self, daemon, run, emulator, queue, tmp_path
    ):
        """Or each start of a program that ends for it would cost every message a receive."""
        run("db", "upgrade")
        with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
            other.execute("ALTER TABLE events RENAME COLUMN recipient_as_reported TO as_reported")
        self.send(emulator, queue)
        worker = daemon()
        worker.wait_for("store.unavailable")
        time.sleep(0.5)
        assert receives(emulator) == [0] * 5
        with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
            other.execute("ALTER TABLE events RENAME COLUMN as_reported TO recipient_as_reported")
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        assert worker.stop()[0] == 0


class TestWhatSqsRefuses:
    def test_a_drain_whose_deletes_are_refused_fails_and_says_so(self, run, emulator, queue):
        emulator.send(queue, mail.bounce("jane@example.com"))
        emulator.faults.add(ACCESS_DENIED, on=DELETE)
        done = run("drain", "--json")
        assert (done.status, done.json["applied"]) == (1, 1)
        assert "ses-worker: AWS: AccessDenied" in done.err

    def test_a_daemon_receives_no_more_until_deletes_are_allowed(
        self, daemon, emulator, queue, environment, database
    ):
        environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "3"
        for address in mail.addresses(5):
            emulator.send(queue, mail.bounce(address))
        rule = emulator.faults.add(ACCESS_DENIED, on=DELETE)
        worker = daemon()
        worker.wait_for("queue.call_denied")
        requested = len(emulator.journal.requests("ReceiveMessage"))
        time.sleep(8)
        assert receives(emulator) == [1] * 5
        assert len(emulator.journal.requests("ReceiveMessage")) <= requested + 1
        rule.stop()
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=40)
        assert worker.stop()[0] == 0
        assert emulator.messages("feedback-dlq") == []
        assert events(worker).count("queue.call_denied") == 1

    def test_a_drain_whose_deletes_fail_entry_by_entry_fails_and_says_so(
        self, run, emulator, queue
    ):
        for address in mail.addresses(30):
            emulator.send(queue, mail.bounce(address))
        emulator.faults.add(FailEntries(sender_fault=True, code="Odd"), on=DELETE)
        done = run("drain", "--json")
        assert (done.status, done.json["duplicate"]) == (1, 0)
        assert "ses-worker: SQS failed each of" in done.err
        assert "entries of DeleteMessageBatch: Odd" in done.err
        assert sum(receives(emulator)) <= 30

    @pytest.mark.parametrize("code", ["AccessDenied", "ReceiptHandleIsInvalid"])
    def test_a_daemon_receives_no_more_either_where_every_entry_fails(
        self, daemon, emulator, queue, environment, database, code
    ):
        environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "10"
        environment["SES_WORKER_QUEUE__POLLERS"] = "1"
        for address in mail.addresses(1000):
            emulator.send(queue, mail.bounce(address))
        rule = emulator.faults.add(FailEntries(sender_fault=True, code=code), on=DELETE)
        worker = daemon()
        worker.wait_for("queue.call_denied")
        time.sleep(6)
        assert sum(receives(emulator)) <= 200
        assert max(receives(emulator)) == 1
        rule.stop()
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=60)
        assert worker.stop()[0] == 0
        assert emulator.messages("feedback-dlq") == []
        assert database.count("events") == 1000
        assert events(worker).count("queue.call_denied") == 1

    @pytest.mark.parametrize("operation", [DELETE, SEND, RECEIVE, CHANGE_VISIBILITY])
    def test_expired_credentials_are_fetched_again_and_the_call_is_repeated_once(
        self, run, emulator, queue, database, operation
    ):
        for body in ("nonsense", mail.bounce("jane@example.com")):
            emulator.send(queue, body)
        rule = emulator.faults.add(EXPIRED_TOKEN, on=operation, times=1)
        done = run("drain", "--json")
        assert (done.json["received"], done.json["remaining"]) == (2, 0)
        assert rule.struck == (0 if operation is CHANGE_VISIBILITY else 1)
        assert (database.count("quarantine"), len(emulator.messages("feedback-dlq"))) == (0, 1)

    def test_credentials_that_stay_expired_do_not_fill_the_quarantine(
        self, run, emulator, queue, database
    ):
        emulator.send(queue, "nonsense")
        emulator.faults.add(EXPIRED_TOKEN, on=SEND)
        done = run("drain", "--max-messages", 1, "--json")
        assert (done.json["deferred"], database.count("quarantine")) == (1, 0)


@pytest.fixture
def configured(environment, tmp_path):
    """Credentials come from AWS's own settings file, with this text."""

    def configure(text):
        for name in KEYS:
            environment.pop(name, None)
        file = tmp_path / "aws.ini"
        file.write_text(text)
        environment["AWS_CONFIG_FILE"] = str(file)
        environment["AWS_SHARED_CREDENTIALS_FILE"] = str(tmp_path / "none")

    return configure


@pytest.fixture
def helper(tmp_path, configured):
    """A credential_process that fails while `ok` is not there."""
    script, ok = tmp_path / "helper", tmp_path / "ok"
    answer = json.dumps({"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b"})
    script.write_text(f"#!/bin/sh\ntest -e {ok} || exit 1\necho '{answer}'\n")
    script.chmod(0o755)
    configured(f"[default]\ncredential_process = {script}\n")
    return ok


IDENTITIES = {
    "a helper that is not there": ("[default]\ncredential_process = /nowhere/helper\n", {}),
    "a helper that fails": ("[default]\ncredential_process = false\n", {}),
    "a helper that talks nonsense": ("[default]\ncredential_process = echo {\n", {}),
    "half a file": ("[default\ncreden", {}),
    "a profile that is not there": ("", {"AWS_PROFILE": "nobodys"}),
    "a token file that is not there": (
        "",
        {
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token",
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        },
    ),
    "an endpoint that is unavailable": (
        "",
        {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/",
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "1",
        },
    ),
}


class TestWhoWeAre:
    @pytest.mark.parametrize("name", IDENTITIES)
    def test_a_credential_error_is_a_single_sentence_and_exits_1(
        self, run, emulator, queue, configured, name
    ):
        text, variables = IDENTITIES[name]
        configured(text)
        done = run("drain", **variables)
        assert done.status == 1
        assert "Traceback" not in done.err
        assert [line[:16] for line in done.err.splitlines() if line[:1] != "{"] == [
            "ses-worker: AWS:"
        ]

    def test_a_daemon_waits_for_them_at_its_start(self, daemon, emulator, queue, helper):
        worker = daemon()
        worker.wait_for("queue.unavailable")
        emulator.send(queue, mail.bounce("jane@example.com"))
        helper.touch()
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        assert worker.stop()[0] == 0

    def test_and_later(self, daemon, emulator, queue, helper):
        helper.touch()
        worker = daemon()
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        helper.unlink()
        rule = emulator.faults.add(EXPIRED_TOKEN, on=RECEIVE)
        worker.wait_for("queue.unavailable")
        rule.stop()
        helper.touch()
        emulator.send(queue, mail.bounce("joan@example.com"))
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        assert worker.stop()[0] == 0


class TestStoppingWhileSomethingHangs:
    def test_sqs_at_the_start(self, daemon, emulator, queue):
        emulator.faults.add(Delay(120), on="GetQueueAttributes")
        worker = daemon()
        worker.wait_for("worker.started")
        assert emulator.wait_for(lambda: emulator.long_polls)  # it works beside the question
        status, seconds = worker.stop()
        assert (status, seconds < 15) == (0, True)

    def test_somebody_elses_migration(self, daemon, emulator, queue, environment, postgresql_url):
        environment["SES_WORKER_STORE__URL"] = postgresql_url
        with psycopg.connect(postgresql_url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
            worker = daemon()
            worker.wait_for("schema.locked")
            status, seconds = worker.stop()
        assert (status, seconds < 15) == (0, True)

    @pytest.mark.parametrize(("operation", "status"), [("GetQueueAttributes", 1), (RECEIVE, 4)])
    def test_max_seconds_counts_from_the_very_beginning(
        self, start, emulator, queue, operation, status
    ):
        emulator.send(queue, mail.bounce("jane@example.com"), delay=600)
        emulator.faults.add(Delay(120), on=operation)
        began = time.monotonic()
        process = start("drain", "--max-seconds", "3", "--json")
        process.communicate(timeout=60)
        assert process.returncode == status
        assert time.monotonic() - began < 25

    def test_a_second_signal_does_not_wait_for_the_store_either(
        self, daemon, emulator, queue, database, environment
    ):
        worker = daemon()
        assert emulator.wait_for(lambda: emulator.long_polls)
        path = environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: emulator.counts(queue).in_flight)
        time.sleep(0.5)  # until its writing waits for the file
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("worker.stopping")
        status, seconds = worker.stop()
        other.execute("ROLLBACK")
        other.close()
        assert (status, seconds < 7) == (0, True)


def test_a_stopped_database_server_is_reported_and_the_session_is_broken_off(
    daemon, emulator, queue, environment, postgresql_url
):
    environment["SES_WORKER_STORE__URL"] = postgresql_url
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "120"
    worker = daemon()
    emulator.send(queue, mail.bounce("jane@example.com"))
    assert emulator.wait_for(lambda: not emulator.messages(queue))
    pids = sessions_of_workers(postgresql_url)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        emulator.send(queue, mail.bounce("joan@example.com"))
        worker.wait_for("store.slow", seconds=20)
        assert "A write to the database has taken " in "".join(worker.lines)
        worker.wait_for("store.unavailable", seconds=50)
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        assert worker.stop()[0] == 0
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
