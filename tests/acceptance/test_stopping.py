"""A stop ends in time whatever hangs: a log that nobody reads, a database, a resolver, a bug."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from support import mail
from support.running import COMMAND, patched, sessions_of_workers, skip
from support.waiting import wait_until
from test_run_observability import ask, free_port

SMALL = """
from worker.observability.line_writer import LineWriter
LineWriter.__init__.__kwdefaults__.update(most_bytes=20_000, wait_budget=0.2)
"""
"""A log of which fewer lines can wait, and that is not waited for as long."""
SOON = """
import worker.consumer, worker.service.shutdown
worker.consumer.SHUTDOWN_SECONDS = 2
worker.service.shutdown.leave_in_time.__kwdefaults__["seconds"] = 6.0
"""
"""A stop has seconds, where it has 38 and 45."""
SOONER = """
import worker.service.shutdown
worker.service.shutdown.leave_in_time.__kwdefaults__["seconds"] = 3.0
"""


class TestALogThatNobodyReads:
    @pytest.fixture
    def unread(self, start, emulator, queue, environment):
        """A daemon whose standard error is a pipe that is full, and stays so."""
        environment["SES_WORKER_QUEUE__WAIT_SECONDS"] = "1"
        port = free_port()
        process = start("run", program=patched(SMALL), SES_WORKER_HTTP__LISTEN=f"127.0.0.1:{port}")
        wait_until(lambda: emulator.long_polls)
        for address in mail.addresses(600):
            body = mail.recipient(address, diagnosticCode="x" * 900)
            emulator.send(queue, mail.bounce(body))
        return process, port

    def test_work_and_health_go_on_and_lines_are_counted(self, unread, emulator, queue, database):
        process, port = unread
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        assert database.count("events") == 600
        wait_until(lambda: '"log"' in ask(port)[1])
        status, output = ask(port)
        (problem,) = json.loads(output)["problems"]
        assert (status, problem["what"]) == (200, "log")
        assert ask(port, "/healthz")[0] == 200
        (lost,) = re.findall(
            r"^ses_worker_log_lines_lost_total (\S+)", ask(port, "/metrics")[1], re.MULTILINE
        )
        assert float(lost) > 100
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0

    def test_a_reader_that_reads_again_gets_the_count_of_lost_lines(self, unread, emulator, queue):
        process, port = unread
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        wait_until(lambda: '"log"' in ask(port)[1])
        for line in process.stderr:
            if '"event":"log.lost"' in line:
                break
        assert json.loads(line)["lines"] > 100
        wait_until(lambda: not json.loads(ask(port)[1])["problems"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0

    def test_a_journal_that_takes_nothing_is_no_reader_either(
        self, start, emulator, queue, environment, tmp_path, database
    ):
        environment["SES_WORKER_QUEUE__WAIT_SECONDS"] = "1"
        address = str(tmp_path / "journal")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.bind(address)
            code = f"""{SMALL}
import os, worker.observability.log
from worker.observability.journal import Journal
worker.observability.log._journal = lambda: journal
journal = Journal({address!r})
"""
            process = start("run", program=patched(code))
            wait_until(lambda: emulator.long_polls)
            for address in mail.addresses(1_000):
                emulator.send(queue, mail.bounce(address))
            assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        assert database.count("events") == 1_000


class TestALogThatCannotBeWritten:
    """A full disk, or a reader that is gone: the work goes on, and it is reported."""

    @pytest.fixture
    def started(self, environment, tmp_path, emulator, queue):
        """Start a daemon with its standard error in a file; end it after the test."""
        environment["SES_WORKER_QUEUE__WAIT_SECONDS"] = "1"
        port = free_port()
        environment["SES_WORKER_HTTP__LISTEN"] = f"127.0.0.1:{port}"
        processes = []

        def start(standard_error, code=""):
            command = [*patched(code), "run"]
            process = subprocess.Popen(
                command, env=environment, cwd=tmp_path, stderr=standard_error
            )
            processes.append(process)
            wait_until(lambda: emulator.long_polls)
            return port

        yield start
        for process in processes:
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0

    def lost_lines(self, port):
        (lost,) = re.findall(
            r"^ses_worker_log_lines_lost_total (\S+)", ask(port, "/metrics")[1], re.MULTILINE
        )
        return float(lost)

    def test_lost_lines_are_counted_and_reported(self, started, emulator, queue):
        with Path("/dev/full").open("wb") as full:
            port = started(full)
        for address in mail.addresses(20):
            emulator.send(queue, mail.bounce(address))
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        wait_until(lambda: self.lost_lines(port) > 20)
        wait_until(lambda: json.loads(ask(port)[1])["problems"])
        (problem,) = json.loads(ask(port)[1])["problems"]
        assert problem["what"] == "log"
        assert "standard error cannot be written (No space left on device)" in problem["error"]

    def test_a_pipe_whose_reader_is_gone_is_reported_alike(self, started, emulator, queue):
        reads, writes = os.pipe()
        os.close(reads)
        port = started(writes)
        os.close(writes)
        wait_until(lambda: self.lost_lines(port) > 0)
        wait_until(lambda: json.loads(ask(port)[1])["problems"])

    def test_the_count_of_lost_lines_is_reported_when_there_is_room_again(
        self, started, emulator, queue, tmp_path
    ):
        room = tmp_path / "room"
        code = f"""
