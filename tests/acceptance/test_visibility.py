"""Leases as SQS sees them: extended while we are at work, and never used once they have run out."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import mail
import pytest

from worker.store.locks import WriterLock

CHANGE = "ChangeMessageVisibilityBatch"
DELETE = "DeleteMessageBatch"
VISIBILITY = 2


@pytest.fixture
def lock(environment, run):
    """Begin to write in the books; what is returned has them free again."""
    run("db", "upgrade")
    path = Path(environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///"))
    with ExitStack() as turn:

        def lock():
            turn.enter_context(WriterLock(path).held())
            return turn.close

        yield lock


@pytest.fixture
def short(environment):
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = str(VISIBILITY)


def test_a_message_that_waits_for_the_books_stays_ours(daemon, twin, queue, books, short, lock):
    worker = daemon()
    assert twin.wait_for(lambda: twin.long_polls)
    free = lock()
    sent = twin.send(queue, mail.bounce("jane@example.com"))
    assert twin.wait_for(lambda: len(twin.journal.requests(CHANGE)) >= 3, seconds=20)
    free()
    assert twin.wait_for(lambda: not twin.messages(queue), seconds=20)
    assert twin.journal.fate(sent).received == 1
    assert books.count("events") == 1
    worker.process.kill()


def test_a_suspended_worker_settles_nothing_with_its_old_handle(
    daemon, twin, queue, books, run, short, lock
):
    """Meanwhile somebody else has had the message, and has done with it."""
    worker = daemon()
    assert twin.wait_for(lambda: twin.long_polls)
    free = lock()
    sent = twin.send(queue, mail.bounce("jane@example.com"))
    assert twin.wait_for(lambda: twin.journal.requests(CHANGE), seconds=20)
    worker.process.send_signal(signal.SIGSTOP)
    free()
    assert twin.wait_for(lambda: twin.counts(queue).visible, seconds=20)
    assert run("drain", "--json").json["applied"] == 1
    deleted = len(twin.journal.requests(DELETE))
    time.sleep(0.1)
    worker.process.send_signal(signal.SIGCONT)
    worker.wait_for("leases.ended")
    status, _ = worker.stop()
    assert status == 0
    assert len(twin.journal.requests(DELETE)) == deleted
    assert twin.journal.fate(sent).received == 2
    assert books.count("events") == 1
    assert '"duplicate":1' in worker.lines[-1]
