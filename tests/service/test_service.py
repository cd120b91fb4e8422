"""The worker under the real systemd, in a machine that is booted for it."""

import json
import time

import pytest
from support import mail
from support.running import QUICK
from support.waiting import wait_until

from simulators.sqs import SERVICE_UNAVAILABLE


def send(emulator, service, *addresses):
    for address in addresses:
        emulator.send(service.queue, mail.bounce(address))


class TestBeingReady:
    def test_it_is_active_once_it_works_and_its_status_has_figures(self, service, emulator):
        worker = service("plain")
        send(emulator, worker, "jane@example.com", "joe@example.com")
        worker.systemctl("start")
        assert worker.show("ActiveState") == "active"
        worker.wait_for("StatusText", "^2 received: 2 applied, 0 duplicate, .*; 0 held")
        assert emulator.messages(worker.queue) == []
        assert worker.count("events") == 2

    def test_an_outage_of_sqs_at_the_start_is_logged_and_nothing_more(self, service, emulator):
        emulator.faults.add(SERVICE_UNAVAILABLE)
        worker = service("nosqs")
        worker.systemctl("start")
        worker.wait_for("StatusText", "^queue failing since .* UTC: .*; 0 received")
        assert worker.show("NRestarts") == "0"

    def test_an_unreachable_database_is_waited_for_beyond_the_start_timeout(self, service):
        worker = service("nodb", store="url = 'sqlite:///later/worker.db'")
        worker.replace_by(f"{QUICK}from worker.cli import main; main()", TimeoutStartSec="5")
        worker.systemctl("start --no-block")
        worker.wait_for("StatusText", "^store failing since .*later does not exist; Starting$")
        began = int(worker.show("ExecMainStartTimestampMonotonic")) / 1_000_000
        wait_until(lambda: time.clock_gettime(time.CLOCK_MONOTONIC) > began + 6, pause=0.1)
        assert (worker.show("SubState"), worker.show("NRestarts")) == ("start", "0")
        worker.machine.run(f"install -d -o ses-worker {worker.state}/later")
        worker.wait_for("ActiveState", "^active$")

    def test_a_start_that_hangs_is_given_up_in_time_and_made_again(self, service):
        worker = service("hangs")
        worker.replace_by(
            "import time, worker.commands.run as d, worker.service.watchdog as w\n"
            "w.EXTENSION_SECONDS, d.LONGEST_STEP_SECONDS = 1.0, 1.5\n"
            "d.bring_schema_up = lambda *_: time.sleep(1_000)\n"
            "from worker.cli import main; main()",
            TimeoutStartSec="1",
            RestartSec="100ms",
        )
        worker.systemctl("start --no-block")
        worker.wait_for("NRestarts", "^[1-9]")
        lines = [line["MESSAGE"] for line in worker.machine.journal(worker.unit)]
        assert [line for line in lines if "start operation timed out" in line]
        worker.systemctl("stop")

    def test_a_disk_that_takes_nothing_at_the_start_is_reported_and_waited_for(
        self, service, emulator
    ):
        worker = service("readonly")
        worker.systemctl("start")
        worker.systemctl("stop")
        emulator.send(worker.queue, mail.bounce("jane@example.com"))
        worker.change(ReadOnlyPaths=worker.state, RestartSec="100ms")
        worker.systemctl("start")
        worker.wait_for("StatusText", "^store failing since .*; Starting$")
        assert worker.show("NRestarts") == "0"
        assert emulator.counts(worker.queue).visible == 1

    def test_a_misconfigured_worker_is_not_started_again(self, service):
        worker = service("wrong", policy="unknown_recipients = 'ignore'")
        assert worker.machine.try_to(f"systemctl start {worker.unit}").status
        worker.wait_for("ActiveState", "^failed$")
        assert (worker.show("ExecMainStatus"), worker.show("NRestarts")) == ("78", "0")
        (output,) = worker.machine.journal(worker.unit, "_COMM=ses-worker")
        assert "policy.unknown_recipients" in output["MESSAGE"]
        assert output["PRIORITY"] == "3"


