"""The real daemon as its log, metrics and health show it."""

import json
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support import mail
from support.running import QUICK, Watched, patched
from support.waiting import wait_until

import worker
from simulators.sqs import RECEIVE
from simulators.sqs.faults import INTERNAL_ERROR


def port_of(worker):
    worker.wait_for("http.listening")
    (line,) = [json.loads(line) for line in worker.lines if '"http.listening"' in line]
    return line["port"]


def ask(port, path="/readyz"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def free_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        return other.getsockname()[1]


def test_it_answers_from_its_start_and_says_what_it_waits_for(
    daemon, emulator, queue, environment, tmp_path, run
):
    environment["SES_WORKER_STORE__URL"] = f"sqlite:///{tmp_path / 'later' / 'worker.db'}"
    file = tmp_path / "health.json"
    worker = daemon(
        program=patched(
            QUICK + "import worker.observability.health_file as h; h.EVERY_SECONDS = 0.1"
        ),
        SES_WORKER_HTTP__LISTEN="127.0.0.1:0",
        SES_WORKER_HEALTH__FILE=str(file),
    )
    worker.wait_for("store.unavailable")
    port = port_of(worker)
    status, output = ask(port)
    assert (status, json.loads(output)["phase"]) == (503, "starting")
    assert json.loads(output)["problems"][0]["what"] == "store"
    assert ask(port, "/healthz")[0] == 200
    wait_until(lambda: json.loads(file.read_text())["problems"])
    done = run("check", "--live", SES_WORKER_HEALTH__FILE=str(file))
    assert (done.status, done.out.split()[0]) == (0, "alive")
    assert "the worker is starting" in done.out

    (tmp_path / "later").mkdir()
    worker.wait_for("worker.started")
    wait_until(lambda: ask(port)[0] == 200)
    emulator.send(queue, mail.bounce("jane@example.com"))
    wait_until(lambda: json.loads(file.read_text())["messages"].get("applied") == 1)
    assert json.loads(file.read_text())["ready"]
    metrics = ask(port, "/metrics")[1]
    assert 'ses_worker_messages_total{outcome="applied"} 1.0' in metrics
    assert "ses_worker_batch_messages_count 1.0" in metrics
    assert "ses_worker_event_to_record_seconds_count 1.0" in metrics

    emulator.faults.add(INTERNAL_ERROR, on=RECEIVE)
    wait_until(lambda: ask(port)[0] == 503)
    (problem,) = json.loads(ask(port)[1])["problems"]
    assert (problem["what"], ask(port, "/healthz")[0]) == ("queue", 200)
    emulator.faults.clear()
    wait_until(lambda: ask(port)[0] == 200)
    wait_until(lambda: json.loads(file.read_text())["ready"])  # it is written a little later

    requested = {
        "SES_WORKER_HTTP__LISTEN": f"127.0.0.1:{port}",
        "SES_WORKER_HEALTH__FILE": str(file),
    }
    done = run("check", "--live", "--json", **requested)
    assert (done.status, done.json["status"]) == (0, "ready")

    assert worker.stop()[0] == 0
    assert not file.exists()
    assert run("check", "--live", **requested).status == 1
    with pytest.raises(OSError, match="refused"):
        ask(port)


def test_a_port_that_is_taken_delays_no_message_and_no_stop(daemon, emulator, queue):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        worker = daemon(program=patched(QUICK), SES_WORKER_HTTP__LISTEN=f"127.0.0.1:{port}")
        worker.wait_for("http.unavailable")
        emulator.send(queue, mail.bounce("jane@example.com"))
        wait_until(lambda: not emulator.messages(queue))
        status, seconds = worker.stop()
        assert status == 0
        assert seconds < 10
        second = daemon(program=patched(QUICK), SES_WORKER_HTTP__LISTEN=f"127.0.0.1:{port}")
        second.wait_for("http.unavailable")
    wait_until(lambda: '"http.listening"' in "".join(second.lines))
    assert ask(port)[0] == 200


def test_settings_that_a_reload_did_not_apply_are_visible_and_leave_it_ready(
    daemon, emulator, queue, environment, tmp_path
):
    file = tmp_path / "worker.toml"
    file.write_text("")
    environment["SES_WORKER_CONFIG"] = str(file)
    worker = daemon(SES_WORKER_HTTP__LISTEN="127.0.0.1:0")
    port = port_of(worker)
    worker.wait_for("worker.started")

    def reload(text):
        file.write_text(text)
        worker.process.send_signal(signal.SIGHUP)

    def observed(expected):
        status, answer = ask(port)
        settings = [check["error"] for check in json.loads(answer)["problems"]]
        reported = 'ses_worker_trouble{what="settings"} 1.0' in ask(port, "/metrics")[1]
        return status == 200 and reported and settings == [expected]

    reload("[queue]\npollers = 3\n")
    wait_until(lambda: observed("restart to use queue.pollers"))
    reload("[queue]\npollers = 'x'\n[policy]\nsoft_bounce_pause_days = 'y'\n")
    worker.wait_for("settings.refused")
    wait_until(
        lambda: "refused, the previous settings stay in force: queue.pollers" in ask(port)[1]
    )
    (reported,) = json.loads(ask(port)[1])["problems"]
    assert f"(in {file}); policy.soft_bounce_pause_days: " in reported["error"]
    reload("")
    wait_until(lambda: not json.loads(ask(port)[1])["problems"])


def test_other_commands_open_no_port(run, emulator, queue):
    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        emulator.send(queue, "nonsense")
        done = run("drain", "--json", SES_WORKER_HTTP__LISTEN=f"127.0.0.1:{port}")
        assert done.json["dead_lettered"] == 1
        assert "http" not in done.err
    builders = [
        path.name
        for path in Path(worker.__file__).parent.rglob("*.py")
        if "make_observability(" in path.read_text(encoding="utf-8")
    ]
    assert sorted(builders) == ["observability.py", "run.py"]


def test_a_stop_is_quick_while_clients_hold_connections(daemon, emulator, queue):
    worker = daemon(SES_WORKER_HTTP__LISTEN="127.0.0.1:0")
    port = port_of(worker)
    worker.wait_for("worker.started")
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    for client in clients:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x")
    status, seconds = worker.stop()
    assert status == 0
    assert seconds < 10
    for client in clients:
        client.close()


def test_live_goes_alone(run):
    done = run("check", "--live", "--send")
    assert done.status == 2
    assert "--json only" in done.err


AT_THE_END = """
import atexit, gc, pathlib
atexit.register(lambda: pathlib.Path("thresholds").write_text(str(gc.get_threshold())))
"""


@pytest.mark.parametrize("command", ["run", "drain"])
def test_the_garbage_collector_is_calm_in_a_worker(command, start, queue, tmp_path):
    process = start(command, program=patched(AT_THE_END), SES_WORKER_QUEUE__WAIT_SECONDS="1")
    if command == "run":
        watched = Watched(process)
        watched.wait_for("worker.started")
        assert watched.stop()[0] == 0
    else:
        process.communicate(timeout=30)
    assert (tmp_path / "thresholds").read_text() == "(50000, 20, 20)"
