"""Leases that run out, and a wall clock that leaps or is wrong: F19 and F28 of tests/FAULTS.md."""

import json
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import mail
from support.running import patched
from support.waiting import wait_until

from simulators.slack.faults import broken
from simulators.sqs import CHANGE_VISIBILITY, INTERNAL_ERROR, SERVICE_UNAVAILABLE
from worker.store.locks import WriterLock

DAY = 86_400
LEAPS = pytest.mark.parametrize("leap", [DAY, -DAY], ids=["on", "back"])
QUICKLY = 400
LEAPING = f"""
import datetime, pathlib, time, worker.timing.clock, worker.timing.retries
slow = worker.timing.retries.back_off
worker.timing.retries.back_off = lambda attempt: slow(attempt) / {QUICKLY}
worker.timing.retries.effect_delay = lambda attempts: 0.5

import worker.app.effects, worker.ses.suppression.remover

def ahead():
    try:
        return float(pathlib.Path("leap").read_text())
    except FileNotFoundError:
        return 0.0

class Leaping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + datetime.timedelta(seconds=ahead())

wall = time.time
time.time = lambda: wall() + ahead()
for module in (worker.timing.clock, worker.app.effects, worker.ses.suppression.remover):
    module.datetime = Leaping
"""
"""The clock that can be set is so far ahead as the file `leap` says; the others are as they
were."""


@pytest.fixture
def leaping(daemon, run, tmp_path):
    """Start a daemon whose wall clock can be made to leap."""
    run("db", "upgrade")

    def begin(more="", **changes):
        worker = daemon(program=patched(LEAPING + more), **changes)
        worker.wait_for("worker.started")
        return worker

    def leap(seconds):
        part = tmp_path / "leap.part"
        part.write_text(str(seconds))
        part.rename(tmp_path / "leap")

    begin.leap = leap
    return begin


@contextmanager
def locked(environment):
    """Store that somebody else is writing in."""
    path = Path(environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///"))
    with ExitStack() as lock:
        lock.enter_context(WriterLock(path).held())
        yield


def last_line(worker):
    assert worker.stop()[0] == 0
    return worker.lines[-1]


@pytest.mark.parametrize("leap", [0, DAY, -DAY], ids=["", "on", "back"])
def test_a_message_whose_lease_ran_out_is_deleted_by_its_second_delivery_only(
    leaping, emulator, queue, database, environment, leap
):
    """F19: nobody extends it; and F28: it ends on time whatever the wall clock says."""
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "2"
    emulator.faults.add(INTERNAL_ERROR, on=CHANGE_VISIBILITY)
    worker = leaping()
    with locked(environment):
        sent = emulator.send(queue, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: emulator.journal.requests("ChangeMessageVisibilityBatch"))
        leaping.leap(leap)
        assert emulator.wait_for(lambda: emulator.counts(queue).visible, seconds=20)
        time.sleep(0.1)
    worker.wait_for("message.visibility_expired")
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=20)
    fate = emulator.journal.fate(sent)
    assert (fate.received >= 2, fate.deleted, fate.stale_deletes) == (True, True, 0)
    assert database.count("events") == 1
    assert '"applied":1,"duplicate":' in last_line(worker)


