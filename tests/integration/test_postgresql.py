"""What only PostgreSQL can do, and how the store takes it."""

import threading
from types import SimpleNamespace

import psycopg
import pytest
from support import mail
from support.lanes import SLACK

from worker.core.decode import decode
from worker.core.errors import Unavailable
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.store import ensure_schema, open_store
from worker.store.postgresql.transaction import LARGEST_STATEMENT_BYTES


@pytest.fixture
def database(postgresql_url):
    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    yield store
    store.close()


def test_users_are_locked_in_the_order_of_their_keys(database, postgresql_url):
    """A worker that waits for the first holds none of the rest, so two workers cannot deadlock."""
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        for key in "cba":
            admin.execute("INSERT INTO users (email, email_key) VALUES (%s, %s)", (key, key))

        def lock():
            with database.transaction() as transaction:
                transaction.users(["c", "b", "a"])

        thread = threading.Thread(target=lock)
        with psycopg.connect(postgresql_url) as other:
            other.execute("SELECT 1 FROM users WHERE email_key = 'a' FOR UPDATE")
            thread.start()
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while not admin.execute(waiting).fetchone()[0]:
                pass
            free = admin.execute("SELECT email_key FROM users FOR UPDATE SKIP LOCKED").fetchall()
        thread.join()
    assert sorted(free) == [("b",), ("c",)]


def test_a_statement_carries_a_megabyte_of_rows_at_most(database, message):
    """The server takes several times as much memory for all that one statement carries."""
    sizes = []
    people = mail.addresses(1_000)
    bodies = [
        mail.bounce(
            *(mail.recipient(item, diagnosticCode="d" * 900) for item in people), subtype=kind
        )
        for kind in ("General", "NoEmail")
    ]
    with database.transaction() as transaction:
        execute = transaction._connection.execute

        def noted(statement, parameters=()):
            sizes.append(max(len(str(each)) for each in parameters))
            return execute(statement, parameters)

        transaction._connection = SimpleNamespace(execute=noted)
        unit = UnitOfWork(Policy(notify=(SLACK,)), (), {})
        for body in bodies:
            unit.decide_message(message(body), decode(body))
        transaction.save(unit)
        events = execute("SELECT count(*) FROM events").fetchone()[0]
    assert events == 2_000
    assert sum(sizes) > 2 * LARGEST_STATEMENT_BYTES
    assert sorted(sizes)[-3] <= LARGEST_STATEMENT_BYTES  # but for the notices, a row each


@pytest.mark.parametrize(
    "state",
    ["0A000", "23502", "25P03", "26000", "3F000", "42703", "42P05", "42P01", "55P03", "57014"],
)
def test_what_is_about_the_server_the_session_or_the_schema_blames_no_row(database, state):
    with pytest.raises(Unavailable), database.transaction() as transaction:
        transaction._connection.execute(f"DO $$BEGIN RAISE SQLSTATE '{state}'; END$$")


@pytest.mark.parametrize("state", ["22021", "22P02", "23514", "54000", "P0001"])
def test_what_may_be_about_a_row_stays_what_it_is(database, state):
    with pytest.raises(psycopg.Error) as caught, database.transaction() as transaction:
        transaction._connection.execute(f"DO $$BEGIN RAISE SQLSTATE '{state}'; END$$")
    assert caught.value.sqlstate == state


def test_a_session_that_was_broken_off_is_unavailable_and_the_next_session_works(database):
    database.probe()
    timer = threading.Timer(0.3, database.break_off)
    timer.start()
    with pytest.raises(Unavailable), database.transaction() as transaction:
        transaction._connection.execute("SELECT pg_sleep(20)")
    timer.join()
    database.probe()
