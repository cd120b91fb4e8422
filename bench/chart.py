"""The plot in SVG: bars for CPU and messages a second, as multiples of the floor's."""

from collections.abc import Mapping, Sequence
from html import escape

from bench.figures import FLOOR, Figure, Line, title

WIDTH = 760
LABELS = 170
"""Pixels for names on the left."""
FIGURES = 70
"""Pixels for figures on the right."""
KEY = (
    "Strong colour: ses-worker drain, 1 or 2 processes. Faint: a bare boto3 loop (floor1), others.",
    "Bar and figure: the median of all rounds, as a multiple of floor1. Thin line: least to most.",
)
"""The key below the bars."""
BAR, GAP, GROUP = 16, 8, 54

STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .heading { font-weight: 600; }
    .note { fill: #59636e; }
    .cpu { fill: #0969da; }
    .rate { fill: #1a7f37; }
    .else { fill-opacity: .4; }
    .small { font-size: 12px; }
    .spread { stroke: #1f2328; stroke-opacity: .55; }
    .floor { stroke: #59636e; stroke-dasharray: 3 3; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note { fill: #9198a1; }
      .cpu { fill: #4493f8; }
      .rate { fill: #3fb950; }
      .spread { stroke: #f0f6fc; }
      .floor { stroke: #9198a1; }
    }
"""


class Drawing:
    """The elements of the plot, from top to bottom."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 8

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        attributes = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}"'
        self.parts.append(f"<text {attributes}>{escape(words)}</text>")

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self.parts.append(f'<line {place} class="{kind}"/>')

    def bar(self, y: float, length: float, kind: str) -> None:
        place = f'x="{LABELS}" y="{y:.1f}" width="{length:.1f}" height="{BAR}" rx="2"'
        self.parts.append(f'<rect {place} class="{kind}"/>')


def svg(tables: Mapping[int, Sequence[Line]]) -> str:
    """Draw every delay twice: CPU, where short is good, and messages a second, where long is."""
    drawing = Drawing()
    for delay, lines in tables.items():
        measured = [line for line in lines if line.cpu_ratio and line.rate_ratio]
        cpu = [(line, line.cpu_ratio) for line in measured if line.cpu_ratio]
        rate = [(line, line.rate_ratio) for line in measured if line.rate_ratio]
        _group(drawing, f"{title(delay)}: CPU for a message", "shorter is better", cpu, "cpu")
        _group(drawing, f"{title(delay)}: messages a second", "longer is better", rate, "rate")
    for words in KEY:
        drawing.text(8, drawing.y + 4, words, "note small")
        drawing.y += 18
    height = drawing.y
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">'
        f"<title>CPU and messages a second, as multiples of {FLOOR}</title>"
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *drawing.parts, "</svg>", ""])


def _group(
    drawing: Drawing, heading: str, note: str, bars: Sequence[tuple[Line, Figure]], kind: str
) -> None:
    longest = max([1.0, *(figure.most for _, figure in bars)])
    scale = (WIDTH - LABELS - FIGURES) / longest
    drawing.text(8, drawing.y + 16, heading, "heading")
    drawing.text(WIDTH - 8, drawing.y + 16, f"{FLOOR} = 1, {note}", "note", "end")
    drawing.y += 30
    top = drawing.y
    for line, figure in bars:
        middle = drawing.y + BAR / 2
        drawing.text(LABELS - 8, middle + 4.5, line.name, anchor="end")
        whose = "" if line.name.startswith("worker-") else " else"  # ours in full colour
        drawing.bar(drawing.y, figure.median * scale, kind + whose)
        drawing.line(
            LABELS + figure.least * scale, middle, LABELS + figure.most * scale, middle, "spread"
        )
        drawing.text(WIDTH - 8, middle + 4.5, f"{figure.median:.2f}", anchor="end")
        drawing.y += BAR + GAP
    drawing.line(LABELS + scale, top - 4, LABELS + scale, drawing.y - GAP + 4, "floor")
    drawing.y += GROUP - 30
