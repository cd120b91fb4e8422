"""F10: files of the database are removed while two daemons work, and a third process starts."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support import mail
from support.running import QUICK, patched

MESSAGES = 2_000
ALL = ("-wal", "-shm", ".lock")


def send(emulator, queue, first, last):
    for address in mail.addresses(last)[first:]:
        emulator.send(queue, mail.bounce(address))


def remove(path, suffixes):
    for suffix in suffixes:
        Path(f"{path}{suffix}").unlink()


def assert_nothing_is_lost_and_it_was_reported(emulator, queue, path, workers):
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=60)
    ends = [worker.stop()[0] for worker in workers]
    with closing(sqlite3.connect(path)) as connection:
        whole = connection.execute("PRAGMA integrity_check").fetchall()
        (on_record,) = connection.execute("SELECT count(*) FROM events").fetchone()
    assert (on_record, whole, ends) == (MESSAGES, [("ok",)], [0, 0])
    output = "".join(line for worker in workers for line in worker.lines)
    assert "store.files_replaced" in output


@pytest.mark.parametrize("suffixes", [("-shm",), (".lock",), ("-wal",)], ids="".join)
def test_while_two_are_busy_and_a_third_process_starts(
    daemon, run, emulator, queue, tmp_path, suffixes
):
    path = tmp_path / "worker.db"
    run("db", "upgrade")
    send(emulator, queue, 0, MESSAGES)
    workers = [daemon(program=patched(QUICK)) for _ in range(2)]
    assert emulator.wait_for(lambda: len(emulator.messages(queue)) < MESSAGES - 200, seconds=30)
    remove(path, suffixes)
    assert run("drain", "--max-seconds", "5").status in {0, 1, 3, 4}
    assert_nothing_is_lost_and_it_was_reported(emulator, queue, path, workers)


@pytest.mark.parametrize("suffixes", [("-shm",), ("-wal",), ALL], ids="".join)
def test_while_a_worker_is_idle_and_a_second_starts(
    daemon, run, emulator, queue, tmp_path, suffixes
):
    path = tmp_path / "worker.db"
    run("db", "upgrade")
    workers = [daemon(program=patched(QUICK))]
    send(emulator, queue, 0, 100)
    assert emulator.wait_for(lambda: not emulator.messages(queue))
    remove(path, suffixes)
    workers.append(daemon(program=patched(QUICK)))
    send(emulator, queue, 100, 200)
    workers[1].wait_for("worker.started")
    send(emulator, queue, 200, MESSAGES)
    assert_nothing_is_lost_and_it_was_reported(emulator, queue, path, workers)


def worker_that_has_written(daemon, run, emulator, queue):
    run("db", "upgrade")
    worker = daemon(program=patched(QUICK))
    send(emulator, queue, 0, 1)
    assert emulator.wait_for(lambda: not emulator.messages(queue))
    return worker


def test_a_loss_is_reported_and_ends_with_1_and_what_is_not_written_stays_on_the_queue(
    daemon, run, emulator, queue, tmp_path
):
    """A program that is not ours has made another `-wal` before the worker looked."""
    path = tmp_path / "worker.db"
    worker = worker_that_has_written(daemon, run, emulator, queue)
    remove(path, ("-wal", "-shm"))
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM events").fetchone()
        send(emulator, queue, 1, 3)
        assert worker.process.wait(30) == 1
    worker.thread.join()
    output = "".join(worker.lines)
    assert output.count('"event":"store.commits_lost"') == 1
    assert len(emulator.messages(queue)) == 2


def test_no_database_is_made_beside_the_wal_of_a_removed_database(
    daemon, run, emulator, queue, tmp_path
):
    path, wal = tmp_path / "worker.db", tmp_path / "worker.db-wal"
    worker = worker_that_has_written(daemon, run, emulator, queue)
    path.unlink()
    assert worker.stop()[0] == 1
    left = wal.read_bytes()
    gone = f"The database {path} is gone, and its -wal is still there"
    export = tmp_path / "users.csv"
    export.write_text("email\njane@example.com\n")
    for command in ["db", "upgrade"], ["db", "status"], ["users", "import", str(export)], ["drain"]:
        done = run(*command)
        assert (done.status, gone in done.err) == (1, True), command
    (found,) = (
        item for item in run("check", "--json").json["checks"] if item["check"] == "database"
    )
    assert (found["status"], found["message"]) == ("wrong", gone)
    assert "upgrade" not in found["fix"]
    worker = daemon(program=patched(QUICK))
    send(emulator, queue, 1, 2)
    worker.wait_for("store.unavailable")
    assert "put the backup back and remove worker.db-wal" in "".join(worker.lines)
    assert (path.exists(), wal.read_bytes(), len(emulator.messages(queue))) == (False, left, 1)
    wal.unlink()
    (tmp_path / "worker.db-shm").unlink()
    worker.wait_for("store.made")
    assert worker.stop()[0] == 0


def test_a_loss_that_only_a_reader_finds_ends_with_1_though_nothing_comes(
    daemon, run, emulator, queue, tmp_path, slack
):
    path = tmp_path / "worker.db"
    worker = worker_that_has_written(daemon, run, emulator, queue)
    remove(path, ("-wal", "-shm"))
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM events").fetchone()
        assert worker.process.wait(20) == 1
    worker.thread.join()
    assert "".join(worker.lines).count('"event":"store.commits_lost"') == 1
