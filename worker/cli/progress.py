"""A progress bar on a terminal; nothing elsewhere."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from worker.cli.common import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from worker.consumer import Counters
    from worker.sqs.queue import Counts


class Progress:
    """A bar on stderr during the block, if stderr is a terminal.

    Meanwhile rich replaces `sys.stderr`, and prints lines that are written there above the bar.
    """

    def __init__(self, what: str, unit: str, *, enabled: bool = True) -> None:
        self._what = what
        self._unit = unit
        self._bar: Bar | None = None
        self._shown = enabled and sys.stderr.isatty()

    def __enter__(self) -> Self:
        """Start."""
        if self._shown:
            self._bar = self._start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Stop."""
        if self._bar:
            self._bar.stop()

    def update(self, done: int, total: int | None) -> None:
        """Show how much is done; of an unknown total, if it is None."""
        if self._bar:
            total = None if total is None else max(total, done)
            count = amount(done, total, self._unit)
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, count=count)

    def drained(self, counters: "Counters", at_first: "Counts") -> None:
        """Show a drain; more messages may arrive than the queue had at first."""
        self.update(counters.received, max(at_first.total, counters.received))

    def _start(self) -> "Bar":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            redirect_stdout=False,
        )
        bar.add_task(self._what, total=None, count=amount(0, None, self._unit))
        bar.start()
        return bar


def amount(done: int, total: int | None, unit: str) -> str:
    """Write `6 of 10 messages`, or `6 messages` of an unknown total; `unit` is a plural."""
    singular = unit.removesuffix("s")
    return counted(done, singular) if total is None else f"{done:,} of {counted(total, singular)}"
