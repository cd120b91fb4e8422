"""The database and its schema."""

from collections.abc import Sequence

from msgspec import Struct

from worker.core.errors import Misconfigured, WorkerError
from worker.topology.checks.findings import Check, Finding, Status

DATABASE = Check("database")
_UPGRADE = "ses-worker db upgrade"
_STATUS = "ses-worker db status"
PG_HBA = (
    "add a line for this user, database and address to the server's pg_hba.conf; if the error says "
    "`no encryption`, add sslmode=require to store.url"
)
_FIXES: Sequence[tuple[tuple[str, ...], str]] = (
    (("password", "authentication failed"), "correct user and password in store.url"),
    (("no password supplied",), "add the password to store.url"),
    (("role ", "does not exist"), "correct the user in store.url, or create the role"),
    (("database ", "does not exist"), "correct the database in store.url, or create it"),
    (("no pg_hba.conf entry",), PG_HBA),
    (("certificate",), "correct sslmode and sslrootcert in store.url"),
    (("Connection refused",), "start the server, or correct host and port in store.url"),
    (("translate host name",), "correct the host in store.url"),
    (("server on socket",), "start the server, or add its host to store.url"),
)
"""What to do about PostgreSQL's errors that have all these words, if the server speaks English."""


class Schema(Struct, frozen=True, kw_only=True):
    """A schema of PostgreSQL's without tables of ours."""

    role: str
    name: str
    elsewhere: Sequence[str] = ()
    """Other schemas that have tables of a worker."""
    fix: str = ""
    """The statement by which the role finds those."""


def judge_database(
    place: str,
    revision: str | None,
    pending: Sequence[str],
    *,
    newer: bool,
    created_at_start: bool,
    access_problem: tuple[str, str] | None = None,
    warning: tuple[str, str] | None = None,
    schema: Schema | None = None,
) -> Finding:
    """Judge the schema; `created_at_start`: the first start creates a missing database.

    `schema`: where in PostgreSQL the tables are missing.

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
    if revision is None:
        found = _judge_missing(place, schema, created_at_start=created_at_start)
    elif pending:
        message = f"{place}: schema {revision}, this program also needs {', '.join(pending)}"
        return DATABASE.wrong(message, _UPGRADE)
    else:
        found = DATABASE.ok(f"{place}: schema {revision}, up to date")
    if warning and found.status is not Status.WRONG:
        return DATABASE.note(f"{found.message}; {warning[0]}", found.fix or warning[1])
    return found


def _judge_missing(place: str, schema: Schema | None, *, created_at_start: bool) -> Finding:
    if schema:
        return _judge_empty(place, schema, created_at_start=created_at_start)
    if created_at_start:
        return DATABASE.note(f"{place}: does not exist yet; the first start creates it", _UPGRADE)
    return DATABASE.wrong(f"{place}: not a database of this program (store.url)", _UPGRADE)


def _judge_empty(place: str, schema: Schema, *, created_at_start: bool) -> Finding:
    message = f"{place}: there are no tables of the worker in the schema {schema.name}"
    if schema.elsewhere:
        return DATABASE.note(
            f"{message}, but in {' and '.join(schema.elsewhere)}",
            f"if this worker's are in {schema.elsewhere[0]}: {schema.fix}",
        )
    if created_at_start:
        message = f"{message} yet; the first start makes them, and {schema.role} owns them"
        return DATABASE.note(message, _UPGRADE)
    message = f"{message}, and store.migrate is manual"
    return DATABASE.wrong(message, f"with the role that is to own them in store.url: {_UPGRADE}")


def judge_no_database(
    place: str, error: WorkerError, access_problem: tuple[str, str] | None = None
) -> Finding:
    """Report why the database cannot be read; `access_problem` as in `judge_database`."""
    message = str(error) if place in str(error) else f"{place}: {error}"
    if isinstance(error, Misconfigured):
        return DATABASE.wrong(message, f"set store.url; then: {_STATUS}")
    if access_problem:
        return DATABASE.wrong(message.removesuffix(f". {access_problem[1]}"), access_problem[1])
    fixes = (fix for words, fix in _FIXES if all(word in str(error) for word in words))
    fix = next(fixes, "make it available")
    return DATABASE.wrong(message, f"{fix}; then: {_STATUS}")
