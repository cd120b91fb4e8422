"""Reads users from a CSV file. An invalid row is returned with its line number and the reason."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from worker.commands.csv_export import feedback_columns, without_guard
from worker.core.address import parse_address
from worker.core.errors import Refused
from worker.core.invisible import INVISIBLE, trimmed
from worker.store.rows import USER_COLUMNS

COLUMNS = ("email", "account_id", "metrics_enabled")
LONGEST_ACCOUNT_ID = 500
"""Characters of an `account_id`."""

_FORMER_COLUMNS = set(USER_COLUMNS) - {"reinstated_at", "last_delivery"}
"""Columns of an export of an earlier version."""
_UNCLOSED_QUOTE = "unexpected end of data"
"""The `csv` module's message for a quote that is not closed."""

_FLAGS = {
    "": True, "true": True, "t": True, "yes": True, "y": True, "1": True, "on": True,
    "false": False, "f": False, "no": False, "n": False, "0": False, "off": False,
}  # fmt: skip


class RefusedRow(Struct, frozen=True):
    """A row that is not a valid user."""

    line: int
    reason: str


def read_users(lines: Iterable[str]) -> Iterator[dict[str, Any] | RefusedRow]:
    """Yield each row: the columns that the file has, and `email_key`.

    The header is `email[,account_id][,metrics_enabled]`, in any order, or that of an export, whose
    rows have the columns of feedback, too. Each line is parsed by
    itself, because no column contains line breaks. So a stray quote affects only its own line.

    Raises:
        Refused: the header is not valid; no row was read.

    """
    numbered = enumerate(lines, start=1)
    header = _header(next(numbered, (1, ""))[1])
    read = _user if set(header) <= set(COLUMNS) else _exported_user
    for number, line in numbered:
        try:
            row = _fields(line)
        except csv.Error as error:
            yield RefusedRow(number, str(error))
            continue
        if row:
            user = read(header, row)
            yield RefusedRow(number, user) if isinstance(user, str) else user


def _fields(line: str) -> list[str]:
    """Split a line. Without quotes the result is that of `csv`, in a third of the time."""
    if '"' not in line:
        bare = line.rstrip("\r\n")
        return bare.split(",") if bare else []
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        if str(error) == _UNCLOSED_QUOTE:
            raise csv.Error("a quote is opened and not closed on this line") from None
        raise


def _header(line: str) -> Sequence[str]:
    if not _is_text(line):
        raise Refused("not UTF-8 text")
    try:
        header = [name.strip().lower() for name in _fields(line)]
    except csv.Error as error:
        raise Refused(f"line 1: {error}") from None
    is_list = "email" in header and set(header) <= set(COLUMNS)
    is_export = _FORMER_COLUMNS <= set(header) <= set(USER_COLUMNS)
    if not (is_list or is_export) or len(set(header)) != len(header):
        given = ",".join(header)[:200] or "an empty line"
        raise Refused(
            "line 1 must be email[,account_id][,metrics_enabled], or the first line of an export, "
            f"and is {given}"
        )
    return header


def _is_text(line: str) -> bool:
    """Return whether the first line is UTF-8; UTF-16 has NUL bytes and undecodable bytes."""
    return not any(c == "\0" or "\udc80" <= c <= "\udcff" for c in line)


def _user(header: Sequence[str], row: Sequence[str]) -> dict[str, Any] | str:
    """Convert a row to a user, or return why it is not valid."""
    if len(row) != len(header):
        return f"has {len(row)} fields, the header has {len(header)}"
    return _listed({name: text.strip() for name, text in zip(header, row, strict=True)})


def _exported_user(header: Sequence[str], row: Sequence[str]) -> dict[str, Any] | str:
    """Convert a row of an export likewise."""
    if len(row) != len(header):
        return f"has {len(row)} fields, the header has {len(header)}"
    given = {name: without_guard(text.strip()) for name, text in zip(header, row, strict=True)}
    user = _listed(given)
    if isinstance(user, str):
        return user
    named = parse_address(given["email_key"])  # by an older release it may be spelled otherwise
    if named is None or user["email_key"] != named.key:
        return "email_key is not that of email"
    feedback = feedback_columns(given)
    return feedback if isinstance(feedback, str) else user | feedback


def _listed(given: Mapping[str, str]) -> dict[str, Any] | str:
    """Convert the columns of the application."""
    email = trimmed(given["email"])
    address = parse_address(email)
    if address is None:
        return "email is no usable address"
    if not email.isprintable():
        if not all(character.isprintable() or character in INVISIBLE for character in email):
            return "email is not plain UTF-8 text"
        email = address.mailed  # without the display name, or what is invisible in its brackets
    values: dict[str, Any] = {"email": email, "email_key": address.key}
    if "account_id" in given:
        account_id = given["account_id"]
        if len(account_id) > LONGEST_ACCOUNT_ID or not account_id.isprintable():
            return f"account_id is not plain text of at most {LONGEST_ACCOUNT_ID} characters"
        values["account_id"] = account_id or None
    if "metrics_enabled" in given:
        flag = _FLAGS.get(given["metrics_enabled"].lower())
        if flag is None:
            return "metrics_enabled is neither true nor false"
        values["metrics_enabled"] = flag
    return values
