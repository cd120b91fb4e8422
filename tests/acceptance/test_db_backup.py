"""`ses-worker db backup`: a whole, verified copy while the worker writes, or no file at all; and
`db status`, which says whether a file is sound."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
import sqlalchemy as sa
from support import mail
from support.running import patched, to_its_end
from support.waiting import wait_until

from worker.store import ensure_schema, open_store
from worker.store.schema import events, metadata, users


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, environment):
    """The URL of a database, in the environment of the commands."""
    if request.param == "postgresql":
        environment["SES_WORKER_STORE__URL"] = request.getfixturevalue("postgresql_url")
    return environment["SES_WORKER_STORE__URL"]


def rows_of(url, table):
    store = open_store(url)
    with closing(store), store.reading() as connection:
        return connection.execute(sa.select(table).order_by(table.c.id)).mappings().all()


def many_users(url, count):
    store = open_store(url)
    ensure_schema(store, migrate=True)
    with closing(store), store.writing() as connection:
        rows = [
            {"email": f"u{number}@example.com", "email_key": f"u{number}@example.com"}
            for number in range(count)
        ]
        connection.execute(sa.insert(users), rows)


def test_a_backup_while_the_worker_writes_has_a_beginning_of_its_events_and_is_private(
    run, start, emulator, queue, tmp_path, url
):
    run("users", "import", "-", input="email\njane@example.com\n")
    worker = start("run", SES_WORKER_QUEUE__WAIT_SECONDS="1")
    for number in range(300):
        body = mail.bounce("jane@example.com", feedback_id=f"f{number}", message_id=f"m{number}")
        emulator.send(queue, body)
    wait_until(lambda: len(rows_of(url, events)) > 20)
    made = run("db", "backup", str(tmp_path / "copy.db"), "--json")
    assert made.status == 0, made.err
    copied = rows_of(f"sqlite:///{tmp_path / 'copy.db'}", events)
    wait_until(lambda: len(rows_of(url, events)) == 300)
    assert worker.poll() is None
    assert made.json["rows"]["events"] == len(copied) >= 20
    assert made.json["bytes"] == (tmp_path / "copy.db").stat().st_size
    assert copied == rows_of(url, events)[: len(copied)]
    (jane,) = rows_of(f"sqlite:///{tmp_path / 'copy.db'}", users)
    assert jane["hard_bounce_count"] == len(copied), "users and events are of one moment"
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


def test_a_backup_comes_back(run, emulator, queue, tmp_path, url, environment):
    emulator.send(queue, mail.complaint("jane@example.com"))
    run("drain")
    assert run("db", "backup", str(tmp_path / "copy.db")).status == 0
    restored = environment | {"SES_WORKER_STORE__URL": f"sqlite:///{tmp_path / 'copy.db'}"}
    if url.startswith("postgresql"):
        store = open_store(url)
        with closing(store), store.writing() as connection:
            for table in metadata.sorted_tables:
                connection.execute(sa.delete(table))
        done = run("db", "copy", "--to", url, **restored)
        assert done.status == 0, done.err
        restored = environment
    assert run("may-send", "jane@example.com", **restored).status == 3


def test_a_file_that_exists_is_left_alone(run, tmp_path, url):
    many_users(url, 1)
    (tmp_path / "copy.db").write_text("precious")
    (tmp_path / "link.db").symlink_to(tmp_path / "nowhere.db")
    for name in ("copy.db", "link.db"):
        done = run("db", "backup", str(tmp_path / name))
        assert done.status == 1
        assert f"{name} exists, and a backup replaces nothing" in done.err
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert not (tmp_path / "nowhere.db").exists()


def test_a_folder_that_is_not_there_is_a_clear_error_of_a_sentence(run, tmp_path, url):
    many_users(url, 1)
    done = run("db", "backup", str(tmp_path / "none" / "copy.db"))
    assert done.status == 1
    assert f"cannot write {tmp_path}/none/copy.db: No such file or directory" in done.err
    assert "Traceback" not in done.err


def test_a_backup_to_standard_output_is_the_same_file(environment, tmp_path, url):
    many_users(url, 1_000)
    command = [sys.executable, "-m", "worker", "db", "backup", "-"]
    with (tmp_path / "copy.db").open("wb") as file:
        done = subprocess.run(
            command, env=environment, stdout=file, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 0, done.stderr
    assert b"1,000 users" in done.stderr
    assert len(rows_of(f"sqlite:///{tmp_path / 'copy.db'}", users)) == 1_000
    assert not list(tmp_path.glob(".ses-worker-*"))


def test_a_file_with_an_older_schema_can_be_backed_up_before_the_upgrade(
    run, environment, tmp_path
):
    many_users(environment["SES_WORKER_STORE__URL"], 3)
    with closing(sqlite3.connect(tmp_path / "worker.db")) as connection:
        connection.execute("UPDATE ses_worker_schema SET version_num = '0010'")
        connection.execute("DROP TABLE hourly_counts")
        connection.commit()
    done = run("db", "backup", str(tmp_path / "copy.db"), "--json")
    assert done.status == 0, done.err
    assert (done.json["revision"], done.json["rows"]["users"]) == ("0010", 3)


def test_without_a_database_there_is_no_backup(run, tmp_path):
    done = run("db", "backup", str(tmp_path / "copy.db"))
    assert done.status == 1
    assert "no database at" in done.err
    assert not (tmp_path / "copy.db").exists()


def test_a_disk_without_room_leaves_no_file(environment, tmp_path, url):
    many_users(url, 20_000)
    folder = tmp_path / "backups"
    folder.mkdir()
    limit = 200_000

    def small_files_only():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "worker", "db", "backup", str(folder / "copy.db")]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, preexec_fn=small_files_only,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert "cannot write " in done.stderr
    assert list(folder.iterdir()) == []


WITHOUT_LOCKS = """
import sqlite3
import worker.store.sqlite.live_copy as it

