"""The section and the plot of what `bench.answers` has measured.

python -m bench.answers_report
"""

from collections.abc import Iterator
from pathlib import Path

from bench.answers_chart import svg
from bench.findings import Answer, Answers, AnswersAt
from bench.parts import Part, kept
from bench.places import BENCH
from bench.report import heads, row
from bench.sections import put_section

STORES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
TITLE = "Answers as the database grows"
PLOT = "answers.svg"
LIMITS = (("do_not_mail", 0.01), ("why, its queries", 0.05), ("why", 1.0), ("report", 3.0))
"""Seconds, for the questions whose names begin like this; the first that fits counts."""

EXPLANATION = """\
`python -m bench.answers`, and the same with `--store postgresql`. As many users as events, the
events of the last 90 days; `report --days 90` reads figures of as many bounces. Each figure is the
median of the rounds by the clock, then in brackets the CPU time (the database server's included)
and the system's load while it was measured. With a load above 2 other programs had a share of the
two cores, and the clock shows more than on a machine of one's own, unless the benchmark had
priority: then it shows little more than the CPU time. `!`: above the limit. A message is one of a
batch of 200 on its path without the network; instructions are counted by valgrind.
"""


def limit_of(name: str) -> float | None:
    """Return how long a question may take, in seconds; None: no limit."""
    return next((limit for start, limit in LIMITS if name.startswith(start)), None)


def write_answers(folder: Path) -> None:
    """Write the section into RESULTS.md, and the plot beside it."""
    found = [part for store in STORES if (part := kept(f"answers-{store}", Answers))]
    if not found:
        return
    put_section(folder / "RESULTS.md", TITLE, _lines(found))
    folder.joinpath(PLOT).write_text(svg([part.result for part in found], STORES, limit_of))


def _lines(found: list[Part[Answers]]) -> Iterator[str]:
    yield from EXPLANATION.splitlines()
    yield ""
    yield f"![How long answers take as the database grows]({PLOT})"
    yield ""
    for part in found:
        result = part.result
        yield f"### {STORES[result.store]}"
        yield ""
        yield f"{result.machine}; {result.rounds} rounds."
        yield ""
        yield from heads("users, events", *(f"{point.size:,}" for point in result.points), "limit")
        yield row(["measured", *(point.measured or part.date for point in result.points), ""])
        yield row(["MB", *(f"{point.megabytes:,.0f}" for point in result.points), ""])
        for name in result.points[0].answers:
            limit = limit_of(name)
            cells = [_cell(point.answers[name], limit) for point in result.points]
            yield row([name, *cells, _seconds(limit) if limit else ""])
        messages = [
            f"{point.path_cpu_us:.0f} us ({point.path_load:.1f})" for point in result.points
        ]
        yield row(["a message, CPU (load)", *messages, ""])
        if all(point.path_instructions for point in result.points):
            counts = [f"{point.path_instructions:,} ({_more(point, result.points[0])})"
                      for point in result.points]  # fmt: skip
            yield row(["a message, instructions", *counts, ""])
        yield ""


def _cell(answer: Answer, limit: float | None) -> str:
    mark = " !" if limit and answer.wall > limit else ""
    return f"{_seconds(answer.wall)}{mark} ({_seconds(answer.cpu)}, {answer.load:.1f})"


def _more(point: AnswersAt, smallest: AnswersAt) -> str:
    if not point.path_instructions or not smallest.path_instructions:
        return ""
    return f"{point.path_instructions / smallest.path_instructions - 1:+.1%}"


def _seconds(seconds: float) -> str:
    if seconds < 0.01:
        return f"{seconds * 1_000:.1f} ms"
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


if __name__ == "__main__":
    write_answers(BENCH)
