"""Disk and database fail under the real command: F7 to F10 and F26 of tests/FAULTS.md, and I10."""

import json
import sqlite3
import time
from contextlib import closing

import psycopg
import pytest
from support import mail
from support.running import QUICK, failing_at, patched, with_syncs_watched
from support.waiting import wait_until


def send(emulator, queue, count, **more):
    for address in mail.addresses(count):
        emulator.send(queue, mail.bounce(mail.recipient(address, **more)))


def receives(emulator):
    return [fate.received for fate in emulator.journal.fates().values()]


def deletes(emulator):
    return emulator.journal.requests("DeleteMessageBatch")


def output(worker, event):
    lines = [json.loads(line) for line in worker.lines if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def assert_all_is_written_in_the_end(emulator, queue, worker, database, count):
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=40)
    assert database.count("events") == count
    assert max(receives(emulator)) <= 2
    assert emulator.messages("feedback-dlq") == []
    assert worker.stop()[0] == 0


SAVING_IS_LOGGED = f"""{QUICK}
import sys, worker.consumer.received_batch
worker.consumer.received_batch.HELD_SECONDS = 0.5
from worker.store.sqlite.transaction import SqliteTransaction
save = SqliteTransaction.save
def save_and_log(*arguments):
    save(*arguments)
    print("SAVED", file=sys.stderr, flush=True)
SqliteTransaction.save = save_and_log
"""
SMALL_CACHE = "\nimport worker.store.sqlite.connection as path; path.CACHE_KIB = 200\n"
LOOKS_ROOMY = "\nimport worker.store.disk_space as space; space.FULL_BYTES = 0\n"
"""The disk fills up between the look at it and the commit, or a quota is used up."""


class TestAFullDisk:
    """F7."""

    @pytest.mark.parametrize(("recipients", "saved"), [(1, True), (1_000, False)])
    def test_nothing_is_received_what_is_held_goes_back_and_it_recovers(
        self, daemon, run, emulator, queue, database, environment, small_disk, recipients, saved
    ):
        """Few rows meet it at the commit, when the WAL grows; more than the cache holds, before."""
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
        run("db", "upgrade")
        worker = daemon(program=patched(SAVING_IS_LOGGED + SMALL_CACHE + LOOKS_ROOMY))
        emulator.send(queue, mail.bounce("first@example.com"))
        assert emulator.wait_for(lambda: deletes(emulator))
        worker.wait_for("bounce_notification")  # the last that is logged of it
        emulator.journal.clear()
        worker.lines.clear()
        small_disk.fill()
        for number in "12":
            people = [f"person{number}.{n}@example.com" for n in range(recipients)]
            reported = [mail.recipient(address, diagnosticCode="x" * 500) for address in people]
            emulator.send(queue, mail.bounce(*reported))
        worker.wait_for("store.unavailable")
        assert "full" in output(worker, "store.unavailable")[0]["error"]
        # At least once: the two may come one after the other, and each is tried.
        assert ("SAVED" in "".join(worker.lines)) is saved
        requested = len(emulator.journal.requests("ReceiveMessage"))
        assert emulator.wait_for(lambda: not emulator.counts(queue).in_flight, seconds=20)
        assert len(emulator.journal.requests("ReceiveMessage")) <= requested + 1
        assert (deletes(emulator), max(receives(emulator))) == ([], 1)
        small_disk.empty()
        assert_all_is_written_in_the_end(emulator, queue, worker, database, 1 + 2 * recipients)


