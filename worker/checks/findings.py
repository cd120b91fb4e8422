"""What a check says."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from worker.checks.facts import Away, Unseen

MOST_NAMED = 5


class Status(StrEnum):
    """How it stands."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; the path works."""
    WRONG = "wrong"
    UNSEEN = "unseen"
    """We could not look, for want of a permission or of an answer: nothing is said about it."""
    SKIPPED = "skipped"
    """It hangs on something that is wrong, or could not be seen."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    check: str
    """Its name, such as `queue policy`; the same in every run."""
    status: Status
    said: str
    """What was looked at, and what is wrong with it."""
    mend: str = ""
    """The command that mends it, or what to do."""


class Check:
    """Makes the findings of one check."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ok(self, said: str) -> Finding:
        """It is as it should be."""
        return self._finding(Status.OK, said)

    def note(self, said: str, mend: str = "") -> Finding:
        """It works, and somebody should know."""
        return self._finding(Status.NOTE, said, mend)

    def wrong(self, said: str, mend: str) -> Finding:
        """It does not work, or will not."""
        return self._finding(Status.WRONG, said, mend)

    def unseen(self, said: str, mend: str = "") -> Finding:
        """We may not look."""
        return self._finding(Status.UNSEEN, said, mend)

    def blind(self, what: str, why: Unseen | Away) -> Finding:
        """We could not look, and say why."""
        if isinstance(why, Away):
            return self.unseen(f"{what}: could not be asked: {why.error}", "try again later")
        return self.unseen(f"{what}: {why.action} is not permitted")

    def skipped(self, said: str) -> Finding:
        """Another finding has to be mended first."""
        return self._finding(Status.SKIPPED, said)

    def _finding(self, status: Status, said: str, mend: str = "") -> Finding:
        return Finding(check=self.name, status=status, said=said, mend=mend)


def some(names: Sequence[str]) -> str:
    """Name the first of them, and say how many more there are."""
    listed, more = ", ".join(names[:MOST_NAMED]), len(names) - MOST_NAMED
    return f"{listed} and {more:,} more" if more > 0 else listed


def is_well(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong, as far as could be seen."""
    return all(finding.status is not Status.WRONG for finding in findings)
