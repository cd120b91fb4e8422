"""The database and its schema."""

from collections.abc import Sequence

from worker.checks.findings import Check, Finding
from worker.errors import Misconfigured, WorkerError

DATABASE = Check("database")
_UPGRADE = "ses-worker db upgrade"


def judge_database(
    place: str,
    revision: str | None,
    pending: Sequence[str],
    *,
    newer: bool,
    makes_itself: bool,
    hindrance: tuple[str, str] | None = None,
) -> Finding:
    """Judge the schema; `makes_itself`: the first start makes it where there is none.

    `hindrance`: why it cannot be written, and what mends that.
    """
    if newer:
        said = f"{place}: schema {revision}, newer than this program"
        return DATABASE.wrong(said, "install the newer program again, or restore an older backup")
    if hindrance:
        return DATABASE.wrong(f"{place}: {hindrance[0]}", hindrance[1])
    if revision is None and makes_itself:
        return DATABASE.note(f"{place}: nothing there yet; the first start makes it", _UPGRADE)
    if revision is None:
        return DATABASE.wrong(f"{place}: no database of ours (store.url)", _UPGRADE)
    if pending:
        said = f"{place}: schema {revision}, this program needs {', '.join(pending)} too"
        return DATABASE.wrong(said, _UPGRADE)
    return DATABASE.ok(f"{place}: schema {revision}, up to date")


def judge_no_database(
    place: str, error: WorkerError, hindrance: tuple[str, str] | None = None
) -> Finding:
    """Say why the database cannot be looked at; `hindrance` as in `judge_database`."""
    said = str(error) if place in str(error) else f"{place}: {error}"
    if isinstance(error, Misconfigured):
        return DATABASE.wrong(said, "set store.url; then: ses-worker db status")
    if hindrance:
        return DATABASE.wrong(said.removesuffix(f". {hindrance[1]}"), hindrance[1])
    return DATABASE.wrong(said, "see that it is there; then: ses-worker db status")
