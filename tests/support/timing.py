"""What something costs, on a machine that has other things to do."""

import gc
import time
from collections.abc import Callable

from support import worst

SIZE = 1_000_000
LEAST_SECONDS = 0.008
"""What takes less is taken for so long: in less time the machine's own doings count."""
_TRIES = 5


def seconds(work: Callable[[], object], enough: float = 0.0) -> float:
    """CPU time of the best of five; of fewer once it is short `enough`.

    Without the collector of garbage, as `timeit` does it: what that takes depends on all else that
    the process holds, which is a whole test suite's.
    """
    best = float("inf")
    gc.disable()
    try:
        for _ in range(_TRIES):
            started = time.process_time()
            work()
            best = min(best, time.process_time() - started)
            if best <= enough:
                break
    finally:
        gc.enable()
    return best


def is_bounded(work: Callable[[str], object], text: Callable[[int], str]) -> str:
    """Return what is wrong with the time that work takes on a text of a million bytes; "" nothing.

    It may take ten times what msgspec takes to read the text's JSON into values of any type, and
    15 times what it takes on a tenth of the text. The values of a whole text need memory that the
    process does not have yet, and the more it holds, the dearer that is: msgspec itself takes 23 to
    42 times as long. What msgspec takes beyond ten times is therefore allowed in addition.

    What is wrong is measured anew: on a full machine a tenth may have had a quick moment.
    """
    return _fault(work, text) and _fault(work, text)


def _fault(work: Callable[[str], object], text: Callable[[int], str]) -> str:
    limit = 10 * LEAST_SECONDS
    for size in (SIZE // 100, SIZE // 10):  # a very slow case would not end otherwise
        part = text(size)
        if (took := seconds(lambda part=part: work(part), limit)) > limit:
            return f"{took * 1000:.0f} ms for {size:,} bytes"
    whole, tenth = text(SIZE), part
    took = seconds(lambda: work(whole), limit)
    if took > limit:
        limit = max(limit, 10 * seconds(lambda: worst.parse(whole), took))
        took = min(took, seconds(lambda: work(whole), limit))
    if took > limit:
        return f"{took * 1000:.0f} ms, of which {limit * 1000:.0f} are allowed"
    before = max(seconds(lambda: work(tenth), took / 15), LEAST_SECONDS / 5)
    if took <= 15 * before:
        return ""
    memory = seconds(lambda: worst.parse(whole)) - 10 * seconds(lambda: worst.parse(tenth))
    allowed = 15 * before + max(memory, 0)
    if min(took, seconds(lambda: work(whole), allowed)) > allowed:
        return f"{took * 1000:.0f} ms, and a tenth of it {before * 1000:.1f} ms"
    return ""
