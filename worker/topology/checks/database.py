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
    created_at_start: bool,
    access_problem: tuple[str, str] | None = None,
    warning: tuple[str, str] | None = None,
) -> Finding:
    """Judge the schema; `created_at_start`: the first start creates a missing database.

    `access_problem`: why the database cannot be written, or who else can write it, and the fix.
    `warning`: why it soon cannot be written, and the fix.
    """
    if newer:
        message = f"{place}: schema {revision}, newer than this program"
        return DATABASE.wrong(
            message, "install the newer program again, or restore an older backup"
        )
    if access_problem:
        return DATABASE.wrong(f"{place}: {access_problem[0]}", access_problem[1])
    if revision is None and not created_at_start:
        return DATABASE.wrong(f"{place}: not a database of this program (store.url)", _UPGRADE)
    if revision is not None and pending:
        message = f"{place}: schema {revision}, this program also needs {', '.join(pending)}"
        return DATABASE.wrong(message, _UPGRADE)
    if revision is None:
        message, fix = f"{place}: does not exist yet; the first start creates it", _UPGRADE
    else:
        message, fix = f"{place}: schema {revision}, up to date", ""
    if warning:
        return DATABASE.note(f"{message}; {warning[0]}", fix or warning[1])
    return DATABASE.note(message, fix) if fix else DATABASE.ok(message)


def judge_no_database(
    place: str, error: WorkerError, access_problem: tuple[str, str] | None = None
) -> Finding:
    """Report why the database cannot be read; `access_problem` as in `judge_database`."""
    message = str(error) if place in str(error) else f"{place}: {error}"
    if isinstance(error, Misconfigured):
        return DATABASE.wrong(message, "set store.url; then: ses-worker db status")
    if access_problem:
        return DATABASE.wrong(message.removesuffix(f". {access_problem[1]}"), access_problem[1])
    return DATABASE.wrong(message, "make it available; then: ses-worker db status")
