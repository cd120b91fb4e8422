"""What an oracle reports when something is wrong."""

from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """A violation."""

    oracle: str
    """`I1` to `I9`, as `tests/BROKEN.md` lists them."""
    text: str

    def __str__(self) -> str:
        """Show it in a line."""
        return f"{self.oracle}: {self.text}"


def report(findings: Iterable[Finding], most: int = 20) -> str:
    """Return the first of them, and how many there are."""
    everything = list(findings)
    lines = [str(finding) for finding in everything[:most]]
    if len(everything) > most:
        lines.append(f"and {len(everything) - most} more")
    return "\n".join(lines)
