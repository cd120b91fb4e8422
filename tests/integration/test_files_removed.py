"""Files of a SQLite database are removed or replaced while two processes write to it.

Whatever is removed, however and when: each commit that was acknowledged is on record in the end and
the database is whole, or it was refused, or the loss is reported and the process leaves with 1.
"""

import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from worker.core.errors import CommitsLost, Unavailable
from worker.core.model import User
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.store import ensure_schema, open_store
from worker.store.locks import WriterLock
from worker.store.schema import users
from worker.store.sqlite import Opened, look, saving
from worker.store.users import UserFilter, all_users

ANOTHER = '''
import sqlite3, sys
import worker.store.sqlite.connection, worker.store.sqlite.saving
worker.store.sqlite.connection.BUSY_SECONDS = 0.3
from worker.core.model import User
from worker.core.unit_of_work import UnitOfWork
from worker.core.policy import Policy
from worker.store import ensure_schema, open_store
stores, readers = {}, {}

def add(path, key):
    store = stores.setdefault(path, open_store(f"sqlite:///{path}"))
    if "held" not in vars(store.lock):
        store.lock.held = lambda seconds=0.2, held=store.lock.held: held(seconds)
    unit = UnitOfWork(Policy(), (), {})
    unit.created = {key: User(email=key, email_key=key)}
    with store.transaction() as transaction:
        transaction.save(unit)

def close(path):
    stores.pop(path).close()

def die(path):
    """Leave the -wal as it is, as a kill does."""
    stores.pop(path)._drop()

def used(path):
    return worker.store.sqlite.saving._others_have_open(path)

def look(path):
    readers[path] = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    return readers[path].execute("SELECT count(*) FROM users").fetchone()[0]

for line in sys.stdin:
    verb, *words = line.split()
    try:
        print("ok", globals()[verb](*words), flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
'''


class Another:
    """Another process with the same files open."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", ANOTHER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, *words):
        print(*words, file=self._process.stdin, flush=True)
        while (output := self._process.stdout.readline().strip()).startswith("2"):
            pass  # a line of the log
        return output

    def end(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def another():
    another = Another()
    yield another
    another.end()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "worker.db"


@pytest.fixture
def store(path):
    store = open_store(f"sqlite:///{path}")
    ensure_schema(store, migrate=True)
    yield store
    with suppress(Unavailable):
        store.close()


def unit_of(*keys):
    unit = UnitOfWork(Policy(), (), {})
    unit.created = {key: User(email=key, email_key=key) for key in keys}
    return unit


def add(store, *keys):
    with store.transaction() as transaction:
        transaction.save(unit_of(*keys))


def in_file(path):
    """What is on record, as somebody sees it who opens the file now; it must be whole."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {key for (key,) in connection.execute("SELECT email_key FROM users")}


def removed(file):
    file.unlink(missing_ok=True)


def replaced(file):
    """By a copy of itself, as a backup brings it back."""
    if file.exists():
        copy = file.with_name("copy")
        shutil.copy(file, copy)
        copy.replace(file)


def moved_away_and_back(file):
    unreachable = file.with_name("away")
    file.rename(unreachable)
    unreachable.rename(file)


FILES = [
    ("-shm",),
    ("-wal",),
    (".lock",),
    ("-wal", "-shm"),
    ("-shm", ".lock"),
    ("-wal", "-shm", ".lock"),
]


class Play:
    """One process of ours and another, and what both were told is durable."""

    def __init__(self, path, store, another):
        self.path, self.store, self.another = path, store, another
        self.acknowledged = set()

    def ours(self, key):
        try:
            add(self.store, key)
        except Unavailable as error:
            return error
        self.acknowledged.add(key)
        return None

    def theirs(self, key):
        output = self.another("add", self.path, key)
        if output.startswith("ok"):
            self.acknowledged.add(key)
        return output

    def tamper(self, how, suffixes):
        for suffix in suffixes:
            how(Path(f"{self.path}{suffix}"))


@pytest.fixture
def play(path, store, another):
    return Play(path, store, another)