class TestBeingKilled:
    def test_after_a_kill_it_is_started_again_and_nothing_is_lost(self, service, emulator):
        worker = service("killed")
        worker.fail_once("committed", "kill", RestartSec="100ms")
        send(emulator, worker, *mail.addresses(30))
        worker.systemctl("start")
        wait_until(lambda: not emulator.messages(worker.queue), pause=0.05)
        assert worker.show("NRestarts") == "1"
        assert worker.count("events") == 30
        assert worker.rows("SELECT sum(hard_bounce_count) FROM users") == [[None]]

    def test_a_loop_that_hangs_is_ended_by_the_watchdog_and_nothing_is_lost(
        self, service, emulator, slack
    ):
        """Three workers, for each to wait but once."""
        reported = f"webhook_url = '{slack.webhook_url}'"
        hung = {
            "poller-0": ("received", service("poller", slack=reported)),
            "writer": ("writing", service("writer", slack=reported)),
            "relay-slack": ("posting", service("relay", slack=reported)),
        }
        for point, worker in hung.values():
            worker.fail_once(
                point,
                "hang",
                RestartSec="100ms",
                WatchdogSec="4",
                Environment="WAIT_SECONDS=0.5",
            )
            send(emulator, worker, "jane@example.com")
            worker.systemctl("start")
        for loop, (_, worker) in hung.items():
            worker.wait_for("NRestarts", "^1$")
            wait_until(lambda worker=worker: not emulator.messages(worker.queue), pause=0.05)
            assert worker.rows("SELECT count(*), count(DISTINCT ses_message_id) FROM events") == [
                [1, 1]
            ]
            assert worker.count("outbox") == 1
            lines = worker.machine.journal(worker.unit)
            late = [line for line in lines if line.get("EVENT") == "thread.stalled"]
            assert json.loads(late[0]["MESSAGE"])["loop"] == loop
            assert [line for line in lines if "Watchdog timeout" in line["MESSAGE"]]
            stacks = [line for line in lines if "failing.py" in line["MESSAGE"]]
            assert stacks, "where it hung"

    def test_a_stop_in_mid_batch_is_clean(self, service, emulator):
        worker = service("stopped")
        send(emulator, worker, *mail.addresses(2_000))
        worker.systemctl("start")
        assert emulator.wait_for(lambda: emulator.journal.requests("DeleteMessageBatch"))
        worker.systemctl("stop")
        assert (worker.show("Result"), worker.show("ExecMainStatus")) == ("success", "0")
        counts = emulator.counts(worker.queue)
        assert counts.in_flight == 0
        assert 0 < worker.count("events") == 2_000 - counts.visible < 2_000


