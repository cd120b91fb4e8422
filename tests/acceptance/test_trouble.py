"""What is away, refused or hangs: nothing is lost, nothing spins, and a stop is obeyed."""

import json
import os
import signal
import sqlite3
import time
from contextlib import closing

import mail
import psycopg
import pytest
from running import sessions_of_workers
from twin import (
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


def receives(twin):
    return sorted(fate.received for fate in twin.journal.fates().values())


def events(watched):
    return [json.loads(line)["event"] for line in watched.lines if line.startswith("{")]


class TestBooksThatTakeNothing:
    """A probe that only looked would find them well, and each try would cost every message one
    receive more, until the redrive policy moves them."""

    def send(self, twin, queue):
        for address in mail.addresses(5):
            twin.send(queue, mail.bounce(address))

    def check(self, twin, queue, worker, mend):
        self.send(twin, queue)
        worker.wait_for("store.unavailable")
        time.sleep(6)
        assert max(receives(twin)) == 1
        mend()
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=40)
        assert max(receives(twin)) <= 2
        assert twin.messages("feedback-dlq") == []
        assert worker.stop()[0] == 0

    def test_a_role_that_may_not_insert_events(
        self, daemon, twin, queue, environment, postgresql_url
    ):
        store = open_store(postgresql_url)
        ensure_schema(store, migrate=True)
        store.close()
        with psycopg.connect(postgresql_url, autocommit=True) as admin:
            admin.execute("DROP ROLE IF EXISTS limited")
            admin.execute("CREATE ROLE limited LOGIN")
            everything = "ALL TABLES IN SCHEMA public"
            admin.execute(f"GRANT SELECT, UPDATE, INSERT ON {everything} TO limited")
            admin.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO limited")
            environment["SES_WORKER_STORE__URL"] = postgresql_url.replace("postgres:@", "limited:@")
            assert "limited" in environment["SES_WORKER_STORE__URL"]
            worker = daemon()
            assert twin.wait_for(lambda: twin.long_polls)
            admin.execute("REVOKE INSERT ON events FROM limited")
            grant = "GRANT INSERT ON events TO limited"
            self.check(twin, queue, worker, lambda: admin.execute(grant))
            admin.execute("DROP OWNED BY limited")
            admin.execute("DROP ROLE limited")

    def test_a_column_that_was_renamed(self, daemon, run, twin, queue, tmp_path):
        run("db", "upgrade")

        def rename(name, other):
            connection = sqlite3.connect(tmp_path / "worker.db")
            connection.execute(f"ALTER TABLE events RENAME COLUMN {name} TO {other}")
            connection.close()

        worker = daemon()
        assert twin.wait_for(lambda: twin.long_polls)
        rename("status", "dsn_status")
        self.check(twin, queue, worker, lambda: rename("dsn_status", "status"))

    def test_where_they_are_so_at_the_start_nothing_is_received(
        self, daemon, run, twin, queue, tmp_path
    ):
        """Or each start of a program that ends for it would cost every message a receive."""
        run("db", "upgrade")
        with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
            other.execute("ALTER TABLE events RENAME COLUMN status TO dsn_status")
        self.send(twin, queue)
        worker = daemon()
        worker.wait_for("store.unavailable")
        time.sleep(0.5)
        assert receives(twin) == [0] * 5
        with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
            other.execute("ALTER TABLE events RENAME COLUMN dsn_status TO status")
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=30)
        assert worker.stop()[0] == 0


class TestWhatSqsRefuses:
    def test_a_drain_whose_deletes_are_refused_fails_and_says_so(self, run, twin, queue):
        twin.send(queue, mail.bounce("jane@example.com"))
        twin.faults.add(ACCESS_DENIED, on=DELETE)
        done = run("drain", "--json")
        assert (done.status, done.json["applied"]) == (1, 1)
        assert "ses-worker: AWS: AccessDenied" in done.err

    def test_a_daemon_receives_no_more_until_deletes_are_allowed(
        self, daemon, twin, queue, environment, books
    ):
        environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "3"
        for address in mail.addresses(5):
            twin.send(queue, mail.bounce(address))
        rule = twin.faults.add(ACCESS_DENIED, on=DELETE)
        worker = daemon()
        worker.wait_for("queue.refuses")
        asked = len(twin.journal.requests("ReceiveMessage"))
        time.sleep(8)
        assert receives(twin) == [1] * 5
        assert len(twin.journal.requests("ReceiveMessage")) <= asked + 1
        rule.stop()
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=40)
        assert worker.stop()[0] == 0
        assert twin.messages("feedback-dlq") == []
        assert events(worker).count("queue.refuses") == 1

    def test_a_drain_whose_deletes_fail_entry_by_entry_fails_and_says_so(self, run, twin, queue):
        for address in mail.addresses(30):
            twin.send(queue, mail.bounce(address))
        twin.faults.add(FailEntries(sender_fault=True, code="Odd"), on=DELETE)
        done = run("drain", "--json")
        assert (done.status, done.json["duplicate"]) == (1, 0)
        assert "ses-worker: SQS failed each of" in done.err
        assert "entries of DeleteMessageBatch: Odd" in done.err
        assert sum(receives(twin)) <= 30

    @pytest.mark.parametrize("code", ["AccessDenied", "ReceiptHandleIsInvalid"])
    def test_a_daemon_receives_no_more_either_where_every_entry_fails(
        self, daemon, twin, queue, environment, books, code
    ):
        environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "10"
        environment["SES_WORKER_QUEUE__POLLERS"] = "1"
        for address in mail.addresses(1000):
            twin.send(queue, mail.bounce(address))
        rule = twin.faults.add(FailEntries(sender_fault=True, code=code), on=DELETE)
        worker = daemon()
        worker.wait_for("queue.refuses")
        time.sleep(6)
        assert sum(receives(twin)) <= 200
        assert max(receives(twin)) == 1
        rule.stop()
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=60)
        assert worker.stop()[0] == 0
        assert twin.messages("feedback-dlq") == []
        assert books.count("events") == 1000
        assert events(worker).count("queue.refuses") == 1

    @pytest.mark.parametrize("operation", [DELETE, SEND, RECEIVE, CHANGE_VISIBILITY])
    def test_credentials_that_expire_are_asked_for_anew_and_the_call_once_more(
        self, run, twin, queue, books, operation
    ):
        for body in ("nonsense", mail.bounce("jane@example.com")):
            twin.send(queue, body)
        rule = twin.faults.add(EXPIRED_TOKEN, on=operation, times=1)
        done = run("drain", "--json")
        assert (done.json["received"], done.json["remaining"]) == (2, 0)
        assert rule.struck == (0 if operation is CHANGE_VISIBILITY else 1)
        assert (books.count("quarantine"), len(twin.messages("feedback-dlq"))) == (0, 1)

    def test_credentials_that_stay_expired_do_not_fill_the_quarantine(
        self, run, twin, queue, books
    ):
        twin.send(queue, "nonsense")
        twin.faults.add(EXPIRED_TOKEN, on=SEND)
        done = run("drain", "--max-messages", 1, "--json")
        assert (done.json["deferred"], books.count("quarantine")) == (1, 0)


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
    "an endpoint that is away": (
        "",
        {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/",
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "1",
        },
    ),
}