class TestSyncs:
    def test_a_failed_fsync_ends_the_process_and_nothing_is_deleted(
        self, daemon, run, emulator, queue, database
    ):
        """F8. What is written first is the sample that finds the store working, twice."""
        run("db", "upgrade")
        send(emulator, queue, 5)
        worker = daemon(program=failing_at("in-transaction:3", "eio"))
        assert worker.process.wait(30) == 1
        assert deletes(emulator) == []
        assert emulator.counts(queue) == (5, 0, 0)
        done = run("drain", "--json")
        assert done.json["applied"] + done.json["duplicate"] == database.count("events") == 5

    def test_a_disk_that_syncs_nothing_costs_no_receive_however_often_we_start(
        self, daemon, run, emulator, queue
    ):
        """F8: else the redrive policy would move what each start has received."""
        run("db", "upgrade")
        send(emulator, queue, 5)
        worker = daemon(program=failing_at("in-transaction", "eio"))
        wait_until(lambda: len(output(worker, "store.unavailable")) > 1)
        assert receives(emulator) == [0] * 5
        assert worker.stop()[0] == 0

    def test_each_delete_is_sent_after_the_sync_of_its_commit(
        self, daemon, run, emulator, queue, tmp_path
    ):
        """I10. One after the other, for less careful settings sync the first commit of a WAL."""
        run("db", "upgrade")
        log = tmp_path / "syncs"
        worker = daemon(program=with_syncs_watched(log, 0.1))
        sent = []
        for address in mail.addresses(3):
            sent.append(emulator.send(queue, mail.bounce(address)))
            assert emulator.wait_for(lambda: not emulator.messages(queue))
        assert worker.stop()[0] == 0
        lines = [line.split() for line in log.read_text().splitlines()]
        syncs = [(float(at), float(end)) for at, end, _, path in lines if path.endswith(".db-wal")]
        ahead = emulator.clock.now() - time.monotonic()
        for name, request in zip(sent, deletes(emulator), strict=True):
            received = emulator.journal.story(name)[1].at - ahead
            assert any(received < at and end < request.at - ahead for at, end in syncs)

    def test_each_delete_is_sent_after_postgresql_s_word_for_its_commit(
        self, daemon, emulator, queue, environment, own_postgresql
    ):
        """I10. A commit that waits for a replica which there is not is made, and not confirmed."""
        environment["SES_WORKER_STORE__URL"] = own_postgresql.url
        worker = daemon()
        assert emulator.wait_for(lambda: emulator.long_polls)
        with psycopg.connect(own_postgresql.url, autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            admin.execute("SELECT pg_reload_conf()")
            time.sleep(0.2)  # until every session has seen it
            send(emulator, queue, 5)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            wait_until(lambda: admin.execute(waiting).fetchone()[0])
            time.sleep(1)
            assert deletes(emulator) == []
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        assert max(receives(emulator)) == 1
        assert worker.stop()[0] == 0


def test_a_database_locked_for_long_costs_a_single_receive_and_no_delete(
    daemon, run, emulator, queue, database, tmp_path
):
    """F9."""
    run("db", "upgrade")
    impatient = "import worker.store.sqlite.connection as c; c.BUSY_SECONDS = 0.3"
    worker = daemon(program=patched(QUICK + impatient))
    assert emulator.wait_for(lambda: emulator.long_polls)
    with closing(sqlite3.connect(tmp_path / "worker.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        send(emulator, queue, 5)
        worker.wait_for("store.unavailable")
        assert "database is locked" in output(worker, "store.unavailable")[0]["error"]
        wait_until(lambda: len(output(worker, "store.unavailable")) > 1)
        assert (deletes(emulator), receives(emulator)) == ([], [1] * 5)
        other.execute("ROLLBACK")
    assert_all_is_written_in_the_end(emulator, queue, worker, database, 5)


class TestADatabaseThatIsSpoilt:
    """F10."""

    def removed(self, path, small_disk):
        kept = {file: file.read_bytes() for file in path.parent.glob("worker.db*")}
        for file in kept:
            file.unlink()

        def fix():
            for file, content in kept.items():
                file.write_bytes(content)

        return "was removed while the worker had it open", fix

    def corrupt(self, path, small_disk):
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = path.read_bytes()
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (len(whole) - 4096))

        def fix():
            with path.open("r+b") as file:
                file.write(whole)

        return "malformed", fix

    def test_where_it_is_read_only_nothing_is_received_and_it_recovers(
        self, daemon, run, emulator, queue, database, environment, small_disk
    ):
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
        run("db", "upgrade")
        small_disk.remount("ro")
        send(emulator, queue, 5)
        worker = daemon(program=patched(QUICK))
        wait_until(lambda: len(output(worker, "store.unavailable")) > 1)
        error = output(worker, "store.unavailable")[0]["error"]
        assert f"the file system of {small_disk.path}" in error
        assert "systemctl restart ses-worker" in error, "a service may not see a later remount"
        assert receives(emulator) == [0] * 5
        small_disk.remount("rw")
        assert_all_is_written_in_the_end(emulator, queue, worker, database, 5)

    @pytest.mark.parametrize("how", ["removed", "corrupt"])
    def test_it_takes_no_delete_says_so_and_recovers(
        self, daemon, run, emulator, queue, database, environment, small_disk, how
    ):
        path = small_disk.path / "worker.db"
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{path}"
        run("db", "upgrade")
        worker = daemon(program=patched(QUICK))
        assert emulator.wait_for(lambda: emulator.long_polls)
        word, fix = getattr(self, how)(path, small_disk)
        send(emulator, queue, 5)
        worker.wait_for("store.unavailable")
        assert word in output(worker, "store.unavailable")[0]["error"]
        assert str(path) in output(worker, "store.unavailable")[0]["error"]
        assert (deletes(emulator), max(receives(emulator))) == ([], 1)
        fix()
        assert_all_is_written_in_the_end(emulator, queue, worker, database, 5)


def test_a_quarantine_that_takes_nothing_keeps_the_message_on_the_queue(
    run, emulator, environment, tmp_path
):
    """F26."""
    environment["SES_WORKER_QUEUE__URL"] = url = emulator.create_queue("alone")
    run("db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON quarantine BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
    emulator.send(url, "nonsense")
    done = run("drain", "--max-messages", 1, "--json")
    assert (done.status, done.json["deferred"], done.json["dead_lettered"]) == (4, 1, 0)
    assert [message.body for message in emulator.messages(url)] == ["nonsense"]
    assert deletes(emulator) == []
