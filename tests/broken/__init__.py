"""Workers that are broken on purpose, to find out whether an oracle notices.

    python -m broken NAME [POINT[:NTH] ACTION] -- run

Each is a function that patches the program at its start, as `acceptance/failing.py` does; nothing
of this is in the program. `ours` are by the author of the oracles, `reviewers` by a reviewer who did
not know them. `BROKEN.md` says which oracle catches which worker; `acceptance/test_broken.py` proves
it.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Broken:
    """A worker that does a single thing wrong."""

    patch: Callable[[], None]
    caught_by: str
    """The oracle: `I1` to `I9`, `F18`."""
    schedule: str = "gauntlet"
    """The shortest of `chaos.plan.NAMED` that shows it."""

    @property
    def what(self) -> str:
        """The mistake, for people."""
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
