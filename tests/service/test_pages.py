"""Pages whose commands need a booted machine: putting a backup back, draining from a timer."""

import re

import pytest
from support import mail
from support.documents import blocks, text_of
from support.waiting import wait_until

BACK_UP, RESTORE, *_ = blocks(text_of("docs/backup.md"), "sh")
TIMERS = text_of("docs/install/timer.md")
SERVICE, TIMER = blocks(TIMERS, "ini")
(USE,) = blocks(TIMERS, "sh")


@pytest.fixture
def worker(service):
    return service("paged")


def for_instance(text, worker):
    """The page is about the only worker of a machine; this worker is an instance."""
    for installed, instance in [
        ("/var/lib/ses-worker/", f"{worker.state}/"),
        ("ses-worker db", f"/usr/local/bin/ses-worker --instance {worker.name} db"),
        ("systemctl stop ses-worker", f"systemctl stop {worker.unit}"),
        ("systemctl start ses-worker", f"systemctl start {worker.unit}"),
    ]:
        text = text.replace(installed, instance)
    return "set -e\n" + text


def test_a_backup_that_is_put_back_is_what_the_worker_goes_on_with(worker, emulator):
    def bounced(name):
        message = mail.bounce(f"{name}@example.com", feedback_id=name, message_id=name)
        emulator.send(worker.queue, message)
        wait_until(lambda: not emulator.messages(worker.queue), pause=0.05)
        return [key for (key,) in worker.rows("SELECT recipient FROM events ORDER BY id")]

    worker.systemctl("start")
    assert bounced("jane") == ["jane@example.com"]
    worker.machine.run(for_instance(BACK_UP, worker))
    assert bounced("joe") == ["jane@example.com", "joe@example.com"]
    worker.machine.run(for_instance(RESTORE, worker))
    assert worker.show("ActiveState") == "active"
    assert bounced("jim") == ["jane@example.com", "jim@example.com"]
    shown = worker.machine.run(f"stat --format '%U:%G %a' {worker.database}")
    assert shown.strip() == "ses-worker:ses-readers 640"
    assert worker.machine.run("stat --format '%U %a' /var/backups/ses-worker.db") == "root 600\n"
    worker.systemctl("stop")


def test_a_timer_drains_the_queue_as_the_service_would(worker, emulator):
    machine = worker.machine
    instance = f"/usr/local/bin/ses-worker --instance {worker.name} drain"
    unit = SERVICE.replace("/usr/local/bin/ses-worker drain", instance)
    assert unit != SERVICE
    machine.write("/etc/systemd/system/ses-worker-drain.service", unit)
    machine.write("/etc/systemd/system/ses-worker-drain.timer", TIMER)
    emulator.send(worker.queue, mail.bounce("ann@example.com"))
    reload, enable, listed, status, last_run = USE.splitlines()
    machine.run(f"{reload}; {enable}")
    assert "ses-worker-drain.timer" in machine.run(listed)
    machine.run("systemctl start ses-worker-drain.service")  # as the timer does
    assert not emulator.messages(worker.queue)
    assert "status=0/SUCCESS" in machine.try_to(status).out
    assert re.search(r"applied\W+1\b", machine.run(last_run))
    assert machine.show("ses-worker-drain.service", "Result")["Result"] == "success"

    emulator.send(worker.queue, "no JSON")
    machine.try_to("systemctl start ses-worker-drain.service")
    shown = machine.show("ses-worker-drain.service", "Result", "ExecMainStatus")
    assert shown == {"Result": "exit-code", "ExecMainStatus": "3"}
    machine.run("systemctl disable --now ses-worker-drain.timer")