class TestWhoWeAre:
    @pytest.mark.parametrize("name", IDENTITIES)
    def test_trouble_with_credentials_is_one_sentence_and_1(
        self, run, twin, queue, configured, name
    ):
        text, variables = IDENTITIES[name]
        configured(text)
        done = run("drain", **variables)
        assert done.status == 1
        assert "Traceback" not in done.err
        assert [line[:16] for line in done.err.splitlines() if line[:1] != "{"] == [
            "ses-worker: AWS:"
        ]

    def test_a_daemon_waits_for_them_at_its_start(self, daemon, twin, queue, helper):
        worker = daemon()
        worker.wait_for("queue.unavailable")
        twin.send(queue, mail.bounce("jane@example.com"))
        helper.touch()
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=30)
        assert worker.stop()[0] == 0

    def test_and_later(self, daemon, twin, queue, helper):
        helper.touch()
        worker = daemon()
        twin.send(queue, mail.bounce("jane@example.com"))
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=30)
        helper.unlink()
        rule = twin.faults.add(EXPIRED_TOKEN, on=RECEIVE)
        worker.wait_for("queue.unavailable")
        rule.stop()
        helper.touch()
        twin.send(queue, mail.bounce("joan@example.com"))
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=30)
        assert worker.stop()[0] == 0


class TestStoppingWhileSomethingHangs:
    def test_sqs_at_the_start(self, daemon, twin, queue):
        twin.faults.add(Delay(120), on="GetQueueAttributes")
        worker = daemon()
        worker.wait_for("worker.started")
        assert twin.wait_for(lambda: twin.long_polls)  # it works beside the question
        status, seconds = worker.stop()
        assert (status, seconds < 15) == (0, True)

    def test_somebody_elses_migration(self, daemon, twin, queue, environment, postgresql_url):
        environment["SES_WORKER_STORE__URL"] = postgresql_url
        with psycopg.connect(postgresql_url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
            worker = daemon()
            worker.wait_for("schema.locked")
            status, seconds = worker.stop()
        assert (status, seconds < 15) == (0, True)

    @pytest.mark.parametrize(("operation", "status"), [("GetQueueAttributes", 1), (RECEIVE, 4)])
    def test_max_seconds_counts_from_the_very_beginning(
        self, start, twin, queue, operation, status
    ):
        twin.send(queue, mail.bounce("jane@example.com"), delay=600)
        twin.faults.add(Delay(120), on=operation)
        began = time.monotonic()
        process = start("drain", "--max-seconds", "3", "--json")
        process.communicate(timeout=60)
        assert process.returncode == status
        assert time.monotonic() - began < 25

    def test_a_second_signal_does_not_wait_for_the_books_either(
        self, daemon, twin, queue, books, environment
    ):
        worker = daemon()
        assert twin.wait_for(lambda: twin.long_polls)
        path = environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        twin.send(queue, mail.bounce("jane@example.com"))
        assert twin.wait_for(lambda: twin.counts(queue).in_flight)
        time.sleep(0.5)  # until its writing waits for the file
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("worker.stopping")
        status, seconds = worker.stop()
        other.execute("ROLLBACK")
        other.close()
        assert (status, seconds < 7) == (0, True)


def test_a_server_that_was_stopped_is_told_and_broken_off(
    daemon, twin, queue, environment, postgresql_url
):
    environment["SES_WORKER_STORE__URL"] = postgresql_url
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "120"
    worker = daemon()
    twin.send(queue, mail.bounce("jane@example.com"))
    assert twin.wait_for(lambda: not twin.messages(queue))
    pids = sessions_of_workers(postgresql_url)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        twin.send(queue, mail.bounce("joan@example.com"))
        worker.wait_for("store.slow", seconds=20)
        assert "A write to the database has taken " in "".join(worker.lines)
        worker.wait_for("store.unavailable", seconds=50)
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=30)
        assert worker.stop()[0] == 0
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
