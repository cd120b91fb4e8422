"""The plot of `bench.answers` in SVG: a panel for each database, both axes logarithmic."""

import math
from collections.abc import Callable, Mapping, Sequence

from bench.chart import STYLE, Drawing
from bench.findings import Answers, AnswersAt

WIDTH, HEIGHT, PANEL = 760, 330, 420
LEFT, RIGHT, TOP = 70, 210, 40
LEAST, MOST = 0.0001, 30.0
"""Seconds, at the bottom and at the top."""
_LINES = {
    "do_not_mail": "#cf222e",
    "why, its queries": "#0969da",
    "why": "#1a7f37",
    "check 1,000": "#9a6700",
    "check 100,000": "#bc4c00",
    "the slowest report": "#8250df",
    "a message (x 1,000)": "#59636e",
}
"""Each with its colour, in both modes readable."""
_SECONDS = (0.0001, 0.001, 0.01, 0.1, 1, 10)
_MORE_STYLE = """
    .grid { stroke: #59636e; stroke-opacity: .25; }
    .limit { stroke-dasharray: 5 4; stroke-opacity: .7; }
    polyline { fill: none; stroke-width: 2; }
"""


def svg(
    found: Sequence[Answers], titles: Mapping[str, str], limit_of: Callable[[str], float | None]
) -> str:
    """Draw what was measured."""
    drawing = Drawing()
    for result in found:
        _panel(drawing, result, titles[result.store], limit_of)
        drawing.y += PANEL
    height = drawing.y + 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">'
        "<title>How long answers take as the database grows</title>"
    )
    return "\n".join([head, f"<style>{STYLE}{_MORE_STYLE}</style>", *drawing.parts, "</svg>", ""])


def _panel(
    drawing: Drawing, result: Answers, title: str, limit_of: Callable[[str], float | None]
) -> None:
    top, sizes = drawing.y + TOP, [point.size for point in result.points]

    def x(size: int) -> float:
        steps = max(1.0, math.log10(sizes[-1] / sizes[0]))
        return LEFT + math.log10(size / sizes[0]) / steps * (WIDTH - LEFT - RIGHT)

    def y(seconds: float) -> float:
        inside = min(max(seconds, LEAST), MOST)
        return top + HEIGHT - math.log(inside / LEAST) / math.log(MOST / LEAST) * HEIGHT

    drawing.text(8, drawing.y + 18, f"{title}: seconds by the clock, medians", "heading")
    for seconds in _SECONDS:
        drawing.line(LEFT, y(seconds), WIDTH - RIGHT, y(seconds), "grid")
        drawing.text(LEFT - 8, y(seconds) + 4, f"{seconds:g} s", "note", "end")
    for size in sizes:
        drawing.line(x(size), top, x(size), top + HEIGHT, "grid")
        drawing.text(x(size), top + HEIGHT + 18, f"{size:,}", "note", "middle")
    drawing.text(LEFT, top + HEIGHT + 36, "users, and as many events; dashed: limits", "note small")
    labels = []
    for name, colour in _LINES.items():
        values = [_value(point, name) for point in result.points]
        points = " ".join(
            f"{x(size):.1f},{y(value):.1f}" for size, value in zip(sizes, values, strict=True)
        )
        drawing.parts.append(f'<polyline points="{points}" stroke="{colour}"/>')
        for size, value in zip(sizes, values, strict=True):
            drawing.parts.append(
                f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>'
            )
        labels.append((y(values[-1]), name, colour, values[-1]))
        limit = limit_of("report" if name == "the slowest report" else name)
        if limit:
            drawing.parts.append(
                f'<line x1="{LEFT}" y1="{y(limit):.1f}" x2="{WIDTH - RIGHT}" y2="{y(limit):.1f}" '
                f'class="limit" stroke="{colour}"/>'
            )
    _put_labels(drawing, labels)


def _put_labels(drawing: Drawing, labels: list[tuple[float, str, str, float]]) -> None:
    """Write the names at the ends of the lines, none over another."""
    below = 0.0
    for at, name, colour, value in sorted(labels):
        below = max(at, below + 16)
        shown = f"{value:.2f} s" if value >= 1 else f"{value * 1_000:.0f} ms"
        if name.startswith("a message"):
            shown = f"{value * 1_000:.0f} us"
        drawing.parts.append(
            f'<text x="{WIDTH - RIGHT + 10}" y="{below + 4:.1f}" style="fill: {colour}">'
            f"{name}: {shown}</text>"
        )


def _value(point: AnswersAt, name: str) -> float:
    if name.startswith("a message"):
        return point.path_cpu_us / 1_000
    if name == "the slowest report":
        return max(answer.wall for of, answer in point.answers.items() if of.startswith("report"))
    return point.answers[name].wall
