"""Which rights the role of `store.url` lacks, as the statements with which an owner grants them.

PostgreSQL's errors name a single object at a time, in the server's language. So the server is asked
for all of them.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import psycopg.conninfo

from worker.core.errors import Misconfigured
from worker.store.postgresql.connection import connect, in_transaction
from worker.store.revision import HEAD, OUR_TABLES, OUR_VIEWS, VERSION_TABLE
from worker.store.rights import AccessProblem

Session = psycopg.Connection[tuple[Any, ...]]

_ON_TABLES = ("SELECT", "INSERT", "UPDATE", "DELETE")
_ON_OTHERS = ("SELECT",)
"""On views and on Alembic's table, which only an upgrade writes."""
_SIMPLE_NAME = re.compile(r"[a-z_][a-z0-9_]*")

# The first schema of the search path that exists. current_schema() leaves out those that the role
# may not use.
_SCHEMA = """
    SELECT quote_ident(current_user), quote_ident(n.nspname), n.oid,
        has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE')
    FROM unnest(string_to_array(current_setting('search_path'), ','))
        WITH ORDINALITY AS p(name, place)
    JOIN pg_namespace n ON n.nspname =
        CASE btrim(p.name, ' "') WHEN '$user' THEN current_user::text ELSE btrim(p.name, ' "') END
    ORDER BY p.place LIMIT 1
"""
_RELATIONS = """
    SELECT relname, quote_ident(relname), quote_ident(pg_get_userbyid(relowner)),
        pg_has_role(relowner, 'USAGE'),
        ARRAY(SELECT r FROM unnest(%(rights)s::text[]) AS r WHERE has_table_privilege(c.oid, r))
    FROM pg_class c
    WHERE relnamespace = %(schema)s AND relkind IN ('r', 'p', 'v') AND relname = ANY(%(names)s)
    ORDER BY relname
"""
_SEQUENCES = """
    SELECT DISTINCT quote_ident(s.relname) FROM pg_class s
    JOIN pg_depend d ON d.objid = s.oid AND d.deptype = 'a'
    JOIN pg_class t ON t.oid = d.refobjid AND t.relname = ANY(%(names)s)
    WHERE s.relnamespace = %(schema)s
        AND CASE s.relkind WHEN 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
    ORDER BY 1
"""


class _Schema(NamedTuple):
    role: str
    name: str
    id: int
    may_use: bool
    may_create: bool


class _Relation(NamedTuple):
    name: str
    quoted: str
    owner: str
    is_ours: bool
    """Our role is its owner, or a member of its owner."""
    rights: list[str]


def is_about_rights(error: BaseException | None) -> bool:
    """Return whether an error of the driver may be solved by a GRANT."""
    # A refused connection has no SQLSTATE; the name of the right is the same in every language.
    refused = isinstance(error, psycopg.OperationalError) and "CONNECT" in str(error)
    about_objects = psycopg.errors.InsufficientPrivilege | psycopg.errors.InvalidSchemaName
    return refused or isinstance(error, about_objects)


def lacking_rights(url: str) -> AccessProblem | None:
    """Return which rights the role lacks, with the statements that grant them; None: none."""
    try:
        with connect(url) as session, in_transaction(session):
            found = session.execute(_SCHEMA).fetchone()
            grants = list(_grants(session, _Schema(*found))) if found else []
    except psycopg.OperationalError as error:
        grants = [_to_connect(url)] if is_about_rights(error) else []
    except (psycopg.Error, Misconfigured):
        return None
    if not grants:
        return None
    return AccessProblem("the role of store.url lacks rights", "; ".join(grants) + ";")


def _grants(session: Session, schema: _Schema) -> Iterator[str]:
    names = [*OUR_TABLES, *OUR_VIEWS, VERSION_TABLE]
    wanted = {"schema": schema.id, "names": names, "rights": list(_ON_TABLES)}
    relations = [_Relation(*row) for row in session.execute(_RELATIONS, wanted)]
    upgrades = not _is_current(session, schema, relations)
    on_schema = [] if schema.may_use else ["USAGE"]
    if upgrades and not schema.may_create:
        on_schema.append("CREATE")
    if on_schema:
        yield f"GRANT {', '.join(on_schema)} ON SCHEMA {schema.name} TO {schema.role}"
    if upgrades:
        for owner in sorted({relation.owner for relation in relations if not relation.is_ours}):
            yield f"GRANT {owner} TO {schema.role}"  # only an owner may alter a table
    by_rights: dict[str, list[str]] = {}
    for relation in relations:
        needed = _ON_TABLES if relation.name in OUR_TABLES else _ON_OTHERS
        lacking = ", ".join(right for right in needed if right not in relation.rights)
        by_rights.setdefault(lacking, []).append(f"{schema.name}.{relation.quoted}")
    for lacking, tables in by_rights.items():
        if lacking:
            yield f"GRANT {lacking} ON {', '.join(tables)} TO {schema.role}"
    sequences = [f"{schema.name}.{name}" for (name,) in session.execute(_SEQUENCES, wanted)]
    if sequences:
        yield f"GRANT USAGE ON SEQUENCE {', '.join(sequences)} TO {schema.role}"


def _is_current(session: Session, schema: _Schema, relations: list[_Relation]) -> bool:
    """Return whether the schema needs no upgrade; without the right to look, suppose so."""
    version = next((found for found in relations if found.name == VERSION_TABLE), None)
    if version is None:
        return False
    if "SELECT" not in version.rights or not schema.may_use:
        return True
    query = f"SELECT version_num FROM {schema.name}.{version.quoted}"
    row = session.execute(query.encode()).fetchone()
    return row is not None and row[0] == HEAD


def _to_connect(url: str) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(url)
    database, role = str(parts.get("dbname") or ""), str(parts.get("user") or "")
    return f"GRANT CONNECT ON DATABASE {_quoted(database or role)} TO {_quoted(role)}"


def _quoted(name: str) -> str:
    return name if _SIMPLE_NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'
