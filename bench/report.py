"""Puts RESULTS.md and its pictures together from what the parts have left in bench/out.

    python -m bench.report            # writes bench/RESULTS.md, results.svg, growth.svg

A part that was not run is reported as not run; each says when it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console, JustifyMethod
from rich.table import Table

from bench import chart, sections
from bench.curve import curve
from bench.figures import Comparison, Line
from bench.findings import Growth, Idle, Memory, Profile, Start
from bench.goal import NOT_RUN, Results
from bench.goals import goals
from bench.parts import Part, kept
from bench.places import BENCH
from bench.prose import HEAD, HOW
from bench.sections import COLUMNS, cells, title

NARROWEST = 160
"""Characters; figures that are cut off are none."""
T = TypeVar("T")


@click.command()
def main() -> None:
    """Write RESULTS.md from what is there."""
    write(BENCH)


def write(folder: Path) -> None:
    """Write the report into a folder."""
    comparison, growth = kept("compare", Comparison), kept("growth", Growth)
    folder.joinpath("RESULTS.md").write_text(
        markdown(
            comparison,
            growth,
            kept("idle", Idle),
            kept("start", Start),
            kept("memory", Memory),
            kept("profile", Profile),
        )
    )
    if comparison:
        folder.joinpath("results.svg").write_text(chart.svg(comparison.result.tables))
    if growth:
        folder.joinpath("growth.svg").write_text(curve(growth.result.points))
    Console(stderr=True).print(f"written: {folder / 'RESULTS.md'}")


def show(tables: Mapping[int, Sequence[Line]]) -> None:
    """Print a table for each delay."""
    console = Console(width=max(NARROWEST, Console().width))
    for delay, lines in tables.items():
        table = Table(title=title(delay))
        for name in COLUMNS:
            side: JustifyMethod = "left" if name == COLUMNS[0] else "right"
            table.add_column(name, justify=side, no_wrap=True)
        for line in lines:
            table.add_row(*cells(line))
        console.print(table)


def markdown(
    comparison: Part[Comparison] | None,
    growth: Part[Growth] | None,
    idle: Part[Idle] | None,
    start: Part[Start] | None,
    memory: Part[Memory] | None,
    profile: Part[Profile] | None,
) -> str:
    """Write RESULTS.md."""
    results = Results(
        comparison=_result(comparison),
        growth=_result(growth),
        idle=_result(idle),
        start=_result(start),
        memory=_result(memory),
    )
    parts: list[str] = [HEAD]
    if comparison:
        parts += [f"- {name}: {value}" for name, value in comparison.result.versions.items()]
    dates = {"growth": growth, "idle": idle, "start": start, "profile": profile, "soak": memory}
    parts += [f"- {name}: {part.date if part else NOT_RUN}" for name, part in dates.items()]
    parts += ["", "## Goals", "", *sections.goal_lines(goals(results)), ""]
    if comparison:
        parts += ["![CPU and messages a second beside the floor](results.svg)", ""]
        parts += sections.comparison_lines(comparison.result)
        parts += [f"Not there: {item}.\n" for item in comparison.result.absent]
        problems = comparison.result.problems
        parts += [f"Failed, and left out of its round: {problem}\n" for problem in problems]
    if growth:
        parts += ["![CPU of a message as the records grow](growth.svg)", ""]
    parts += _section("As the records grow", growth, sections.growth_lines)
    parts += _section("Idle", idle, sections.idle_lines)
    parts += _section("Start", start, sections.start_lines)
    parts += _section("Where a message's microseconds go", profile, sections.profile_lines)
    if comparison:
        parts += ["## Who is who", "", *sections.what_lines(comparison.result.what), ""]
    parts.append(HOW)
    return "\n".join(parts)


def _result(part: Part[T] | None) -> T | None:
    return part.result if part else None


def _section(name: str, part: Part[T] | None, lines: Callable[[T], Iterable[str]]) -> Iterator[str]:
    yield from (f"## {name}", "")
    yield from lines(part.result) if part else [f"{NOT_RUN.capitalize()}."]
    yield ""


if __name__ == "__main__":
    main()
