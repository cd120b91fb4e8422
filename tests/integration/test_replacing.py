"""A reload puts one relay in the place of another, with real books."""

import threading

import pytest
from waiting import wait_until

from worker.app import make_relay
from worker.app.current import Current
from worker.app.reload import reload
from worker.errors import Misconfigured, Stopped
from worker.health import Health
from worker.relay import Patience
from worker.relay.lane import LaneWorker
from worker.relay.standing import Standing
from worker.settings import Settings


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(clock)


def settings(port, **slack):
    hook = f"http://127.0.0.1:{port}/services/X"
    return Settings.model_validate({"slack": {"webhook_url": hook} | slack})


@pytest.fixture
def current(store, health):
    before = settings(1)
    current = Current(before, make_relay(before, store, health))
    current.relay.start()
    yield current
    current.finish(threading.Event())


def running(relay):
    return [thread.name for thread in relay._running()]


def test_the_relay_of_before_has_ended_when_the_new_one_begins(store, current, health, clock):
    old = current.relay
    left = reload(current, lambda: settings(2), store, health, threading.Event())
    assert (left, running(old), running(current.relay)) == ("", [], ["relay-slack"])
    assert current.relay is not old
    assert current.retired == []
    clock.now += 10_000
    wait_until(lambda: not health.late)


def test_a_relay_that_nothing_has_changed_for_stays(store, current, health):
    old = current.relay
    reload(current, lambda: settings(1), store, health, threading.Event())
    assert current.relay is old
    assert running(old) == ["relay-slack"]


def test_settings_that_are_wrong_change_nothing(store, current, health):
    def read():
        raise Misconfigured("slack.token: must be a token")

    before = current.settings, current.policy, current.relay
    assert "wrong" in reload(current, read, store, health, threading.Event())
    assert before == (current.settings, current.policy, current.relay)


def test_a_relay_that_hangs_is_left_to_itself_and_told_at_the_end(store, current, health):
    hanging, release = current.relay, threading.Event()
    worker = threading.Thread(target=release.wait, daemon=True)
    worker.start()
    hanging._threads.append(worker)
    stopping = threading.Event()
    stopping.set()  # or it would be waited for
    reload(current, lambda: settings(2), store, health, stopping)
    assert current.retired == [hanging]
    assert not current.finish(stopping)
    release.set()
    worker.join()
    assert current.finish(threading.Event())


def test_a_lane_that_has_ended_is_never_late_and_in_no_trouble(clock, health):
    class Gone:
        def look_again(self, volume):
            health.trouble("lane slack", "refused")
            raise Stopped

    relay = make_relay(settings(1), _NoBooks(), health)
    work = relay._workers[0]._work
    LaneWorker(work, Gone(), Standing(), Patience(), health).run()
    clock.now += 10_000
    assert (health.late, health.troubles) == ([], [])


class _NoBooks:
    def keep_open(self):
        pass
