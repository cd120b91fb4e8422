"""What only PostgreSQL has: sessions with settings, SQLSTATEs, errors that quote rows."""

import psycopg
import pytest
from psycopg import sql

from worker.errors import Raced, Unavailable
from worker.store import ensure_schema, open_store
from worker.store.postgresql.connection import connect, translated


@pytest.fixture
def setting(postgresql_url):
    """Set something for the database as its administrator does, then ask our session for it."""

    def setting(name, administrators=None):
        if administrators is not None:
            with psycopg.connect(postgresql_url, autocommit=True) as admin:
                words = "ALTER DATABASE {} SET {} = {}"
                database = sql.Identifier(admin.info.dbname)
                admin.execute(
                    sql.SQL(words).format(
                        database, sql.Identifier(name), sql.Literal(administrators)
                    )
                )
        with connect(postgresql_url) as session:
            return session.execute(f"SHOW {name}").fetchone()[0]

    return setting


class TestSession:
    @pytest.mark.parametrize(
        ("administrators", "ours"),
        [("off", "on"), ("on", "on"), ("remote_write", "remote_write"), ("local", "local")],
    )
    def test_a_commit_waits_for_the_disk_at_least(self, setting, administrators, ours):
        assert setting("synchronous_commit", administrators) == ours

    @pytest.mark.parametrize(
        ("name", "ours"),
        [
            ("statement_timeout", "30s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "1min"),
        ],
    )
    def test_nothing_waits_without_an_end(self, setting, name, ours):
        assert setting(name, "0") == ours

    def test_times_are_utc_whatever_the_server_takes_for_local(self, setting):
        assert setting("TimeZone", "Pacific/Auckland") == "UTC"

    def test_it_says_who_it_is(self, setting):
        assert setting("application_name") == "ses-worker"


@pytest.mark.parametrize(
    "state",
    [
        "08001",  # the client cannot connect
        "08006",  # connection failure
        "25006",  # read-only transaction: a standby
        "28000",  # invalid authorisation
        "28P01",  # invalid password
        "3D000",  # no such database
        "42501",  # no privilege
        "42P01",  # no such table
        "53100",  # disk full
        "53200",  # out of memory
        "53300",  # too many connections
        "57014",  # cancelled, by statement_timeout too
        "57P01",  # the administrator shuts down
        "57P02",  # it has crashed
        "57P03",  # it starts up
        "58030",  # I/O error
        "F0000",  # the configuration file is wrong
        "XX000",  # an internal error
        "XX001",  # corrupt data
    ],
)
def test_what_is_about_the_server_passes(state):
    with pytest.raises(Unavailable, match="PostgreSQL: "), translated():
        raise psycopg.errors.lookup(state)("said the server")


@pytest.mark.parametrize("error", [psycopg.OperationalError, psycopg.InterfaceError])
def test_so_does_a_connection_that_is_lost(error):
    with pytest.raises(Unavailable, match="PostgreSQL: gone"), translated():
        raise error("gone")


@pytest.mark.parametrize(
    "state",
    [
        "23505",  # unique violation
        "40001",  # serialisation failure
        "40P01",  # deadlock
    ],
)
def test_who_met_another_worker_starts_over(state):
    with pytest.raises(Raced, match=state), translated():
        raise psycopg.errors.lookup(state)("said the server")


@pytest.mark.parametrize(
    "state",
    [
        "22001",  # too long
        "22003",  # a number out of range
        "22021",  # a character that is none
        "23514",  # check violation
        "54000",  # a limit of the program: a row too large for its index
    ],
)
def test_what_is_about_a_row_stays_what_it_is(state):
    error = psycopg.errors.lookup(state)
    with pytest.raises(error), translated():
        raise error("said the server")


@pytest.fixture
def books(postgresql_url):
    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    yield store
    store.close()


def test_a_row_that_the_server_quotes_is_not_in_what_is_said(books):
    """The words are the server's own, and behind them come detail and context with the row."""
    quoting = """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full',
                DETAIL = 'Failing row contains (jane@example.com).', HINT = 'ask jane@example.com';
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse()
    """
    with books.writing() as connection:
        connection.exec_driver_sql(quoting)
    with pytest.raises(Unavailable) as caught, books.transaction() as transaction:
        transaction._connection.execute(
            "INSERT INTO users (email, email_key) VALUES ('jane@example.com', 'jane@example.com')"
        )
    assert str(caught.value) == "PostgreSQL: the disk is full"
    assert "jane" in str(caught.value.__cause__), "the driver's error did quote it"


def test_of_a_lost_connection_too_only_the_first_line_is_said():
    with pytest.raises(Unavailable) as caught, translated():
        raise psycopg.OperationalError("no route\nDETAIL: jane@example.com\nCONTEXT: joan@b.c")
    assert str(caught.value) == "PostgreSQL: no route"
