"""What a service manager and its clients learn of the real daemon's start and end."""

import json
import signal
import socket
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from support import mail
from support.account_events import AT, LOOKS_OFTEN, body
from support.running import patched
from support.waiting import wait_until


class Manager:
    """Hears what systemd would."""

    def __init__(self, ours):
        self._ours = ours
        self._heard = []

    @property
    def heard(self):
        while True:
            try:
                output = self._ours.recv(4096)
            except BlockingIOError:
                return self._heard
            self._heard += output.decode().splitlines()


@pytest.fixture
def manager(tmp_path, environment):
    address = str(tmp_path / "notify")
    environment |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(address)
        ours.setblocking(False)
        yield Manager(ours)


@pytest.fixture
def http_get(environment):
    """Read a page of a worker's."""
    environment["SES_WORKER_HTTP__LISTEN"] = "127.0.0.1:0"

    def http_get(worker, name):
        worker.wait_for("http.listening")
        port = next(json.loads(x)["port"] for x in worker.lines if '"http.listening"' in x)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return http_get


HANGS = """
import time
import worker.commands.run as d, worker.service.watchdog as w
w.EXTENSION_SECONDS = 0.4
d.LONGEST_STEP_SECONDS = 1.0
{what} = lambda *_: time.sleep(1_000)
"""
STEPS = {
    "schema": "d.bring_schema_up",
    "probe": "import worker.store.sqlite as s; s.SqliteStore.probe",
    "effects": "d.warn_of_effects_without_sender",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_start_that_hangs_is_late_and_neither_beats_nor_asks_for_time(
    daemon, emulator, queue, manager, http_get, step
):
    worker = daemon(program=patched(HANGS.format(what=STEPS[step])))
    wait_until(lambda: http_get(worker, "healthz")[0] == 503)
    (late,) = http_get(worker, "healthz")[1]["late"]
    assert late["loop"] == "start"
    wait_until(lambda: any("start has hung for" in output for output in manager.heard))
    before = len(manager.heard)
    assert "WATCHDOG=1" in manager.heard
    wait_until(lambda: sum(s.startswith("STATUS") for s in manager.heard[before:]) >= 1)
    later = manager.heard[before:]
    assert not [output for output in later if not output.startswith("STATUS=start has hung for")]
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(20) == 0


def test_a_running_stop_is_visible_to_the_service_manager_and_over_http(
    daemon, emulator, queue, manager, http_get, slack
):
    worker = daemon()
    worker.wait_for("worker.started")
    with slack.held():
        emulator.send(queue, mail.bounce("jane@example.com"))
        wait_until(lambda: slack.requests)
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("worker.stopping")
        wait_until(lambda: http_get(worker, "readyz")[1]["phase"] == "stopping")
        assert http_get(worker, "readyz")[0] == 503
    assert worker.stop()[0] == 0
    words = [output for output in manager.heard if output in {"READY=1", "STOPPING=1"}]
    assert words == ["READY=1", "STOPPING=1"]


def test_a_lane_of_the_relay_that_dies_ends_the_worker(daemon, emulator, queue, slack):
    broken = "def _run(self): raise RuntimeError('a bug')\n"
    worker = daemon(
        program=patched(f"import worker.relay.lane as lane\n{broken}lane.LaneWorker._run = _run\n")
    )
    assert worker.process.wait(30) == 1
    worker.wait_for("thread.died")


def last_status(manager):
    return [line for line in manager.heard if line.startswith("STATUS=")][-1]


def logged(worker, event):
    return [json.loads(line) for line in worker.lines if f'"event":"{event}"' in line]


def test_a_worker_without_users_says_so_until_there_are_some(daemon, manager, run):
    worker = daemon(program=patched("import worker.service.no_users as n; n.EVERY_SECONDS = 0.2"))
    wait_until(
        lambda: [line for line in manager.heard if line.endswith("no users: nobody is paused")]
    )
    wait_until(lambda: manager.heard and logged(worker, "users.none"))
    (line,) = logged(worker, "users.none")
    assert "ses-worker users import" in line["hint"]
    assert 'policy.unknown_recipients = "create"' in line["hint"]
    wait_until(lambda: manager.heard and logged(worker, "worker.started"))
    run("users", "import", "-", input="email\njane@example.com\n")
    wait_until(lambda: "no users" not in last_status(manager))
    assert worker.stop()[0] == 0


def test_a_worker_that_makes_users_of_recipients_needs_none(daemon, manager):
    worker = daemon(SES_WORKER_POLICY__UNKNOWN_RECIPIENTS="create")
    wait_until(lambda: manager.heard and logged(worker, "worker.started"))
    assert worker.stop()[0] == 0
    assert not logged(worker, "users.none")
    assert not [line for line in manager.heard if "no users" in line]


def test_the_status_names_whom_ses_does_not_send_for_and_the_worker_stays_ready(
    daemon, emulator, queue, manager, http_get
):
    worker = daemon(program=patched(LOOKS_OFTEN))
    wait_until(lambda: manager.heard and logged(worker, "worker.started"), 40)
    emulator.send(queue, body())
    wait_until(lambda: "SES does not send for tenant acme" in last_status(manager))
    assert http_get(worker, "readyz")[0] == 200
    emulator.send(queue, body("Sending Status Enabled", at=AT + timedelta(minutes=30)))
    wait_until(lambda: "SES does not send" not in last_status(manager))
