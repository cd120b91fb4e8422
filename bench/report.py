"""Write RESULTS.md and its plot from what the parts have left in bench/out.

    python -m bench.report            # writes bench/RESULTS.md and results.svg

A part that was not run is reported as not run; each part says when it was run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console, JustifyMethod
from rich.table import Table

from bench import chart
from bench.figures import Comparison, Figure, Line, title
from bench.findings import Growth, Idle, Memory, Profile, Start
from bench.goals import Goal, Results, goals
from bench.parts import Part, kept
from bench.places import BENCH
from bench.sections import kept_sections

HEAD = """\
# What a message costs

Written by `make bench`; [README.md](README.md) says how it is measured. Every figure is a median
[least-most]. The ratios are taken inside each round and only then brought to their median, since
the speed of a shared machine drifts by half between minutes: read them first. Differences of less
than some 15 % are within that noise.
"""
COLUMNS = (
    "contestant", "runs", "CPU-s / 10k", "x floor", "messages/s", "x floor",
    "own", "stub", "database", "others",
)  # fmt: skip
GROWTH = ("users", "events", "file MB", "CPU us", "above the smallest store", "wall us")
T = TypeVar("T")
NARROWEST = 160
"""Characters: in a narrower table the console would cut off figures."""


@click.command()
def main() -> None:
    """Write RESULTS.md from what is there."""
    write(BENCH)


def write(folder: Path) -> None:
    """Write the report into a folder."""
    comparison, growth = kept("compare", Comparison), kept("growth", Growth)
    idle, start, memory = kept("idle", Idle), kept("start", Start), kept("memory", Memory)
    profile = kept("profile", Profile)
    results = Results(
        comparison=_result(comparison),
        growth=_result(growth),
        idle=_result(idle),
        start=_result(start),
        memory=_result(memory),
    )
    parts = {"growth": growth, "idle": idle, "start": start, "soak": memory, "profile": profile}
    dates = {name: part.date for name, part in parts.items() if part}
    path = folder / "RESULTS.md"
    others = kept_sections(path.read_text()) if path.exists() else ""
    written = markdown(results, _result(profile), dates)
    path.write_text(f"{written}\n{others}" if others else written)
    if comparison:
        folder.joinpath("results.svg").write_text(chart.svg(comparison.result.tables))
    Console(stderr=True).print(f"written: {folder / 'RESULTS.md'}")


def markdown(results: Results, profile: Profile | None, dates: Mapping[str, str]) -> str:
    """Make the text of RESULTS.md."""
    lines = [HEAD]
    if comparison := results.comparison:
        lines += [f"- {name}: {value}" for name, value in comparison.versions.items()]
    lines += [f"- {name} run: {date}" for name, date in dates.items()]
    lines += ["", "## Goals", "", *goal_lines(goals(results)), ""]
    if comparison:
        lines += comparison_lines(comparison)
    lines += ["## As the store grows", ""]
    lines += growth_lines(results.growth) if results.growth else ["Not run."]
    lines += ["", "## Where a message's microseconds go", ""]
    lines += profile_lines(profile) if profile else ["Not run."]
    return "\n".join([*lines, ""])


def goal_lines(found: Iterable[Goal]) -> Iterator[str]:
    """The table of goals."""
    yield from heads("what", "limit", "figure", "reached")
    for goal in found:
        figure = f"{_shown(goal.figure, goal.digits)} {goal.unit}" if goal.figure else "-"
        limit = f"{goal.relation} {goal.limit:,.{goal.digits}f} {goal.unit}" if goal.limit else "-"
        yield row((goal.what, limit, figure, goal.reached))


def comparison_lines(found: Comparison) -> Iterator[str]:
    """The plot, a table for each delay, and what the contestants are."""
    yield from ("![CPU and messages a second beside the floor](results.svg)", "")
    for delay, lines in found.tables.items():
        slow = f"; {found.slow_messages:,} where each reply is waited for" if delay else ""
        yield from (f"## {title(delay)}", "", f"{found.messages:,} messages a run{slow}.", "")
        yield from heads(*COLUMNS)
        yield from (row(cells(line)) for line in lines)
        yield ""
    yield from (f"- **{name}**: {text}" for name, text in found.what.items())
    yield from (f"- Not measured: {problem}" for problem in found.absent)
    yield from (f"- Failed, and left out of its round: {problem}" for problem in found.problems)
    yield ""


def growth_lines(found: Growth) -> Iterator[str]:
    """What a message costs with each size of the store, and what a duplicate costs."""
    yield from heads(*GROWTH)
    for point in found.points:
        figures = (point.cpu_us, point.more_us, point.wall_us)
        sizes = (f"{point.users:,}", f"{point.events:,}", f"{point.megabytes:,.0f}")
        yield row((*sizes, *(figure.shown(0) for figure in figures)))
    yield ""
    yield (
        f"{found.rounds} rounds of {found.messages:,} messages. The same messages again take "
        f"{found.again_ratio.shown(2)} of the CPU of the first pass."
    )


def profile_lines(found: Profile) -> Iterator[str]:
    """The parts of a message's way."""
    yield from (f"{found.title}; CPU time of each thread, all of it in one process.", "")
    yield from heads("part", "calls", "us a message", "share")
    for item in found.rows:
        yield row((item.name, f"{item.calls:,}", f"{item.us:.1f}", f"{item.share:.1%}"))
    yield row(("all", "", f"{found.us:.1f}", ""))


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


def cells(line: Line) -> list[str]:
    """A contestant, in the order of `COLUMNS`."""
    shares = (line.own_share, line.stub_share, line.database_share, line.others_share)
    return [
        line.name,
        str(line.runs),
        line.cpu_per_10k.shown(2),
        _shown(line.cpu_ratio, 2),
        line.rate.shown(0),
        _shown(line.rate_ratio, 2),
        *(f"{share:.0%}" for share in shares),
    ]


def heads(*names: str) -> tuple[str, str]:
    """The first two lines of a table."""
    return row(names), row(["---", *["---:"] * (len(names) - 1)])


def row(values: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(values)} |"


def _result(part: Part[T] | None) -> T | None:
    return part.result if part else None


def _shown(figure: Figure | None, digits: int) -> str:
    if figure is None:
        return "-"
    alone = figure.least == figure.most
    return f"{figure.median:,.{digits}f}" if alone else figure.shown(digits)


if __name__ == "__main__":
    main()
