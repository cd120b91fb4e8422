"""The daemon's memory is bounded, whatever SQS can carry."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from support import large_bodies
from support.running import Watched

ROOT = Path(__file__).parents[2]
ALLOWED_MB = 300
COUNT = 4 * len(large_bodies.KINDS)


class LargeQueue:
    """A queue of bodies of 1 MiB in a process of its own, each written when it is requested."""

    def __init__(self, *arguments):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.large_queue", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.endpoint = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def facts(self):
        with urllib.request.urlopen(self.endpoint, timeout=30) as answer:
            return json.load(answer)

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture
def large_queue(environment):
    """As many small messages come before each dozen of large ones, so that these come as a
    surprise."""
    queue = LargeQueue("--count", str(COUNT), "--clump", "12")
    environment |= {
        "AWS_ENDPOINT_URL": queue.endpoint,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "SES_WORKER_QUEUE__URL": f"{queue.endpoint}/123456789012/queue",
    }
    yield queue
    queue.close()


def peak_mb(process):
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
    )
    return int(status["VmHWM"].split()[0]) / 1024


@pytest.mark.timeout(300)
def test_bodies_of_a_mebibyte_in_any_mix_take_less_than_300_mb(large_queue, start, slack):
    process = Watched(start("run", forked=False)).process
    deadline = time.monotonic() + 240
    while (facts := large_queue.facts())["left"]:
        assert process.poll() is None
        assert time.monotonic() < deadline, facts
        time.sleep(0.2)
    assert facts["deleted"] == COUNT
    assert peak_mb(process) < ALLOWED_MB
