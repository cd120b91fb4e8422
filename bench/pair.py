"""Compare what a message costs in two checkouts, by pairs of drains that take turns.

    python -m bench.pair --before ../old [--after .] [--count valgrind] [--pairs 20] [--slack set]

Each run is `ses-worker drain` of one checkout on a fresh SQLite file and a queue of the stub, with
this environment's Python and packages, so that only the code differs. `--count` says what is
compared, see `bench.counting`: "auto" takes perf's instructions where the machine has them, else
valgrind's, else CPU time. Start-up is left out. The interval is that of the sign test, which
assumes nothing about the distribution.

Under valgrind a pair takes some minutes, its two checkouts run side by side, and six pairs of 1,500
messages suffice: other programs change CPU time, but not the number of instructions.
"""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import comb
from pathlib import Path

import click
from msgspec import Struct
from rich.console import Console

from bench.attempts import Wrong
from bench.checkouts import Checkout, Cost
from bench.counting import Counter, chosen
from bench.places import ROOT, USERS, Unfit, claimed, find_node
from bench.processes import Failed
from bench.stub import running_stub

LIMIT = 1.03
"""A message may cost at most this many times what it cost before."""
CONFIDENCE = 0.95
PAIRS = 20
MESSAGES = 10_000
VALGRIND_PAIRS = 6
VALGRIND_MESSAGES = 1_500

console = Console(stderr=True)


class Interval(Struct, frozen=True):
    """The median of ratios, and the bounds that it lies between with `CONFIDENCE`."""

    median: float
    low: float
    high: float


class Plan(Struct, frozen=True, kw_only=True):
    """What is run."""

    pairs: int
    messages: int
    counter: Counter


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


def verdict(ratio: Interval) -> str:
    """Compare an interval with the limit."""
    if ratio.high <= LIMIT:
        return f"at most {LIMIT - 1:.0%} more"
    if ratio.low > LIMIT:
        return f"more than {LIMIT - 1:.0%} more"
    return f"not known: the interval holds {LIMIT - 1:.0%} more, and less"


@click.command()
@click.option("--before", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--after", type=click.Path(exists=True, path_type=Path), default=ROOT)
@click.option(
    "--count",
    type=click.Choice(["auto", *(counter.value for counter in Counter)]),
    default="auto",
    show_default=True,
)
@click.option(
    "--pairs", type=click.IntRange(min=1), help="20, or 6 with valgrind; an interval needs 6"
)
@click.option("--messages", type=click.IntRange(100, USERS), help="10,000, or 1,500 with valgrind")
@click.option("--slack", type=click.Choice(["both", "set", "not-set"]), default="both")
@click.option("--json", "as_json", is_flag=True)
def main(
    *,
    before: Path,
    after: Path,
    count: str,
    pairs: int | None,
    messages: int | None,
    slack: str,
    as_json: bool,
) -> None:
    """Compare what a message costs in two checkouts."""
    variants = {"both": [False, True], "set": [True], "not-set": [False]}[slack]
    try:
        plan = _plan(chosen(count), pairs, messages)
        console.print(f"counting with {plan.counter}")
        with claimed(), running_stub(find_node()) as stub:
            checkouts = [Checkout("before", before, stub), Checkout("after", after, stub)]
            costs = {variant: _run_pairs(checkouts, plan, slack=variant) for variant in variants}
    except (Unfit, Failed, Wrong) as error:
        sys.exit(str(error))
    tables = [_table(pairs, slack=variant) for variant, pairs in costs.items()]
    print(json.dumps(tables, indent=2) if as_json else "\n\n".join(map(_shown, tables)))


def _plan(counter: Counter, pairs: int | None, messages: int | None) -> Plan:
    slow = counter is Counter.VALGRIND
    return Plan(
        counter=counter,
        pairs=pairs or (VALGRIND_PAIRS if slow else PAIRS),
        messages=messages or (VALGRIND_MESSAGES if slow else MESSAGES),
    )


def _run_pairs(checkouts: Sequence[Checkout], plan: Plan, *, slack: bool) -> list[dict[str, Cost]]:
    pairs = []
    # Side by side would change CPU time, and perf's count a little; valgrind's it does not.
    with ThreadPoolExecutor(2 if plan.counter is Counter.VALGRIND else 1) as pool:
        for number in range(plan.pairs):
            seed = f"pair-{number}"

            def drain(checkout: Checkout, seed: str = seed) -> Cost:
                queue = f"{seed}-{checkout.name}-{int(slack)}"
                return checkout.drain(
                    queue, plan.messages, seed=seed, slack=slack, counter=plan.counter
                )

            # Each goes first as often as the other: what one leaves for the other cancels out.
            turns = checkouts if number % 2 == 0 else checkouts[::-1]
            costs = list(pool.map(drain, turns))
            pair = {checkout.name: cost for checkout, cost in zip(turns, costs, strict=True)}
            pairs.append(pair)
            console.print(f"pair {number + 1} of {plan.pairs}, Slack {slack}: {_ratios(pair)}")
    return pairs


def _ratios(pair: dict[str, Cost]) -> str:
    before, after = pair["before"], pair["after"]
    texts = []
    if before.cpu_us and after.cpu_us:
        texts.append(f"CPU {after.cpu_us / before.cpu_us:.3f}")
    if before.instructions and after.instructions:
        ratio = after.instructions / before.instructions
        texts.append(f"instructions {ratio:.4f} ({before.instructions:,.0f} before)")
    return ", ".join(texts)


def _table(pairs: Sequence[dict[str, Cost]], *, slack: bool) -> dict[str, object]:
    return {
        "slack": "set" if slack else "not set",
        "pairs": len(pairs),
        "cpu_us": _column(pairs, lambda cost: cost.cpu_us),
        "instructions": _column(pairs, lambda cost: cost.instructions),
    }


def _column(
    pairs: Sequence[dict[str, Cost]], value: Callable[[Cost], float | None]
) -> dict[str, object] | None:
    before = [number for pair in pairs if (number := value(pair["before"])) is not None]
    after = [number for pair in pairs if (number := value(pair["after"])) is not None]
    if len(before) < len(pairs) or len(after) < len(pairs):
        return None
    ratio = interval([b / a for a, b in zip(before, after, strict=True)])
    return {
        "before": round(statistics.median(before), 2),
        "after": round(statistics.median(after), 2),
        "ratio": round(ratio.median, 4),
        "low": round(ratio.low, 4),
        "high": round(ratio.high, 4),
        "verdict": verdict(ratio),
    }


def _shown(table: dict[str, object]) -> str:
    lines = [f"Slack {table['slack']}, {table['pairs']} pairs"]
    lines += [
        f"{name:13} before {column['before']:>12} after {column['after']:>12}, ratio"
        f" {column['ratio']:.4f} ({column['low']:.4f} to {column['high']:.4f}): {column['verdict']}"
        for name in ("instructions", "cpu_us")
        if isinstance(column := table[name], dict)
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
