"""Where the demo is shown while it runs: live on a terminal, line by line elsewhere."""

import os
import sys
import time
from collections import Counter, deque
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
"""Of the log, in the live view."""
REFRESHES_PER_SECOND = 12
UNWATCHED_WIDTH = 100
"""The width where it is unknown: a file, a pipe, CI."""

PROMISE = (
    "An AWS starts on loopback: SNS, SQS, SES; and a Slack. No credentials.",
    "The real daemon works on a month of SES's mail to invented people, live.",
    "Then: what was decided, who is paused, what Slack was told. Nothing is left.",
)
NOTIFIED = "everybody was notified of once, or counted in a digest; the ignored never"
LISTED = "the bounced address is off the list, the complaint's is still on it"
RIGHT = "everything is as the mails meant it; no process and no file is left"
WRONG = "the story did not come out as it should"
NEXT = (
    (".venv/bin/ses-worker users import users.csv", "users, into ./ses-worker.db"),
    (".venv/bin/ses-worker drain", "one pass over queue.url"),
    (".venv/bin/ses-worker users list --paused", "whom to send nothing now"),
    (".venv/bin/ses-worker why ADDRESS", "all on record about it"),
    (".venv/bin/ses-worker dlq list", "dead letters, with their reasons"),
    (".venv/bin/ses-worker suppression restore ADDRESS", "back on the list"),
)


class Stage:
    """The console, and the live view on it."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._began = time.monotonic()
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # whatever the locale can write
        watched = sys.stdout.isatty()
        width = None if watched or "COLUMNS" in os.environ else UNWATCHED_WIDTH
        self.console = Console(quiet=quiet, width=width, highlight=False)
        self._moving = watched and not quiet and not self.console.is_dumb_terminal
        self._lines: deque[Text] = deque(maxlen=max(3, min(MOST_LINES, self.console.height - 8)))
        self._event_counts: Counter[str] = Counter()
        self._published = self._total = 0
        self._reported = 0

    def opening(self) -> None:
        """Report what will happen."""
        self.console.print()
        self.console.rule("[bold]ses-feedback-worker[/bold]: the whole journey", style="cyan")
        self.console.print()
        for number, sentence in enumerate(PROMISE, start=1):
            self.console.print(f" [cyan]{number}[/cyan]  {sentence}")
        self.console.print()

    def closing(self, faults: Sequence[str]) -> None:
        """Report how it went, and what can be done next."""
        self.console.print()
        for fault in faults:
            self.console.print(Text(f" ✗  {fault}", style="red"))
        if faults:
            self.console.print(Text(f" ✗  {WRONG}", style="bold red"))
        else:
            self.step("Slack", NOTIFIED)
            self.step("SES", LISTED)
            self.step(f"{self.elapsed_seconds:.1f} s", RIGHT)
        self.console.print("\n [bold]Next[/bold]\n")
        for command, purpose in NEXT:
            self.console.print(Text.assemble(f"    {command:<49}", (purpose, "dim")))
        self.console.print()

    @property
    def elapsed_seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def step(self, what: str, outcome: str) -> None:
        """Report that something is there now."""
        self.console.print(f" [green]✓[/green]  [bold]{what}[/bold]  {outcome}")

    @contextmanager
    def live(self, total: int) -> Iterator[None]:
        """Show what the daemon does, for as long as the block lasts."""
        self._total = total
        began = time.monotonic()
        with self._moving_picture() if self._moving else nullcontext():
            yield
        passed = time.monotonic() - began
        if not self._moving:
            self.console.print()
        self.step(f"{total} messages", f"{self._figures()}, in {passed:.1f} s")

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """Show what the daemon makes of a part of the messages."""
        self._put(Text())
        self._put(Text(f"― {title}", style="bold cyan"))
        already_reported = self._reported
        yield
        if already_reported == self._reported:
            self._put(Text("not a line: all of it is on record", style="dim"))

    def published(self) -> None:
        """One more message is on its way."""
        self._published += 1

    def add_lines(self, lines: Iterable[LogLine]) -> None:
        """Show lines of the log."""
        for line in lines:
            self._event_counts[str(line["event"])] += 1
            if text := shown(line):
                self._reported += 1
                self._put(text)

    def _put(self, text: Text) -> None:
        if self._moving:
            self._lines.append(text)
        else:
            self.console.print(Text(" ").append(text), no_wrap=True, overflow="ellipsis")

    def _moving_picture(self) -> Live:
        return Live(
            console=self.console,
            get_renderable=self._view,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
        )

    def _view(self) -> RenderableType:
        lines = list(self._lines)  # Live draws in a thread of its own
        unknown = [Text()] * ((self._lines.maxlen or 0) - len(lines))
        progress = Table.grid(padding=(0, 2))
        progress.add_row(
            ProgressBar(total=self._total, completed=self._published, width=26),
            f"{self._published}/{self._total} sent",
            self._figures(),
        )
        for text in lines:
            text.no_wrap, text.overflow = True, "ellipsis"
        return Panel(
            Group(*lines, *unknown, Text(), progress),
            title="[bold]the daemon's log, as it is written[/bold]",
            border_style="cyan",
        )

    def _figures(self) -> str:
        decided = (
            self._event_counts["bounce_notification"] + self._event_counts["complaint_notification"]
        )
        return f"{decided} decisions, {self._event_counts['message.dead_lettered']} dead-lettered"
