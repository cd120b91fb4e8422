"""A booted systemd, and the worker as a service in it: fixtures `machine` and `service`.

What is written in it is gone with it. Its network is ours, so the SQS emulator is within its reach.
"""

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from support.running import Done, skip
from support.waiting import wait_until

ROOT = Path(__file__).parents[2]
BOOT = ROOT / "tests" / "service" / "boot.sh"
SECONDS = 3_600
"""More than a session takes; a machine ends with its standard input, however this process ends."""
COMMAND_SECONDS = 240
"""A command that takes longer hangs, and is killed: an installation by pip takes a minute."""
NO_PORT = {"http": "listen = ''"}
"""All machines share this network."""
PACKAGES, SOURCE, PYTHON = "/opt/packages", "/opt/source", "/opt/python"
"""Where this suite's packages, this checkout and this Python are in the machine, read-only."""


@cache
def why_not():
    """Why systemd cannot be booted here, if it cannot."""
    done = subprocess.run([BOOT, "--probe"], capture_output=True, text=True, check=False)
    return f"systemd cannot be booted here: {done.stdout.strip()}" if done.returncode else None


class Machine:
    """Runs commands of root's in the booted system."""

    def __init__(self, process):
        self._process = process

    def try_to(self, command, input=""):
        """Run a piece of bash; what it left behind."""
        requested = {"command": command, "input": input, "seconds": COMMAND_SECONDS}
        self._process.stdin.write(json.dumps(requested) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the machine is gone"
        return Done(*json.loads(answer))

    def run(self, command, input=""):
        """Run a piece of bash that must succeed; what it says."""
        done = self.try_to(command, input)
        assert done.status == 0, f"{command}\n{done.out}{done.err}"
        return done.out

    def write(self, path, text, mode="644"):
        """Make a file."""
        self.run(f"mkdir -p $(dirname {path}); cat > {path}; chmod {mode} {path}", text)

    def show(self, unit, *properties):
        """What systemd knows of a unit."""
        expected = " ".join(f"-p {name}" for name in properties)
        return dict(
            line.partition("=")[::2]
            for line in self.run(f"systemctl show {unit} {expected}").splitlines()
        )

    def journal(self, unit, *matches):
        """Its lines, all fields of each."""
        output = self.run(f"journalctl --sync; journalctl -u {unit} -o json {' '.join(matches)}")
        return [json.loads(line) for line in output.splitlines()]


@contextmanager
def booted():
    """A machine with our Python and our packages, and nothing of the worker's."""
    if reason := why_not():
        skip(reason)
    bound = {Path(pytest.__file__).parents[1]: PACKAGES, ROOT: SOURCE}
    python = Path("/usr/bin", Path(sys.executable).resolve().name)
    if sys.base_prefix != "/usr":  # it may be in root's home, which no service sees
        bound[sys.base_prefix] = PYTHON
        python = Path(PYTHON, "bin", python.name)
    binds = [word for path, at in bound.items() for word in ("--bind-ro", f"{path}:{at}")]
    process = subprocess.Popen(
        [BOOT, *binds, "--timeout", str(SECONDS), "--", python, f"{SOURCE}/tests/service/agent.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    machine = Machine(process)
    machine.python = python
    try:
        # A shared library of Python's is looked for where it was built, which no service may see.
        machine.run(f"echo {PYTHON}/lib > /etc/ld.so.conf.d/python.conf; ldconfig")
        yield machine
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def machine():
    """A machine with the worker's files where the installation puts them.

    pip takes ten times as long, and is test_installation's to show.
    """
    with booted() as machine:
        machine.run(f"""
            {machine.python} -m venv --without-pip /opt/ses-worker
            printf '{PACKAGES}\n{SOURCE}\n' > $(echo /opt/ses-worker/lib/python*/site-packages)/suite.pth
            mkdir -p /opt/ses-worker/share/ses-worker
            cp -r {SOURCE}/config {SOURCE}/systemd/ses-worker /opt/ses-worker/share/ses-worker
            cp {SOURCE}/systemd/*.service /etc/systemd/system
            cp -r {SOURCE}/systemd/sysusers.d {SOURCE}/systemd/tmpfiles.d /etc
            systemd-sysusers ses-worker.conf
            systemd-tmpfiles --create ses-worker.conf
            useradd --groups ses-readers reader
            useradd outsider
        """)
        machine.write(
            "/opt/ses-worker/bin/ses-worker",
            "#!/opt/ses-worker/bin/python\nfrom worker.cli import main\nmain()\n",
            "755",
        )
        yield machine


class Service:
    """An instance of the template, with settings and state of its own."""

    def __init__(self, machine, name, environment):
        self.machine = machine
        self.name = name
        self.unit = f"ses-worker@{name}.service"
        self.state = f"/var/lib/ses-worker-{name}"
        self.database = f"{self.state}/ses-worker.db"
        shown = {key: value for key, value in environment.items() if key.startswith("AWS_")}
        lines = "".join(f"{key}={value}\n" for key, value in shown.items())
        machine.write(f"/etc/ses-worker/{name}.environment", lines, "600")

    @property
    def usual(self):
        """Settings that a test may add to."""
        queue = f"url = '{self.queue}'\nwait_seconds = 1\nvisibility_seconds = 2"
        return {"queue": queue} | NO_PORT

    def settings(self, **sections):
        """Write the file: each section's lines."""
        text = "".join(f"[{name}]\n{lines}\n" for name, lines in sections.items())
        self.machine.write(f"/etc/ses-worker/{self.name}.toml", text, "640")
        self.machine.run(f"chgrp ses-worker /etc/ses-worker/{self.name}.toml")

    def change(self, **settings):
        """Change the unit, as `systemctl edit` does."""
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        path = f"/etc/systemd/system/{self.unit}.d/test.conf"
        self.machine.write(path, f"[Service]\n{lines}")
        self.machine.run("systemctl daemon-reload")

    def fail_once(self, point, action, **changes):
        """Have its first start fail at a point (acceptance/failing.py), and no other."""
        failing = f"{SOURCE}/tests/acceptance/failing.py {point} {action} --"
        self.machine.write(
            f"/opt/{self.name}",
            "#!/bin/sh\n"
            '[ -e "$STATE_DIRECTORY/failed" ] && exec /opt/ses-worker/bin/ses-worker "$@"\n'
            'touch "$STATE_DIRECTORY/failed"\n'
            f'exec /opt/ses-worker/bin/python {failing} "$@"\n',
            "755",
        )
        start = f"\nExecStart=/opt/{self.name} run --config /etc/ses-worker/{self.name}.toml"
        self.change(ExecStart=start, **changes)

    def replace_by(self, code, **changes):
        """Have another program in its place."""
        self.machine.write(f"/opt/{self.name}", f"#!/opt/ses-worker/bin/python\n{code}\n", "755")
        start = f"\nExecStart=/opt/{self.name} run --config /etc/ses-worker/{self.name}.toml"
        self.change(ExecStart=start, **changes)

    def systemctl(self, verb):
        """Start, stop, reload it."""
        return self.machine.run(f"systemctl {verb} {self.unit}")

    def show(self, name):
        """Return a property."""
        return self.machine.show(self.unit, name)[name]

    def wait_for(self, name, pattern, seconds=20):
        """Wait until a property is so."""
        wait_until(lambda: re.search(pattern, self.show(name)), seconds, pause=0.05)

    @property
    def log(self):
        """The lines that the worker itself logged, as it wrote them."""
        lines = [line["MESSAGE"] for line in self.machine.journal(self.unit, "_COMM=ses-worker")]
        return [json.loads(line) for line in lines]

    def rows(self, query, account="reader"):
        """Read its database from another account; what cannot be read is None."""
        done = self.machine.try_to(f"runuser -u {account} -- {READ.format(self=self)}", query)
        return json.loads(done.out) if done.status == 0 else None

    def count(self, table):
        """How many rows."""
        ((count,),) = self.rows(f"SELECT count(*) FROM {table}") or [[0]]
        return count


READ = """/usr/bin/env python3 -c 'if True:
    import json, sqlite3, sys
    file = sqlite3.connect("file:{self.database}?mode=ro", uri=True)
    print(json.dumps(file.execute(sys.stdin.read()).fetchall()))'"""


@pytest.fixture
def service(machine, emulator, environment, tmp_path):
    """Make a service with a queue of its own; whatever becomes of it, it is gone at the end."""
    made = []

    def make(name, **sections):
        service = Service(machine, name, environment)
        service.queue = emulator.create_queue(name, dead_letter=f"{name}-dlq", max_receive_count=5)
        service.settings(**(service.usual | sections))
        made.append(service)
        return service

    yield make
    for service in made:
        machine.try_to(
            f"systemctl kill --signal=KILL {service.unit}; systemctl stop {service.unit}"
        )
