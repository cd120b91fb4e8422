"""The schema: made, brought up under a lock, refused when it is newer."""

import threading
import time
from datetime import timedelta
from importlib import import_module

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, inspect, select
from support import mail
from support.mail import NOW

from worker.core.counting import Dimension
from worker.core.errors import Misconfigured
from worker.core.policy import Policy
from worker.process import process
from worker.store import ensure_schema, migrate, open_store
from worker.store.counting_events import count_some_events
from worker.store.figures_by_hour import by_value, known
from worker.store.outbox_list import problems
from worker.store.revision import HEAD, OUR_TABLES, VERSION_TABLE
from worker.store.schema import events, limits, metadata, outbox


@pytest.fixture
def empty(store_url):
    store = open_store(store_url)
    yield store
    store.close()


def set_revision(store, revision):
    with store.write_transaction() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")


def upgrade_to(store, revision, monkeypatch):
    upgrade = migrate.command.upgrade
    monkeypatch.setattr(migrate.command, "upgrade", lambda config, _: upgrade(config, revision))
    migrate.upgrade(store)
    monkeypatch.undo()


def test_an_empty_database_gets_the_whole_schema_once(empty):
    assert migrate.status(empty) == migrate.SchemaStatus(None, pending=migrate.upgrade(empty))
    assert migrate.status(empty) == migrate.SchemaStatus(HEAD)
    assert migrate.upgrade(empty) == ()


# SQLAlchemy reflects no index on an expression: tests/integration/test_events_of_one.py has it.
@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_the_migrations_make_exactly_the_tables_that_the_code_knows(store):
    def meant(_thing, name, *_):
        others = {
            "sqlite": {"events_recipient", "outbox_mail"},
            "postgresql": {"events_bucket", "outbox_message"},
        }
        return name not in others[connection.dialect.name]

    with store.read_transaction() as connection:
        opts = {"version_table": VERSION_TABLE, "include_object": meant}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_the_view_of_events_has_their_columns_and_rows(store, message):
    body = mail.bounce("jane@example.com", "joe@example.com")
    process([message(body)], store, Policy())
    with store.read_transaction() as connection:
        rows = [
            connection.exec_driver_sql(f"SELECT * FROM {name} ORDER BY id").mappings().all()
            for name in ("events", "events_by_recipient")
        ]
        assert len(rows[0]) == 2
        assert rows[0] == rows[1]
        query = "SELECT recipient FROM events_by_recipient WHERE recipient = 'joe@example.com'"
        assert connection.exec_driver_sql(query).scalars().all() == ["joe@example.com"]


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
    with empty.read_transaction() as connection:
        assert inspect(connection).get_table_names() == []
    assert empty.revision() is None
    monkeypatch.undo()
    assert migrate.upgrade(empty)


def test_users_of_an_older_schema_are_as_they_were_and_their_dates_count_as_mailboxes_own(
    empty, monkeypatch
):
    upgrade_to(empty, "0003", monkeypatch)
    with empty.write_transaction() as connection:
        row = "('Jane@x', 'jane@x', '2026-11-01 00:00:00', 1, 'hard_bounce')"
        connection.exec_driver_sql(
            "INSERT INTO users"
            f" (email, email_key, last_hard_bounce, hard_bounce_count, pause_reason) VALUES {row}"
        )
    with empty.read_transaction() as connection:
        before = dict(connection.exec_driver_sql("SELECT * FROM users").mappings().one())
    pending = migrate.status(empty).pending
    assert (pending[0], pending[-1]) == ("0004", HEAD)
    assert migrate.upgrade(empty) == pending
    with empty.read_transaction() as connection:
        after = connection.exec_driver_sql("SELECT * FROM users").mappings().one()
    added = {
        "hard_bounce_refused": False,
        "soft_bounce_refused": False,
        "reinstated_at": None,
        "last_delivery": None,
    }
    assert after == before | added
    with empty.transaction() as transaction:
        assert not transaction.users(["jane@x"])["jane@x"].hard_bounce_refused


def test_events_of_an_older_schema_are_noted_as_not_counted_yet(empty, monkeypatch):
    upgrade_to(empty, "0010", monkeypatch)
    row = dict.fromkeys(("recipient", "recipient_as_reported", "user_match", "action"), "")
    row |= dict.fromkeys(("reason", "feedback_id", "ses_message_id", "diagnostic", "status"), "")
    times = {"occurred_at": NOW, "received_at": NOW}
    with empty.write_transaction() as connection:
        for key in ("a", "b"):
            keys = {"dedupe_key": key, "route_key": key, "kind": "bounce"}
            connection.execute(insert(events).values(row | times | keys))
    migrate.upgrade(empty)
    assert known(empty).bounces_since is not None
    while count_some_events(empty):
        pass
    assert known(empty).bounces_since is None
    found = by_value(empty, Dimension.ALL, NOW, NOW + timedelta(hours=1))
    assert found == {"": {"other_bounce": 2}}


OLD_ENTRIES = [  # kind, lane, state, parked_by: as the program of schema 0005 wrote them
    ("bounce_notice", "slack", "waiting", None),
    ("removal", "suppression", "waiting", None),
    ("complaint_notice", "slack", "delivered", None),
    ("bounce_notice", "slack", "parked", "message"),
    ("removal_notice", "slack", "parked", "tries"),
    ("parked_notice", "slack", "parked", "slack:5d41402abc4b2a76"),
    ("removal", "suppression", "parked", "ses:eu-west-1"),
    ("dead_letter_notice", "slack", "discarded", None),
]
NEW_ENTRIES = [  # the same, and parked_reason
    ("bounce_notice", "slack", "waiting", None, None),
    ("removal", "suppression", "waiting", None, None),
    ("complaint_notice", "slack", "delivered", None, None),
    ("bounce_notice", "slack", "parked", None, "undeliverable"),
    ("removal_notice", "slack", "parked", None, "tries"),
    ("parked_notice", "slack", "parked", "slack:5d41402abc4b2a76", "blocked"),
    ("removal", "suppression", "parked", "suppression:eu-west-1", "blocked"),
    ("dead_letter_notice", "slack", "discarded", None, None),
]


