"""Leases as SQS sees them: extended while we are at work, and never used once they have run out."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import mail

from worker.store.locks import WriterLock

CHANGE = "ChangeMessageVisibilityBatch"
DELETE = "DeleteMessageBatch"
VISIBILITY = 2


@pytest.fixture
def lock(environment, run):
    """Begin to write in the store; what is returned has them free again."""
    run("db", "upgrade")
    path = Path(environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///"))
    with ExitStack() as held:

        def lock():
            held.enter_context(WriterLock(path).held())
            return held.close

        yield lock


@pytest.fixture
def short(environment):
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = str(VISIBILITY)


def test_a_message_that_waits_for_the_store_stays_ours(
    daemon, emulator, queue, database, short, lock
):
    worker = daemon()
    assert emulator.wait_for(lambda: emulator.long_polls)
    free = lock()
    sent = emulator.send(queue, mail.bounce("jane@example.com"))
    assert emulator.wait_for(lambda: len(emulator.journal.requests(CHANGE)) >= 3, seconds=20)
    free()
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=20)
    assert emulator.journal.fate(sent).received == 1
    assert database.count("events") == 1
    worker.process.kill()


def test_a_suspended_worker_settles_nothing_with_its_old_handle(
    daemon, emulator, queue, database, run, short, lock
):
    """Meanwhile somebody else has had the message, and has done with it."""
    worker = daemon()
    assert emulator.wait_for(lambda: emulator.long_polls)
    free = lock()
    sent = emulator.send(queue, mail.bounce("jane@example.com"))
    assert emulator.wait_for(lambda: emulator.journal.requests(CHANGE), seconds=20)
    worker.process.send_signal(signal.SIGSTOP)
    free()
    assert emulator.wait_for(lambda: emulator.counts(queue).visible, seconds=20)
    assert run("drain", "--json").json["applied"] == 1
    deleted = len(emulator.journal.requests(DELETE))
    time.sleep(0.1)
    worker.process.send_signal(signal.SIGCONT)
    worker.wait_for("message.visibility_expired")
    status, _ = worker.stop()
    assert status == 0
    assert len(emulator.journal.requests(DELETE)) == deleted
    assert emulator.journal.fate(sent).received == 2
    assert database.count("events") == 1
    assert '"duplicate":1' in worker.lines[-1]
