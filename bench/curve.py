"""The second picture: CPU of a message as the records grow. Written by hand."""

from collections.abc import Sequence

from bench.chart import STYLE, Drawing
from bench.findings import Point

WIDTH, HEIGHT = 760, 284
LEFT, RIGHT, TOP, BOTTOM = 70, 60, 56, 78
LIMIT_US = 60
KEY = (
    "On record before the run. Dot and figure: the median of all rounds. Thin line: least to most."
)


def curve(points: Sequence[Point]) -> str:
    """Draw a point for each size of the store, and the limit above the least."""
    drawing = Drawing()
    least = points[0].cpu_us.median
    highest = 1.1 * max([least + LIMIT_US, *(point.cpu_us.most for point in points)])

    def x(number: int) -> float:
        return LEFT + 30 + number * (WIDTH - LEFT - RIGHT - 60) / max(1, len(points) - 1)

    def y(us: float) -> float:
        return HEIGHT - BOTTOM - us / highest * (HEIGHT - TOP - BOTTOM)

    drawing.text(8, 24, "CPU of a message as the records grow", "heading")
    drawing.text(WIDTH - 8, 24, "microseconds; SQLite, one process", "note", "end")
    drawing.line(LEFT, y(0), WIDTH - RIGHT, y(0), "spread")
    drawing.text(LEFT - 8, y(0) + 4.5, "0", "note", "end")
    drawing.line(LEFT, y(least + LIMIT_US), WIDTH - RIGHT, y(least + LIMIT_US), "floor")
    drawing.text(
        LEFT + 4, y(least + LIMIT_US) - 5, f"limit: {LIMIT_US} more than with 0 events", "note"
    )
    for number, point in enumerate(points):
        if number:
            before = points[number - 1].cpu_us.median
            drawing.line(x(number - 1), y(before), x(number), y(point.cpu_us.median), "curve")
    for number, point in enumerate(points):
        drawing.line(x(number), y(point.cpu_us.least), x(number), y(point.cpu_us.most), "spread")
        drawing.dot(x(number), y(point.cpu_us.median), "cpu")
        drawing.text(x(number) + 8, y(point.cpu_us.median) + 18, f"{point.cpu_us.median:.0f}")
        drawing.text(x(number), HEIGHT - 54, f"{point.events:,} events", anchor="middle")
        drawing.text(x(number), HEIGHT - 36, f"{point.users:,} users", "note", "middle")
    drawing.text(8, HEIGHT - 8, KEY, "note small")
    title = "CPU of a message as the records grow, in microseconds"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img"><title>{title}</title>'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *drawing.parts, "</svg>", ""])
