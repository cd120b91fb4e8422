"""What a message costs in two checkouts, by pairs of runs that take turns.

    python -m bench.pair --before ../old --after . [--pairs 20] [--slack set]

Each run is `ses-worker drain` of one checkout on a fresh SQLite file and a queue of the stub, with
this environment's Python and packages, so the code alone differs. Instructions are counted where
the machine lets `perf` do so, else CPU time. Start-up is left out: counting begins when so many
messages are deleted. The interval is the sign test's, which supposes nothing of the distribution.
"""

import json
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from math import comb
from pathlib import Path

import click
from msgspec import Struct
from rich.console import Console

from bench import yardstick
from bench.attempts import Job, Wrong, check
from bench.places import OUT, ROOT, RUN_SECONDS, USERS, Unfit, claimed, environment, find_node
from bench.processes import Failed, cpu_seconds, ended, run_together, started
from bench.stores import COUNTS, email
from bench.stub import Stub, running_stub

LIMIT = 1.03
"""A message may cost at most so many times what it cost before."""
CONFIDENCE = 0.95
WARM_SHARE = 0.2
"""Of the messages, before anything is counted."""
DRAINED = (0, 4)
_INSTRUCTIONS = "instructions:u"

console = Console(stderr=True)


class Cost(Struct, frozen=True):
    """Of one message."""

    cpu_us: float
    instructions: float | None = None
    """None where they cannot be counted."""


class Interval(Struct, frozen=True):
    """A median of ratios, and between what it lies with `CONFIDENCE`."""

    median: float
    low: float
    high: float


class Side:
    """One checkout."""

    def __init__(self, name: str, tree: Path, stub: Stub) -> None:
        self.name = name
        self.tree = tree.resolve()
        self._stub = stub
        self._template, self._path = OUT / f"pair-{name}.db", OUT / "pair-run.db"
        self._command = [sys.executable, "-P", "-m", "worker"]
        self._surroundings = environment(stub.endpoint, PYTHONPATH=str(self.tree))
        self._assert_its_own_code_runs()
        self._template.unlink(missing_ok=True)
        users = OUT / "pair-users.csv"
        users.write_text("email\n" + "".join(f"{email(number)}\n" for number in range(USERS)))
        surroundings = self._surroundings | {"SES_WORKER_STORE__URL": f"sqlite:///{self._template}"}
        run_together(
            [[*self._command, "users", "import", str(users)]], surroundings, OUT / f"pair-{name}"
        )

    def _assert_its_own_code_runs(self) -> None:
        where = "import worker; print(worker.__file__)"
        output = subprocess.check_output(
            [sys.executable, "-P", "-c", where], env=self._surroundings, text=True, timeout=60
        )
        if Path(output.strip()).parents[1] != self.tree:
            raise Unfit(f"{self.tree} has no package named worker: {output.strip()} would run")

    def drain(self, queue: str, messages: int, *, seed: str, slack: bool, counts: bool) -> Cost:
        """Drain a queue once; return what a message has cost after the first ones.

        The same seed makes the same messages.

        Raises:
            Failed, Wrong: it did not work, or not rightly.

        """
        self._stub.load(queue, messages, seed)
        url = f"sqlite:///{yardstick.copy(self._template, self._path)}"
        surroundings = self._surroundings | {
            "SES_WORKER_QUEUE__URL": self._stub.queue_url(queue),
            "SES_WORKER_STORE__URL": url,
            **({"SES_WORKER_SLACK__WEBHOOK_URL": self._stub.slack_url} if slack else {}),
        }
        command = [*self._command, "drain", "--max-messages", str(messages), "--json"]
        warm = int(messages * WARM_SHARE)
        stem = OUT / f"pair-{self.name}" / "drain"
        with started(command, surroundings, stem) as process:
            self._await(process, queue, warm)
            # The stub tells at once, and what is deleted by now is a little more than was awaited.
            first, began = self._stub.stats(queue).deleted, cpu_seconds(process)
            count = _count(process.pid) if counts else None
            self._await(process, queue, messages)
            used = cpu_seconds(process) - began
            instructions = count() if count else None
            process.send_signal(signal.SIGTERM)
            ended(process, time.monotonic() + RUN_SECONDS, stem, DRAINED)
        with closing(sqlite3.connect(self._path)) as connection:
            events, counted = connection.execute(COUNTS).fetchone()
        check(self._stub, Job(queue=queue, messages=messages), (events, counted))
        paid = messages - first
        return Cost(used / paid * 1e6, None if instructions is None else instructions / paid)

    def _await(self, process: subprocess.Popen[bytes], queue: str, deleted: int) -> None:
        deadline = time.monotonic() + RUN_SECONDS
        while not self._stub.has(queue, deleted=deleted):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{self.name}: {queue} is not drained; status {process.returncode}")