def test_outbox_entries_of_an_older_schema_keep_their_lane_and_why_they_are_parked(
    empty, monkeypatch
):
    upgrade_to(empty, "0005", monkeypatch)
    dates = {"due_at": NOW, "created_at": NOW, "payload": "{}"}
    level = {"next_at": NOW, "next_slot": NOW, "tokens": 0.0, "refilled_at": NOW}
    with empty.write_transaction() as connection:
        for kind, lane, state, parked_by in OLD_ENTRIES:
            row = {"kind": kind, "lane": lane, "state": state, "parked_by": parked_by}
            connection.execute(insert(outbox).values(**row, **dates))
        for name in ("slack:5d41402abc4b2a76", "ses:eu-west-1"):
            connection.execute(insert(limits).values(name=name, blocked="no", **level))
    pending = migrate.status(empty).pending
    assert (pending[0], pending[-1]) == ("0006", HEAD)
    assert migrate.upgrade(empty) == pending
    columns = ("kind", "lane", "state", "parked_by", "parked_reason")
    query = select(*(outbox.c[name] for name in columns)).order_by(outbox.c.id)
    with empty.read_transaction() as connection:
        assert [tuple(row) for row in connection.execute(query)] == NEW_ENTRIES
    assert {problem.name for problem in problems(empty)} == {"slack", "suppression"}


def contents(store):
    """Return the tables and views, and the rows of `outbox` and `limits`, column by column."""
    with store.read_transaction() as connection:
        found = inspect(connection)
        rows = [
            sorted(map(repr, connection.exec_driver_sql(f"SELECT * FROM {name}").mappings()))
            for name in ("outbox", "limits")
        ]
        return sorted(found.get_table_names()), sorted(found.get_view_names()), rows


@pytest.mark.parametrize("revision", ["0006", "0007", HEAD])
def test_an_upgrade_with_entries_that_fails_leaves_them_as_they_were(empty, monkeypatch, revision):
    upgrade_to(empty, "0005", monkeypatch)
    with empty.write_transaction() as connection:
        for kind, lane, state, parked_by in OLD_ENTRIES:
            row = {"kind": kind, "lane": lane, "state": state, "parked_by": parked_by}
            connection.execute(
                insert(outbox).values(**row, due_at=NOW, created_at=NOW, payload="{}")
            )
        level = {"next_at": NOW, "next_slot": NOW, "tokens": 0.0, "refilled_at": NOW}
        connection.execute(insert(limits).values(name="ses:eu-west-1", blocked="no", **level))
    before, upgrade = contents(empty), migrate.command.upgrade

    def fail(config, _):
        upgrade(config, revision)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(migrate.command, "upgrade", fail)
        with pytest.raises(ZeroDivisionError):
            migrate.upgrade(empty)
    assert contents(empty) == before
    assert empty.revision() == "0005"
    assert migrate.upgrade(empty)[-1] == HEAD


def test_an_upgrade_reads_no_entry_of_a_large_outbox_that_is_not_parked(empty, monkeypatch):
    if not empty.place.endswith(".db"):
        pytest.skip("PostgreSQL's planner decides by the number of rows")
    upgrade_to(empty, "0005", monkeypatch)
    script = import_module("worker.store.migrations.versions.0006_parked_reason")
    statement = script._OUTBOX.replace("parked_reason =", "last_error =")  # a column of 0005
    with empty.write_transaction() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
        assert [row[3] for row in plan] == ["SCAN outbox USING INDEX outbox_parked"]


def test_tables_of_another_program_are_not_touched(empty):
    with empty.write_transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE events (mine INTEGER)")
    with pytest.raises(Misconfigured, match="already has events"):
        ensure_schema(empty, migrate=True)


def test_another_programs_other_tables_do_not_disturb(empty):
    with empty.write_transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("CREATE TABLE invoices (mine INTEGER)")
    assert ensure_schema(empty, migrate=True)
    assert ensure_schema(empty, migrate=True) == ()


def test_two_processes_migrate_whatever_isolation_the_server_prefers(postgresql_url):
    """Under repeatable read the second would not see what the first has made."""
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        (name,) = admin.execute("SELECT current_database()").fetchone()
        admin.execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
        )
    found = []

    def bring_up():
        store = open_store(postgresql_url)
        found.append(bool(ensure_schema(store, migrate=True)))
        store.close()

    threads = [threading.Thread(target=bring_up) for _ in range(2)]
    with psycopg.connect(postgresql_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (migrate._ADVISORY_LOCK,))
        for thread in threads:
            thread.start()
        time.sleep(2)
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, True]


def test_a_migration_waits_longer_for_a_lock_than_a_batch(postgresql_url, monkeypatch):
    from worker.store.postgresql import connection

    monkeypatch.setitem(connection._SETTINGS, "lock_timeout", "100ms")
    store = open_store(postgresql_url)
    with psycopg.connect(postgresql_url) as other:
        other.execute(
            "CREATE TABLE users (id integer)"
        )  # the name is taken until it is rolled back
        thread = threading.Timer(1, other.rollback)
        thread.start()
        assert migrate.upgrade(store)
        thread.join()
    store.close()
