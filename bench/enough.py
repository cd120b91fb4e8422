"""What of a comparison a goal is about, and whether a run was large enough to say anything of it.

Pure. What a run has too few of is a text, which is empty where it is large enough.
"""

from collections.abc import Sequence

from bench.figures import Comparison, Figure, Line
from bench.findings import Idle

ROUNDS = 5
IDLE_SECONDS = 100
"""Five long polls."""
SINGLES = 20


def line_of(found: Comparison | None, delay: int, name: str) -> Line | None:
    """Find a contestant's line, if it has finished anything."""
    lines: Sequence[Line] = found.tables.get(delay, ()) if found else ()
    return next((line for line in lines if line.name == name), None)


def against_of(found: Comparison | None, name: str, other: str) -> Figure | None:
    """Find what one contestant has as a multiple of another, in messages a second at 8 ms."""
    rivals = found.against if found else ()
    mine = (item.rate for item in rivals if (item.delay, item.name, item.other) == (8, name, other))
    return next(mine, None)


def too_few(found: Comparison | None, delay: int, *names: str) -> str:
    """Report how many rounds the one has finished that has finished fewest."""
    lines = [line_of(found, delay, name) for name in names]
    return too_few_rounds(min(line.runs if line else 0 for line in lines))


def too_few_rounds(finished: int) -> str:
    """Report how many rounds there were."""
    return f"{finished} of {ROUNDS} rounds" if finished < ROUNDS else ""


def too_short(found: Idle | None) -> str:
    """Report how long an idle worker was watched."""
    if found is None or found.seconds >= IDLE_SECONDS:
        return ""
    return f"{found.seconds:.0f} of {IDLE_SECONDS} s"


def too_few_singles(found: Idle | None) -> str:
    """Report how many single messages were sent."""
    if found is None or found.singles >= SINGLES:
        return ""
    return f"{found.singles} of {SINGLES} messages"
