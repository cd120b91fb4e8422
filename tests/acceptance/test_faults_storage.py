"""Disk and database fail under the real command: F7 to F10 and F26 of tests/FAULTS.md, and I10."""

import json
import sqlite3
import time
from contextlib import closing

import mail
import psycopg
import pytest
from running import QUICK, failing_at, patched, with_syncs_watched
from waiting import wait_until


def send(twin, queue, count, **more):
    for address in mail.addresses(count):
        twin.send(queue, mail.bounce(mail.recipient(address, **more)))


def receives(twin):
    return [fate.received for fate in twin.journal.fates().values()]


def deletes(twin):
    return twin.journal.requests("DeleteMessageBatch")


def said(worker, event):
    lines = [json.loads(line) for line in worker.lines if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def assert_all_is_written_in_the_end(twin, queue, worker, books, count):
    assert twin.wait_for(lambda: not twin.messages(queue), seconds=40)
    assert books.count("events") == count
    assert max(receives(twin)) <= 2
    assert twin.messages("feedback-dlq") == []
    assert worker.stop()[0] == 0


SAVING_IS_SAID = f"""{QUICK}
import sys, worker.consumer.arrivals
worker.consumer.arrivals.HELD_SECONDS = 0.5
from worker.store.sqlite.transaction import SqliteTransaction
save = SqliteTransaction.save
def told(*arguments):
    save(*arguments)
    print("SAVED", file=sys.stderr, flush=True)
SqliteTransaction.save = told
"""
SMALL_CACHE = "\nimport worker.store.sqlite.connection as path; path.CACHE_KIB = 200\n"


class TestAFullDisk:
    """F7."""

    @pytest.mark.parametrize(("recipients", "saved"), [(1, True), (1_000, False)])
    def test_nothing_is_received_what_is_held_goes_back_and_it_recovers(
        self, daemon, run, twin, queue, books, environment, small_disk, recipients, saved
    ):
        """Few rows meet it at the commit, when the WAL grows; more than the cache holds, before."""
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
        run("db", "upgrade")
        worker = daemon(program=patched(SAVING_IS_SAID + SMALL_CACHE))
        twin.send(queue, mail.bounce("first@example.com"))
        assert twin.wait_for(lambda: deletes(twin))
        worker.wait_for("bounce_notification")  # the last that is said of it
        twin.journal.clear()
        worker.lines.clear()
        small_disk.fill()
        for number in "12":
            people = [f"person{number}.{n}@example.com" for n in range(recipients)]
            told = [mail.recipient(address, diagnosticCode="x" * 500) for address in people]
            twin.send(queue, mail.bounce(*told))
        worker.wait_for("store.unavailable")
        assert "full" in said(worker, "store.unavailable")[0]["error"]
        # At least once: the two may come one after the other, and each is tried.
        assert ("SAVED" in "".join(worker.lines)) is saved
        asked = len(twin.journal.requests("ReceiveMessage"))
        assert twin.wait_for(lambda: not twin.counts(queue).in_flight, seconds=20)
        assert len(twin.journal.requests("ReceiveMessage")) <= asked + 1
        assert (deletes(twin), max(receives(twin))) == ([], 1)
        small_disk.empty()
        assert_all_is_written_in_the_end(twin, queue, worker, books, 1 + 2 * recipients)


class TestSyncs:
    def test_one_that_fails_ends_the_process_and_nothing_is_deleted(
        self, daemon, run, twin, queue, books
    ):
        """F8. What is written first is the sample that finds the books well, twice."""
        run("db", "upgrade")
        send(twin, queue, 5)
        worker = daemon(program=failing_at("in-transaction:3", "eio"))
        assert worker.process.wait(30) == 1
        assert deletes(twin) == []
        assert twin.counts(queue) == (5, 0, 0)
        done = run("drain", "--json")
        assert done.json["applied"] + done.json["duplicate"] == books.count("events") == 5

    def test_a_disk_that_syncs_nothing_costs_no_receive_however_often_we_start(
        self, daemon, run, twin, queue
    ):
        """F8: else the redrive policy would move what each start has received."""
        run("db", "upgrade")
        send(twin, queue, 5)
        worker = daemon(program=failing_at("in-transaction", "eio"))
        wait_until(lambda: len(said(worker, "store.unavailable")) > 1)
        assert receives(twin) == [0] * 5
        assert worker.stop()[0] == 0

    def test_each_delete_is_sent_after_the_sync_of_its_commit(
        self, daemon, run, twin, queue, tmp_path
    ):
        """I10. One after the other, for less careful settings sync the first commit of a WAL."""
        run("db", "upgrade")
        log = tmp_path / "syncs"
        worker = daemon(program=with_syncs_watched(log, 0.1))
        sent = []
        for address in mail.addresses(3):
            sent.append(twin.send(queue, mail.bounce(address)))
            assert twin.wait_for(lambda: not twin.messages(queue))
        assert worker.stop()[0] == 0
        lines = [line.split() for line in log.read_text().splitlines()]
        syncs = [(float(at), float(end)) for at, end, _, path in lines if path.endswith(".db-wal")]
        ahead = twin.clock.now() - time.monotonic()
        for name, request in zip(sent, deletes(twin), strict=True):
            received = twin.journal.story(name)[1].at - ahead
            assert any(received < at and end < request.at - ahead for at, end in syncs)

    def test_each_delete_is_sent_after_postgresql_s_word_for_its_commit(
        self, daemon, twin, queue, environment, own_postgresql
    ):
        """I10. A commit that waits for a replica which there is not is made, and not confirmed."""
        environment["SES_WORKER_STORE__URL"] = own_postgresql.url
        worker = daemon()
        assert twin.wait_for(lambda: twin.long_polls)
        with psycopg.connect(own_postgresql.url, autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            admin.execute("SELECT pg_reload_conf()")
            time.sleep(0.2)  # until every session has seen it
            send(twin, queue, 5)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            wait_until(lambda: admin.execute(waiting).fetchone()[0])
            time.sleep(1)
            assert deletes(twin) == []
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")
        assert twin.wait_for(lambda: not twin.messages(queue))
        assert max(receives(twin)) == 1
        assert worker.stop()[0] == 0


def test_a_database_that_is_locked_for_long_costs_one_receive_and_no_delete(
    daemon, run, twin, queue, books, tmp_path
):
    """F9."""
    run("db", "upgrade")
    impatient = "import worker.store.sqlite.connection as c; c.BUSY_SECONDS = 0.3"
    worker = daemon(program=patched(QUICK + impatient))
    assert twin.wait_for(lambda: twin.long_polls)
    with closing(sqlite3.connect(tmp_path / "worker.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        send(twin, queue, 5)
        worker.wait_for("store.unavailable")
        assert "database is locked" in said(worker, "store.unavailable")[0]["error"]
        wait_until(lambda: len(said(worker, "store.unavailable")) > 1)
        assert (deletes(twin), receives(twin)) == ([], [1] * 5)
        other.execute("ROLLBACK")
    assert_all_is_written_in_the_end(twin, queue, worker, books, 5)


class TestADatabaseThatIsSpoilt:
    """F10."""

    def removed(self, path, small_disk):
        kept = {file: file.read_bytes() for file in path.parent.glob("worker.db*")}
        for file in kept:
            file.unlink()

        def mend():
            for file, content in kept.items():
                file.write_bytes(content)

        return "was removed while the worker had it open", mend

    def corrupt(self, path, small_disk):
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = path.read_bytes()
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (len(whole) - 4096))

        def mend():
            with path.open("r+b") as file:
                file.write(whole)

        return "malformed", mend

    def test_where_it_is_read_only_nothing_is_received_and_it_recovers(
        self, daemon, run, twin, queue, books, environment, small_disk
    ):
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
        run("db", "upgrade")
        small_disk.remount("ro")
        send(twin, queue, 5)
        worker = daemon(program=patched(QUICK))
        wait_until(lambda: len(said(worker, "store.unavailable")) > 1)
        assert "read" in said(worker, "store.unavailable")[0]["error"].lower()
        assert receives(twin) == [0] * 5
        small_disk.remount("rw")
        assert_all_is_written_in_the_end(twin, queue, worker, books, 5)

    @pytest.mark.parametrize("how", ["removed", "corrupt"])
    def test_it_takes_no_delete_says_so_and_recovers(
        self, daemon, run, twin, queue, books, environment, small_disk, how
    ):
        path = small_disk.path / "worker.db"
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{path}"
        run("db", "upgrade")
        worker = daemon(program=patched(QUICK))
        assert twin.wait_for(lambda: twin.long_polls)
        word, mend = getattr(self, how)(path, small_disk)
        send(twin, queue, 5)
        worker.wait_for("store.unavailable")
        assert word in said(worker, "store.unavailable")[0]["error"]
        assert str(path) in said(worker, "store.unavailable")[0]["error"]
        assert (deletes(twin), max(receives(twin))) == ([], 1)
        mend()
        assert_all_is_written_in_the_end(twin, queue, worker, books, 5)


def test_a_quarantine_that_takes_nothing_keeps_the_message_on_the_queue(
    run, twin, environment, tmp_path
):
    """F26."""
    environment["SES_WORKER_QUEUE__URL"] = url = twin.create_queue("alone")
    run("db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON quarantine BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
    twin.send(url, "nonsense")
    done = run("drain", "--max-messages", 1, "--json")
    assert (done.status, done.json["deferred"], done.json["dead_lettered"]) == (4, 1, 0)
    assert [message.body for message in twin.messages(url)] == ["nonsense"]
    assert deletes(twin) == []
