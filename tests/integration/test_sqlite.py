"""What only a SQLite file can do wrong, and how the store takes it."""

import errno
import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import mail

from worker.core.errors import Misconfigured, Unavailable
from worker.core.model import User
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.store import ensure_schema, open_store
from worker.store.disk_space import FULL_BYTES
from worker.store.locks import WriterLock
from worker.store.rights import access_problem
from worker.store.sqlite.connection import connect
from worker.store.sqlite.errors import translated


@pytest.fixture
def path(tmp_path):
    return tmp_path / "worker.db"


@pytest.fixture
def store_url(path):
    return f"sqlite:///{path}"


@pytest.fixture
def database(store):
    return store


def add(store, *keys):
    unit = UnitOfWork(Policy(), (), {})
    unit.created = {key: User(email=key, email_key=key) for key in keys}
    with store.transaction() as transaction:
        transaction.save(unit)


def users_in(path):
    """As a connection of the test's own sees them."""
    connection = sqlite3.connect(path)
    try:
        return [key for (key,) in connection.execute("SELECT email_key FROM users ORDER BY id")]
    finally:
        connection.close()


def test_every_commit_is_synced_and_readers_do_not_wait(path, database):
    connection = connect(path)
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    connection.close()


def test_a_reader_sees_the_last_commit_while_somebody_writes(path, database):
    add(database, "a")
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with database.transaction() as transaction:
        unit = UnitOfWork(Policy(), (), {})
        unit.created = {"b": User(email="b", email_key="b")}
        transaction.save(unit)
        assert reader.execute("SELECT count(*) FROM users").fetchone() == (1,)
    assert reader.execute("SELECT count(*) FROM users").fetchone() == (2,)
    reader.close()


