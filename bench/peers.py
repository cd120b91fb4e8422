"""The peers: installed on request, each in a place of its own under bench/."""

import shutil
import subprocess
import sys
from pathlib import Path

from bench.contestants import Script
from bench.places import BENCH, ROOT, node_version

AIO_VENV = BENCH / ".venv-aio"
AIO_PACKAGES = ("aiobotocore==3.10.0", "uvloop==0.23.0")
NPM = BENCH / "npm"
NODE_WITH_SQLITE = (22, 13)
"""Before, `node:sqlite` was not there or behind a flag."""
INSTALL_SECONDS = 300


def install_peers(template: Path) -> tuple[list[Script], list[str]]:
    """Install what is not there yet; return the peers, and a sentence for each that cannot be."""
    peers, problems = [], []
    for name, make in {"aiobotocore": _aiobotocore, "sqs-consumer": _sqs_consumer}.items():
        try:
            peers.append(make(template))
        except (OSError, subprocess.SubprocessError) as error:
            output = getattr(error, "stderr", None) or str(error)
            problems.append(f"{name} cannot be installed here: {output.strip()[-300:]}")
    return peers, problems


def _aiobotocore(template: Path) -> Script:
    python = AIO_VENV / "bin" / "python"
    if not python.exists():
        _run(sys.executable, "-m", "venv", str(AIO_VENV))
    _run(str(python), "-m", "pip", "install", "--quiet", *AIO_PACKAGES)
    return Script(
        "aiobotocore",
        f"8 loops of {AIO_PACKAGES[0]} on uvloop, otherwise as the floor",
        [str(python), "-m", "bench.aio"],
        template,
        PYTHONPATH=str(ROOT),
    )


def _sqs_consumer(template: Path) -> Script:
    if not (NPM / "node_modules" / "sqs-consumer").exists():
        _run("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(NPM))
    node = _node_with_sqlite()
    return Script(
        "sqs-consumer",
        "sqs-consumer 15 with batches, on node:sqlite",
        [node, "--no-warnings", str(NPM / "consumer.mjs")],
        template,
    )


def _node_with_sqlite() -> str:
    """Node on PATH if it is new enough, else the Node that npm has installed."""
    own = shutil.which("node")
    if own and node_version(own) >= NODE_WITH_SQLITE:
        return own
    brought = NPM / "node_modules" / "node" / "bin" / "node"
    if not brought.exists():
        raise OSError(f"it needs Node {NODE_WITH_SQLITE[0]} for node:sqlite")
    return str(brought)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