@pytest.mark.parametrize("joined", ["before", "after"])
@pytest.mark.parametrize("how", [removed, replaced, moved_away_and_back])
@pytest.mark.parametrize("suffixes", FILES, ids="".join)
def test_between_two_commits_it_costs_none(play, suffixes, how, joined):
    """The other process has the files open already, or starts afterwards."""
    if joined == "before":
        assert play.theirs("their-0") == "ok None"
    for number in range(20):
        assert play.ours(f"ours-{number}") is None
    play.tamper(how, suffixes)
    for number in range(3):
        play.theirs(f"theirs-{number}")
        play.ours(f"ours-again-{number}")
    assert {"ours-again-2", "theirs-2"} <= play.acknowledged  # it goes on
    play.store.close()
    assert play.another("close", play.path) == "ok None"
    assert in_file(play.path) >= play.acknowledged


@pytest.mark.parametrize("moment", ["in the transaction", "after its commit"])
@pytest.mark.parametrize("how", [removed, replaced])
@pytest.mark.parametrize("suffixes", FILES, ids="".join)
def test_in_mid_transaction_a_commit_does_not_count_or_stays(
    play, suffixes, how, moment, monkeypatch
):
    play.ours("ours-0")

    def happen():
        play.tamper(how, suffixes)
        if suffixes[:2] != ("-wal", "-shm"):
            play.another("look", play.path)
        play.theirs("theirs-0")

    if moment == "after its commit":
        really = Opened.look_where_it_went

        def meanwhile(opened):
            monkeypatch.setattr(Opened, "look_where_it_went", really)
            happen()
            really(opened)

        monkeypatch.setattr(Opened, "look_where_it_went", meanwhile)
        error = play.ours("late")
    else:
        with pytest.raises(Unavailable) as found, play.store.transaction() as transaction:
            transaction.save(unit_of("late"))
            happen()
        error = found.value
    assert "was replaced during the commit" in str(error) or "was removed during" in str(error)
    for number in range(3):
        try:
            play.ours("late")
        except sqlite3.IntegrityError:  # it was there after all: a duplicate
            play.acknowledged.add("late")
        play.theirs(f"theirs-again-{number}")
    assert "late" in play.acknowledged
    play.store.close()
    play.another("close", play.path)
    assert in_file(play.path) >= play.acknowledged


def test_what_only_a_removed_wal_held_is_told_as_lost_where_another_began_anew(play):
    """A program that is not ours has made a `-wal` and a `-shm` before we could look."""
    play.ours("ours-0")
    play.tamper(removed, ("-wal", "-shm"))
    play.another("look", play.path)
    with capture_logs() as log:
        for _ in range(3):
            assert isinstance(play.ours("ours-1"), CommitsLost)
    reported = [line["event"] for line in log if line["log_level"] in {"error", "critical"}]
    assert reported == ["store.files_replaced", "store.commits_lost"]
    (lost,) = (line["error"] for line in log if line["event"] == "store.commits_lost")
    assert lost.startswith(f"Somebody removed {play.path}-wal and {play.path}-shm before their")
    assert re.search(r"Messages worked on since \d{4}-\d\d-\d\dT[\d:]{8}\+00:00 are lost", lost)
    with pytest.raises(CommitsLost):
        play.store.close()


def test_what_only_a_removed_wal_held_is_saved_at_the_end(play):
    play.ours("ours-0")
    play.tamper(removed, ("-wal", "-shm"))
    with capture_logs() as log:
        play.store.close()
    assert in_file(play.path) == {"ours-0"}
    (line,) = (line for line in log if line["event"] == "store.files_replaced")
    assert line["files"] == [f"{play.path}-wal", f"{play.path}-shm"]
    assert "first stop every process" in line["hint"]


@pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm")], ids="".join)
def test_what_is_removed_in_an_outage_costs_none(play, suffixes):
    """On a full disk somebody makes room with the largest file there is."""
    play.ours("ours-0")
    with pytest.raises(Unavailable), play.store.transaction():
        raise full()
    play.tamper(removed, suffixes)
    assert play.ours("ours-1") is None
    play.store.close()
    assert in_file(play.path) == {"ours-0", "ours-1"}


def test_what_is_removed_while_there_is_no_room_to_save_it_waits_for_room(play):
    keys = [f"ours-{number}" for number in range(1_000)]
    add(play.store, *keys)
    play.tamper(removed, ("-wal",))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (play.path.stat().st_size, before[1]))
    try:
        for _ in range(2):
            error = play.ours("late")
            assert isinstance(error, Unavailable)
            assert not isinstance(error, CommitsLost)
            assert "no room" in str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert play.ours("late") is None
    play.store.close()
    assert in_file(play.path) == {*keys, "late"}


