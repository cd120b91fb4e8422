"""The findings of a check."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from worker.topology.checks.facts import NotPermitted, Unreachable

MOST_NAMED = 5
"""Names in a message; the others are counted."""


class Status(StrEnum):
    """The result of a check."""

    OK = "ok"
    NOTE = "note"
    """The path works, but the operator should know."""
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It could not be checked: a permission is missing, or AWS did not answer."""
    SKIPPED = "skipped"
    """It depends on something that is wrong or unknown."""


class Finding(Struct, frozen=True, kw_only=True):
    """What a check has found."""

    check: str
    """The check's name, such as `queue policy`; the same in every run."""
    status: Status
    message: str
    """What was checked, and what is wrong with it."""
    fix: str = ""
    """The command that fixes it, or what to do."""


class Check:
    """Makes the findings of a check."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ok(self, message: str) -> Finding:
        """Nothing is wrong."""
        return self._finding(Status.OK, message)

    def note(self, message: str, fix: str = "") -> Finding:
        """It works, but the operator should know this."""
        return self._finding(Status.NOTE, message, fix)

    def wrong(self, message: str, fix: str) -> Finding:
        """It does not work, or will fail later."""
        return self._finding(Status.WRONG, message, fix)

    def unknown(self, message: str, fix: str = "") -> Finding:
        """It could not be checked."""
        return self._finding(Status.UNKNOWN, message, fix)

    def blind(self, what: str, why: NotPermitted | Unreachable) -> Finding:
        """It could not be checked, with the reason."""
        if isinstance(why, Unreachable):
            return self.unknown(f"{what}: could not be read: {why.error}", why.fix)
        return self.unknown(f"{what}: could not be read: {why.action} is not permitted")

    def skipped(self, message: str) -> Finding:
        """It depends on another finding, which must be fixed first."""
        return self._finding(Status.SKIPPED, message)

    def _finding(self, status: Status, message: str, fix: str = "") -> Finding:
        return Finding(check=self.name, status=status, message=message, fix=fix)


def some(names: Sequence[str]) -> str:
    """Name the first few, and how many more there are."""
    listed, more = ", ".join(names[:MOST_NAMED]), len(names) - MOST_NAMED
    return f"{listed} and {more:,} more" if more > 0 else listed


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Return whether no finding is wrong."""
    return all(finding.status is not Status.WRONG for finding in findings)