import errno, os, pathlib, worker.observability.lost_lines, worker.observability.stderr as s
worker.observability.lost_lines.TRY_EVERY_SECONDS = 0.5
class Disk:
    @staticmethod
    def write(number, data):
        if not pathlib.Path({str(room)!r}).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(number, data)
s.os = Disk
"""
        path = tmp_path / "log"
        with path.open("wb") as file:
            port = started(file, code=code)
        wait_until(lambda: json.loads(ask(port)[1])["problems"])
        assert path.read_bytes() == b""
        room.touch()
        wait_until(path.read_bytes)
        first = json.loads(path.read_text().splitlines()[0])
        assert (first["event"], first["lines"]) == ("log.lost", self.lost_lines(port))
        wait_until(lambda: not json.loads(ask(port)[1])["problems"])


class TestWhatHangs:
    def test_a_file_that_somebody_else_writes_to(self, daemon, emulator, queue, environment):
        worker = daemon(program=patched(SOON))
        assert emulator.wait_for(lambda: emulator.long_polls)
        path = environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            emulator.send(queue, mail.bounce("jane@example.com"))
            assert emulator.wait_for(lambda: emulator.counts(queue).in_flight)
            time.sleep(0.5)  # until its writing waits for the file
            status, seconds = worker.stop()
        assert (status, seconds < 8) == (1, True)
        assert len(emulator.messages(queue)) == 1

    def test_a_postgresql_that_was_stopped(
        self, daemon, emulator, queue, environment, postgresql_url
    ):
        environment["SES_WORKER_STORE__URL"] = postgresql_url
        worker = daemon(program=patched(SOON))
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        pids = sessions_of_workers(postgresql_url)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            emulator.send(queue, mail.bounce("joan@example.com"))
            assert emulator.wait_for(lambda: emulator.counts(queue).in_flight)
            time.sleep(0.5)  # until its writing waits for the server
            status, seconds = worker.stop()
            assert (status, seconds < 8) == (1, True)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert len(emulator.messages(queue)) == 1

    def test_a_resolver(self, daemon, emulator, queue, environment):
        code = """
import socket, time, worker.timing.deadlines.sockets as s
known = socket.getaddrinfo
def getaddrinfo(host, port, *rest):
    is_asked = host == "far.example" and socket.AI_NUMERICHOST not in rest
    return time.sleep(1_000) if is_asked else known(host, port, *rest)
socket.getaddrinfo = getaddrinfo
s.LOOKUP_SECONDS = 1.0
"""
        environment["AWS_ENDPOINT_URL_SQS"] = "http://far.example"
        environment["SES_WORKER_QUEUE__URL"] = "http://far.example/1/q"
        worker = daemon(program=patched(code))
        worker.wait_for("queue.unavailable")
        assert "far.example" in "".join(worker.lines)
        status, seconds = worker.stop()
        assert (status, seconds < 10) == (0, True)

    @pytest.mark.parametrize(
        "what",
        [
            "worker.consumer.Consumer.finish",
            "worker.store.sqlite.SqliteStore.close",
            "worker.observability.http.Observability.__exit__",
        ],
    )
    def test_whatever_else_hangs_is_left_to_the_last_resort(self, daemon, emulator, queue, what):
        module, owner, name = what.rsplit(".", 2)
        code = f"""{SOONER}
import time, {module}
{module}.{owner}.{name} = lambda *_: time.sleep(1_000)
"""
        worker = daemon(program=patched(code))
        assert emulator.wait_for(lambda: emulator.long_polls)
        status, seconds = worker.stop()
        assert (status, 2 < seconds < 7) == (1, True)
        (output,) = [json.loads(x) for x in worker.lines if '"event":"worker.hangs"' in x]
        assert "MainThread" in output["threads"]

    def test_a_main_thread_that_hears_nothing(self, daemon, emulator, queue):
        """It hangs in a call, as in a library that asks the network: no handler would run."""
        code = f"""{SOONER}
