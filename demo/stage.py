"""The console: a live view of the log on a terminal, line by line elsewhere."""

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from io import TextIOWrapper

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.daemon import LogLine
from demo.lines import shown

MOST_LINES = 14
"""Lines of the log in the live view."""
UNKNOWN_WIDTH = 100
"""Columns, where the width is unknown: a file, a pipe, CI."""

INTRODUCTION = (
    "SQS, SES and Slack are simulated on loopback. No credentials.",
    "The real daemon processes a month of SES's mail to invented people, live.",
    "Then: what was decided, and why. Nothing is left behind.",
)
EXPECTED = "everything came out as expected; no process and no file is left"
UNEXPECTED = "the result is not as expected"
NEXT = (
    (".venv/bin/ses-worker provision --dry-run", "what your AWS account needs"),
    (".venv/bin/ses-worker users import users.csv", "users, into ./ses-worker.db"),
    (".venv/bin/ses-worker check", "checks the path from SES"),
    (".venv/bin/ses-worker drain", "empties the queue, then exits"),
)


class Stage:
    """The console, and the live view on it."""

    def __init__(self, *, quiet: bool = False, whole: bool = False) -> None:
        self._began = time.monotonic()
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # the locale may not have every character
        is_terminal = sys.stdout.isatty()
        width = None if is_terminal or "COLUMNS" in os.environ else UNKNOWN_WIDTH
        self.console = Console(quiet=quiet, width=width, highlight=False)
        self._is_live = is_terminal and not quiet and not self.console.is_dumb_terminal
        self._is_whole = whole
        self._lines: deque[Text] = deque(maxlen=max(3, min(MOST_LINES, self.console.height - 8)))
        self._published = self._total = self._shown = 0

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def shows_screens(self) -> bool:
        """Whether the output of the worker's commands is shown."""
        return not (self._is_whole or self.console.quiet)

    def opening(self) -> None:
        """Print what will happen."""
        self.console.print()
        self.console.rule("[bold]ses-feedback-worker[/bold]: a demonstration", style="cyan")
        self.console.print()
        for sentence in INTRODUCTION:
            self.console.print(f" {sentence}")
        self.console.print()

    def closing(self, faults: Sequence[str]) -> None:
        """Print the verdict, and what to try next."""
        self.console.print()
        for fault in (*faults, UNEXPECTED) if faults else ():
            self.console.print(Text(f" ✗  {fault}", style="red"))
        if not faults:
            self.step(f"{self.elapsed_seconds:.1f} s", EXPECTED)
        more = "" if self._is_whole else " (all of this run: make demo ARGS=--all)"
        self.console.print(f"\n [bold]Next[/bold]{more}")
        for command, purpose in NEXT:
            self.console.print(Text.assemble(f"    {command:<45}", (purpose, "dim")))

    def step(self, what: str, outcome: str) -> None:
        """Print that a step is done."""
        self.console.print(f" [green]✓[/green]  [bold]{what}[/bold]  {outcome}")

    @contextmanager
    def live(self, total: int) -> Iterator[None]:
        """Show the log of the daemon for the length of the block."""
        self._total = total
        view = Live(
            console=self.console,
            get_renderable=self._view,
            refresh_per_second=12,
            transient=True,
        )
        with view if self._is_live else nullcontext():
            yield
        self.step(f"{total} messages", "published and processed")

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """Show a chapter of the log."""
        self._put(Text())
        self._put(Text(f"― {title}", style="bold cyan"))
        before = self._shown
        yield
        if before == self._shown:
            self._put(Text("no line: all of it is on record already", style="dim"))

    def published(self) -> None:
        """Count a published message."""
        self._published += 1

    def add_lines(self, lines: Iterable[LogLine]) -> None:
        """Show lines of the log."""
        for text in filter(None, map(shown, lines)):
            self._shown += 1
            self._put(text)

    def _put(self, text: Text) -> None:
        if self._is_live:
            self._lines.append(text)
        elif self._is_whole:
            self.console.print(Text(" ").append(text), no_wrap=True, overflow="ellipsis")

    def _view(self) -> RenderableType:
        lines = list(self._lines)  # Live draws in a thread of its own
        padding = [Text()] * ((self._lines.maxlen or 0) - len(lines))
        progress = Table.grid(padding=(0, 2))
        progress.add_row(
            ProgressBar(total=self._total, completed=self._published, width=26),
            f"{self._published}/{self._total} published",
        )
        for text in lines:
            text.no_wrap, text.overflow = True, "ellipsis"
        return Panel(
            Group(*lines, *padding, Text(), progress),
            title="[bold]the daemon's log, as it is written[/bold]",
            border_style="cyan",
        )
