"""`make bench`: all parts, one after the other, then the report.

Each part is a command of its own (`python -m bench.compare` and so on) and leaves its result in
bench/out. A part that fails is reported and left out, and its last result is deleted. If no part
can run, because Node is missing or another benchmark is running, nothing is changed.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import click
from rich.console import Console

from bench import parts
from bench.places import BENCH, OUT, ROOT, Unfit, claimed, find_node
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
LEAVING_SECONDS = 30
"""The time that a part may take to delete its files, which may be gigabytes."""
console = Console(stderr=True)


@click.command()
@click.option("--peers", is_flag=True, help="Install and include aiobotocore and sqs-consumer.")
@click.option("--only", help="Parts with commas between them, and report; default: all.")
@click.option("--rounds", type=click.IntRange(min=1), help="Of the comparison and of growth.")
@click.option("--quick", is_flag=True, help="Prove that it works; the results are kept apart.")
def main(*, peers: bool, only: str | None, rounds: int | None, quick: bool) -> None:
    """Measure everything and write bench/RESULTS.md."""
    known = [*PARTS, "report"]
    chosen = [name.strip() for name in only.split(",")] if only else known
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"no part is called {unknown[0]}: there are {', '.join(known)}")
    if quick:
        os.environ[parts.FOLDER] = "quick"
    usual = {name: [*arguments] for name, arguments in (QUICK if quick else PARTS).items()}
    usual["compare"] += ["--peers"] if peers else []
    for name in ("compare", "growth"):
        usual[name] += ["--rounds", str(rounds)] if rounds else []
    failed = []
    try:
        with claimed("run.lock"):
            measured = [name for name in PARTS if name in chosen]
            if measured:
                find_node()
                with claimed():  # a part that runs alone holds only this lock
                    pass
            failed = [name for name in measured if not _measure(name, usual[name])]
            if "report" in chosen:
                write(OUT if quick else BENCH)
    except Unfit as error:
        sys.exit(str(error))
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _measure(name: str, arguments: Sequence[str]) -> bool:
    """Run a part; return whether it succeeded."""
    console.rule(f"{name} {' '.join(arguments)}")
    parts.forget(name)
    process = subprocess.Popen([sys.executable, "-m", f"bench.{name}", *arguments], cwd=ROOT)
    try:
        return process.wait() == 0
    except KeyboardInterrupt:  # which the terminal sends to the part, too
        with suppress(subprocess.TimeoutExpired):
            process.wait(LEAVING_SECONDS)
        raise
    finally:
        # Not subprocess.run, which kills: what the part has started would stay, and its store.
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
