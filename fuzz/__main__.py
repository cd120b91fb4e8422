"""Fuzz every target for some seconds, one after the other, and print a table.

    make fuzz                     # five minutes in all
    make fuzz SECONDS=3600        # an hour
    make fuzz ARGS="--only http --keep"

A finding ends its target; its input is left in fuzz/found, and `--again FILE` runs it once more.
Exit 1 if there was a finding. `--keep` writes inputs that reach lines which the seeds do not into the corpus.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
HERE = ROOT / "fuzz"
CORPUS, FOUND = HERE / "corpus", HERE / "found"
WORK = HERE / "work"
"""Inputs of earlier runs, and the seeds; not in the repository."""
_STAT = re.compile(r"stat::(\w+):\s+(\d+)")
_EXECUTIONS = re.compile(r"#(\d+)\s")
_COVERED = re.compile(r"cov: (\d+)")


class Result(dict[str, Any]):
    """What became of a target."""


@click.command()
@click.option("--seconds", type=click.IntRange(min=9), default=300, show_default=True)
@click.option("--only", "names", multiple=True, help="Only these targets.")
@click.option("--keep", is_flag=True, help="Keep in the corpus what reaches something new.")
@click.option("--again", type=click.Path(path_type=Path, exists=True), help="Run this input once.")
@click.option("--json", "as_json", is_flag=True)
def main(
    *, seconds: int, names: tuple[str, ...], keep: bool, again: Path | None, as_json: bool
) -> None:
    """Run the targets."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from fuzz.targets import NAMES

    chosen = names or NAMES
    if again:
        _again(chosen, again)
        return
    shutil.rmtree(FOUND, ignore_errors=True)
    results = []
    for number, name in enumerate(chosen, 1):
        click.echo(f"[{number}/{len(chosen)}] {name}: {seconds // len(chosen)} s", err=True)
        results.append(_fuzz(name, seconds // len(chosen)))
        if keep:
            _keep(name)
    disagreements = FOUND / "disagreements.json"
    reasons = json.loads(disagreements.read_text()) if disagreements.exists() else {}
    _show(results, reasons, as_json=as_json)
    sys.exit(1 if any(result["findings"] for result in results) else 0)


def _again(names: tuple[str, ...], file: Path) -> None:
    from fuzz.targets import target

    name = next((each for each in names if file.name.startswith(f"{each}-")), names[0])
    target(name).check(file.read_bytes())
    click.echo(f"{name}: nothing is wrong with {file}")


def _fuzz(name: str, seconds: int) -> Result:
    work = _prepared(name)
    began = time.monotonic()
    log = WORK / f"{name}.log"
    with log.open("w") as out:
        command = [sys.executable, "-m", "fuzz.one", name, str(work), str(seconds)]
        status = subprocess.run(command, cwd=ROOT, stdout=out, stderr=out, check=False).returncode
    output = log.read_text(errors="replace")
    stats = dict(_STAT.findall(output))
    runs = [int(run) for run in _EXECUTIONS.findall(output)] or [0]
    branches = [int(covered) for covered in _COVERED.findall(output)] or [0]
    lines, reached = _lines(name, work)
    findings = sorted(str(path.relative_to(ROOT)) for path in FOUND.glob(f"{name}-*"))
    if status and not findings:
        sys.exit(f"{name} ended with {status}:\n{output[-2_000:]}")
    for finding in findings:
        click.echo(f"    a finding: {finding}; {_first_error(output)}", err=True)
    return Result(
        name=name,
        seconds=round(time.monotonic() - began),
        executions=int(stats.get("number_of_executed_units", max(runs))),
        branches=max(branches),
        lines=lines,
        reached=reached,
        corpus=len(list(work.iterdir())),
        findings=findings,
    )


def _prepared(name: str) -> Path:
    """Put the corpus of the repository and the seeds into the folder that a run adds to."""
    from fuzz.targets import target

    work = WORK / name
    work.mkdir(parents=True, exist_ok=True)
    for path in (CORPUS / name).glob("*"):
        shutil.copy(path, work / path.name)
    for number, seed in enumerate(target(name).seeds()):
        (work / f"seed-{number:03}").write_bytes(seed)
    return work


def _lines(name: str, folder: Path) -> tuple[int, int]:
    command = [sys.executable, "-m", "fuzz.lines", name, str(folder)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    numbers = [int(word) for word in output.split()[-2:]] or [0, 0]
    return numbers[0], numbers[1]


def _keep(name: str) -> None:
    """Keep the smallest inputs that reach what the seeds do not, in the repository's corpus."""
    kept = CORPUS / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    command = [sys.executable, "-m", "fuzz.lines", name, str(WORK / name), str(kept)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)


def _first_error(output: str) -> str:
    errors = [line for line in output.splitlines() if "Error" in line]
    return errors[0][:300] if errors else "no error was printed"


def _show(results: list[Result], reasons: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"targets": results, "disagreements": reasons}, indent=2))
        return
    columns = ("target", "seconds", "executions", "branches", "lines reached", "inputs", "findings")
    rows = [
        (
            result["name"], f"{result['seconds']:,}", f"{result['executions']:,}",
            f"{result['branches']:,}",
            f"{result['reached']:,} of {result['lines']:,}", f"{result['corpus']:,}",
            f"{len(result['findings'])}",
        )
        for result in results
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join([first.strip().ljust(widths[0]), *others]))
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        click.echo(f"the clients disagree, {count:,} times: {reason}")


if __name__ == "__main__":
    main()