HOLD = """
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def hold(path, seconds):
    """Hold the writer lock in another process."""
    command = [sys.executable, "-c", HOLD, f"{path}.lock", str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_single_process_writes_at_a_time(path, database):
    other = hold(path, 0.5)
    started = time.monotonic()
    add(database, "a")
    assert time.monotonic() - started > 0.3
    other.wait()
    other.stdout.close()


def test_a_writer_does_not_wait_for_ever(path):
    other = hold(path, 60)
    with (
        pytest.raises(Unavailable, match=r"^Process \d+ .*has held|^Another process has held"),
        WriterLock(path).held(wait_budget=0.2),
    ):
        pass
    other.kill()
    other.wait()
    other.stdout.close()
    with WriterLock(path).held(wait_budget=5):
        pass


def test_a_lock_file_that_was_removed_makes_no_second_writer(path):
    first, second = WriterLock(path), WriterLock(path)
    with first.held():
        pass
    Path(f"{path}.lock").unlink()
    with second.held(), pytest.raises(Unavailable), first.held(wait_budget=0.1):
        pass
    with first.held(wait_budget=0.1):
        pass


def test_a_symbolic_link_to_the_database_has_its_lock(path, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with (
        WriterLock(link).held(),
        pytest.raises(Unavailable),
        WriterLock(path).held(wait_budget=0.1),
    ):
        pass


def test_a_file_system_without_locks_is_unavailable(path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    lock = WriterLock(path)
    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(Unavailable, match="No locks available"), lock.held():
        pass


def test_a_closed_lock_has_given_its_descriptor_back(path):
    lock = WriterLock(path)
    with lock.held():
        descriptor = lock._descriptor
    lock.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_thread_waits_for_another_thread_of_its_process(path):
    lock = WriterLock(path)
    order = []

    def second():
        with lock.held():
            order.append("second")

    with lock.held():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_program_that_writes_without_our_lock_is_waited_for(path, database):
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    add(database, "a")
    other.close()


STATVFS_SIZE, STATVFS_FREE = 1, 4
"""Where `f_frsize` and `f_bavail` are in the result of `statvfs`."""


def fill(database):
    """Have the next write meet a full disk."""
    database.probe()
    database._writing.opened.connection.execute("PRAGMA max_page_count = 1")
    many = [f"{number}" * 50 for number in range(2_000)]
    with pytest.raises(Unavailable, match="full"):
        add(database, *many)
    return many


def test_a_full_disk_is_an_outage_and_passes(path, database):
    many = fill(database)
    add(database, *many)


def test_below_the_threshold_of_a_full_disk_nothing_is_written_and_above_it_all(
    database, monkeypatch
):
    really = os.statvfs

    def free(count):
        def statvfs(place):
            found = list(really(place))
            found[STATVFS_FREE] = count // found[STATVFS_SIZE]
            return os.statvfs_result(found)

        monkeypatch.setattr(os, "statvfs", statvfs)

    free(FULL_BYTES - 4_096)
    for write in (database.probe, lambda: add(database, "a")):
        with pytest.raises(Unavailable, match=r"the disk of .* is full: 8.4 MB of .* are free"):
            write()
    assert "is full" in str(database.access_problem())
    free(FULL_BYTES)
    database.probe()
    add(database, "a")
    assert database.access_problem() is None
    assert database.disk_space().is_low


def test_a_folder_without_permission_is_an_outage_of_the_store(database, path, monkeypatch):
    really = os.stat

    def closed(file, *arguments, **options):
        if Path(os.fspath(file)).name.startswith(path.name):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return really(file, *arguments, **options)

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(database.lock, "_open", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(Unavailable, match=r"cannot lock .*Permission denied"):
        database.probe()
    assert f"{path.parent}" in str(database.access_problem())


@pytest.mark.parametrize(
    ("owner", "fix"), [("root", "chown {we} {file}"), ("daemon", "do it as daemon")]
)
def test_a_user_without_permission_is_not_advised_to_take_the_file_from_its_owner(
    path, monkeypatch, owner, fix
):
    path.touch()
    really, we = Path.stat, os.geteuid() + 10_000

    def anothers(file, **options):
        found = list(really(file, **options))
        found[stat.ST_UID] = pwd.getpwnam(owner).pw_uid
        return os.stat_result(found)

    monkeypatch.setattr(os, "geteuid", lambda: we)
    monkeypatch.setattr(os, "access", lambda file, _: file != path)
    monkeypatch.setattr(Path, "stat", anothers)
    found = access_problem(path)
    assert found.message == f"{path} belongs to {owner}, and {we} may not write it"
    assert found.fix == fix.format(we=we, file=path)


def test_a_probe_writes_what_the_path_writes(path, database):
    written = []
    database.probe()
    database._writing.drop = lambda: None
    database._writing.opened.connection.set_trace_callback(written.append)
    database.probe()
    whole = " ".join(written)
    for words in (
        "INSERT INTO events",
        "INSERT INTO users",
        "UPDATE users",
        "PRAGMA user_version =",
    ):
        assert words in whole
    assert written[-1] == "COMMIT"


def test_a_probe_opens_the_file_anew(database):
    database.probe()
    before = database._writing.opened.connection
    database.probe()
    assert database._writing.opened.connection is not before


def test_a_file_that_was_opened_while_it_could_not_be_written_recovers(small_disk):
    """A killed worker has left -wal and -shm behind, and the disk is read-only for a while."""
    url = f"sqlite:///{small_disk.path / 'worker.db'}"
    code = """
import os, signal, sys
from worker.store import ensure_schema, open_store
store = open_store(sys.argv[1])
ensure_schema(store, migrate=True)
store.probe()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code, url], check=False).returncode == -9
    small_disk.remount("ro")
    store = open_store(url)
    with pytest.raises(Unavailable, match="readonly"):
        store.probe()
    with pytest.raises(Unavailable, match="readonly"):
        add(store, "a")
    small_disk.remount("rw")
    store.probe()
    add(store, "b")
    store.close()


