"""How often the table of faults is right, on mail servers' replies that were labelled by hand.

`tests/data/replies.toml` was labelled before the table was written. A third of it is held out: the
replies whose SHA-256 begins with a byte that three divides. `--seen` shows the others.

The other sets were labelled, and measured once, when the table was finished; then it was corrected
by what they showed. docs/faults.md has the figures of the first measurement. They count for
more than today's, which `--second`, `--third` and `--fourth` show.
"""

import hashlib
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from math import sqrt
from pathlib import Path
from typing import NamedTuple

from worker.core.faults import Fault, fault_of

DATA = Path(__file__).parents[1] / "tests" / "data"
Z = 1.96
"""Of a 95 % interval."""


class Reply(NamedTuple):
    """A mail server's reply, and whose fault a person takes it for."""

    text: str
    source: str
    fault: Fault

    @property
    def is_held_out(self) -> bool:
        """Return whether it was kept aside."""
        return hashlib.sha256(self.text.encode()).digest()[0] % 3 == 0

    @property
    def found(self) -> Fault:
        """Whose fault the table takes it for: as SES reports it, with its status in the text."""
        return fault_of("General", "", f"smtp; {self.text}")


class Share(NamedTuple):
    """A share with its 95 % interval, by Wilson's formula."""

    right: int
    of: int

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = self.interval
        return f"{self.right / self.of:.2f} ({low:.2f} to {high:.2f}, n = {self.of})"

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds."""
        share, number = self.right / self.of, self.of
        middle = share + Z * Z / (2 * number)
        spread = Z * sqrt(share * (1 - share) / number + Z * Z / (4 * number * number))
        return (middle - spread) / (1 + Z * Z / number), (middle + spread) / (1 + Z * Z / number)


def replies(name: str = "replies") -> list[Reply]:
    """Read all of a set."""
    data = tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))
    return [
        Reply(text, source, fault) for fault in Fault for text, source in data[fault]["replies"]
    ]


def precision(fault: Fault, of: Sequence[Reply]) -> Share:
    """Of those that the table takes for this fault, those that are."""
    found = [reply for reply in of if reply.found is fault]
    return Share(sum(reply.fault is fault for reply in found), len(found))


def recall(fault: Fault, of: Sequence[Reply]) -> Share:
    """Of those that are this fault, those that the table takes for it."""
    those = [reply for reply in of if reply.fault is fault]
    return Share(sum(reply.found is fault for reply in those), len(those))


def table(of: Sequence[Reply]) -> Iterable[str]:
    """The figures, in Markdown."""
    yield "| fault | precision | recall |"
    yield "|---|---|---|"
    for fault in Fault:
        yield f"| {fault} | {precision(fault, of)} | {recall(fault, of)} |"
    right = Share(sum(reply.found is reply.fault for reply in of), len(of))
    yield f"| all | {right} | |"


def confusion(of: Sequence[Reply]) -> Iterable[str]:
    """Rows: what they are. Columns: what the table takes them for."""
    counts = Counter((reply.fault, reply.found) for reply in of)
    yield "| is ↓ found → | " + " | ".join(Fault) + " |"
    yield "|---|" + "---|" * len(Fault)
    for fault in Fault:
        yield f"| {fault} | " + " | ".join(str(counts[fault, other]) for other in Fault) + " |"


def main() -> None:
    """Print the figures."""
    name = sys.argv[1].lstrip("-") if sys.argv[1:] else "held-out"
    if name in {"held-out", "seen"}:
        of = [reply for reply in replies() if reply.is_held_out == (name == "held-out")]
    else:
        of = replies(f"replies_{name}")
    print(f"{len(of)} replies: {name}\n")
    print("\n".join([*table(of), "", *confusion(of), ""]))
    for reply in of:
        if reply.found is not reply.fault:
            print(f"{reply.fault} taken for {reply.found}: {reply.text}")


if __name__ == "__main__":
    main()
