"""An outage of the store: it is probed less and less often, and no message is counted twice."""

import threading
import time
from itertools import pairwise

import pytest

from worker.consumer import writing
from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.callbacks import Callbacks
from worker.consumer.counters import Counters
from worker.consumer.writing import Writer
from worker.core.errors import Unavailable
from worker.core.messages import Delete, Handled, Release
from worker.core.model import Outcome
from worker.observability.health import Health


class FakeStore:
    """Unavailable for the first write, and then for so many probes."""

    def __init__(self, failing_probes):
        self.left = failing_probes
        self.writes = 0
        self.probed_at = []

    def process(self, batch):
        self.writes += 1
        if self.writes == 1:
            return [
                Handled(message, Release(0), error=Unavailable("unreachable")) for message in batch
            ]
        return [Handled(message, Delete(Outcome.APPLIED)) for message in batch]

    def probe(self):
        self.probed_at.append(time.monotonic())
        self.left -= 1
        if self.left >= 0:
            raise Unavailable(f"still unreachable, probe {len(self.probed_at)}")


@pytest.fixture
def wait_out(monkeypatch, message):
    """Write messages through an outage; return the counters, the store, and the waits."""

    def wait_out(*, failing_probes, messages=1, seconds=0.0, health=None):
        waits = []
        monkeypatch.setattr(writing, "TICK_SECONDS", 0.001)
        monkeypatch.setattr(
            "worker.consumer.outage.back_off", lambda attempt: waits.append(attempt) or seconds
        )
        store, counters = FakeStore(failing_probes), Counters()
        writer = Writer(
            health=health or Health(),
            callbacks=Callbacks(process=store.process, settled=lambda _: None),
            store=store,
            counters=counters,
            autoscaler=PollerAutoscaler(pollers=4, full=10),
            stopping=threading.Event(),
            give_up=None,
        )
        handled = writer.write([message(str(number)) for number in range(messages)])
        assert [result.disposition for result in handled] == [Delete(Outcome.APPLIED)] * messages
        return counters, store, waits

    return wait_out


def test_each_probe_that_fails_is_followed_by_a_longer_wait(wait_out):
    _, store, waits = wait_out(failing_probes=4)
    assert len(store.probed_at) == 5
    assert waits == [1, 2, 3, 4, 5]


def test_there_is_no_probe_before_the_wait_is_over(wait_out):
    _, store, _ = wait_out(failing_probes=3, seconds=0.05)
    assert all(later - earlier >= 0.05 for earlier, later in pairwise(store.probed_at))


def test_a_message_that_is_written_at_the_second_attempt_is_counted_as_received_once(wait_out):
    counters, store, _ = wait_out(failing_probes=0, messages=3)
    assert store.writes >= 2
    assert counters.received == 3


def test_the_problem_shows_the_latest_error_and_since_when_it_lasts(wait_out, monkeypatch):
    health, reported = Health(), []
    report_problem = health.report_problem

    def spy(what, error):
        report_problem(what, error)
        (problem,) = health.problems
        reported.append((problem.what, problem.error, problem.since))

    monkeypatch.setattr(health, "report_problem", spy)
    wait_out(failing_probes=2, health=health)
    texts = ["unreachable", "still unreachable, probe 1", "still unreachable, probe 2"]
    assert reported == [("store", text, reported[0][2]) for text in texts]
    assert health.problems == []