def wait_for_another_transaction(path, database, meanwhile):
    """Add somebody; while the writer waits for a foreign transaction, something happens."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def act():
        meanwhile()
        other.execute("ROLLBACK")
        other.close()

    thread = threading.Timer(0.3, act)
    thread.start()
    with pytest.raises(Unavailable, match=r"was replaced during the commit|was removed while"):
        add(database, "late")
    thread.join()
    with suppress(sqlite3.IntegrityError):  # closing may have brought it home
        add(database, "late")
    reader = sqlite3.connect(path)
    assert ("late",) in reader.execute("SELECT email FROM users").fetchall()
    reader.close()


def test_a_commit_into_a_file_that_was_replaced_meanwhile_does_not_count(path, database, tmp_path):
    add(database, "a")
    backup = sqlite3.connect(tmp_path / "backup.db")
    with sqlite3.connect(path) as connection:
        connection.backup(backup)
    connection.close()
    backup.close()

    def restore():
        Path(f"{path}-wal").unlink()
        Path(f"{path}-shm").unlink()
        (tmp_path / "backup.db").replace(path)

    wait_for_another_transaction(path, database, restore)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_commit_into_a_log_that_was_removed_meanwhile_does_not_count(path, database, replaced):
    add(database, "a")

    def remove():
        Path(f"{path}-wal").unlink()
        if replaced:
            Path(f"{path}-wal").touch()

    wait_for_another_transaction(path, database, remove)


def test_a_file_that_was_removed_takes_no_more_commits(path, database):
    add(database, "a")
    for file in path.parent.glob("worker.db*"):
        file.unlink()
    with pytest.raises(Unavailable, match="was removed while the worker had it open"):
        add(database, "b")
    with pytest.raises(Unavailable):
        database.probe()
    with pytest.raises(
        Unavailable, match="was removed while the worker had it open"
    ):  # no good end
        database.close()


def test_a_file_that_was_replaced_is_opened_anew(path, database, tmp_path):
    add(database, "a")
    other = tmp_path / "restored.db"
    restored = open_store(f"sqlite:///{other}")
    ensure_schema(restored, migrate=True)
    restored.close()
    for file in path.parent.glob("worker.db*"):
        file.unlink()
    other.rename(path)
    add(database, "b")
    assert sqlite3.connect(path).execute("SELECT email FROM users").fetchall() == [("b",)]


def test_tables_that_are_gone_blame_no_message(path, database):
    connection = connect(path)
    connection.execute("DROP TABLE events")
    connection.close()
    with pytest.raises(Unavailable, match="no such table"):
        database.probe()


def test_a_file_that_cannot_be_written_is_unavailable(path, database):
    add(database, "a")
    database._writing.opened.connection.execute("PRAGMA query_only = 1")
    with pytest.raises(Unavailable, match="readonly"):
        add(database, "b")
    database.close()
    assert users_in(path) == ["a"]
    add(database, "b")
    assert users_in(path) == ["a", "b"]


class TestWhatIsNoDatabase:
    def test_a_directory(self, tmp_path):
        with pytest.raises(Misconfigured, match="is a directory"):
            open_store(f"sqlite:///{tmp_path}").revision()

    def test_another_file(self, path):
        path.write_text(
            "this is a dead letter to my aunt, and long enough to be read as a header " * 9
        )
        with pytest.raises(Misconfigured, match="is not a SQLite database"):
            open_store(f"sqlite:///{path}").revision()

    def test_another_programs_tables(self, path):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE users (id INTEGER)")
        connection.close()
        with pytest.raises(Misconfigured, match="already has users, made by another program"):
            ensure_schema(open_store(f"sqlite:///{path}"), migrate=True)

    def test_a_folder_that_is_not_there(self, tmp_path):
        store = open_store(f"sqlite:///{tmp_path / 'missing' / 'worker.db'}")
        with pytest.raises(Unavailable):
            ensure_schema(store, migrate=True)


def test_a_killed_writer_leaves_a_whole_transaction_or_none(path, database):
    """A process that dies in mid-transaction has written nothing, and holds no lock."""
    code = """