def countable() -> bool:
    """Return whether this machine counts instructions."""
    try:
        done = subprocess.run(
            ["perf", "stat", "-x,", "-e", _INSTRUCTIONS, "true"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0 and done.stderr.partition(",")[0].strip().isdigit()


def _count(pid: int, event: str = _INSTRUCTIONS) -> Callable[[], float]:
    """Begin to count in all threads of a process; what is returned ends it and tells the count."""
    file = OUT / "pair-count.csv"
    perf = subprocess.Popen(["perf", "stat", "-x,", "-e", event, "-p", str(pid), "-o", str(file)])

    def count() -> float:
        perf.send_signal(signal.SIGINT)
        perf.wait(20)
        lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"]
        return float(lines[0].partition(",")[0])

    return count


def interval(ratios: Sequence[float]) -> Interval:
    """Work out the median and its interval by the sign test.

    The k-th ratio from either end is outside of it with the largest k for which a fair coin
    thrown as often as there are ratios shows fewer than k heads in at most half of 5 %.
    """
    ordered, count = sorted(ratios), len(ratios)
    chance, k = 0.0, 0
    while (chance := chance + comb(count, k) / 2**count) <= (1 - CONFIDENCE) / 2:
        k += 1
    if k == 0:
        return Interval(statistics.median(ordered), float("-inf"), float("inf"))
    return Interval(statistics.median(ordered), ordered[k - 1], ordered[-k])


def judged(found: Interval) -> str:
    """Report what follows for the limit."""
    if found.high <= LIMIT:
        return f"at most {LIMIT - 1:.0%} more"
    if found.low > LIMIT:
        return f"more than {LIMIT - 1:.0%} more"
    return f"not known: the interval holds {LIMIT - 1:.0%} more, and less"


@click.command()
@click.option("--before", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--after", type=click.Path(exists=True, path_type=Path), default=ROOT)
@click.option("--pairs", type=click.IntRange(min=6), default=20, show_default=True)
@click.option(
    "--messages", type=click.IntRange(min=500, max=USERS), default=10_000, show_default=True
)
@click.option("--slack", type=click.Choice(["both", "set", "not-set"]), default="both")
@click.option("--json", "as_json", is_flag=True)
def main(
    *, before: Path, after: Path, pairs: int, messages: int, slack: str, as_json: bool
) -> None:
    """Compare what a message costs in two checkouts."""
    variants = {"both": [False, True], "set": [True], "not-set": [False]}[slack]
    counts = countable()
    console.print(f"counting {'instructions' if counts else 'CPU time: no instructions here'}")
    try:
        with claimed(), running_stub(find_node()) as stub:
            sides = [Side("before", before, stub), Side("after", after, stub)]
            found = {
                variant: _pairs(sides, pairs, messages, slack=variant, counts=counts)
                for variant in variants
            }
    except (Unfit, Failed, Wrong) as error:
        sys.exit(str(error))
    tables = [_table(costs, slack=variant) for variant, costs in found.items()]
    print(json.dumps(tables, indent=2) if as_json else "\n\n".join(map(_shown, tables)))


def _pairs(
    sides: Sequence[Side], pairs: int, messages: int, *, slack: bool, counts: bool
) -> list[dict[str, Cost]]:
    found = []
    for number in range(pairs):
        pair = {}
        seed = f"pair-{number}"
        # Each is the first as often as the other: what one leaves for the other cancels out.
        for side in sides if number % 2 == 0 else sides[::-1]:
            queue = f"{seed}-{side.name}-{int(slack)}"
            pair[side.name] = side.drain(queue, messages, seed=seed, slack=slack, counts=counts)
        found.append(pair)
        ratio = pair["after"].cpu_us / pair["before"].cpu_us
        console.print(f"pair {number + 1} of {pairs}, Slack {slack}: CPU {ratio:.3f}")
    return found


def _table(pairs: Sequence[dict[str, Cost]], *, slack: bool) -> dict[str, object]:
    def column(what: Callable[[Cost], float | None]) -> dict[str, object] | None:
        sides = {name: [what(pair[name]) for pair in pairs] for name in ("before", "after")}
        known = {name: [v for v in values if v is not None] for name, values in sides.items()}
        if len(known["before"]) < len(pairs) or len(known["after"]) < len(pairs):
            return None
        ratios = [b / a for a, b in zip(known["before"], known["after"], strict=True)]
        ratio = interval(ratios)
        return {
            "before": round(statistics.median(known["before"]), 2),
            "after": round(statistics.median(known["after"]), 2),
            "ratio": round(ratio.median, 4),
            "low": round(ratio.low, 4),
            "high": round(ratio.high, 4),
            "verdict": judged(ratio),
        }

    return {
        "slack": "set" if slack else "not set",
        "pairs": len(pairs),
        "cpu_us": column(lambda cost: cost.cpu_us),
        "instructions": column(lambda cost: cost.instructions),
    }


def _shown(table: dict[str, object]) -> str:
    lines = [f"Slack {table['slack']}, {table['pairs']} pairs"]
    lines += [
        f"{name:13} before {found['before']:>10} after {found['after']:>10}, ratio"
        f" {found['ratio']:.4f} ({found['low']:.4f} to {found['high']:.4f}): {found['verdict']}"
        for name in ("instructions", "cpu_us")
        if isinstance(found := table[name], dict)
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
