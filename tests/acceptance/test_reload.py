"""SIGHUP has the daemon read its settings again, and costs no message and no notice."""

import json
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from support import mail
from support.running import QUICK, patched
from support.waiting import wait_until

from simulators.slack import SlackSimulator
from simulators.slack.faults import refused


@pytest.fixture
def channel():
    with SlackSimulator() as slack:
        yield slack


@pytest.fixture
def other_channel():
    with SlackSimulator() as slack:
        yield slack


@pytest.fixture
def file(tmp_path, environment):
    """Write the settings file."""
    path = tmp_path / "worker.toml"
    environment["SES_WORKER_CONFIG"] = str(path)

    def write(**sections):
        path.write_text("".join(f"[{name}]\n{lines}\n" for name, lines in sections.items()))

    return write


def posted_in(slack):
    return f"webhook_url = '{slack.webhook_url}'\nmessages_per_second = 100"


def reload(worker, times=1):
    worker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: worker_logged(worker, "settings.reloaded") >= times)


def worker_logged(worker, event):
    return sum(f'"event":"{event}"' in line for line in worker.lines)


@pytest.fixture
def blocked(daemon, emulator, queue, file, channel):
    """A worker whose channel is archived, with a notice that waits for another."""
    channel.always = refused(410, "channel_is_archived")
    file(slack=posted_in(channel))
    worker = daemon()
    emulator.send(queue, mail.bounce("jane@example.com"))
    worker.wait_for("lane.blocked")
    return worker


def test_notices_refused_by_a_channel_go_to_its_replacement(blocked, file, other_channel):
    file(slack=posted_in(other_channel))
    reload(blocked)
    wait_until(lambda: other_channel.posts)
    assert "jane@example.com" in str(other_channel.posts)
    assert blocked.stop()[0] == 0


def test_a_misspelt_sub_type_is_warned_of_at_the_start_and_at_each_reload(daemon, file):
    def name(subtype):
        file(**{"policy.bounce_actions": f"'Transient/{subtype}' = 'no_action'"})

    name("MesageTooLarge")
    worker = daemon()
    worker.wait_for("worker.started")
    (line,) = [line for line in worker.lines if '"settings.doubtful"' in line]
    assert "did you mean" in line
    assert "Transient/MessageTooLarge" in line
    name("MessageTooLarge")
    reload(worker)
    name("MailboxFul")
    reload(worker, 2)
    wait_until(lambda: worker_logged(worker, "settings.doubtful") == 2)
    assert worker.stop()[0] == 0


def test_a_fault_is_spared_from_the_reload_on(daemon, emulator, queue, file, run):
    file(policy="unknown_recipients = 'create'")
    worker = daemon()
    worker.wait_for("worker.started")
    emulator.send(queue, ours("jane@example.com"))
    assert decided(worker, 1) == ("sender", "auto_block_spam", "spam_diagnostic")
    file(policy="unknown_recipients = 'create'\nspare_faults = ['sender']")
    reload(worker)
    emulator.send(queue, ours("joe@example.com"))
    assert decided(worker, 2) == ("sender", "no_action", "spared:sender")
    assert worker.stop()[0] == 0
    blocked, spared = run("why", "jane@example.com").out, run("why", "joe@example.com").out
    for shown in map(str.split, (blocked, spared)):
        assert "Whose fault ours (reputation, SPF, DKIM," in " ".join(shown)
    assert "spam_diagnostic" in blocked
    assert "policy.spare_faults has sender" in " ".join(spared.split())
    (event,) = run("why", "joe@example.com", "--json").json["events"]
    assert (event["fault"], event["mentions_spam"]) == ("sender", True)


def test_eventbridge_is_accepted_from_the_reload_on(daemon, emulator, queue, file):
    file(eventbridge="accept = false")
    worker = daemon()
    worker.wait_for("worker.started")
    emulator.send(queue, mail.in_eventbridge(mail.bounce("jane@example.com")))
    worker.wait_for("message.dead_lettered")
    assert any('"eventbridge_not_accepted"' in line for line in worker.lines)
    file(eventbridge="accept = true")
    reload(worker)
    emulator.send(queue, mail.in_eventbridge(mail.bounce("joe@example.com")))
    wait_until(lambda: worker_logged(worker, "bounce_notification"))
    assert worker.stop()[0] == 0


