"""`ses-worker may-send`: an exit status that an application can go by."""

import os
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import mail
from support.running import to_its_end

NOW = datetime.now(UTC)


def drained(run, emulator, queue, *bodies):
    for body in bodies:
        emulator.send(queue, body)
    run("drain")


def recent(days=0):
    return (NOW - timedelta(days=days)).isoformat()


def test_a_user_and_somebody_else_who_complained_and_people_who_did_not(
    run, emulator, queue, either_store
):
    run("users", "import", "-", input="email\njane@example.com\nanna@example.com\n")
    bodies = (
        mail.complaint("jane@example.com"),
        mail.complaint("unknown@example.com"),
        mail.bounce("paused@example.com", at=recent()),
        mail.bounce("over@example.com", at=recent(40)),
    )
    drained(run, emulator, queue, *bodies)
    expected = {
        "jane@example.com": (3, True, True, "auto_block_spam"),
        "anna@example.com": (0, True, True, None),
        "unknown@example.com": (3, True, False, "auto_block_spam"),
        "paused@example.com": (3, True, False, "hard_bounce"),
        "over@example.com": (0, True, False, None),
        "nobody@example.com": (0, False, False, None),
    }
    for address, (status, known, user, reason) in expected.items():
        done = run("may-send", address, "--json")
        until = done.json.pop("until") if status != 3 else done.json["until"]
        assert (done.status, done.json) == (
            status,
            {
                "address": address,
                "may_send": status == 0,
                "known": known,
                "user": user,
                "reason": reason,
                "until": until,
                "forgotten_at": None,
            },
        ), done.err
        assert bool(until) == (reason == "hard_bounce")


def test_it_answers_in_a_sentence(run, emulator, queue):
    run("users", "import", "-", input="email\nanna@example.com\n")
    at = "2999-01-01T00:00:00Z"  # which is the time of receipt
    drained(run, emulator, queue, mail.complaint("jane@example.com"), mail.bounce("joe@b.c", at=at))
    until = (NOW + timedelta(days=30)).strftime("%Y-%m-%d")
    assert run("may-send", "anna@example.com").out == (
        "yes: anna@example.com, a user, is neither paused nor blocked\n"
    )
    assert run("may-send", "jane@example.com").out == (
        "no: jane@example.com, no user, is blocked, without an end (auto_block_spam)\n"
    )
    assert run("may-send", "joe@b.c").out.startswith(
        f"no: joe@b.c, no user, is paused until {until}"
    )
    assert run("may-send", "nobody@b.c").out == (
        "yes: nobody@b.c is unknown: no user, and no event on record\n"
    )


def test_people_who_are_no_users_are_judged_by_the_policy_of_the_worker_that_began_last(
    run, emulator, queue
):
    drained(run, emulator, queue, mail.bounce("jane@example.com", at=recent(10)))
    assert run("may-send", "jane@example.com").status == 3
    run("drain", SES_WORKER_POLICY__HARD_BOUNCE_PAUSE_DAYS="5")
    assert run("may-send", "jane@example.com").status == 0
    run("dlq", "replay", SES_WORKER_POLICY__HARD_BOUNCE_PAUSE_DAYS="30")
    assert run("may-send", "jane@example.com").status == 3
    run("dlq", "replay", "--dry-run", SES_WORKER_POLICY__HARD_BOUNCE_PAUSE_DAYS="5")
    run(
        "users",
        "import",
        "-",
        input="email\na@b.c\n",
        SES_WORKER_POLICY__HARD_BOUNCE_PAUSE_DAYS="5",
    )
    assert run("may-send", "jane@example.com").status == 3


@pytest.mark.parametrize(
    "spelling", ["JANE@Example.COM", " jane@example.com. ", "Jane Doe <jane@example.com>"]
)
def test_every_spelling_of_an_address_is_the_same_person(run, emulator, queue, spelling):
    drained(run, emulator, queue, mail.complaint("jane@example.com"))
    assert run("may-send", spelling).status == 3


@pytest.mark.parametrize("text", ["", "jane", "jane@", "a@b.c, d@e.f"])
def test_what_is_no_address_is_wrong_usage(run, text):
    run("db", "upgrade")
    done = run("may-send", text)
    assert (done.status, done.out, "is no usable address" in done.err) == (2, "", True)


class TestNoAnswer:
    """It says what to make of that."""

    def test_without_a_database_and_none_is_made(self, run, tmp_path):
        done = run("may-send", "jane@example.com", "--json")
        assert (done.status, done.out) == (1, "")
        assert done.err.rstrip().endswith(". This is no answer: treat it as no")
        assert [*tmp_path.iterdir()] == []

    def test_from_a_database_that_cannot_be_read(self, run, tmp_path):
        (tmp_path / "worker.db").write_bytes(b"nonsense" * 1_000)
        done = run("may-send", "jane@example.com")
        assert (done.status in {1, 78}, done.out) == (True, "")
        assert done.err.rstrip().endswith(". This is no answer: treat it as no")

    def test_from_an_unreachable_server(self, run, environment):
        environment["SES_WORKER_STORE__URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
        done = run("may-send", "jane@example.com")
        assert (done.status, done.out) == (1, "")
        assert done.err.rstrip().endswith(". This is no answer: treat it as no")


def test_it_answers_while_the_daemon_runs_and_changes_nothing(
    daemon, run, emulator, queue, database
):
    worker = daemon()
    worker.wait_for("worker.started")
    emulator.send(queue, mail.complaint("jane@example.com"))
    emulator.wait_for(lambda: not emulator.messages(queue))
    assert run("may-send", "jane@example.com").status == 3
    assert (database.count("events"), database.count("users")) == (1, 0)
    assert worker.stop()[0] == 0


AS_NOBODY = """
import os, sys
from worker.cli import main
def ask():
    try:
        main(["may-send", "jane@example.com"])
    except SystemExit as end:
        return end.code
ask()  # imports everything that nobody may not read
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(ask())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_an_account_that_may_only_read_is_answered(run, environment, emulator, queue):
    with tempfile.TemporaryDirectory() as folder:
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{folder}/worker.db"
        drained(run, emulator, queue, mail.complaint("jane@example.com"))
        files = [Path(folder), *Path(folder).iterdir()]
        for file in files:
            file.chmod(0o755 if file.is_dir() else 0o644)
        before = contents(folder)
        done = to_its_end([sys.executable, "-c", AS_NOBODY], environment, folder)
        sentence = "no: jane@example.com, no user, is blocked, without an end (auto_block_spam)\n"
        assert (done.status, done.out) == (3, sentence * 2), done.err
        assert contents(folder) == before


def contents(folder):
    """The files of a database but for the locks of its readers."""
    return {
        file.name: b"" if file.name.endswith("-shm") else file.read_bytes()
        for file in Path(folder).iterdir()
    }


def test_the_view_answers_a_plain_sqlite_connection(run, emulator, queue, tmp_path):
    drained(run, emulator, queue, mail.complaint("jane@example.com"))
    with sqlite3.connect(f"file:{tmp_path}/worker.db?mode=ro", uri=True) as connection:
        query = "SELECT email_key, email, reason, until FROM do_not_mail"
        assert connection.execute(query).fetchall() == [
            ("jane@example.com", "jane@example.com", "auto_block_spam", None)
        ]
