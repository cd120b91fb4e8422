"""SIGHUP has the daemon read its settings again, and costs no message and no notice."""

import signal
import time

import mail
import pytest
from running import QUICK, patched
from waiting import wait_until

from worker.demo.standins.slack import StandinSlack
from worker.demo.standins.slack_faults import refused


@pytest.fixture
def channel():
    with StandinSlack() as slack:
        yield slack


@pytest.fixture
def other_channel():
    with StandinSlack() as slack:
        yield slack


@pytest.fixture
def file(tmp_path, environment):
    """Write the settings file."""
    path = tmp_path / "worker.toml"
    environment["SES_WORKER_CONFIG"] = str(path)

    def write(**sections):
        path.write_text("".join(f"[{name}]\n{lines}\n" for name, lines in sections.items()))

    return write


def told_in(slack):
    return f"webhook_url = '{slack.webhook_url}'\nmessages_per_second = 100"


def reload(worker, times=1):
    worker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: worker_said(worker, "settings.reloaded") >= times)


def worker_said(worker, event):
    return sum(f'"event":"{event}"' in line for line in worker.lines)


@pytest.fixture
def blocked(daemon, twin, queue, file, channel):
    """A worker whose channel is archived, with a notice that waits for another."""
    channel.always = refused(410, "channel_is_archived")
    file(slack=told_in(channel))
    worker = daemon()
    twin.send(queue, mail.bounce("jane@example.com"))
    worker.wait_for("lane.blocked")
    return worker


def test_notices_that_one_channel_refused_go_to_the_next_one(blocked, file, other_channel):
    file(slack=told_in(other_channel))
    reload(blocked)
    wait_until(lambda: other_channel.posts)
    assert "jane@example.com" in str(other_channel.posts)
    assert blocked.stop()[0] == 0


def test_a_delivery_under_way_is_finished_and_not_repeated(
    daemon, twin, queue, file, channel, other_channel
):
    file(slack=told_in(channel))
    worker = daemon()
    with channel.held():
        twin.send(queue, mail.bounce("jane@example.com"))
        wait_until(lambda: channel.heard)
        file(slack=told_in(other_channel))
        worker.process.send_signal(signal.SIGHUP)
        time.sleep(1)  # by then it waits for the delivery
        file(slack=told_in(other_channel), log="level = 'debug'")
        worker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: worker_said(worker, "settings.reloaded") == 2)
    assert '"changed":["log.level"]' in "".join(worker.lines)
    twin.send(queue, mail.bounce("joe@example.com"))
    wait_until(lambda: other_channel.posts)
    assert "jane@example.com" in str(channel.posts)
    assert "jane@example.com" not in str(other_channel.posts)
    assert worker.stop()[0] == 0


def books_say(books, state):
    return any(row["state"] == state for row in books.rows("SELECT state FROM outbox"))


def test_without_slack_nothing_more_is_owed_and_what_is_owed_is_named(
    blocked, twin, queue, file, channel, books
):
    file()
    reload(blocked)
    blocked.wait_for("effects.unattended")
    twin.send(queue, mail.bounce("joe@example.com"))
    wait_until(lambda: books.count("events") == 2)
    assert books.count("outbox") == 1
    file(slack=told_in(channel))
    channel.forgive()
    reload(blocked, times=2)
    wait_until(lambda: channel.posts and books_say(books, "delivered"))
    assert blocked.stop()[0] == 0


def test_the_level_of_the_log_and_the_policy_change_at_once(daemon, twin, queue, file, books):
    file(policy="unknown_recipients = 'create'")
    worker = daemon()
    worker.wait_for("worker.started")
    assert not worker_said(worker, "message.handled")
    file(policy="unknown_recipients = 'dead_letter'", log="level = 'debug'")
    reload(worker)
    assert '"changed":["policy.unknown_recipients","log.level"]' in "".join(worker.lines)
    twin.send(queue, mail.bounce("jane@example.com"))
    wait_until(lambda: twin.messages("feedback-dlq"))
    twin.send(queue, '{"notificationType": "Delivery"}')
    worker.wait_for("message.handled")
    assert books.count("users") == 0
    assert worker.stop()[0] == 0


def test_a_stop_that_comes_with_a_reload_is_a_stop(daemon, twin, queue, file, channel):
    file(slack=told_in(channel))
    worker = daemon()
    worker.wait_for("worker.started")
    file(slack=told_in(channel).replace("100", "50"))
    worker.process.send_signal(signal.SIGHUP)
    assert worker.stop()[0] == 0


ONCE_TOO_EARLY = """
import os, signal
import worker.sources as s
real, number = s.load_settings, [signal.SIGHUP]
def load_settings(*arguments):
    if number: os.kill(os.getpid(), number.pop())
    return real(*arguments)
s.load_settings = load_settings
"""


def test_a_reload_that_is_asked_for_before_the_start_is_done_after_it(daemon, twin, queue):
    worker = daemon(program=patched(ONCE_TOO_EARLY))
    wait_until(lambda: worker_said(worker, "settings.reloaded"))
    assert worker.stop()[0] == 0


AWAY = (
    QUICK
    + """
from pathlib import Path
from worker.errors import Unavailable
from worker.store.sqlite import SqliteStore
real = SqliteStore.probe
def probe(store):
    if not Path("mended").exists(): raise Unavailable("read-only")
    real(store)
SqliteStore.probe = probe
"""
)


def test_a_reload_is_done_while_a_start_waits_for_its_disk(
    daemon, twin, queue, file, channel, other_channel, tmp_path
):
    file(slack=told_in(channel))
    worker = daemon(program=patched(AWAY))
    worker.wait_for("store.unavailable")
    file(slack=told_in(other_channel))
    reload(worker)
    twin.send(queue, mail.bounce("jane@example.com"))
    (tmp_path / "mended").touch()
    wait_until(lambda: other_channel.posts)
    assert not channel.posts
    assert worker.stop()[0] == 0


def test_a_hangup_ends_those_that_cannot_reload(start, twin, queue):
    process = start("drain")
    assert twin.wait_for(lambda: twin.long_polls)
    process.send_signal(signal.SIGHUP)
    assert process.wait(20) == -signal.SIGHUP