def full():
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def let_another_begin(path):
    """As if nobody had noticed for a minute that a `-shm` was removed."""
    old = time.time() - saving.SAVING_SECONDS - 1
    os.utime(path.parent, (old, old))


def test_who_is_last_and_has_a_shm_of_before_takes_nothing_from_who_was_there_since(play):
    """SQLite would bring in what the old `-shm` tells of, and remove the `-wal`."""
    for number in range(20):
        play.ours(f"ours-{number}")
    play.tamper(removed, ("-shm",))
    let_another_begin(play.path)
    for number in range(20):
        assert play.theirs(f"theirs-{number}") == "ok None"
    play.another("die", play.path)
    play.store.close()
    assert in_file(play.path) == play.acknowledged


@pytest.mark.parametrize("suffixes", [(), ("-shm",)])
def test_a_wal_of_before_is_not_believed_when_the_database_has_all(play, suffixes):
    """As for a backup of it that is put back: it would hide what was written since."""
    play.ours("ours-0")
    before = Path(f"{play.path}-wal").read_bytes()
    for number in range(1, 5):
        play.ours(f"ours-{number}")
    play.store._opened.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = play.path.with_name("copy")
    copy.write_bytes(before)
    copy.replace(f"{play.path}-wal")
    play.tamper(removed, suffixes)
    assert play.ours("ours-5") is None
    play.store.close()
    assert in_file(play.path) == play.acknowledged


def test_a_wal_of_before_is_not_written_to(play):
    """It lacks what the `-shm` speaks of, and who opens it later would read no further."""
    play.ours("ours-0")
    wal = Path(f"{play.path}-wal")
    before = wal.read_bytes()
    for number in range(1, 5):
        play.ours(f"ours-{number}")
    copy = wal.with_name("copy")
    copy.write_bytes(before.ljust(len(wal.read_bytes()), b"\0"))
    copy.replace(wal)
    assert "its -wal was removed or replaced while another process has it" in play.theirs("theirs")
    assert play.ours("ours-5") is None
    assert play.theirs("theirs") == "ok None"
    play.another("close", play.path)
    play.store.close()
    assert in_file(play.path) == play.acknowledged


def test_who_starts_waits_for_who_has_a_shm_that_was_removed_but_not_for_ever(
    play, path, monkeypatch
):
    play.ours("ours-0")
    play.tamper(removed, ("-shm",))
    output = play.theirs("theirs-0")
    assert "-shm was removed while another process has the file open" in output
    assert "within a minute: process" in output
    let_another_begin(path)
    assert play.theirs("theirs-1") == "ok None"
    play.store.close()
    play.another("close", path)
    assert in_file(path) == {"ours-0", "theirs-1"}


def test_a_clock_that_was_set_back_keeps_nobody_from_starting(play, path):
    play.ours("ours-0")
    play.tamper(removed, ("-shm",))
    later = time.time() + 40 * 86_400
    os.utime(path.parent, (later, later))
    assert play.theirs("theirs-0") == "ok None"


@pytest.mark.parametrize("suffixes", [("-shm",), ("-wal",), ("-wal", "-shm")], ids="".join)
def test_an_idle_worker_notices_when_it_counts_what_waits(play, suffixes):
    play.ours("ours-0")
    play.tamper(removed, suffixes)
    play.store.figures()
    assert play.theirs("theirs-0") == "ok None"
    play.another("close", play.path)
    play.store.close()
    assert in_file(play.path) == {"ours-0", "theirs-0"}


@pytest.mark.parametrize("suffix", ["", "-shm", "-wal"])
def test_a_list_from_files_that_are_replaced_meanwhile_is_none(play, suffix):
    for number in range(10):
        play.ours(f"ours-{number}")
    with pytest.raises(Unavailable, match="was replaced while it was read"):
        for _ in all_users(play.store, UserFilter()):
            play.tamper(replaced, (suffix,))


