"""`check --live`: what a health file or /readyz says, in a word."""

import errno
import json
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from worker.cli.live import live, look
from worker.observability.health import Health, Phase
from worker.observability.health_file import HealthFile
from worker.observability.http.pages import Pages
from worker.settings.loading import load_settings


@pytest.fixture
def health():
    health = Health()
    health.phase = Phase.WORKING
    return health


@pytest.fixture
def path(tmp_path):
    return tmp_path / "health.json"


@pytest.fixture
def by_file(health, path):
    """Write the file, and report what is made of it."""

    def by_file(**changes):
        HealthFile(path, health).write()
        if changes:
            path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        return look(load_settings({"SES_WORKER_HEALTH__FILE": str(path)}))

    return by_file


@pytest.fixture
def answering(health):
    """A server that answers; yields its address."""
    started = []

    def answering(body=None):
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                pages = Pages(health, None)
                output = body or b"".join(
                    pages.answer({"PATH_INFO": self.path, "REQUEST_METHOD": "GET"}, lambda *_: None)
                )
                self.send_response(200 if health.report().ready else 503)
                self.end_headers()
                self.wfile.write(output)

            def log_message(self, *_):
                pass

        server = socketserver.TCPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        started.append(server)
        return server.server_address[1]

    yield answering
    for server in started:
        server.shutdown()
        server.server_close()


def settings(port, host="127.0.0.1"):
    return load_settings({"SES_WORKER_HTTP__LISTEN": f"{host}:{port}"})


class TestFile:
    def test_it_is_ready(self, by_file, path):
        found = by_file()
        assert (found.status, found.is_alive, found.reasons) == ("ready", True, [])
        assert found.source == str(path)

    def test_it_is_alive_and_says_why_it_is_not_ready(self, by_file, health):
        health.report_problem("queue", "no answer")
        found = by_file()
        assert (found.status, found.is_alive) == ("alive", True)
        assert found.reasons == ["queue: no answer"]

    def test_it_says_that_it_is_starting(self, by_file, health):
        health.phase = Phase.STARTING
        assert by_file().reasons == ["the worker is starting"]

    def test_it_is_late(self, by_file, health):
        health.pulse("writer").within(-5)
        found = by_file()
        assert (found.status, found.is_alive) == ("late", False)
        assert found.reasons == ["writer is late by 5 s"]

    def test_a_file_that_nobody_writes_any_more_is_stale_however_healthy_it_was(self, by_file):
        found = by_file(written_unix=time.time() - 16)
        assert (found.status, found.is_alive) == ("stale", False)
        assert by_file(written_unix=time.time() - 10).status == "ready"

    def test_a_file_from_the_future_says_nothing_of_now(self, by_file):
        found = by_file(written_unix=time.time() + 7_200)
        assert (found.status, found.is_alive) == ("stale", False)
        assert "clock" in found.reasons[0]

    @pytest.mark.parametrize("listen", ["", "127.0.0.1:9"])
    def test_a_file_without_read_permission_is_reported_in_a_line(
        self, path, monkeypatch, capsys, listen
    ):
        sought = load_settings(
            {"SES_WORKER_HEALTH__FILE": str(path), "SES_WORKER_HTTP__LISTEN": listen}
        )

        def closed(*_, **__):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(Path, "stat", closed)  # root, who may run this, reads everything
        monkeypatch.setattr(Path, "open", closed)
        assert live(sought, as_json=True) == 1
        output = json.loads(capsys.readouterr().out)
        assert (output["alive"], output["status"], output["source"]) == (False, "silent", str(path))
        assert output["reasons"] == [
            "Permission denied: run this as the worker's user, or as a member of its group"
        ]

    def test_what_is_no_health_file_is_stale(self, by_file, path):
        assert by_file(written_unix=None).status == "stale"
        assert by_file(ready="yes").status == "stale"
        for text in ("", "{", "[]", '{"phase": 1}'):
            path.write_text(text)
            sought = load_settings({"SES_WORKER_HEALTH__FILE": str(path)})
            assert look(sought).status == "stale"

    def test_where_there_is_none_nobody_runs(self, path):
        sought = {"SES_WORKER_HEALTH__FILE": str(path), "SES_WORKER_HTTP__LISTEN": ""}
        found = look(load_settings(sought))
        assert (found.status, found.is_alive) == ("silent", False)
        assert "No such file" in found.reasons[0]


class TestHttp:
    def test_without_a_file_readyz_is_used(self, answering, health, path):
        port = answering()
        assert look(settings(port)).status == "ready"
        assert look(settings(port, "0.0.0.0")).status == "ready"
        health.report_problem("store", "locked")
        found = look(settings(port))
        assert (found.status, found.reasons) == ("alive", ["store: locked"])
        assert found.source == f"http://127.0.0.1:{port}/readyz"

    def test_the_file_comes_first_and_the_port_where_it_is_not(self, answering, by_file, path):
        port = str(answering())
        sought = {
            "SES_WORKER_HEALTH__FILE": str(path),
            "SES_WORKER_HTTP__LISTEN": f"127.0.0.1:{port}",
        }
        assert look(load_settings(sought)).source.startswith("http://")
        by_file()
        assert look(load_settings(sought)).source == str(path)

    def test_who_does_not_answer_or_is_somebody_else_is_silent(self, answering):
        import socket

        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            found = look(settings(nobody.getsockname()[1]))
        assert (found.status, found.is_alive) == ("silent", False)
        assert "refused" in found.reasons[0]
        assert look(settings(answering(b"<html>"))).reasons == ["the answer is not a worker's"]

    def test_where_nothing_is_set_there_is_nothing_to_ask(self):
        found = look(load_settings({"SES_WORKER_HTTP__LISTEN": ""}))
        assert (found.status, found.source) == ("silent", "nowhere")
        assert look(load_settings({"SES_WORKER_HTTP__LISTEN": "127.0.0.1:0"})).status == "silent"


def test_it_prints_a_line_with_reasons_below_or_json(by_file, health, path, capsys):
    health.report_problem("queue", "no answer")
    by_file()
    sought = load_settings({"SES_WORKER_HEALTH__FILE": str(path)})
    assert live(sought, as_json=False) == 0
    assert capsys.readouterr().out == f"alive ({path})\n  queue: no answer\n"
    assert live(sought, as_json=True) == 0
    output = json.loads(capsys.readouterr().out)
    assert (output["alive"], output["status"], output["reasons"]) == (
        True,
        "alive",
        ["queue: no answer"],
    )
    path.unlink()
    assert live(load_settings({"SES_WORKER_HTTP__LISTEN": ""}), as_json=False) == 1