class TestReloading:
    def test_settings_change_while_messages_flow(self, service, emulator, slack):
        worker = service("reloaded", policy="unknown_recipients = 'create'")
        worker.systemctl("start")
        send(emulator, worker, "jane@example.com")
        wait_until(lambda: worker.count("events") == 1, pause=0.05)
        worker.settings(
            **worker.usual,
            policy="unknown_recipients = 'create'\nbounce_actions = {'Permanent/*' = 'no_action'}",
            slack=f"webhook_url = '{slack.webhook_url}'",
        )
        worker.systemctl("reload")
        wait_until(lambda: output(worker, "settings.reloaded"), pause=0.05)
        (line,) = output(worker, "settings.reloaded")
        assert line["changed"] == ["policy.bounce_actions", "slack.webhook_url"]
        send(emulator, worker, *mail.addresses(500))
        for _ in range(5):
            worker.systemctl("reload")
        wait_until(lambda: slack.posts and not emulator.messages(worker.queue), pause=0.05)
        actions = worker.rows("SELECT action, count(*) FROM events GROUP BY action")
        assert dict(actions) == {"hard_bounce": 1, "no_action": 500}
        assert (worker.show("SubState"), worker.show("NRestarts")) == ("running", "0")

    def test_what_cannot_change_is_named(self, service):
        worker = service("restart")
        worker.systemctl("start")
        other = worker.usual["queue"].replace("restart", "other")
        worker.settings(queue=other, store="url = 'sqlite:///other.db'")
        worker.systemctl("reload")
        worker.wait_for("StatusText", "; restart to use queue.url, store.url")
        (line,) = output(worker, "settings.restart_required")
        assert "queue.url" in line["settings"]
        assert "systemctl restart" in line["hint"]

    def test_a_file_that_is_wrong_fails_the_reload(self, service, emulator):
        worker = service("failing")
        worker.systemctl("start")
        worker.settings(**worker.usual, policy="soft_bounce_pause_days = 'many'")
        done = worker.machine.try_to(f"systemctl reload {worker.unit}")
        assert done.status, "systemctl says so"
        lines = [line["MESSAGE"] for line in worker.machine.journal(worker.unit)]
        assert [line for line in lines if "policy.soft_bounce_pause_days" in line]
        assert not [line for line in lines if "settings.refused" in line], "it was not called"
        send(emulator, worker, "jane@example.com")
        wait_until(lambda: worker.count("events") == 1, pause=0.05)
        assert (worker.show("ActiveState"), worker.show("NRestarts")) == ("active", "0")
        worker.settings(**worker.usual, policy="soft_bounce_pause_days = 2")
        worker.systemctl("reload")
        worker.wait_for("StatusText", "^1 received: 1 applied")

    def test_a_reload_is_checked_with_the_credentials_and_the_environment_of_the_service(
        self, service, slack
    ):
        worker = service("with-token", slack="channel = 'ops'")
        credential = f"/etc/credstore/ses-worker.{worker.name}.slack_token"
        worker.machine.write(credential, "xoxb-1", "600")
        worker.systemctl("start")
        worker.settings(**worker.usual, slack="channel = 'others'")
        worker.systemctl("reload")
        wait_until(lambda: output(worker, "settings.reloaded"), pause=0.05)
        (line,) = output(worker, "settings.reloaded")
        assert line["changed"] == ["slack.channel"]

    def test_a_file_that_is_wrong_changes_nothing(self, service, emulator):
        worker = service("refused")
        worker.systemctl("start")
        worker.settings(**worker.usual, policy="soft_bounce_pause_days = 'many'")
        worker.systemctl("kill --kill-who=main --signal=HUP")
        worker.wait_for("StatusText", "the settings to reload are wrong")
        (line,) = output(worker, "settings.refused")
        assert "policy.soft_bounce_pause_days" in line["error"]
        send(emulator, worker, "jane@example.com")
        wait_until(lambda: worker.count("events") == 1, pause=0.05)
        assert worker.show("NRestarts") == "0"


def output(worker, event):
    return [line for line in worker.log if line["event"] == event]


