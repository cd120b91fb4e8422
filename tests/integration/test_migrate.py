"""The schema: made, brought up under a lock, refused when it is newer."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from worker.errors import Misconfigured
from worker.store import ensure_schema, migrate, open_store
from worker.store.revision import HEAD, OUR_TABLES, VERSION_TABLE
from worker.store.schema import metadata


@pytest.fixture
def empty(store_url):
    store = open_store(store_url)
    yield store
    store.close()


def set_revision(store, revision):
    with store.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")


def test_an_empty_database_gets_the_whole_schema_once(empty):
    assert migrate.status(empty) == migrate.SchemaStatus(None, pending=migrate.upgrade(empty))
    assert migrate.status(empty) == migrate.SchemaStatus(HEAD)
    assert migrate.upgrade(empty) == ()


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(store):
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_the_program_knows_its_newest_revision_and_its_tables(empty):
    assert migrate.status(empty).pending[-1] == HEAD
    assert set(metadata.tables) == OUR_TABLES


def test_with_manual_an_older_schema_is_left_to_the_operator(empty):
    with pytest.raises(Misconfigured, match="run `ses-worker db upgrade`"):
        ensure_schema(empty, migrate=False)
    assert empty.revision() is None
    migrate.upgrade(empty)
    assert ensure_schema(empty, migrate=False) == ()


def test_a_newer_schema_is_refused_and_left_alone(store):
    set_revision(store, "9999")
    assert migrate.status(store) == migrate.SchemaStatus("9999", newer=True)
    for allowed in (True, False):
        with pytest.raises(Misconfigured, match="has schema 9999, this program knows"):
            ensure_schema(store, migrate=allowed)
    assert store.revision() == "9999"


def test_a_migration_that_fails_leaves_the_schema_as_it_was(empty, monkeypatch):
    """It fails at its very end: all tables are made by then."""
    upgrade, made = migrate.command.upgrade, []

    def fail(config, revision):
        upgrade(config, revision)
        made.extend(inspect(config.attributes["connection"]).get_table_names())
        raise ZeroDivisionError

    monkeypatch.setattr(migrate.command, "upgrade", fail)
    with pytest.raises(ZeroDivisionError):
        migrate.upgrade(empty)
    assert set(made) == OUR_TABLES | {VERSION_TABLE}
    with empty.reading() as connection:
        assert inspect(connection).get_table_names() == []
    assert empty.revision() is None
    monkeypatch.undo()
    assert migrate.upgrade(empty)


def test_tables_of_another_program_are_not_touched(empty):
    with empty.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE events (mine INTEGER)")
    with pytest.raises(Misconfigured, match="already has events"):
        ensure_schema(empty, migrate=True)


def test_another_programs_other_tables_do_not_disturb(empty):
    with empty.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("CREATE TABLE invoices (mine INTEGER)")
    assert ensure_schema(empty, migrate=True)
    assert ensure_schema(empty, migrate=True) == ()
