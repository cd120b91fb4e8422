"""The installed command, run as a person or a unit would, in an environment of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("ses-worker")
SECONDS = 60


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
def environment(tmp_path):
    """No setting and no credential of whoever runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SES_WORKER_", "AWS_"))
    }
    return kept | {
        "SES_WORKER_STORE__URL": f"sqlite:///{tmp_path / 'worker.db'}",
        "SES_WORKER_LOG__FORMAT": "json",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def run(environment, tmp_path):
    """Run the command to its end."""

    def run(*arguments, input=None, **changes):
        changed = {
            name: value for name, value in (environment | changes).items() if value is not None
        }
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            env=changed,
            cwd=tmp_path,
            input=input,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def start(environment, tmp_path):
    """Start the command and leave it running; what still runs at the end is killed."""
    started = []

    def start(*arguments, **changes):
        process = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            env=environment | changes,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
