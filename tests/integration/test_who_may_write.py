"""Who may read a SQLite database, who may stop its writers, and how that is reported."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from structlog.testing import capture_logs
from support.running import skip

from worker.core.errors import Unavailable
from worker.store import ensure_schema, open_store
from worker.store.holders import holders
from worker.store.locks import WriterLock
from worker.store.rights import access_problem

OWNER, READER, READERS = 64_001, 64_002, 64_003
"""Users and a group that need not exist."""
WRITE_BYTE, CHECKPOINT_BYTE, RECOVER_BYTE, READ_BYTES = (120, 1), (121, 1), (122, 1), (123, 5)
"""Of the `-shm`, as SQLite locks them (https://sqlite.org/walformat.html#wal_locks)."""

HOLD = """
import fcntl, os, sys, time
file, how, at, size = sys.argv[1:]
try:
    descriptor = os.open(file, os.O_RDONLY)
    if how == "flock":
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    else:
        fcntl.lockf(descriptor, getattr(fcntl, how), int(size), int(at))
    print("held", flush=True)
    time.sleep(60)
except OSError as error:
    print(error.strerror, flush=True)
"""


@pytest.fixture
def folder():
    """As the service's: its files belong to a group that may read. pytest's own are closed to
    all."""
    if os.geteuid():
        skip("needs root, to become other users")
    with TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, OWNER, READERS)
        folder.chmod(0o2750)
        yield folder


@pytest.fixture
def path(folder):
    return folder / "worker.db"


@pytest.fixture
def store(path, monkeypatch):
    monkeypatch.setattr("worker.store.sqlite.connection.BUSY_SECONDS", 0.3)
    store = open_store(f"sqlite:///{path}")
    ensure_schema(store, migrate=True)
    store.probe()
    yield store
    store.close()


