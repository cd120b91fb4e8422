"""A reload puts one relay in the place of another, with real store."""

import threading

import pytest
from structlog.testing import capture_logs
from support.clocks import Clock
from support.waiting import wait_until

from worker.app import make_relay
from worker.app.current import Current
from worker.app.reload import reload
from worker.core.errors import Misconfigured, Stopped, Unavailable
from worker.observability.health import SETTINGS, Health
from worker.observability.log import configure_logging
from worker.relay import WaitBudget
from worker.relay.idle_tracker import IdleTracker
from worker.relay.lane import LaneWorker
from worker.settings import QueueSettings, Settings

QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/elsewhere"


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
    current.start()
    yield current
    current.finish(threading.Event())


def running(relay):
    return [thread.name for thread in relay._threads.running]


def test_the_previous_relay_has_ended_when_the_new_relay_begins(
    store, current, health, clock, stopping
):
    old = current.relay
    left = reload(current, lambda: settings(2), store, health, stopping)
    assert (left, running(old), running(current.relay)) == ("", [], ["relay-slack"])
    assert current.relay is not old
    assert current.retired == []
    clock.now += 10_000
    wait_until(lambda: not health.late)


def test_a_relay_that_nothing_has_changed_for_stays(store, current, health, stopping):
    old = current.relay
    reload(current, lambda: settings(1), store, health, stopping)
    assert current.relay is old
    assert running(old) == ["relay-slack"]


def test_settings_that_are_wrong_change_nothing(store, current, health, stopping):
    def read():
        raise Misconfigured("slack.token: must be a token")

    before = current.settings, current.policy, current.relay
    assert "wrong" in reload(current, read, store, health, stopping)
    assert before == (current.settings, current.policy, current.relay)


def test_an_incomplete_reload_is_a_problem_until_the_next_reload(store, current, health, stopping):
    def wrong():
        raise Misconfigured("slack.token: must be a token")

    elsewhere = settings(1).model_copy(update={"queue": QueueSettings(url=QUEUE)})
    for read, output in ((wrong, "must be a token"), (lambda: elsewhere, "queue.url")):
        reload(current, read, store, health, stopping)
        (problem,) = (problem for problem in health.problems if problem.what == SETTINGS)
        assert output in problem.error
    reload(current, lambda: settings(1), store, health, stopping)
    assert SETTINGS not in {problem.what for problem in health.problems}


def test_a_reload_that_breaks_changes_nothing_and_ends_nobody(store, current, health, stopping):
    def read():
        raise RuntimeError("a bug")

    before = current.settings, current.policy, current.relay
    assert "wrong" in reload(current, read, store, health, stopping)
    assert before == (current.settings, current.policy, current.relay)
    assert running(current.relay) == ["relay-slack"]


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("log", {"level": "debug"}),
        ("notify", {"ignore": ["Transient/*"]}),
        ("policy", {"soft_bounce_pause_days": 9}),
        ("slack", {"username": "somebody"}),
        ("sns", {"topic_arns": ["arn:aws:sns:eu-west-1:111122223333:feedback"]}),
        ("suppression", {"remove_complaints": True}),
    ],
)
def test_each_live_section_is_in_force_at_once(store, current, health, section, changes, stopping):
    before = current.settings
    expected = before.model_dump()
    expected[section] |= changes
    after = Settings.model_validate(expected)
    assert getattr(after, section) != getattr(before, section)
    try:
        assert not reload(current, lambda: after, store, health, stopping)
        assert getattr(current.settings, section) == getattr(after, section)
        assert current.policy == after.as_policy()
    finally:
        configure_logging("info", json=None)


@pytest.fixture
def hanging(current):
    """The relay, with a delivery under way; and what ends that."""
    release = threading.Event()
    delivery = current.relay._threads.add("hanging", release.wait)
    delivery.start()
    yield current.relay, release
    release.set()
    delivery.join()


def left_behind(log):
    return [line["threads"] for line in log if line["event"] == "relay.abandoned"]


def test_in_a_stop_the_old_relay_is_not_waited_for_and_the_new_relay_begins_nothing(
    store, current, health, hanging
):
    stopping = threading.Event()
    stopping.set()
    reload(current, lambda: settings(2), store, health, stopping)
    assert current.retired == [hanging[0]]
    assert running(current.relay) == []


def test_a_relay_that_hangs_is_left_to_itself_and_waited_for_again_at_the_end(
    store, current, health, hanging, stopping
):
    old, release = hanging
    old._stop_by = 0  # as if it had been waited for
    reload(current, lambda: settings(2), store, health, stopping)
    assert current.retired == [old]
    assert running(current.relay) == ["relay-slack"]
    hurry = threading.Event()
    hurry.set()
    current.relay.finish()
    wait_until(lambda: running(old) == ["hanging"])
    with capture_logs() as log:
        assert not current.finish(hurry)
    assert left_behind(log) == [["hanging"]]
    soon = threading.Timer(0.2, release.set)
    soon.start()
    with capture_logs() as log:
        assert current.finish(threading.Event())
    assert left_behind(log) == []


def test_what_was_delivered_never_falls(store, current, health, hanging, stopping):
    old, release = hanging
    old._idle_tracker.settled(3)
    old._stop_by = 0
    reload(current, lambda: settings(2), store, health, stopping)
    assert current.delivered == 3
    old._idle_tracker.settled(1)
    assert current.delivered == 4
    current.relay._idle_tracker.settled(1)
    reload(current, lambda: settings(3), store, health, stopping)
    assert current.delivered == 5
    release.set()


def test_a_replaced_lane_that_ends_late_leaves_the_problems_of_the_new_lane(clock, health):
    relay = make_relay(settings(1), _NoStore(), health)
    old = relay._workers[0]
    make_relay(settings(2), _NoStore(), health)
    for what in ("lane slack", "outbox of slack"):
        health.report_problem(what, "refused")
    old._wait_budget.over.set()
    old.run()
    assert {problem.what for problem in health.problems} == {"lane slack", "outbox of slack"}


def test_a_problem_of_a_replaced_lane_is_no_problem_of_the_new_lane(health):
    class Unreachable:
        def look_again(self, rate_limit):
            old._wait_budget.over.set()
            raise Unavailable("the store is unavailable")

    old = make_relay(settings(1), _NoStore(), health)._workers[0]
    old._outbox = Unreachable()
    make_relay(settings(2), _NoStore(), health)
    old.run()
    assert not {"outbox of slack", "lane slack"} & health.met.keys()


def test_an_ended_lane_is_never_late_and_has_no_problem(clock, health):
    class Gone:
        def look_again(self, rate_limit):
            health.report_problem("lane slack", "refused")
            raise Stopped

    relay = make_relay(settings(1), _NoStore(), health)
    work = relay._workers[0]._work
    LaneWorker(work, Gone(), IdleTracker(), WaitBudget(), health).run()
    clock.now += 10_000
    assert (health.late, health.problems) == ([], [])


class _NoStore:
    def keep_open(self):
        pass