@pytest.mark.parametrize("suffix", ["-shm", "-wal", ".lock"])
def test_a_write_by_a_command_does_not_count_in_files_that_were_replaced(play, suffix):
    with (
        pytest.raises(Unavailable, match="during the commit"),
        play.store.writing() as connection,
    ):
        connection.execute(users.insert().values(email="a", email_key="a"))
        play.tamper(replaced, (suffix,))
    with play.store.writing() as connection:
        found = connection.execute(select(users.c.id).where(users.c.email_key == "a")).all()
        if not found:
            connection.execute(users.insert().values(email="a", email_key="a"))
    play.store.close()
    assert in_file(play.path) == {"a"}


def test_a_long_wal_is_brought_into_the_file_after_the_look_and_not_before(play, monkeypatch):
    """Or whoever opened the file meanwhile, with another `-shm`, would see half of a commit."""
    monkeypatch.setattr("worker.store.sqlite.opened.CHECKPOINT_PAGES", 1)
    play.ours("ours-0")
    before = play.path.read_bytes()
    with pytest.raises(Unavailable), play.store.transaction() as transaction:
        transaction.save(unit_of("ours-1"))
        play.tamper(removed, ("-shm",))
    assert play.path.read_bytes() == before
    assert play.ours("ours-2") is None
    assert play.path.read_bytes() != before


def test_a_backup_that_is_put_beside_the_old_wal_is_not_touched_until_that_is_gone(play, path):
    play.ours("ours-0")
    backup = path.with_name("backup")
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(backup)) as copy:
        live.backup(copy)
    play.ours("ours-1")
    whole = backup.read_bytes()
    backup.replace(path)
    assert "was replaced, and its -wal was not" in str(play.ours("ours-2"))
    assert path.read_bytes() == whole
    play.tamper(removed, ("-wal", "-shm"))
    assert play.ours("ours-2") is None
    play.store.close()
    assert in_file(path) == {"ours-0", "ours-2"}


def test_a_link_that_leads_elsewhere_by_now_has_the_lock_of_where_it_leads(tmp_path):
    first, other, link = tmp_path / "one", tmp_path / "other", tmp_path / "link"
    first.touch()
    other.touch()
    link.symlink_to(first)
    lock = WriterLock(link)
    with lock.held():
        pass
    link.unlink()
    link.symlink_to(other)
    with lock.held(), pytest.raises(Unavailable), WriterLock(other).held(wait_budget=0.05):
        pass


def test_who_has_the_file_open_does_not_ask_who_else_has(play):
    """To ask means to open and close it, which takes this process's own locks away."""
    play.ours("ours-0")
    play.tamper(removed, ("-wal", "-shm"))
    with pytest.raises(Unavailable):
        look(play.path, trace=False)
    assert play.another("used", play.path) == "ok True"


class TestAWalWithoutItsDatabase:
    """Somebody removed the database and nothing else, and the worker was stopped since."""

    @pytest.fixture(params=["gone", "empty"])
    def left(self, play, path, request):
        play.ours("ours-0")
        play.store._drop()
        path.unlink()
        if request.param == "empty":  # SQLite destroys the -wal beside such a one, too
            path.touch()
        wal = Path(f"{path}-wal")
        before = wal.read_bytes()
        assert before
        yield
        assert wal.read_bytes() == before
        assert not path.exists() or path.stat().st_size == 0

    @pytest.mark.parametrize(
        "begun",
        [
            lambda store: ensure_schema(store, migrate=True),
            lambda store: store.writing().__enter__(),
            lambda store: store.transaction().__enter__(),
            lambda store: store.probe(),
            lambda store: store.revision(),
        ],
        ids=["the schema", "a command", "a commit", "a probe", "a look"],
    )
    def test_has_no_database_made_beside_it(self, path, left, begun):
        with pytest.raises(Unavailable) as found:
            begun(open_store(f"sqlite:///{path}"))
        assert str(found.value).startswith(
            f"The database {path} is gone, and its -wal is still there. Stop every process"
        )

    def test_is_told_as_what_hinders(self, path, left):
        found = open_store(f"sqlite:///{path}").access_problem()
        assert found.message == f"The database {path} is gone, and its -wal is still there"
        assert "put the backup back and remove worker.db-wal and worker.db-shm" in found.fix


def test_with_both_removed_an_empty_database_is_made(play, path):
    play.ours("ours-0")
    play.store._drop()
    play.tamper(removed, ("", "-wal", "-shm"))
    ensure_schema(open_store(f"sqlite:///{path}"), migrate=True)
    assert in_file(path) == set()