import os, signal, sys
sys.path[:0] = sys.argv[2:]
from support import mail
from datetime import UTC, datetime
from worker.core.decode import decode
from worker.core.messages import Received
from worker.core.unit_of_work import UnitOfWork
from worker.core.policy import Policy
from worker.store import open_store
store = open_store(sys.argv[1])
body = mail.bounce("jane@example.com")
with store.transaction() as transaction:
    unit = UnitOfWork(Policy(), (), {})
    received = Received(message_id="m", body=body, receipt_handle="h", receive_count=1,
                        received_at=datetime.now(UTC), lease_until=0)
    unit.decide_message(received, decode(body))
    transaction.save(unit)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", code, f"sqlite:///{path}", str(Path(mail.__file__).parents[1])]
    assert subprocess.run(command, check=False).returncode == -9
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
    add(database, "a")


class TestAFileThatIsJustBeingMade:
    """SQLite waits for another process, but not when it is to change the file's mode."""

    @pytest.fixture
    def maker(self, path):
        """Somebody who writes to a file that has no WAL yet."""
        maker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        maker.execute("BEGIN IMMEDIATE")
        yield maker
        maker.close()

    def test_its_maker_is_waited_for(self, path, maker):
        timer = threading.Timer(0.3, lambda: maker.execute("COMMIT"))
        timer.start()
        try:
            connection = connect(path)
        finally:
            timer.join()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()

    def test_it_is_not_waited_for_without_an_end(self, path, maker, monkeypatch):
        monkeypatch.setattr("worker.store.sqlite.connection.BUSY_SECONDS", 0.3)
        started = time.monotonic()
        with pytest.raises(Unavailable, match="database is locked"), translated(path):
            connect(path)
        assert time.monotonic() - started > 0.2


def beside(path):
    return {file.name: file.stat().st_size for file in path.parent.glob("worker.db-*")}


def test_a_closed_file_is_whole_and_leaves_behind_what_readers_need(path, database):
    add(database, "a")
    database.close()
    assert beside(path) == {"worker.db-wal": 0, "worker.db-shm": 32_768}
    shutil.copy(path, path.with_name("copy.db"))
    with closing(sqlite3.connect(path.with_name("copy.db"))) as copy:
        assert copy.execute("SELECT email FROM users").fetchall() == [("a",)]


def test_a_command_that_writes_leaves_behind_what_readers_need(path):
    store = open_store(f"sqlite:///{path}")
    ensure_schema(store, migrate=True)
    assert beside(path) == {"worker.db-wal": 0, "worker.db-shm": 32_768}


def test_a_replaced_file_keeps_its_log_when_the_old_file_is_closed(path, database):
    add(database, "a")
    shutil.copy(path, path.with_name("other.db"))
    path.with_name("other.db").replace(path)
    log = Path(f"{path}-wal").read_bytes()
    database.close()
    assert Path(f"{path}-wal").read_bytes() == log


@pytest.mark.parametrize(
    ("written", "read"),
    [(b"\xff\x00", b"\xff\x00"), ("a\0'\"\\é\U0001f600", "a\0'\"\\é\U0001f600"), (None, None)],
)
def test_users_are_read_whatever_an_application_wrote(path, database, written, read):
    add(database, "a@example.com", "b@example.com")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE users SET account_id = ?, last_hard_bounce = ?, soft_bounce_count = ?"
            " WHERE email_key = 'a@example.com'",
            (written, written, float("inf")),
        )
    with database.transaction() as transaction:
        users = transaction.users({"a@example.com", "b@example.com"})
    assert sorted(users) == ["a@example.com", "b@example.com"]
    assert users["a@example.com"].account_id == read
    assert users["a@example.com"].last_hard_bounce is None
    assert users["a@example.com"].soft_bounce_count == float("inf")


def test_a_user_is_read_as_it_was_written(database):
    at = datetime(2026, 11, 30, 9, 56, 50, 123_000, tzinfo=UTC)
    user = User(
        email="A@example.com",
        email_key="a@example.com",
        metrics_enabled=False,
        auto_block_spam=True,
        last_soft_bounce=at,
        soft_bounce_count=3,
        paused_until=at.replace(microsecond=0),
        pause_reason="soft_bounce",
        soft_bounce_refused=True,
    )
    unit = UnitOfWork(Policy(), (), {})
    unit.created = {user.email_key: user}
    with database.transaction() as transaction:
        transaction.save(unit)
        assert transaction.users([user.email_key]) == {user.email_key: user}
