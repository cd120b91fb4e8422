"""`make mutants`: break each invariant once, and see the named test fail.

python -m mutants [--only WORD] [--skip-healthy]
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from mutants.changing import Mutant, Unfit, changed
from mutants.invariants import invariants, is_there
from mutants.running import Outcome, Verdict, judge, run
from mutants.scratch import make_copy
from mutants.table import MUTANTS

AT_ONCE = 2
HEALTHY_SECONDS = 1_800
"""For all named tests together, on the tree as it is."""


@click.command()
@click.option("--only", default="", help="Mutants whose invariant, test or file has this word.")
@click.option("--skip-healthy", is_flag=True, help="Do not run the tests on the tree as it is.")
def main(*, only: str, skip_healthy: bool) -> None:
    """Run all mutants; exit with 1 unless all are killed."""
    began = time.monotonic()
    chosen = [
        item for item in MUTANTS if only in item.invariant or only in item.test or only in item.file
    ]
    errors = list(_misfits(MUTANTS))
    if not (errors or skip_healthy):
        errors += _unhealthy(sorted({item.test for item in chosen}))
    outcomes = [] if errors else _judge_all(chosen)
    for mutant, outcome in outcomes:
        click.echo(
            f"| {mutant.invariant} | `{mutant}` | `{mutant.test}` | {outcome.verdict}"
            f" | {outcome.seconds:.0f} s |"
        )
    errors += [
        f"{outcome.verdict}: {mutant}: {mutant.test}: {outcome.message}"
        for mutant, outcome in outcomes
        if outcome.verdict is not Verdict.KILLED
    ]
    killed = sum(outcome.verdict is Verdict.KILLED for _, outcome in outcomes)
    click.echo(
        f"\n{killed} of {len(chosen)} mutants of {len({item.invariant for item in chosen})}"
        f" invariants killed, in {time.monotonic() - began:.0f} s"
    )
    for error in errors:
        click.echo(error, err=True)
    sys.exit(1 if errors else 0)


def _misfits(mutants: Sequence[Mutant]) -> list[str]:
    """Report what does not fit: a mutant and the source, a document and the tests."""
    found = []
    rows = invariants()
    for mutant in mutants:
        try:
            changed(mutant)
        except Unfit as unfit:
            found.append(str(unfit))
        if mutant.test not in rows.get(mutant.invariant, []):
            found.append(f"{mutant}: no row of the architecture names {mutant.test} for it")
    for invariant, tests in rows.items():
        if not any(mutant.invariant == invariant for mutant in mutants):
            found.append(f"no mutant breaks the invariant: {invariant}")
        found += [f"no such test: {test}" for test in tests if not is_there(test)]
    return found


def _unhealthy(tests: Sequence[str]) -> list[str]:
    """Run the tests on the tree as it is; report which of them do not pass."""
    click.echo(f"{len(tests)} named tests on the tree as it is …", err=True)
    os.environ["TESTS_MUST_NOT_SKIP"] = "1"
    try:
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            copy = Path(folder, "tree")
            python = make_copy(copy)
            spread = ("-n", str(AT_ONCE), "--dist", "worksteal")
            cases, output = run(python, copy, tests, HEALTHY_SECONDS, *spread)
    finally:
        # A mutant's test that cannot run must not look like a failed test.
        del os.environ["TESTS_MUST_NOT_SKIP"]
    if not cases:
        return [f"the tests do not run on the tree as it is: {output}"]
    return [
        f"{case.name} does not pass on the tree as it is: {case.message}"
        for case in cases
        if case.result != "passed"
    ]


def _judge_all(mutants: Sequence[Mutant]) -> list[tuple[Mutant, Outcome]]:
    def first(mutant: Mutant) -> Outcome:
        outcome = judge(mutant)
        click.echo(f"{outcome.verdict:9} {outcome.seconds:4.0f} s  {mutant}", err=True)
        click.echo(f"{'':18}{outcome.message}", err=True)
        return outcome

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(zip(mutants, pool.map(first, mutants), strict=True))


if __name__ == "__main__":
    main()
