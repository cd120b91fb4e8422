"""`db purge`, and the daemon's purge: what operators see of it, on full disks and after kills too."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from support import mail
from support.running import patched
from support.waiting import wait_until

from worker.core.errors import Unavailable
from worker.core.policy import Policy
from worker.core.retention import Retention
from worker.store import open_store
from worker.store.purging import Purge, moment_of

JANE, NO_USER = "jane@example.com", "unknown@example.com"
PURGES_OFTEN = """
import worker.service.purger as p
from datetime import timedelta
p.EVERY_SECONDS, p.EVERY = 0.1, timedelta(0)
"""


def execute(environment, *statements):
    url = environment["SES_WORKER_STORE__URL"]
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


AGE = (
    "UPDATE events SET received_at = '2025-01-02 00:00:00.000000',"
    " occurred_at = '2025-01-01 00:00:00.000000'"
)


def send(run, emulator, queue, *bodies):
    for body in bodies:
        emulator.send(queue, body)
    return run("drain", "--json").json


BODIES = [
    mail.bounce(JANE, feedback_id="j", message_id="j", at="2025-01-01T00:00:00Z"),
    mail.complaint(NO_USER, feedback_id="s", message_id="s", at="2025-01-01T00:00:00Z"),
]


@pytest.mark.usefixtures("either_store")
def test_a_dry_run_says_what_a_purge_then_does_and_a_purge_leaves_duplicates(
    run, emulator, queue, database, environment
):
    run("users", "import", "-", input=f"email\n{JANE}\n")
    assert send(run, emulator, queue, *BODIES)["applied"] == 2
    execute(environment, AGE)
    dry = run("db", "purge", "--dry-run", "--now", "--json").json
    # The newest of all, the complaint, is not even looked at.
    assert (dry["removed"]["events"], dry["kept"], dry["dry_run"]) == (1, 0, True)
    assert database.count("events") == 2
    assert "not announced yet" in run("db", "purge", "--dry-run").out
    announced = run("db", "purge", "--json").json
    assert "announced: none goes before" in run("db", "purge", "--dry-run").out
    assert announced["removed"]["events"] == 0
    assert announced["beyond"]["events"]["rows"] == 2
    assert announced["beyond"]["events"]["announced_until"]
    assert database.count("events") == 2
    done = run("db", "purge", "--now", "--yes", "--json").json
    assert done["removed"] == dry["removed"]
    assert (database.count("events"), database.count("kept_keys")) == (1, 2)
    assert send(run, emulator, queue, *BODIES)["duplicate"] == 2
    assert run("may-send", NO_USER).status == 3
    status = run("db", "status", "--json").json["retention"]
    assert (status["events_days"], status["last_purge"] is not None) == (90, True)
    assert (
        "events are kept 90 days, SES's messages 14 days, keys of events 400 days; last purge"
        in (run("db", "status").out)
    )


def test_now_asks_for_a_confirmation(run):
    run("db", "upgrade")
    done = run("db", "purge", "--now")
    assert done.status == 2
    assert "use --yes" in done.err
    assert run("db", "purge", "--now", "--yes").status == 0


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("KEYS_DAYS", "20", "retention.keys_days = 20 is too short"),
        ("KEYS_DAYS", "60", "retention.keys_days = 60 is below retention.events_days = 90"),
        ("EVENTS_DAYS", "-1", "retention.events_days"),
    ],
)
def test_a_retention_below_what_recognises_a_repetition_is_refused(run, name, value, sentence):
    done = run("db", "purge", **{f"SES_WORKER_RETENTION__{name}": value})
    assert done.status == 78
    assert sentence in done.err


def test_check_says_what_is_kept_how_long_and_what_will_go(
    run, emulator, queue, database, environment
):
    def found():
        checks = run("check", "--json").json["checks"]
        return next(item for item in checks if item["check"] == "retention")

    send(run, emulator, queue, *BODIES)
    assert found()["status"] == "ok"
    assert "events are kept 90 days" in found()["message"]
    execute(environment, AGE)
    assert (found()["status"], "2 events are older" in found()["message"]) == ("note", True)
    assert "retention.events_days" in found()["fix"]


@pytest.mark.usefixtures("either_store")
def test_the_daemon_purges_and_announces_what_is_much(
    daemon, run, emulator, queue, database, environment
):
    run("users", "import", "-", input=f"email\n{JANE}\n")
    send(run, emulator, queue, *BODIES)
    worker = daemon(program=patched(PURGES_OFTEN))
    worker.wait_for("worker.started")
    wait_until(lambda: database.rows("SELECT * FROM progress WHERE name = 'retention'"))
    execute(environment, AGE)
    worker.wait_for("purge.finished")
    assert [row["recipient"] for row in database.rows("SELECT recipient FROM events")] == [NO_USER]
    execute(environment, "DELETE FROM progress WHERE name = 'retention'")
    worker.wait_for("purge.announced")
    (line, *_) = [json.loads(line) for line in worker.lines if "purge.announced" in line]
    assert (line["what"], line["rows"]) == ("events", 1)
    assert worker.stop()[0] == 0
    assert all("jane" not in line for line in worker.lines)


def test_a_disk_that_fills_up_in_mid_purge_loses_nothing(
    run, emulator, queue, small_disk, database, environment
):
    environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
    people = [f"p{number}@example.com" for number in range(300)]
    bodies = [
        mail.bounce(who, feedback_id=who, message_id=who, at="2025-01-01T00:00:00Z")
        for who in people
    ]
    assert send(run, emulator, queue, *bodies)["applied"] == 300
    execute(environment, AGE)
    newest = mail.complaint(NO_USER, feedback_id="s", message_id="s")  # the newest always stays
    send(run, emulator, queue, newest)
    small_disk.leave(600_000)
    done = run("db", "purge", "--now", "--yes")
    assert done.status == 1
    (sentence,) = [line for line in done.err.splitlines() if line.startswith("ses-worker: ")]
    assert f"the disk of {small_disk.path} is full" in sentence
    assert (database.count("events"), database.count("kept_keys")) == (301, 0)
    small_disk.empty()
    with closing(open_store(environment["SES_WORKER_STORE__URL"])) as store:
        work = Purge(store, Retention(), Policy(), moment_of(store))
        work.announce(at_once=True)
        bites = work.bites()
        while not work.removed["events"]:
            next(bites)
        small_disk.leave(600_000)
        with pytest.raises(Unavailable, match="is full"):
            list(bites)
    gone = work.removed["events"]
    assert 0 < gone < 300
    assert (database.count("events"), database.count("kept_keys")) == (301 - gone, 2 * gone)
    small_disk.empty()
    assert run("db", "purge", "--now", "--yes").status == 0
    assert (database.count("events"), database.count("kept_keys")) == (1, 600)
    assert send(run, emulator, queue, *bodies)["duplicate"] == 300


def test_what_a_purge_removes_leaves_the_wal_too(run, emulator, queue, environment):
    """A copy of the file alone, while nothing runs, has nobody who was purged."""
    run("users", "import", "-", input=f"email\n{JANE}\n")
    many = [
        mail.bounce(JANE, feedback_id=f"j{n}", message_id=f"j{n}", at="2025-01-01T00:00:00Z")
        for n in range(60)
    ]
    assert send(run, emulator, queue, *many)["applied"] == 60
    execute(environment, AGE)
    assert run("db", "purge", "--now", "--yes", "--json").json["removed"]["events"] > 50
    wal = Path(environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///") + "-wal")
    assert not wal.exists() or wal.stat().st_size == 0
