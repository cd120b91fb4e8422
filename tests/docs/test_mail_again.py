"""Mail to somebody again: the statements of the page, on both databases, and what comes after."""

import shlex
import subprocess
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from support import mail
from support.documents import blocks, text_of

DOCUMENT = text_of("docs/troubleshooting.md")
SECTION = DOCUMENT[DOCUMENT.index("## Mail to somebody again") :].partition("\n## ")[0]
PAUSED, BLOCKED, NO_USER = blocks(SECTION, "sql")
JANE = "jane@example.com"
NOW = datetime.now(UTC)


def ago(**time):
    return (NOW - timedelta(**time)).isoformat()


def paste(url, statements):
    if url.startswith("sqlite"):
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(statements)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statements)


@pytest.fixture
def happens(run, emulator, queue, either_store):
    """Messages arrive and are processed; returns whether Jane may be mailed afterwards."""

    def happens(*bodies):
        for body in bodies:
            emulator.send(queue, body)
        if bodies:
            run("drain")
        return run("may-send", JANE).status == 0

    return happens


@pytest.fixture
def user(run, either_store):
    run("users", "import", "-", input=f"email\n{JANE}\n")


def test_the_documented_command_lifts_a_pause_for_good(user, happens, run):
    assert not happens(mail.bounce(JANE, at=ago(hours=2)))
    command, _ = blocks(SECTION, "sh")
    assert run(*shlex.split(command)[1:]).status == 0
    assert happens(mail.complaint(JANE, at=ago(days=3))), "from before, and late"
    assert not happens(mail.bounce(JANE, at=datetime.now(UTC).isoformat()))


def test_a_pause_is_lifted_and_only_something_new_pauses_again(user, happens, environment):
    bounce = mail.bounce(JANE, at=ago(hours=2), feedback_id="f", message_id="m")
    assert not happens(bounce)
    paste(environment["SES_WORKER_STORE__URL"], PAUSED)
    assert happens()
    assert happens(bounce), "the same event once more"
    assert happens(mail.bounce(JANE, at=ago(hours=3))), "an older bounce"
    assert happens(mail.bounce(JANE, at=ago(hours=1), subtype="Suppressed")), "SES's refusal"
    assert not happens(mail.bounce(JANE, at=ago(minutes=1))), "a later bounce"


def test_a_block_is_lifted_and_a_later_complaint_blocks_again(user, happens, environment):
    assert not happens(mail.complaint(JANE, at=ago(hours=2)), mail.bounce(JANE, at=ago(hours=2)))
    paste(environment["SES_WORKER_STORE__URL"], BLOCKED)
    assert happens()
    late = mail.complaint(JANE, at=ago(days=3))
    assert not happens(late), "about a mail from before"


def test_an_address_that_is_no_user_becomes_a_user_whose_row_decides(happens, environment, run):
    assert not happens(mail.complaint(JANE, at=ago(hours=2)))
    paste(environment["SES_WORKER_STORE__URL"], NO_USER)
    assert happens()
    assert run("users", "show", JANE).status == 0
    assert not happens(mail.bounce(JANE, at=ago(minutes=1)))
    run("users", "remove", JANE)
    assert not happens(), "without a user the events decide"


def test_a_user_who_was_there_is_left_alone_by_the_statement_for_other_addresses(
    user, happens, environment
):
    assert not happens(mail.bounce(JANE, at=ago(hours=2)))
    paste(environment["SES_WORKER_STORE__URL"], NO_USER)
    assert not happens()


def test_with_sqlite_the_document_stops_the_worker_and_writes_as_its_user(
    run, emulator, queue, tmp_path
):
    """The statement is typed into sqlite3; what stands for the service is nobody's."""
    run("users", "import", "-", input=f"email\n{JANE}\n")
    emulator.send(queue, mail.bounce(JANE, at=ago(hours=2)))
    run("drain")
    assert run("may-send", JANE).status == 3
    _, block = blocks(SECTION, "sh")
    stop, write, start = block.splitlines()
    assert (stop, start) == ("systemctl stop ses-worker", "systemctl start ses-worker")
    write = write.replace("/var/lib/ses-worker/ses-worker.db", str(tmp_path / "worker.db"))
    assert write.startswith("runuser -u ses-worker -- ")
    as_us = write.removeprefix("runuser -u ses-worker -- ")
    subprocess.run(["sh", "-c", as_us], input=PAUSED, text=True, check=True)
    assert run("may-send", JANE).status == 0
