"""The disk of a SQLite database fills up: what operators see of it, and when."""

import json
import urllib.error
import urllib.request

import pytest
from support import mail
from support.running import QUICK, patched
from support.waiting import wait_until

LOOKED_AT_OFTEN = (
    QUICK
    + "import worker.service.disk_watch as d; d.EVERY_SECONDS = 0.1\n"
    + "import worker.observability.http.measuring as m; m.EVERY_SECONDS = 0.1\n"
)
FULL, LOW = 24 * 1024**2 // 20, 24 * 1024**2 // 10
"""Of a disk of 24 MiB."""


def ask(port, path="readyz"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def database_line(run):
    found = run("check", "--json").json["checks"]
    return next(item for item in found if item["check"] == "database")


@pytest.fixture
def on_small_disk(environment, small_disk):
    environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
    return small_disk


def test_check_readiness_and_the_store_agree_at_every_level_of_the_disk(
    daemon, run, emulator, queue, database, on_small_disk
):
    worker = daemon(program=patched(LOOKED_AT_OFTEN), SES_WORKER_HTTP__LISTEN="127.0.0.1:0")
    worker.wait_for("worker.started")
    (line,) = [json.loads(line) for line in worker.lines if '"http.listening"' in line]
    port = line["port"]
    wait_until(lambda: ask(port)[0] == 200)
    assert database_line(run)["status"] == "ok"

    def problems():
        return {
            problem["what"]: problem["error"] for problem in json.loads(ask(port)[1])["problems"]
        }

    on_small_disk.leave(LOW - 200_000)
    worker.wait_for("disk.low")
    assert (ask(port)[0], "nearly full" in problems()["disk"]) == (200, True)
    found = database_line(run)
    assert (found["status"], found["fix"]) == ("note", "make room on it")
    assert f"the disk of {on_small_disk.path} is nearly full" in found["message"]

    on_small_disk.leave(FULL - 200_000)  # SQLite itself could still write
    emulator.send(queue, mail.bounce("jane@example.com"))
    worker.wait_for("store.unavailable")
    assert ask(port)[0] == 503
    wait_until(lambda: "is full" in problems()["disk"])
    for reported in (problems()["store"], problems()["disk"], database_line(run)["message"]):
        assert f"the disk of {on_small_disk.path} is full: 1.1 MB of 25.2 MB are free" in reported
    assert (database_line(run)["status"], database.count("events")) == ("wrong", 0)

    on_small_disk.leave(FULL + 300_000)
    worker.wait_for("store.available")
    assert emulator.wait_for(lambda: not emulator.messages(queue))
    wait_until(lambda: ask(port)[0] == 200)
    assert database_line(run)["status"] == "note"

    on_small_disk.empty()
    worker.wait_for("disk.available")
    assert problems() == {}
    assert database_line(run)["status"] == "ok"
    wait_until(lambda: _free(port) > LOW)
    assert worker.stop()[0] == 0
    assert sum('"event":"disk.low"' in line for line in worker.lines) == 1
    assert database.count("events") == 1


def _free(port):
    (value,) = [
        float(line.split()[1])
        for line in ask(port, "metrics")[1].splitlines()
        if line.startswith("ses_worker_disk_free_bytes ")
    ]
    return value


def test_a_drain_warns_of_a_disk_that_is_nearly_full(run, emulator, queue, on_small_disk):
    run("db", "upgrade")
    on_small_disk.leave(LOW - 200_000)
    emulator.send(queue, mail.bounce("jane@example.com"))
    done = run("drain", "--json")
    assert (done.status, done.json["applied"]) == (0, 1)
    assert [line["folder"] for line in done.log if line["event"] == "disk.low"] == [
        str(on_small_disk.path)
    ]