@pytest.fixture
def reader():
    """Hold a lock as a member of the group who may only read; report how that went."""
    started = []

    def hold(file, how, at=0, size=0):
        who = ["setpriv", f"--reuid={READER}", f"--regid={READER}", f"--groups={READERS}"]
        process = subprocess.Popen(
            [*who, "/usr/bin/env", "python3", "-c", HOLD, str(file), how, str(at), str(size)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process.stdout.readline().strip()

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def modes(path):
    return {file.name.removeprefix("worker.db"): mode(file) for file in path.parent.glob("worker*")}


class TestWhoMayRead:
    @pytest.mark.parametrize("umask", [0o022, 0o000, 0o027])
    def test_a_new_database_is_its_owners_alone(self, tmp_path, umask):
        before = os.umask(umask)
        try:
            store = open_store(f"sqlite:///{tmp_path / 'worker.db'}")
            ensure_schema(store, migrate=True)
            store.probe()
        finally:
            os.umask(before)
        assert modes(tmp_path / "worker.db") == dict.fromkeys(["", "-wal", "-shm", ".lock"], 0o600)
        store.close()

    def test_in_a_folder_whose_files_are_its_groups_the_group_may_read(self, path, store):
        assert modes(path) == {"": 0o640, "-wal": 0o640, "-shm": 0o640, ".lock": 0o600}
        assert path.stat().st_gid == READERS

    def test_an_existing_database_keeps_its_mode(self, tmp_path):
        path = tmp_path / "worker.db"
        path.touch(0o644)
        ensure_schema(open_store(f"sqlite:///{path}"), migrate=True)
        assert mode(path) == 0o644


class TestTheLockFile:
    def test_is_its_owners_alone(self, path, store, reader):
        assert reader(f"{path}.lock", "flock") == "Permission denied"
        store.probe()

    @pytest.mark.parametrize("before", [0o644, 0o640, 0o666])
    def test_with_a_wider_mode_is_restricted_and_stays_the_same_file(self, tmp_path, before):
        path = tmp_path / "worker.db"
        lock = Path(f"{path}.lock")
        lock.touch()
        lock.chmod(before)
        made = lock.stat().st_ino
        with WriterLock(path).held():
            assert (mode(lock), lock.stat().st_ino) == (0o600, made)

    def test_that_root_makes_belongs_to_the_databases_owner(self, path):
        path.touch()
        os.chown(path, OWNER, READERS)
        with WriterLock(path).held():
            found = Path(f"{path}.lock").stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (OWNER, READERS, 0o600)

    def test_of_another_user_is_reported_with_its_fix(self, path):
        path.touch()
        os.chown(path, OWNER, READERS)
        lock = Path(f"{path}.lock")
        lock.touch(0o644)  # as root's commands made it
        with capture_logs() as log, WriterLock(path).held():
            pass
        fix = f"chown {OWNER}:{READERS} {lock} && chmod 600 {lock}"
        assert [(line["event"], line["hint"]) for line in log] == [("store.lock_of_another", fix)]
        assert access_problem(path) == (
            f"The lock file {lock} belongs to the user root, who can stop every write with it",
            fix,
        )
        subprocess.run(fix, shell=True, check=True)
        assert access_problem(path) is None

    def test_that_is_a_link_is_not_followed(self, tmp_path):
        """Or root would hand over whatever somebody has it lead to."""
        path, target = tmp_path / "worker.db", tmp_path / "target"
        target.touch(0o644)
        Path(f"{path}.lock").symlink_to(target)
        with pytest.raises(Unavailable, match="symbolic links"), WriterLock(path).held():
            pass
        assert mode(target) == 0o644


class TestWhatAReaderCanStop:
    """SQLite's own locks lie in the `-shm`, and the right to read it is enough for a read lock."""

    def test_a_read_lock_on_the_write_byte_stops_every_write_and_its_holder_is_named(
        self, path, store, reader
    ):
        assert reader(f"{path}-shm", "LOCK_SH", *WRITE_BYTE) == "held"
        (held_by,) = holders([f"{path}-shm"])
        with pytest.raises(Unavailable) as found, store.transaction():
            pass
        reported = f"database is locked. Process {held_by} (ps -fp {held_by}) holds a lock on the"
        assert reported in str(found.value)
        assert "-wal and -shm (chmod)" in str(found.value)

    @pytest.mark.parametrize("place", [CHECKPOINT_BYTE, RECOVER_BYTE])
    def test_a_read_lock_elsewhere_does_not_stop_an_open_writer(self, path, store, reader, place):
        assert reader(f"{path}-shm", "LOCK_SH", *place) == "held"
        with store.transaction() as transaction:
            transaction.touch()

    def test_a_read_lock_on_a_reader_byte_keeps_the_wal_growing(self, path, store, reader):
        assert reader(f"{path}-shm", "LOCK_SH", *READ_BYTES) == "held"
        with store.transaction() as transaction:
            transaction.touch()
        opened = store._writing.opened.connection
        _, frames, brought_in = opened.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        assert brought_in < frames

    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
    def test_a_reader_gets_no_write_lock_and_its_flock_stops_no_write(
        self, path, store, reader, suffix
    ):
        assert reader(f"{path}{suffix}", "LOCK_EX", 0, 0) == "Bad file descriptor"
        assert reader(f"{path}{suffix}", "flock") == "held"
        store.probe()


def test_the_holder_of_the_lock_file_is_named(tmp_path):
    path = tmp_path / "worker.db"
    command = [sys.executable, "-c", HOLD, f"{path}.lock", "flock", "0", "0"]
    Path(f"{path}.lock").touch()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(Unavailable, match=rf"Process {other.pid} \(.* has held .*no ses-worker"),
            WriterLock(path).held(wait_budget=0.05),
        ):
            pass
        other.kill()


def test_the_process_that_delays_a_slow_write_is_named(tmp_path):
    path = tmp_path / "worker.db"
    command = [sys.executable, "-c", HOLD, f"{path}.lock", "flock", "0", "0"]
    Path(f"{path}.lock").touch()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        reported = open_store(f"sqlite:///{path}").who_holds()
        assert reported == f": process {other.pid} (ps -fp {other.pid})"
        other.kill()


def test_no_process_is_named_where_the_system_does_not_report_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("worker.store.holders._LOCKS", tmp_path / "nothing")
    assert holders([tmp_path]) == []
