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
from worker.store.home import Home
from worker.store.needs import Needs, is_only_reading
from worker.store.postgresql.connection import connect, in_transaction
from worker.store.revision import HEAD, OUR_TABLES, VERSION_TABLE
from worker.store.rights import AccessProblem

Session = psycopg.Connection[tuple[Any, ...]]

_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
_SIMPLE_NAME = re.compile(r"[a-z_][a-z0-9_]*")

# The first schema of the search path that exists. current_schema() leaves out those that the role
# may not use.
_SCHEMA = """
    SELECT quote_ident(current_database()), quote_ident(current_user), quote_ident(n.nspname),
        n.oid, has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE')
    FROM unnest(string_to_array(current_setting('search_path'), ','))
        WITH ORDINALITY AS p(name, place)
    JOIN pg_namespace n ON n.nspname =
        CASE btrim(p.name, ' "') WHEN '$user' THEN current_user::text ELSE btrim(p.name, ' "') END
    ORDER BY p.place LIMIT 1
"""
_NO_SCHEMA = """
    SELECT quote_ident(current_user), quote_ident(coalesce(nullif(btrim(
        split_part(replace(current_setting('search_path'), '"$user"', current_user), ',', 1),
        ' "'), ''), 'ses'))
"""
_WITH_TABLES = """
    SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND n.oid <> %s ORDER BY 1
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
    database: str
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


def lacking_rights(url: str, needs: Needs) -> AccessProblem | None:
    """Return which of these rights the role lacks, with what grants them; None: none."""
    try:
        with connect(url) as session, in_transaction(session):
            found = session.execute(_SCHEMA).fetchone()
            if found is None:
                return _no_schema(session)
            return _problem(session, _Schema(*found), needs)
    except psycopg.OperationalError as error:
        return _lacking([_to_connect(url)]) if is_about_rights(error) else None
    except (psycopg.Error, Misconfigured):
        return None


def find_home(url: str) -> Home | None:
    """Return where the tables are, or will be; None: unknown."""
    try:
        with connect(url) as session, in_transaction(session):
            found = session.execute(_SCHEMA).fetchone()
            return _home(session, _Schema(*found)) if found else None
    except (psycopg.Error, Misconfigured):
        return None


def _home(session: Session, schema: _Schema) -> Home:
    with_tables = session.execute(_WITH_TABLES, (VERSION_TABLE, schema.id)).fetchall()
    return Home(
        database=schema.database,
        role=schema.role,
        schema=schema.name,
        elsewhere=[name for (name,) in with_tables],
    )


def _no_schema(session: Session) -> AccessProblem | None:
    row = session.execute(_NO_SCHEMA).fetchone()
    if row is None:
        return None
    role, schema = row
    return AccessProblem(
        f"no schema of the search_path of {role} exists",
        f"CREATE SCHEMA {schema} AUTHORIZATION {role};",
    )


def _problem(session: Session, schema: _Schema, needs: Needs) -> AccessProblem | None:
    values = {"schema": schema.id, "names": [*needs], "rights": list(_RIGHTS)}
    relations = [_Relation(*row) for row in session.execute(_RELATIONS, values)]
    has_tables = any(found.name == VERSION_TABLE for found in relations)
    home = Home(database="", role="", schema="") if has_tables else _home(session, schema)
    if home.elsewhere and not (schema.may_use and schema.may_create):
        return AccessProblem(
            f"the tables are in the schema {home.elsewhere[0]}, and {home.role} looks into "
            f"{home.schema}",
            home.fix,
        )
    problem = _lacking(list(_grants(session, schema, relations, needs)))
    if problem and (owner := _owner_if_reader(relations, needs)):
        return AccessProblem(
            f"the role {schema.role} may only read; the tables belong to {owner}",
            "name the worker's role in store.url; or, to make this the worker's role: "
            f"{problem.fix}",
        )
    return problem


def _lacking(grants: list[str]) -> AccessProblem | None:
    if not grants:
        return None
    return AccessProblem("the role of store.url lacks rights", "; ".join(grants) + ";")


def _owner_if_reader(relations: list[_Relation], needs: Needs) -> str:
    """Return the owner of the tables if our role may read some of them, and write none."""
    rights = {right for found in relations for right in found.rights if found.name in OUR_TABLES}
    only_reads = not is_only_reading(needs) and rights == {"SELECT"}
    owners = [found.owner for found in relations if found.name in OUR_TABLES]
    return owners[0] if only_reads else ""


def _grants(
    session: Session, schema: _Schema, relations: list[_Relation], needs: Needs
) -> Iterator[str]:
    upgrades = not (is_only_reading(needs) or _is_current(session, schema, relations))
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
        lacking = [right for right in needs[relation.name] if right not in relation.rights]
        by_rights.setdefault(", ".join(lacking), []).append(f"{schema.name}.{relation.quoted}")
    for rights, names in by_rights.items():
        if rights:
            yield f"GRANT {rights} ON {', '.join(names)} TO {schema.role}"
    filled = [name for name, rights in needs.items() if "INSERT" in rights]
    values = {"schema": schema.id, "names": filled}
    sequences = [f"{schema.name}.{name}" for (name,) in session.execute(_SEQUENCES, values)]
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