def ours(address):
    listed = "554 5.7.1 blocked using zen.spamhaus.org"
    return mail.bounce(mail.recipient(address, diagnosticCode=listed))


def decided(worker, number):
    """Fault, action and rule of a bounce, as the log has them."""
    wait_until(lambda: worker_logged(worker, "bounce_notification") >= number)
    lines = [json.loads(line) for line in worker.lines if '"bounce_notification"' in line]
    line = lines[number - 1]
    return line["bounce_fault"], line["relay_action"], line["reason"]


def test_a_delivery_under_way_is_finished_and_not_repeated(
    daemon, emulator, queue, file, channel, other_channel
):
    file(slack=posted_in(channel))
    worker = daemon()
    with channel.held():
        emulator.send(queue, mail.bounce("jane@example.com"))
        wait_until(lambda: channel.requests)
        file(slack=posted_in(other_channel))
        worker.process.send_signal(signal.SIGHUP)
        time.sleep(1)  # by then it waits for the delivery
        file(slack=posted_in(other_channel), log="level = 'debug'")
        worker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: worker_logged(worker, "settings.reloaded") == 2)
    assert '"changed":["log.level"]' in "".join(worker.lines)
    emulator.send(queue, mail.bounce("joe@example.com"))
    wait_until(lambda: other_channel.posts)
    assert "jane@example.com" in str(channel.posts)
    assert "jane@example.com" not in str(other_channel.posts)
    assert worker.stop()[0] == 0


def database_says(database, state):
    return any(row["state"] == state for row in database.rows("SELECT state FROM outbox"))


def test_without_slack_nothing_more_is_enqueued_and_waiting_effects_are_reported(
    blocked, emulator, queue, file, channel, database
):
    file()
    reload(blocked)
    blocked.wait_for("outbox.no_sender")
    emulator.send(queue, mail.bounce("joe@example.com"))
    wait_until(lambda: database.count("events") == 2)
    assert database.count("outbox") == 1
    file(slack=posted_in(channel))
    channel.recover()
    reload(blocked, times=2)
    wait_until(lambda: channel.posts and database_says(database, "delivered"))
    assert blocked.stop()[0] == 0


def test_the_level_of_the_log_and_the_policy_change_at_once(
    daemon, emulator, queue, file, database
):
    file(policy="unknown_recipients = 'create'")
    worker = daemon()
    worker.wait_for("worker.started")
    assert not worker_logged(worker, "message.handled")
    file(policy="unknown_recipients = 'dead_letter'", log="level = 'debug'")
    reload(worker)
    assert '"changed":["policy.unknown_recipients","log.level"]' in "".join(worker.lines)
    emulator.send(queue, mail.bounce("jane@example.com"))
    wait_until(lambda: emulator.messages("feedback-dlq"))
    emulator.send(queue, '{"notificationType": "Delivery"}')
    worker.wait_for("message.handled")
    assert database.count("users") == 0
    assert worker.stop()[0] == 0


class TestShorterPauses:
    """No existing user is changed, and the log says so; the view of all others follows at once."""

    @pytest.fixture
    def paused(self, daemon, emulator, queue, file, run):
        file(policy="hard_bounce_pause_days = 30")
        run("users", "import", "-", input="email\njane@example.com\nanna@example.com\njoe@b.c\n")
        worker = daemon()
        for who, days in (("jane@example.com", 20), ("unknown@b.c", 20), ("anna@example.com", 2)):
            at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
            emulator.send(queue, mail.bounce(who, at=at))
        wait_until(lambda: not emulator.messages(queue))
        assert run("may-send", "unknown@b.c").status == 3
        return worker

    def test_at_a_reload(self, paused, file, database, run):
        before = database.rows("SELECT * FROM users ORDER BY id")
        file(policy="hard_bounce_pause_days = 10")
        reload(paused)
        paused.wait_for("policy.shortened")
        (line,) = [json.loads(line) for line in paused.lines if "policy.shortened" in line]
        assert (line["pauses_over"], line["hard_bounce_pause_days"], line["level"]) == (
            1,
            10.0,
            "warning",
        )
        assert line["hint"].startswith("no existing pause is changed")
        assert database.rows("SELECT * FROM users ORDER BY id") == before
        assert run("may-send", "jane@example.com").status == 3
        wait_until(lambda: run("may-send", "unknown@b.c").status == 0)
        file(policy="hard_bounce_pause_days = 20")
        reload(paused, times=2)
        assert paused.stop()[0] == 0
        assert worker_logged(paused, "policy.shortened") == 1

    def test_at_a_restart(self, paused, daemon, file):
        assert paused.stop()[0] == 0
        assert not worker_logged(paused, "policy.shortened")
        file(policy="hard_bounce_pause_days = 1")
        worker = daemon()
        worker.wait_for("worker.started")
        (line,) = [json.loads(line) for line in worker.lines if "policy.shortened" in line]
        assert line["pauses_over"] == 2
        assert worker.stop()[0] == 0


