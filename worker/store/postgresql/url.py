"""Checks PostgreSQL URLs, before libpq could quote a password in an error message."""

import psycopg
import psycopg.conninfo

from worker.core.errors import Misconfigured

_NOT_VALID = (
    "store.url is not a valid PostgreSQL URL "
    "(percent-encode special characters in user and password)"
)
_HIGHEST_PORT = 65_535


def place_of(url: str) -> str:
    """Return database and host of a URL for people; never a part of a password.

    Raises:
        Misconfigured: the URL is invalid or ambiguous.

    """
    try:
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Misconfigured(_NOT_VALID) from None
    if _is_ambiguous(url) or not all(map(_is_port, str(parts.get("port") or "").split(","))):
        raise Misconfigured(_NOT_VALID)
    return f"PostgreSQL {parts.get('dbname', '')} on {parts.get('host', 'localhost')}"


def _is_ambiguous(url: str) -> bool:
    """Return whether a `@`, `/` or `?` of the password may be taken for a separator."""
    authority, _, rest = url.partition("://")[2].partition("/")
    user, at, host = authority.partition("@")
    return bool(at and "?" in user) or "@" in host or "@" in rest.partition("?")[0]


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and 0 < int(text) <= _HIGHEST_PORT)
