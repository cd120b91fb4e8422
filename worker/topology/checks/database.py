"""The database and its schema."""

from collections.abc import Sequence

from worker.core.errors import Misconfigured, WorkerError
from worker.topology.checks.findings import Check, Finding

DATABASE = Check("database")
_UPGRADE = "ses-worker db upgrade"


def judge_database(
    place: str,
    revision: str | None,
    pending: Sequence[str],
    *,
    newer: bool,
    makes_itself: bool,
    access_problem: tuple[str, str] | None = None,
) -> Finding:
    """Judge the schema; `makes_itself`: the first start makes it where there is none.

    `hindrance`: why it cannot be written, and what fixes that.
    """
    if newer:
        message = f"{place}: schema {revision}, newer than this program"
        return DATABASE.wrong(
            message, "install the newer program again, or restore an older backup"
        )
    if access_problem:
        return DATABASE.wrong(f"{place}: {access_problem[0]}", access_problem[1])
    if revision is None and makes_itself:
        return DATABASE.note(f"{place}: nothing there yet; the first start makes it", _UPGRADE)
    if revision is None:
        return DATABASE.wrong(f"{place}: no database of ours (store.url)", _UPGRADE)
    if pending:
        message = f"{place}: schema {revision}, this program needs {', '.join(pending)} too"
        return DATABASE.wrong(message, _UPGRADE)
    return DATABASE.ok(f"{place}: schema {revision}, up to date")


def judge_no_database(
    place: str, error: WorkerError, access_problem: tuple[str, str] | None = None
) -> Finding:
    """Return why the database cannot be looked at; `hindrance` as in `judge_database`."""
    message = str(error) if place in str(error) else f"{place}: {error}"
    if isinstance(error, Misconfigured):
        return DATABASE.wrong(message, "set store.url; then: ses-worker db status")
    if access_problem:
        return DATABASE.wrong(message.removesuffix(f". {access_problem[1]}"), access_problem[1])
    return DATABASE.wrong(message, "see that it is there; then: ses-worker db status")
