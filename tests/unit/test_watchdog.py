"""When the service manager gets which notification."""

import threading

import pytest
from support.clocks import Clock

from worker.commands.run import _look
from worker.observability.health import SETTINGS, Health, Phase
from worker.service.signals import SignalEvents
from worker.service.watchdog import EXTENSION_SECONDS, STATUS_SECONDS, Watchdog, figures_in_words


class Recorder:
    """Records notifications in place of systemd."""

    listens = True
    watchdog_seconds = 10.0

    def __init__(self):
        self.heard = []

    def __getattr__(self, word):
        return lambda *expected: self.heard.append((word, *expected))

    def of(self, word):
        return [output for name, *output in self.heard if name == word]


@pytest.fixture
def clock():
    return Clock(1_000.0)


@pytest.fixture
def health(clock):
    health = Health(clock)
    health.phase = Phase.WORKING
    return health


@pytest.fixture
def systemd():
    return Recorder()


@pytest.fixture
def watchdog(systemd, health, clock):
    return Watchdog(systemd, health, clock)


def look_for(watchdog, clock, seconds):
    for _ in range(int(seconds * 2)):
        watchdog.look()
        clock.now += 0.5


def test_a_start_asks_for_more_time_until_it_is_over(watchdog, systemd, clock):
    look_for(watchdog, clock, 2 * EXTENSION_SECONDS)
    requested = len(systemd.of("extend_timeout"))
    assert requested == 8, "in good time, each time"
    watchdog.ready()
    look_for(watchdog, clock, 2 * EXTENSION_SECONDS)
    assert len(systemd.of("extend_timeout")) == requested


def test_a_start_that_hangs_asks_for_no_more_time(watchdog, systemd, clock, health):
    health.pulse("start").within(EXTENSION_SECONDS)
    look_for(watchdog, clock, 3 * EXTENSION_SECONDS)
    assert len(systemd.of("extend_timeout")) == 5, "within that time and not later"


def test_it_beats_twice_as_often_as_it_must(watchdog, systemd, clock):
    watchdog.ready()
    look_for(watchdog, clock, 50)
    assert len(systemd.of("alive")) == 10


def test_it_does_not_beat_while_a_loop_is_late_and_beats_at_once_when_it_is_not(
    watchdog, systemd, clock, health
):
    pulse = health.pulse("poller-3")
    pulse.within(20)
    watchdog.ready()
    look_for(watchdog, clock, 60)
    assert len(systemd.of("alive")) == 5, "within 20 s and not later"
    assert "poller-3 has hung for" in systemd.of("status")[-1][0]
    pulse.rest()
    watchdog.look()
    assert len(systemd.of("alive")) == 6


def test_problems_of_other_threads_are_logged_and_do_not_end_us(watchdog, systemd, clock, health):
    watchdog.ready()
    health.report_problem("queue", "403 for jane@example.com\nREADY=1 " + "x" * 1_000)
    look_for(watchdog, clock, 30)
    assert len(systemd.of("alive")) == 6
    ((status,),) = systemd.of("status")
    assert status.startswith("queue failing since ")
    assert "jane@" not in status
    assert len(status) < 400
    health.resolve("queue")
    look_for(watchdog, clock, 1)
    assert systemd.of("status")[-1] == ["Working"]


def test_a_starting_worker_does_not_claim_to_work(watchdog, systemd, health):
    health.phase = Phase.STARTING
    watchdog.ready()
    health.report_problem("store", "not ours to write")
    watchdog.look()
    assert systemd.heard[0] == ("ready", "Starting")
    assert systemd.of("status")[0][0].endswith("not ours to write; Starting")


def test_figures_are_sent_when_they_change_and_not_at_every_look(watchdog, systemd, clock):
    received = 0
    watchdog.figures = lambda: ({"received": received, "applied": received}, 0)
    watchdog.ready()
    for received in range(100):  # noqa: B007 the lambda reads it
        watchdog.look()
        clock.now += 0.5
    reported = len(systemd.of("status"))
    assert reported == 50 / STATUS_SECONDS
    look_for(watchdog, clock, 60)
    assert len(systemd.of("status")) == reported + 1


def test_an_incomplete_reload_is_shown_until_the_next_reload(watchdog, systemd, clock):
    watchdog.ready()
    watchdog.reload(lambda: "restart to use queue.url")
    assert systemd.heard[-2:] == [("reloading",), ("ready", "Working; restart to use queue.url")]
    look_for(watchdog, clock, 10)
    assert systemd.of("status")[-1] == ["Working; restart to use queue.url"]
    watchdog.reload(lambda: "")
    assert systemd.heard[-1] == ("ready", "Working")


def test_an_incomplete_reload_is_reported_once(watchdog, systemd, health):
    watchdog.ready()
    health.report_problem(SETTINGS, "restart to use queue.url")
    watchdog.reload(lambda: "restart to use queue.url")
    assert systemd.heard[-1] == ("ready", "Working; restart to use queue.url")


def test_a_reload_before_ready_sends_no_ready(watchdog, systemd):
    requested = SignalEvents(threading.Event(), threading.Event())
    requested.to_reload.set()
    _look(watchdog, requested, lambda: "")
    assert not systemd.of("ready")
    watchdog.ready()
    _look(watchdog, requested, lambda: "")
    assert systemd.heard[-2:] == [("reloading",), ("ready", "Working")]
    assert not requested.to_reload.is_set()


def test_without_a_manager_nothing_is_looked_at(health, clock):
    nobody = Recorder()
    nobody.listens = False
    look_for(Watchdog(nobody, health, clock), clock, 100)
    assert nobody.heard == []


def test_figures_are_words():
    outcomes = {"received": 1_204, "applied": 1_200, "dead_lettered": 4}
    assert figures_in_words(outcomes, 3) == (
        "1,204 received: 1,200 applied, 4 dead-lettered; 3 held"
    )
