"""Workers that are broken on purpose, to find out whether anybody notices.

    python -m broken NAME [POINT[:NTH] ACTION] -- run

Each is a function that patches the program from outside, as `acceptance/failing.py` does; nothing
of this is in the program. `ours` are by whoever wrote the oracles, `reviewers` by somebody who had
not seen them. `BROKEN.md` says which oracle catches which; `acceptance/test_broken.py` that it
does.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Broken:
    """A worker that does one thing wrong."""

    patch: Callable[[], None]
    caught_by: str
    """The oracle: `I1` to `I9`, `F18`."""
    schedule: str = "gauntlet"
    """The shortest of `chaos.plan.NAMED` that shows it."""

    @property
    def what(self) -> str:
        """What it does, for people."""
        return (self.patch.__doc__ or "").strip().splitlines()[0]


WORKERS: dict[str, Broken] = {}


def broken(
    name: str, caught_by: str, schedule: str = "gauntlet"
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a patch by the name of the worker that it makes."""

    def register(patch: Callable[[], None]) -> Callable[[], None]:
        WORKERS[name] = Broken(patch, caught_by, schedule)
        return patch

    return register


from broken import ours, reviewers  # noqa: E402,F401 they register themselves
