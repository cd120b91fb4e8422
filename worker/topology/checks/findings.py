"""The findings of a check."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from worker.topology.checks.facts import NotPermitted, Unreachable

MOST_NAMED = 5


class Status(StrEnum):
    """How it stands."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; the path works."""
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """Not checked, for lack of a permission or of an answer."""
    SKIPPED = "skipped"
    """It depends on something that is wrong or unknown."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    check: str
    """Its name, such as `queue policy`; the same in every run."""
    status: Status
    message: str
    """What was looked at, and what is wrong with it."""
    fix: str = ""
    """The command that fixes it, or what to do."""


class Check:
    """Makes the findings of one check."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ok(self, message: str) -> Finding:
        """It is as it should be."""
        return self._finding(Status.OK, message)

    def note(self, message: str, fix: str = "") -> Finding:
        """It works, and somebody should know."""
        return self._finding(Status.NOTE, message, fix)

    def wrong(self, message: str, fix: str) -> Finding:
        """It does not work, or will not."""
        return self._finding(Status.WRONG, message, fix)

    def unknown(self, message: str, fix: str = "") -> Finding:
        """It could not be checked."""
        return self._finding(Status.UNKNOWN, message, fix)

    def blind(self, what: str, why: NotPermitted | Unreachable) -> Finding:
        """It could not be checked, with the reason."""
        if isinstance(why, Unreachable):
            return self.unknown(f"{what}: could not be asked: {why.error}", "try again later")
        return self.unknown(f"{what}: {why.action} is not permitted")

    def skipped(self, message: str) -> Finding:
        """Another finding has to be fixed first."""
        return self._finding(Status.SKIPPED, message)

    def _finding(self, status: Status, message: str, fix: str = "") -> Finding:
        return Finding(check=self.name, status=status, message=message, fix=fix)


def some(names: Sequence[str]) -> str:
    """Name the first few, and how many more there are."""
    listed, more = ", ".join(names[:MOST_NAMED]), len(names) - MOST_NAMED
    return f"{listed} and {more:,} more" if more > 0 else listed


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Return whether nothing is wrong, as far as is known."""
    return all(finding.status is not Status.WRONG for finding in findings)
