"""`make bench`: all parts, one after the other, then the report.

Each part is a command of its own (`python -m bench.compare` and so on) and leaves its result in
bench/out. One that fails is told and left out: what an earlier run has left is not taken for it.
"""

import os
import signal
import subprocess
import sys

import click
from rich.console import Console

from bench import parts
from bench.places import BENCH, OUT, ROOT
from bench.report import write

PARTS: dict[str, list[str]] = {
    "compare": [],
    "growth": [],
    "idle": [],
    "start": [],
    "profile": [],
}
"""In the order in which they run, each with its usual arguments."""
QUICK = {
    "compare": ["--rounds", "1", "--messages", "2000"],
    "growth": ["--rounds", "1", "--messages", "1000", "--largest", "100000"],
    "idle": ["--seconds", "20", "--singles", "10"],
    "start": ["--rounds", "2"],
    "profile": ["--messages", "2000"],
}
console = Console(stderr=True)


@click.command()
@click.option("--peers", is_flag=True, help="Install and include aiobotocore and sqs-consumer.")
@click.option("--only", help="Parts with commas between them, and report; default: all.")
@click.option("--rounds", type=click.IntRange(min=1), help="Of the comparison and of growth.")
@click.option("--quick", is_flag=True, help="Prove that it works; the results are kept apart.")
def main(*, peers: bool, only: str | None, rounds: int | None, quick: bool) -> None:
    """Measure everything and write bench/RESULTS.md."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    known = [*PARTS, "report"]
    chosen = [name.strip() for name in only.split(",")] if only else known
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"no part is called {unknown[0]}: there are {', '.join(known)}")
    if quick:
        os.environ[parts.FOLDER] = "quick"
    usual = QUICK if quick else PARTS
    failed = []
    for name in (name for name in PARTS if name in chosen):
        arguments = [*usual[name]]
        arguments += ["--peers"] if peers and name == "compare" else []
        arguments += ["--rounds", str(rounds)] if rounds and name in {"compare", "growth"} else []
        console.rule(f"{name} {' '.join(arguments)}")
        parts.forget(name)
        command = [sys.executable, "-m", f"bench.{name}", *arguments]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    if "report" in chosen:
        write(OUT if quick else BENCH)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
