"""What `ses-worker run` says of itself, at its start and at its end."""

import json
import signal
import threading
import time

import pytest
from support import mail


@pytest.fixture
def worker(environment, start, emulator):
    """A daemon that polls for 3 s at a time."""
    environment["SES_WORKER_QUEUE__WAIT_SECONDS"] = "3"
    return lambda **changes: start("run", **changes)


def output(process):
    _, err = process.communicate(timeout=30)
    return [json.loads(line) for line in err.splitlines()]


def read_until(process, event):
    """Read the log line by line until it has an event."""
    assert any(json.loads(line)["event"] == event for line in process.stderr), event


def test_what_is_handed_back_untouched_is_neither_received_nor_deferred(worker, emulator, queue):
    process = worker()
    assert emulator.wait_for(lambda: emulator.long_polls)
    process.send_signal(signal.SIGTERM)
    read_until(process, "worker.stopping")
    time.sleep(0.5)  # it is reported before it is done
    emulator.send(queue, mail.bounce("jane@example.com"))
    *_, last = output(process)
    assert last["event"] == "worker.stopped"
    assert (last["received"], last["deferred"], last["applied"]) == (0, 0, 0)
    assert emulator.counts(queue) == (1, 0, 0)
    (fate,) = emulator.journal.fates().values()
    assert fate.received == 1, "the last long poll did bring it"


@pytest.mark.parametrize("redrive", [True, False])
def test_a_missing_dead_letter_queue_is_logged_at_the_start(worker, emulator, redrive):
    behind = {"dead_letter": "behind", "max_receive_count": 5} if redrive else {}
    process = worker(SES_WORKER_QUEUE__URL=emulator.create_queue("alone", **behind))
    assert emulator.wait_for(lambda: emulator.long_polls)
    assert emulator.wait_for(lambda: emulator.journal.requests("GetQueueAttributes"))
    time.sleep(0.5)  # the answer has still to be logged
    process.send_signal(signal.SIGTERM)
    warnings = [line for line in output(process) if line["event"] == "dead_letter_queue.missing"]
    assert [line["queue"] for line in warnings] == ([] if redrive else ["alone"])


def test_a_misconfigured_redrive_policy_is_logged_once_at_the_start(worker, emulator):
    url = emulator.create_queue("feedback", dead_letter="behind", max_receive_count=4)
    other = emulator.create_queue("other")
    named = {"SES_WORKER_QUEUE__URL": url, "SES_WORKER_QUEUE__DEAD_LETTER_URL": other}
    process = worker(SES_WORKER_QUEUE__WAIT_SECONDS="1", **named)
    read_until(process, "redrive_policy.misconfigured")
    process.send_signal(signal.SIGTERM)
    assert not [line for line in output(process) if line["event"] == "redrive_policy.misconfigured"]


def test_it_says_what_does_not_fit(emulator, monkeypatch):
    from structlog.testing import capture_logs

    from worker.service.startup_checks import check_dead_letter_queue
    from worker.sqs.queue import Queue

    for name, text in emulator.environment.items():
        monkeypatch.setenv(name, text)
    url = emulator.create_queue("feedback", dead_letter="behind", max_receive_count=4)
    for other, words in (
        (None, ["after 4 receives"]),
        (emulator.create_queue("other"), ["after 4 receives", "reads only the first"]),
    ):
        queue = Queue(url, region=emulator.region, dead_letter_url=other)
        with capture_logs() as logs:
            check_dead_letter_queue(queue, threading.Event())
        (line,) = logs
        assert all(word in line["error"] for word in words), line
        assert line["error"].count(";") == len(words) - 1