import ctypes, worker.service.watchdog as w
libc = ctypes.CDLL(None)
def look(self):
    while self._health.phase == "working":
        libc.sleep(1_000)
w.Watchdog.look = look
"""
        worker = daemon(program=patched(code))
        assert emulator.wait_for(lambda: emulator.long_polls)
        time.sleep(1.5)  # until it hangs
        status, seconds = worker.stop()
        assert (status, 2 < seconds < 7) == (1, True)


SIGTERM_BIT = 1 << (signal.SIGTERM - 1)


def minds_sigterm(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[1], 16)
    return bool(caught & SIGTERM_BIT)


class TestTheFirstMoment:
    def started(self, environment, tmp_path, *before):
        return subprocess.Popen(
            [*before, COMMAND, "run"],
            env=environment | {"SES_WORKER_QUEUE__WAIT_SECONDS": "1"},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stopped_as_soon_as_it_minds(self, process, pid):
        wait_until(lambda: minds_sigterm(pid), pause=0.001)
        maps = Path(f"/proc/{pid}/maps").read_text()
        os.kill(pid, signal.SIGTERM)
        status = process.wait(5)
        assert status == 0
        assert "msgspec" not in maps, "it minds signals before it reads anything large"

    def test_a_stop_is_obeyed_before_anything_is_read(self, environment, tmp_path, queue):
        process = self.started(environment, tmp_path)
        self.stopped_as_soon_as_it_minds(process, process.pid)

    def test_also_as_the_first_process_of_a_container(self, environment, tmp_path, queue):
        alone = ["unshare", "--pid", "--fork", "--kill-child"]
        if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
            skip("needs root: a namespace of process ids has to be made")
        process = self.started(environment, tmp_path, *alone)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(children.read_text, pause=0.001)
        self.stopped_as_soon_as_it_minds(process, int(children.read_text()))

    @pytest.mark.parametrize("seconds", [0.15, 0.3, 0.5, 0.8])
    @pytest.mark.parametrize("alone", [False, True], ids=["beside others", "alone"])
    def test_a_stop_at_any_moment_of_the_start_is_obeyed(
        self, environment, tmp_path, queue, seconds, alone
    ):
        before = ["unshare", "--pid", "--fork", "--kill-child"] if alone else []
        if alone and subprocess.run([*before, "true"], check=False).returncode:
            skip("needs root: a namespace of process ids has to be made")
        process = self.started(environment, tmp_path, *before)
        pid = process.pid
        if alone:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            wait_until(children.read_text, pause=0.001)
            pid = int(children.read_text())
        wait_until(lambda: minds_sigterm(pid), pause=0.001)
        time.sleep(seconds)
        os.kill(pid, signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_drain_whose_log_nobody_reads_ends_all_the_same(start, emulator, queue):
    soon = "import worker.service.shutdown; worker.service.shutdown.LONGEST_COMMAND_SECONDS = 2.0"
    process = start("drain", program=patched(soon))
    for address in mail.addresses(600):
        body = mail.recipient(address, diagnosticCode="x" * 900)
        emulator.send(queue, mail.bounce(body))
    time.sleep(4)
    assert process.poll() is None  # it hangs in a line of its log
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == 1


@pytest.mark.parametrize("command", ["list", "replay"])
def test_a_look_at_dead_letters_that_hangs_ends_all_the_same(start, emulator, queue, command):
    code = """
import threading, time, worker.service.shutdown, worker.commands.dlq.session
worker.service.shutdown.LONGEST_COMMAND_SECONDS = 2.0
def hang(signals, work):
    print("hangs", flush=True)
    time.sleep(1_000)
for name in ("listing", "replaying"):
    module = __import__(f"worker.commands.dlq.{name}", fromlist=["see_through"])
    module.see_through = hang
"""
    process = start("dlq", command, program=patched(code))
    assert process.stdout.readline() == "hangs\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == 1
    assert "worker.hangs" in process.stderr.read()


def test_a_start_that_fails_ends_though_nobody_reads_why(environment, tmp_path, queue):
    """It would leave with 78, and hangs in saying so."""
    no_database = tmp_path / "no-database"
    no_database.write_text("text " * 1_000)
    environment["SES_WORKER_STORE__URL"] = f"sqlite:///{no_database}"
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writes, b"x" * 1_024)
    with suppress(BlockingIOError):
        while True:
            os.write(writes, b"x")
    os.set_blocking(writes, True)
    process = subprocess.Popen(
        [*patched(SOONER), "run"], env=environment, cwd=tmp_path, stderr=writes
    )
    try:
        assert process.wait(15) == 1
    finally:
        process.kill()
        os.close(reads)
        os.close(writes)
