"""Leases that run out, and a wall clock that leaps: F19 and F28 of tests/FAULTS.md."""

import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import mail
import pytest
from running import patched
from twin import CHANGE_VISIBILITY, INTERNAL_ERROR, SERVICE_UNAVAILABLE
from waiting import wait_until

from worker.demo.standins.slack_faults import broken
from worker.store.locks import WriterLock

DAY = 86_400
LEAPS = pytest.mark.parametrize("leap", [DAY, -DAY], ids=["on", "back"])
QUICKLY = 400
LEAPING = f"""
import datetime, pathlib, time, worker.retries
slow = worker.retries.back_off
worker.retries.back_off = lambda attempt: slow(attempt) / {QUICKLY}
worker.retries.effect_delay = lambda attempts: 0.5

import worker.app.effects, worker.queue, worker.store.levels, worker.suppression.remover

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
for module in (worker.app.effects, worker.queue, worker.store.levels, worker.suppression.remover):
    module.datetime = Leaping
"""
"""The clock that can be set is so far ahead as the file `leap` says; the others are as they were."""


@pytest.fixture
def leaping(daemon, run, tmp_path):
    """Start a daemon whose wall clock can be made to leap."""
    run("db", "upgrade")

    def begin():
        worker = daemon(program=patched(LEAPING))
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
    """Books that somebody else is writing in."""
    path = Path(environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///"))
    with ExitStack() as turn:
        turn.enter_context(WriterLock(path).held())
        yield


def last_line(worker):
    assert worker.stop()[0] == 0
    return worker.lines[-1]


@pytest.mark.parametrize("leap", [0, DAY, -DAY], ids=["", "on", "back"])
def test_one_whose_lease_ran_out_is_deleted_by_its_second_delivery_alone(
    leaping, twin, queue, books, environment, leap
):
    """F19: nobody extends it; and F28: it ends on time whatever the wall clock says."""
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "2"
    twin.faults.add(INTERNAL_ERROR, on=CHANGE_VISIBILITY)
    worker = leaping()
    with locked(environment):
        sent = twin.send(queue, mail.bounce("jane@example.com"))
        assert twin.wait_for(lambda: twin.journal.requests("ChangeMessageVisibilityBatch"))
        leaping.leap(leap)
        assert twin.wait_for(lambda: twin.counts(queue).visible, seconds=20)
        time.sleep(0.1)
    worker.wait_for("leases.ended")
    assert twin.wait_for(lambda: not twin.messages(queue), seconds=20)
    fate = twin.journal.fate(sent)
    assert (fate.received >= 2, fate.deleted, fate.stale_deletes) == (True, True, 0)
    assert books.count("events") == 1
    assert '"applied":1,"duplicate":' in last_line(worker)


class TestALeap:
    """F28."""

    @LEAPS
    def test_ends_no_lease(self, leaping, twin, queue, books, environment, leap):
        worker = leaping()
        with locked(environment):
            sent = twin.send(queue, mail.bounce("jane@example.com"))
            assert twin.wait_for(lambda: twin.counts(queue).in_flight)
            time.sleep(0.3)  # until it is known here too
            leaping.leap(leap)
            time.sleep(0.3)  # what would run out, would by now
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=20)
        assert twin.journal.fate(sent).received == 1
        assert '"applied":1,"duplicate":0' in last_line(worker)

    @LEAPS
    def test_stalls_no_back_off(self, leaping, twin, queue, leap):
        rule = twin.faults.add(SERVICE_UNAVAILABLE)
        leaping().wait_for("queue.unavailable")
        leaping.leap(leap)
        asked = len(twin.journal.requests())
        time.sleep(0.5)
        assert len(twin.journal.requests()) - asked < 40, "nor makes it spin"
        rule.stop()
        assert twin.wait_for(lambda: twin.long_polls, seconds=20)

    def test_stalls_no_outage_of_the_books(self, leaping, twin, queue, books, tmp_path):
        worker = leaping()
        assert twin.wait_for(lambda: twin.long_polls)
        with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
            other.execute("ALTER TABLE events RENAME COLUMN status TO dsn_status")
            twin.send(queue, mail.bounce("jane@example.com"))
            worker.wait_for("store.unavailable")
            leaping.leap(-DAY)
            time.sleep(0.3)  # until it has looked again
            other.execute("ALTER TABLE events RENAME COLUMN dsn_status TO status")
        assert twin.wait_for(lambda: not twin.messages(queue), seconds=20)
        assert books.count("events") == 1

    @LEAPS
    def test_stalls_no_effect_and_no_limit(
        self, leaping, twin, queue, slack, ses, environment, leap
    ):
        environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["@example.com"]'
        slack.always = broken(503)
        ses.list_address("jane@example.com")
        worker = leaping()
        twin.send(queue, mail.bounce("jane@example.com"))
        wait_until(lambda: not ses.listed)
        worker.wait_for("effect.postponed")
        leaping.leap(leap)
        slack.always = None
        ses.list_address("joan@example.com")
        twin.send(queue, mail.bounce("joan@example.com"))
        wait_until(lambda: not ses.listed)
        wait_until(lambda: {"BOUNCE", "DELETE"} == {told(post) for post in slack.posts})
        wait_until(lambda: len(slack.posts) == 4)


def told(post):
    return post["text"].partition(":")[0]
