"""Where things are, and the environment in which everything is measured."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
OUT = BENCH / "out"
"""Everything temporary, and raw results."""
WORKER = Path(sys.executable).with_name("ses-worker")
"""The installed command of this virtual environment."""

USERS = 100_000
OLDEST_NODE = 20
RUN_SECONDS = 180
"""The longest that a run may take."""


class Unfit(Exception):
    """The benchmark cannot run here; the text says why in a sentence."""


@contextmanager
def claimed(what: str = "lock") -> Iterator[None]:
    """Lock `OUT` for the block, which SIGTERM ends as an exception does.

    Raises:
        Unfit: another benchmark of this checkout is running.

    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else whatever we started would stay
    OUT.mkdir(exist_ok=True)
    with (OUT / what).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unfit(f"another benchmark is running in {OUT}") from None
        yield


def find_node() -> str:
    """Find Node, new enough for the stub.

    Raises:
        Unfit: it is not on PATH, or too old.

    """
    node = shutil.which("node")
    if node is None:
        raise Unfit(f"the benchmark needs Node {OLDEST_NODE} or newer on PATH for its SQS stub")
    if (version := node_version(node)) < (OLDEST_NODE,):
        found = ".".join(map(str, version))
        raise Unfit(f"the benchmark needs Node {OLDEST_NODE} or newer, and {node} is {found}")
    return node


def node_version(node: str) -> tuple[int, ...]:
    """Ask a Node for its version."""
    output = subprocess.check_output([node, "--version"], text=True, timeout=20)
    return tuple(int(part) for part in output.strip().removeprefix("v").split(".")[:3])


def environment(endpoint: str, **more: str) -> dict[str, str]:
    """The same for all: this endpoint, invented credentials, and nothing of the developer's own."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(OUT),
        "LANG": "C.UTF-8",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "invented",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SES_WORKER_HTTP__LISTEN": "",
        **more,
    }