class TestWhoItIs:
    def test_it_is_nobody_special_and_writes_nowhere_but_in_its_folder(self, service):
        worker = service("nobody")
        worker.systemctl("start")
        pid = worker.show("MainPID")
        status = dict(
            line.split(":\t", 1)
            for line in worker.machine.run(f"cat /proc/{pid}/status").splitlines()
            if ":\t" in line
        )
        assert set(status["Uid"].split()) == {worker.machine.run("id -u ses-worker").strip()}
        assert status["CapEff"] == status["CapBnd"] == "0" * 16
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        files = worker.machine.run(f"stat -c '%a %U %G %n' {worker.state} {worker.state}/*")
        assert files.splitlines() == [
            f"2750 ses-worker ses-readers {worker.state}",
            *(
                f"640 ses-worker ses-readers {worker.database}{suffix}"
                for suffix in ("", "-shm", "-wal")
            ),
            f"600 ses-worker ses-readers {worker.database}.lock",
        ]
        reached = worker.machine.run(f"nsenter -t {pid} -m touch /etc/x /opt/x 2>&1 || true")
        assert reached.count("Read-only file system") == 2

    def test_a_secret_is_a_credential_that_only_the_worker_reads(self, service, emulator, slack):
        machine_path = "/etc/credstore/ses-worker.secret.slack_webhook_url"
        worker = service("secret")
        worker.machine.write(machine_path, slack.webhook_url, "600")
        worker.systemctl("start")
        send(emulator, worker, "jane@example.com")
        wait_until(lambda: slack.posts, pause=0.05)
        folder = f"/run/credentials/{worker.unit}"
        read = f"runuser -u reader -- cat {folder}/slack_webhook_url"
        assert "Permission denied" in worker.machine.try_to(read).err
        journal = json.dumps(worker.machine.journal(worker.unit))
        assert slack.webhook_url not in journal

    def test_the_keys_of_aws_can_be_a_credential(self, service, emulator, environment):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.pop(name)
        worker = service("keys")
        worker.systemctl("start")
        worker.wait_for("StatusText", "^queue failing since .*credentials")
        worker.machine.write(
            "/etc/credstore/ses-worker.keys.aws_credentials",
            "[default]\naws_access_key_id = local\naws_secret_access_key = local\n",
            "600",
        )
        send(emulator, worker, "jane@example.com")
        worker.systemctl("restart")
        wait_until(lambda: not emulator.messages(worker.queue), pause=0.05)


class TestReaders:
    def test_a_reader_of_another_account_reads_while_it_works_and_when_it_does_not(
        self, service, emulator
    ):
        worker = service("read")
        worker.systemctl("start")
        send(emulator, worker, "jane@example.com")
        wait_until(lambda: worker.count("events") == 1, pause=0.05)
        worker.systemctl("stop")
        assert worker.count("events") == 1
        worker.systemctl("start")
        assert worker.count("events") == 1
        worker.machine.run(
            f"systemctl kill --signal=KILL {worker.unit}; systemctl stop {worker.unit}"
        )
        assert worker.count("events") == 1
        assert worker.rows("SELECT 1 FROM events", account="outsider") is None
        assert worker.rows("DELETE FROM events") is None

    def test_files_removed_by_the_last_writer_are_made_again_by_the_worker(self, service):
        worker = service("taken")
        worker.systemctl("start")
        worker.systemctl("stop")
        worker.machine.run(f"sqlite3 {worker.database} 'PRAGMA user_version = 1'")
        assert worker.rows("SELECT 1 FROM events LIMIT 1") is None
        worker.systemctl("start")
        assert worker.rows("SELECT count(*) FROM events") == [[0]]


def test_the_journal_has_each_line_with_its_event_and_its_level(service, emulator):
    worker = service("journal")
    worker.systemctl("start")
    send(emulator, worker, "jane@example.com")
    emulator.send(worker.queue, "nonsense")
    wait_until(lambda: not emulator.messages(worker.queue), pause=0.05)
    journal = worker.machine.journal(worker.unit, "EVENT=bounce_notification")
    wait_until(
        lambda: worker.machine.journal(worker.unit, "EVENT=message.dead_lettered"), pause=0.05
    )
    (line,) = worker.machine.journal(worker.unit, "EVENT=bounce_notification")
    assert (line["PRIORITY"], line["_SYSTEMD_UNIT"]) == ("6", worker.unit)
    assert line["SYSLOG_IDENTIFIER"] == "ses-worker"
    assert json.loads(line["MESSAGE"])["domain"] == "example.com"
    (warning,) = worker.machine.journal(worker.unit, "EVENT=message.dead_lettered")
    assert int(warning["PRIORITY"]) < 6
    assert journal


@pytest.mark.parametrize("unit", ["ses-worker.service", "ses-worker@any.service"])
def test_the_unit_is_right_and_exposes_little(machine, unit):
    verified = machine.try_to(f"systemd-analyze verify --man=no {unit}")
    assert (verified.status, verified.out, verified.err) == (0, "", "")
    machine.run(
        f"systemd-analyze security --offline=true --threshold=11 /etc/systemd/system/{unit}"
    )