def fails(connection, made):
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
    raise error

it._vacuum_into = fails
"""
WITHOUT_LINKS = """
import errno, os

def link(*_):
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")

os.link = link
"""
"""As on a network file system; none can be mounted here."""


def test_a_network_file_system_without_locks_is_a_clear_error_of_a_sentence(environment, tmp_path):
    many_users(environment["SES_WORKER_STORE__URL"], 1)
    (tmp_path / "backups").mkdir()
    command = [*patched(WITHOUT_LOCKS), "db", "backup", tmp_path / "backups" / "copy.db"]
    done = to_its_end(command, environment, tmp_path)
    assert done.status == 1
    _, error = done.err.splitlines()
    assert error == (
        f"ses-worker: cannot write {tmp_path}/backups/copy.db: SQLite says locking protocol; if it is "
        "on a network file system, back up to a local disk, and copy the finished file there"
    )
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_file_system_without_hard_links_gets_a_backup_and_keeps_what_is_there(
    environment, tmp_path, url
):
    many_users(url, 3)
    for status, users_found in ((0, 3), (1, 3)):
        command = [*patched(WITHOUT_LINKS), "db", "backup", tmp_path / "copy.db"]
        done = to_its_end(command, environment, tmp_path)
        assert done.status == status, done.err
        assert len(rows_of(f"sqlite:///{tmp_path / 'copy.db'}", users)) == users_found
    assert "exists, and a backup replaces nothing" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backup_leaves_no_file(environment, tmp_path, number):
    many_users(environment["SES_WORKER_STORE__URL"], 400_000)
    folder = tmp_path / "backups"
    folder.mkdir()
    command = [sys.executable, "-m", "worker", "db", "backup", str(folder / "copy.db")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: any(folder.glob(".ses-worker-*/copy.db")))
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 1, error
    assert "interrupted; no backup was made" in error
    assert list(folder.iterdir()) == []


def test_a_killed_backup_leaves_nothing_under_the_name(environment, tmp_path):
    many_users(environment["SES_WORKER_STORE__URL"], 400_000)
    command = [sys.executable, "-m", "worker", "db", "backup", str(tmp_path / "copy.db")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: any(tmp_path.glob(".ses-worker-*/copy.db")))
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("damaged", ["users", "events", "sqlite_autoindex_users_1", "limits"])
def test_a_damaged_database_is_called_so_and_gives_no_backup(run, environment, tmp_path, damaged):
    many_users(environment["SES_WORKER_STORE__URL"], 5_000)
    database = tmp_path / "worker.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (damaged,))
        (page,) = root.fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    looked = run("db", "status", "--integrity", "--json")
    assert looked.status == 1
    assert looked.json["problems"]
    assert "damaged: " in run("db", "status", "--integrity").out
    done = run("db", "backup", str(tmp_path / "copy.db"))
    assert done.status == 1
    assert "malformed" in done.err or "not sound" in done.err
    assert not (tmp_path / "copy.db").exists()


def test_the_status_has_sizes_rows_and_the_age_of_the_events(run, emulator, queue, url):
    emulator.send(queue, mail.complaint("jane@example.com", at="2026-11-01T08:00:00Z"))
    emulator.send(queue, mail.complaint("joe@example.com", at="2026-11-20T08:00:00Z"))
    run("drain")
    done = run("db", "status", "--integrity", "--json")
    assert done.status == 0, done.err
    condition = done.json["condition"]
    assert condition["rows"]["events"] == 2
    assert condition["bytes"] > 50_000
    assert (condition["oldest_event"][:10], condition["newest_event"][:10]) == (
        "2026-11-01", "2026-11-20",
    )  # fmt: skip
    assert done.json["problems"] == ([] if url.startswith("sqlite") else None)
    shown = run("db", "status", "--integrity").out
    assert "events from 2026-11-01 08:00:00 to 2026-11-20 08:00:00 UTC" in shown


def test_a_reader_can_back_up_and_the_worker_is_not_held_up(run, tmp_path, url):
    many_users(url, 100_000)
    store = open_store(url)
    began = time.monotonic()
    with closing(store), store.writing() as connection:  # a commit that is not finished
        connection.execute(sa.delete(users).where(users.c.id == 1))
        done = run("db", "backup", str(tmp_path / "copy.db"), "--json")
    assert done.status == 0, done.err
    assert done.json["rows"]["users"] == 100_000
    assert time.monotonic() - began < 25