def test_a_policy_that_cannot_be_kept_now_is_kept_later(daemon, emulator, queue, file, database):
    file(policy="hard_bounce_pause_days = 30")
    worker = daemon(program=patched(REFUSING_POLICIES))
    worker.wait_for("worker.started")
    file(policy="hard_bounce_pause_days = 10")
    reload(worker)
    worker.wait_for("policy.not_kept")
    query = "SELECT value FROM policy WHERE name = 'hard_bounce_pause_seconds'"
    wait_until(lambda: database.rows(query)[0]["value"] == str(10 * 86_400))
    assert worker.stop()[0] == 0


REFUSING_POLICIES = (
    QUICK
    + """
from worker.core.errors import Unavailable
from worker.store.sqlite import SqliteStore
real, left = SqliteStore.keep_policy, [1, 2]
def keep_policy(store, values):
    if values["hard_bounce_pause_seconds"] == "864000" and left:
        left.pop()
        raise Unavailable("read-only")
    return real(store, values)
SqliteStore.keep_policy = keep_policy
"""
)


def test_a_stop_that_comes_with_a_reload_is_a_stop(daemon, emulator, queue, file, channel):
    file(slack=posted_in(channel))
    worker = daemon()
    worker.wait_for("worker.started")
    file(slack=posted_in(channel).replace("100", "50"))
    worker.process.send_signal(signal.SIGHUP)
    assert worker.stop()[0] == 0


ONCE_TOO_EARLY = """
import os, signal
import worker.settings.loading as s
real, number = s.load_settings, [signal.SIGHUP]
def load_settings(*arguments):
    if number: os.kill(os.getpid(), number.pop())
    return real(*arguments)
s.load_settings = load_settings
"""


def test_a_reload_requested_before_the_start_is_done_after_it(daemon, emulator, queue):
    worker = daemon(program=patched(ONCE_TOO_EARLY))
    wait_until(lambda: worker_logged(worker, "settings.reloaded"))
    assert worker.stop()[0] == 0


UNREACHABLE = (
    QUICK
    + """
from pathlib import Path
from worker.core.errors import Unavailable
from worker.store.sqlite import SqliteStore
real = SqliteStore.probe
def probe(store):
    if not Path("fixed").exists(): raise Unavailable("read-only")
    real(store)
SqliteStore.probe = probe
"""
)


def test_a_reload_is_done_while_a_start_waits_for_its_disk(
    daemon, emulator, queue, file, channel, other_channel, tmp_path
):
    file(slack=posted_in(channel))
    worker = daemon(program=patched(UNREACHABLE))
    worker.wait_for("store.unavailable")
    file(slack=posted_in(other_channel))
    reload(worker)
    emulator.send(queue, mail.bounce("jane@example.com"))
    (tmp_path / "fixed").touch()
    wait_until(lambda: other_channel.posts)
    assert not channel.posts
    assert worker.stop()[0] == 0


def test_a_hangup_ends_those_that_cannot_reload(start, emulator, queue):
    process = start("drain")
    assert emulator.wait_for(lambda: emulator.long_polls)
    process.send_signal(signal.SIGHUP)
    assert process.wait(20) == -signal.SIGHUP
