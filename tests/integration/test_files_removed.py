"""Files of a SQLite database are removed or replaced while two processes write to it.

Whatever is removed, however and when: each commit that was acknowledged is on record in the end and
the database is whole, or it was refused, or the loss is reported and the process leaves with 1.
"""

import errno
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
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
from worker.store.files import identity
from worker.store.locks import WriterLock
from worker.store.schema import users
from worker.store.selecting import UserFilter, all_users
from worker.store.sqlite import saving
from worker.store.sqlite.kept_wal import KeptWal
from worker.store.sqlite.opened import Opened
from worker.store.sqlite.reader import look

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
    stores.pop(path)._writing.drop()

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
    """Return the users that a process sees which opens the file now; the file must be intact."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {key for (key,) in connection.execute("SELECT email_key FROM users")}


def removed(file):
    file.unlink(missing_ok=True)


def replaced(file):
    """Replace the file by a copy of itself, as a restored backup does."""
    if file.exists():
        copy = file.with_name("copy")
        shutil.copy(file, copy)
        copy.replace(file)


def renamed_and_back(file):
    unreachable = file.with_name("moved")
    file.rename(unreachable)
    unreachable.rename(file)


def renamed(file):
    file.rename(file.with_name("moved"))


def moved_back(file):
    file.with_name("moved").rename(file)


FILES = [
    ("-shm",),
    ("-wal",),
    (".lock",),
    ("-wal", "-shm"),
    ("-shm", ".lock"),
    ("-wal", "-shm", ".lock"),
]


class Play:
    """A process of ours and another, and the keys whose commits both have acknowledged."""

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
@pytest.mark.parametrize("how", [removed, replaced, renamed_and_back])
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


def test_commits_of_a_removed_wal_are_reported_lost_if_another_process_made_a_new_wal(play):
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


def test_commits_of_a_removed_wal_are_saved_at_the_end(play):
    play.ours("ours-0")
    play.tamper(removed, ("-wal", "-shm"))
    with capture_logs() as log:
        play.store.close()
    assert in_file(play.path) == {"ours-0"}
    (line,) = (line for line in log if line["event"] == "store.files_replaced")
    assert line["files"] == [f"{play.path}-wal", f"{play.path}-shm"]
    assert "first stop every process" in line["hint"]


@pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm")], ids="".join)
def test_a_removal_during_an_outage_loses_no_commit(play, suffixes):
    """On a full disk somebody makes room by removing the largest file."""
    play.ours("ours-0")
    with pytest.raises(Unavailable), play.store.transaction():
        raise full()
    play.tamper(removed, suffixes)
    assert play.ours("ours-1") is None
    play.store.close()
    assert in_file(play.path) == {"ours-0", "ours-1"}


def test_saving_a_removed_wal_waits_for_room(play):
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
    """Let the minute be over in which a worker notices that a `-shm` was removed."""
    old = time.time() - saving.SAVING_SECONDS - 1
    os.utime(path.parent, (old, old))


def test_closing_with_a_removed_shm_takes_no_commit_of_another_process(play):
    """SQLite would copy in what the removed `-shm` counts, and remove the new `-wal`."""
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
def test_an_old_wal_is_ignored_if_the_database_holds_all_commits(play, suffixes):
    """Such as a restored backup of the `-wal`: it would hide what was written since."""
    play.ours("ours-0")
    before = Path(f"{play.path}-wal").read_bytes()
    for number in range(1, 5):
        play.ours(f"ours-{number}")
    play.store._writing.opened.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = play.path.with_name("copy")
    copy.write_bytes(before)
    copy.replace(f"{play.path}-wal")
    play.tamper(removed, suffixes)
    assert play.ours("ours-5") is None
    play.store.close()
    assert in_file(play.path) == play.acknowledged


def test_an_old_wal_is_not_written_to(play):
    """It lacks frames that the `-shm` counts, and a later reader would stop there."""
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


def test_a_start_waits_a_minute_for_a_process_with_a_removed_shm(play, path, monkeypatch):
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


def test_a_clock_that_was_set_back_prevents_no_start(play, path):
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
def test_a_list_from_files_that_are_replaced_meanwhile_is_an_error(play, suffix):
    for number in range(10):
        play.ours(f"ours-{number}")
    with pytest.raises(Unavailable, match="was replaced while it was read"):
        for _ in all_users(play.store, UserFilter()):
            play.tamper(replaced, (suffix,))


@pytest.mark.parametrize("suffix", ["-shm", "-wal", ".lock"])
def test_a_write_by_a_command_does_not_count_in_files_that_were_replaced(play, suffix):
    with (
        pytest.raises(Unavailable, match="during the commit"),
        play.store.write_transaction() as connection,
    ):
        connection.execute(users.insert().values(email="a", email_key="a"))
        play.tamper(replaced, (suffix,))
    with play.store.write_transaction() as connection:
        found = connection.execute(select(users.c.id).where(users.c.email_key == "a")).all()
        if not found:
            connection.execute(users.insert().values(email="a", email_key="a"))
    play.store.close()
    assert in_file(play.path) == {"a"}


def test_a_long_wal_is_brought_into_the_file_after_the_look_and_not_before(play, monkeypatch):
    """Else a process that opened the file with another `-shm` would see half of a commit."""
    monkeypatch.setattr("worker.store.sqlite.opened.CHECKPOINT_PAGES", 1)
    play.ours("ours-0")
    before = play.path.read_bytes()
    with pytest.raises(Unavailable), play.store.transaction() as transaction:
        transaction.save(unit_of("ours-1"))
        play.tamper(removed, ("-shm",))
    assert play.path.read_bytes() == before
    assert play.ours("ours-2") is None
    assert play.path.read_bytes() != before


def test_a_bite_of_a_purge_whose_wal_was_removed_meanwhile_does_not_count(play):
    play.ours("ours-0")
    with pytest.raises(Unavailable), play.store.brief_write_transaction() as connection:
        connection.execute(users.insert().values(email="bite", email_key="bite"))
        play.tamper(removed, ("-wal", "-shm"))
    assert play.ours("ours-1") is None
    play.store.close()
    assert in_file(play.path) >= {"ours-0", "ours-1"}


def test_a_long_wal_is_copied_between_the_bites_of_a_purge(play):
    play.ours("ours-0")
    before = play.path.read_bytes()
    play.store.copy_wal(10_000)
    assert play.path.read_bytes() == before
    play.store.copy_wal(1)
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


def test_the_lock_follows_a_symbolic_link(tmp_path):
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


def test_a_process_with_the_file_open_does_not_test_whether_others_have(play):
    """The test opens and closes the file, which releases the locks of this process."""
    play.ours("ours-0")
    play.tamper(removed, ("-wal", "-shm"))
    with pytest.raises(Unavailable):
        look(play.path, trace=False)
    assert play.another("used", play.path) == "ok True"


class TestAWalThatIsRemovedWhileTheDatabaseIsClosed:
    """An error has closed the database, and opening it failed, too: no connection has the `-wal`."""

    @pytest.fixture(params=[sqlite3.SQLITE_CANTOPEN, errno.EMFILE], ids=["CANTOPEN", "EMFILE"])
    def closed(self, play, monkeypatch, request):
        def refuse(*_, **__):
            if request.param == errno.EMFILE:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error

        play.ours("ours-0")
        with pytest.raises(Unavailable), play.store.transaction():
            raise full()
        with monkeypatch.context() as patch:
            patch.setattr("worker.store.sqlite.opened.connect", refuse)
            for _ in range(2):
                assert isinstance(play.ours("refused"), Unavailable)
        return play

    @pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm")], ids="".join)
    def test_loses_no_commit(self, closed, suffixes):
        closed.tamper(removed, suffixes)
        with capture_logs() as log:
            assert closed.ours("ours-1") is None
        assert [line["event"] for line in log] == ["store.files_replaced"]
        closed.store.close()
        assert in_file(closed.path) == {"ours-0", "ours-1"}

    def test_loses_none_when_the_worker_stops(self, closed):
        closed.tamper(removed, ("-wal",))
        closed.store.close()
        assert in_file(closed.path) == {"ours-0"}

    def test_loses_none_to_a_command(self, closed):
        closed.tamper(removed, ("-wal", "-shm"))
        with closed.store.write_transaction() as connection:
            connection.execute(users.insert().values(email="a", email_key="a"))
        assert in_file(closed.path) == {"ours-0", "a"}

    def test_hides_none_from_a_reader(self, closed):
        closed.tamper(removed, ("-wal", "-shm"))
        found = [user["email_key"] for user in all_users(closed.store, UserFilter())]
        assert found == ["ours-0"]

    @pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm")], ids="".join)
    def test_loses_no_commit_that_another_has_added_since(self, closed, suffixes):
        for number in range(3):
            assert closed.theirs(f"theirs-{number}") == "ok None"
        assert closed.another("die", closed.path) == "ok None"
        closed.tamper(removed, suffixes)
        assert closed.ours("ours-1") is None
        closed.store.close()
        assert in_file(closed.path) == closed.acknowledged

    def test_is_no_loss_where_another_has_added_to_it_and_copied_it(self, closed):
        assert closed.theirs("theirs-0") == "ok None"
        assert closed.another("die", closed.path) == "ok None"
        assert in_file(closed.path) == {"ours-0", "theirs-0"}
        assert closed.ours("ours-1") is None
        closed.store.close()
        assert in_file(closed.path) == closed.acknowledged

    def test_is_put_back_for_its_owner_alone(self, closed):
        closed.path.chmod(0o600)
        closed.tamper(removed, ("-wal",))
        closed.store.figures()
        assert Path(f"{closed.path}-wal").stat().st_mode & 0o777 == 0o600
        assert {file.name for file in closed.path.parent.iterdir()} == {
            "worker.db", "worker.db-wal", "worker.db-shm", "worker.db.lock",
        }  # fmt: skip

    def test_waits_for_room_to_be_put_back(self, closed):
        closed.tamper(removed, ("-wal",))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
        try:
            for _ in range(2):
                error = closed.ours("late")
                assert isinstance(error, Unavailable)
                assert not isinstance(error, CommitsLost)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert closed.ours("late") is None
        closed.store.close()
        assert in_file(closed.path) == {"ours-0", "late"}

    def test_is_no_loss_where_sqlite_itself_has_copied_and_removed_it(self, closed):
        """As the last connection of any program does when it closes."""
        assert in_file(closed.path) == {"ours-0"}
        assert not Path(f"{closed.path}-wal").exists()
        with capture_logs() as log:
            assert closed.ours("ours-1") is None
        assert not [line for line in log if line["log_level"] == "critical"]
        closed.store.close()
        assert in_file(closed.path) == {"ours-0", "ours-1"}

    @pytest.mark.parametrize("how", [replaced, renamed_and_back])
    def test_is_no_loss_where_it_is_back(self, closed, how):
        closed.tamper(how, ("-wal",))
        with capture_logs() as log:
            assert closed.ours("ours-1") is None
        assert log == []
        closed.store.close()
        assert in_file(closed.path) == {"ours-0", "ours-1"}

    def test_is_reported_as_lost_where_another_has_written_since(self, closed):
        closed.tamper(removed, ("-wal", "-shm"))
        assert closed.theirs("theirs-0") == "ok None"
        let_another_begin(closed.path)
        with capture_logs() as log:
            for _ in range(3):
                assert isinstance(closed.ours("ours-1"), CommitsLost)
        assert [line["event"] for line in log] == ["store.files_replaced", "store.commits_lost"]
        (lost,) = (line["error"] for line in log if line["event"] == "store.commits_lost")
        assert lost.startswith(f"Somebody removed {closed.path}-wal before their commits")
        with pytest.raises(CommitsLost):
            closed.store.close()
        assert closed.another("close", closed.path) == "ok None"
        assert in_file(closed.path) == {"theirs-0"}

    def test_may_still_be_saved_by_another_who_has_it_open(self, closed):
        closed.tamper(removed, ("-wal", "-shm"))
        closed.another("look", closed.path)
        error = closed.ours("ours-1")
        assert not isinstance(error, CommitsLost)
        assert "may save the commits within a minute" in str(error)
        let_another_begin(closed.path)
        assert isinstance(closed.ours("ours-1"), CommitsLost)

    def test_is_no_loss_where_a_backup_is_put_in_place_of_everything(self, closed):
        backup = closed.path.with_name("backup")
        ensure_schema(open_store(f"sqlite:///{backup}"), migrate=True)
        closed.tamper(removed, ("-wal", "-shm"))
        backup.replace(closed.path)
        assert closed.ours("ours-1") is None
        closed.store.close()
        assert in_file(closed.path) == {"ours-1"}

    def test_costs_no_commit_of_another_that_has_written_and_closed_since(self, closed):
        """To put the old pages back would destroy what is in the database file only."""
        closed.tamper(removed, ("-wal", "-shm"))
        assert closed.theirs("theirs-0") == "ok None"
        assert closed.another("close", closed.path) == "ok None"
        assert isinstance(closed.ours("ours-1"), CommitsLost)
        with pytest.raises(CommitsLost):
            closed.store.close()
        assert in_file(closed.path) == {"theirs-0"}

    @pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm")], ids="".join)
    def test_loses_no_commit_if_that_happens_while_it_is_opened(
        self, closed, suffixes, monkeypatch
    ):
        def opened(*arguments, **options):
            closed.tamper(removed, suffixes)
            return Opened(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr("worker.store.sqlite.writing.Opened", opened)
            assert "-wal was removed while the database was opened" in str(closed.ours("ours-1"))
        assert closed.ours("ours-2") is None
        closed.store.close()
        assert in_file(closed.path) == {"ours-0", "ours-2"}

    def test_is_not_put_back_by_a_reader_while_another_process_writes(self, closed, monkeypatch):
        monkeypatch.setattr("worker.store.sqlite.writing.REPLACING_SECONDS", 0.1)
        closed.tamper(removed, ("-wal",))
        with WriterLock(closed.path).held():
            with pytest.raises(Unavailable, match="nothing is written meanwhile"):
                closed.store.figures()
            assert not Path(f"{closed.path}-wal").exists()
        closed.store.figures()
        assert closed.acknowledged == in_file(closed.path) == {"ours-0"}

    def test_is_not_put_back_while_this_process_reads(self, closed, monkeypatch):
        monkeypatch.setattr("worker.store.sqlite.kept_wal.READERS_SECONDS", 0.1)
        with closed.store.read_transaction() as connection:
            connection.execute(select(users.c.id)).all()
            closed.tamper(renamed, ("-wal",))
            assert "this process reads the database" in str(closed.ours("ours-1"))
            closed.tamper(moved_back, ("-wal",))
        assert closed.ours("ours-1") is None
        closed.store.close()
        assert in_file(closed.path) == {"ours-0", "ours-1"}

    def test_is_on_the_disk_before_it_is_put_back(self, closed, monkeypatch):
        synced, sync = [], os.fsync

        def noting(descriptor):
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
            sync(descriptor)

        closed.tamper(removed, ("-wal",))
        monkeypatch.setattr(os, "fsync", noting)
        closed.store.figures()
        assert synced == ["worker.db-wal-restored", closed.path.parent.name]

    def test_stays_open_while_a_reader_looks_at_it(self, closed, monkeypatch):
        """Its descriptor would be closed, or be that of another file."""
        writer = threading.Thread(target=closed.ours, args=("ours-1",))
        waits = []

        def meanwhile(path):
            if not writer.ident:
                writer.start()
                writer.join(0.5)
                waits.append(writer.is_alive())
            return identity(path)

        closed.tamper(removed, ("-wal",))
        monkeypatch.setattr("worker.store.sqlite.kept_wal.identity", meanwhile)
        closed.store.figures()
        writer.join()
        assert waits == [True]
        closed.store.close()
        assert in_file(closed.path) == closed.acknowledged == {"ours-0", "ours-1"}

    def test_does_not_matter_to_a_reader_that_looks_after_the_writer_has_opened_the_file(
        self, closed, monkeypatch
    ):
        looks = KeptWal.is_in_place

        def afterwards(kept):
            monkeypatch.setattr(KeptWal, "is_in_place", looks)
            assert closed.ours("ours-1") is None
            return looks(kept)

        monkeypatch.setattr(KeptWal, "is_in_place", afterwards)
        closed.store.figures()
        closed.store.close()
        assert in_file(closed.path) == {"ours-0", "ours-1"}

    def test_that_is_in_place_is_left_there_without_the_lock_when_the_worker_stops(self, closed):
        with WriterLock(closed.path).held():
            closed.store.close()
        assert in_file(closed.path) == {"ours-0"}

    def test_that_cannot_be_put_back_when_the_worker_stops_is_an_error(self, closed):
        closed.tamper(removed, ("-wal",))
        with (
            WriterLock(closed.path).held(),
            pytest.raises(Unavailable, match="nothing is written meanwhile"),
        ):
            closed.store.close()

    def test_leaves_no_descriptor_open(self, closed):
        closed.tamper(removed, ("-wal",))
        assert closed.ours("ours-1") is None
        closed.store.close()
        assert not [file for file in open_files() if file.startswith(str(closed.path))]


def open_files():
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            yield str(descriptor.readlink())


class TestAWalWithoutItsDatabase:
    """Somebody removed only the database, and the worker was stopped since."""

    @pytest.fixture(params=["gone", "empty"])
    def left(self, play, path, request):
        play.ours("ours-0")
        play.store._writing.drop()
        path.unlink()
        if request.param == "empty":  # SQLite destroys the -wal of an empty database, too
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
            lambda store: store.write_transaction().__enter__(),
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

    def test_is_reported_as_an_access_problem(self, path, left):
        found = open_store(f"sqlite:///{path}").access_problem()
        assert found.message == f"The database {path} is gone, and its -wal is still there"
        assert "put the backup back and remove worker.db-wal and worker.db-shm" in found.fix


def test_with_both_removed_an_empty_database_is_made(play, path):
    play.ours("ours-0")
    play.store._writing.drop()
    play.tamper(removed, ("", "-wal", "-shm"))
    ensure_schema(open_store(f"sqlite:///{path}"), migrate=True)
    assert in_file(path) == set()