class TestALeap:
    """F28."""

    @LEAPS
    def test_ends_no_lease(self, leaping, emulator, queue, database, environment, leap):
        worker = leaping()
        with locked(environment):
            sent = emulator.send(queue, mail.bounce("jane@example.com"))
            assert emulator.wait_for(lambda: emulator.counts(queue).in_flight)
            time.sleep(0.3)  # until it is known here too
            leaping.leap(leap)
            time.sleep(0.3)  # what would run out, would by now
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=20)
        assert emulator.journal.fate(sent).received == 1
        assert '"applied":1,"duplicate":0' in last_line(worker)

    @LEAPS
    def test_stalls_no_back_off(self, leaping, emulator, queue, leap):
        rule = emulator.faults.add(SERVICE_UNAVAILABLE)
        leaping().wait_for("queue.unavailable")
        leaping.leap(leap)
        requested = len(emulator.journal.requests())
        time.sleep(0.5)
        assert len(emulator.journal.requests()) - requested < 40, "nor makes it spin"
        rule.stop()
        assert emulator.wait_for(lambda: emulator.long_polls, seconds=20)

    def test_stalls_no_outage_of_the_store(self, leaping, emulator, queue, database, tmp_path):
        worker = leaping()
        assert emulator.wait_for(lambda: emulator.long_polls)
        with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
            other.execute("ALTER TABLE events RENAME COLUMN recipient_as_reported TO as_reported")
            emulator.send(queue, mail.bounce("jane@example.com"))
            worker.wait_for("store.unavailable")
            leaping.leap(-DAY)
            time.sleep(0.3)  # until it has looked again
            other.execute("ALTER TABLE events RENAME COLUMN as_reported TO recipient_as_reported")
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=20)
        assert database.count("events") == 1

    @LEAPS
    def test_stalls_no_effect_and_no_limit(
        self, leaping, emulator, queue, slack, ses, environment, leap
    ):
        environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["@example.com"]'
        slack.always = broken(503)
        ses.list_address("jane@example.com")
        worker = leaping()
        emulator.send(queue, mail.bounce("jane@example.com"))
        wait_until(lambda: not ses.listed)
        worker.wait_for("effect.postponed")
        leaping.leap(leap)
        slack.always = None
        ses.list_address("joan@example.com")
        emulator.send(queue, mail.bounce("joan@example.com"))
        wait_until(lambda: not ses.listed)
        wait_until(lambda: {"BOUNCE", "DELETE"} == {reported(post) for post in slack.posts})
        wait_until(lambda: len(slack.posts) == 4)


READ_OFTEN = "import worker.sqs.client.skew\nworker.sqs.client.skew.READ_EVERY_SECONDS = 0.1\n"


class TestAClockThatIsBehind:
    """F28."""

    @pytest.mark.parametrize(("days", "at"), [(1, "now"), (40, "unreadable")])
    def test_shortens_no_pause_delays_no_notice_and_is_reported(
        self, leaping, emulator, queue, slack, database, environment, either_client, days, at
    ):
        environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "create"
        leaping.leap(-days * DAY)
        now = datetime.now(UTC)
        output = now.isoformat() if at == "now" else "soon"
        for type in ("Permanent", "Transient"):
            emulator.send(queue, mail.bounce(f"{type}@example.com", type=type, at=output))
        worker = leaping(READ_OFTEN)
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        for type, kind, pause in (("permanent", "hard", 30), ("transient", "soft", 1)):
            user = database.user(f"{type}@example.com")
            began = moment(user[f"last_{kind}_bounce"])
            assert abs((began - now).total_seconds()) < 20
            assert moment(user["paused_until"]) == began + timedelta(days=pause)
        wait_until(lambda: len(slack.posts) == 2)
        worker.wait_for("clock.skewed")
        leaping.leap(0)
        worker.wait_for("clock.corrected")
        events = [json.loads(line)["event"] for line in worker.lines if line.startswith("{")]
        assert [event for event in events if event.startswith("clock.")] == [
            "clock.skewed", "clock.corrected",
        ]  # fmt: skip

    def test_is_a_problem_that_leaves_the_worker_ready(self, leaping, emulator, tmp_path):
        emulator.date_ahead = 40 * DAY
        file = tmp_path / "health.json"
        worker = leaping(READ_OFTEN, SES_WORKER_HEALTH__FILE=str(file))
        worker.wait_for("clock.skewed")
        wait_until(lambda: json.loads(file.read_text())["problems"], seconds=15)
        output = json.loads(file.read_text())
        assert output["ready"]
        (problem,) = output["problems"]
        assert problem["what"] == "clock"
        assert problem["error"].startswith("the clock of this machine is 40 days behind SQS's")

    def test_is_not_reported_without_a_date_in_answers(self, leaping, emulator, queue):
        emulator.date_ahead = None
        worker = leaping(READ_OFTEN)
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        assert worker.stop()[0] == 0
        assert not any('"clock.' in line for line in worker.lines)


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def reported(post):
    return post["text"].partition(":")[0]
