"""Small plots of characters, for terminals."""

from collections.abc import Sequence

_LEVELS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def sparkline(counts: Sequence[int], most: int) -> str:
    """Draw counts over time, a character each; several together where there are more than `most`.

    A count above 0 is never drawn as nothing.
    """
    sums = together(counts, most)
    highest = max(sums, default=0)
    if not highest:
        return _LEVELS[1] * len(sums)
    return "".join(_LEVELS[-(-count * 8 // highest)] if count else " " for count in sums)


def together(counts: Sequence[int], most: int) -> list[int]:
    """Add neighbours up, so that there are at most so many."""
    width = -(-len(counts) // max(1, most)) if counts else 1
    begins = range(len(counts) % width - width if len(counts) % width else 0, len(counts), width)
    return [sum(counts[max(0, at) : at + width]) for at in begins]


def bar(share: float, width: int) -> str:
    """Draw a share as a bar of so many characters; a share above 0 is never drawn as nothing."""
    eighths = min(width * 8, max(round(share * width * 8), 1 if share > 0 else 0))
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)
