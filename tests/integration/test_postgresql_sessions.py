"""What only PostgreSQL has: settings of a transaction, encodings, SQLSTATEs, errors that quote
rows."""

import psycopg
import pytest
from psycopg import sql

from worker.core.errors import Misconfigured, Raced, Unavailable
from worker.store import ensure_schema, open_store
from worker.store.postgresql.connection import connect, in_transaction
from worker.store.postgresql.errors import translated


def administer(url, words, *values):
    """Set something for the database as its administrator does."""
    with psycopg.connect(url, autocommit=True) as admin:
        literals = map(sql.Literal, values)
        admin.execute(sql.SQL(words).format(sql.Identifier(admin.info.dbname), *literals))


@pytest.fixture
def setting(postgresql_url):
    """What a setting is in one of our transactions, whatever the administrator has set."""

    def setting(name, administrators=None):
        if administrators is not None:
            administer(postgresql_url, f"ALTER DATABASE {{}} SET {name} = {{}}", administrators)
        with connect(postgresql_url) as session, in_transaction(session):
            return session.execute(f"SHOW {name}").fetchone()[0]

    return setting


@pytest.fixture
def database(postgresql_url):
    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    yield store
    store.close()


class TestTransactions:
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

    def test_nothing_is_left_set_for_the_next_user_of_the_connection(self, postgresql_url):
        """A pooler gives it to other clients."""
        everything = "SELECT name, setting FROM pg_settings ORDER BY name"
        with connect(postgresql_url) as session:
            before = session.execute(everything).fetchall()
            with in_transaction(session):
                assert session.execute(everything).fetchall() != before
            assert session.execute(everything).fetchall() == before
            with pytest.raises(ZeroDivisionError), in_transaction(session):
                raise ZeroDivisionError
            assert session.execute(everything).fetchall() == before

    def test_what_others_have_set_for_the_connection_is_not_ours(self, postgresql_url):
        """So a pooler hands it over: another path, commits that do not wait, no bound."""
        with connect(postgresql_url) as session:
            for name, theirs in (
                ("search_path", "pg_catalog"),
                ("synchronous_commit", "off"),
                ("statement_timeout", "0"),
                ("DateStyle", "German"),
                ("default_transaction_isolation", "serializable"),
            ):
                session.execute(f"SET {name} = {theirs}")
            with in_transaction(session):
                names = ["search_path", "synchronous_commit", "statement_timeout", "DateStyle",
                         "transaction_isolation"]  # fmt: skip
                found = [session.execute(f"SHOW {name}").fetchone()[0] for name in names]
        assert found == ['"$user", public', "on", "30s", "ISO, DMY", "read committed"]

    def test_a_search_path_that_the_administrator_has_set_is(self, setting):
        assert setting("search_path", "mail") == "mail"

    def test_what_a_statement_has_broken_is_not_taken_for_committed(self, postgresql_url):
        """PostgreSQL answers COMMIT with a rollback then, and with no error."""
        with connect(postgresql_url) as session:
            with pytest.raises(psycopg.errors.InFailedSqlTransaction), in_transaction(session):
                session.execute("CREATE TABLE kept (id integer)")
                with pytest.raises(psycopg.errors.DivisionByZero):
                    session.execute("SELECT 1/0")
            assert session.execute("SELECT to_regclass('kept')").fetchone() == (None,)


class TestStyles:
    @pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY"])
    def test_times_are_read_and_written_whatever_their_style(self, database, postgresql_url, style):
        administer(postgresql_url, "ALTER DATABASE {} SET DateStyle = {}", style)
        with database.transaction() as transaction:
            found = transaction._connection.execute("SELECT timestamptz '2026-11-20 01:02:03Z'")
            assert found.fetchone()[0].isoformat() == "2026-11-20T01:02:03+00:00"
        database.probe()

    def test_strings_with_backslashes_are_strings(self, database, postgresql_url):
        words = "ALTER DATABASE {} SET standard_conforming_strings = {}"
        administer(postgresql_url, words, "off")
        with database.transaction() as transaction:
            found = transaction._connection.execute("SELECT %s", ("a\\b'c",))
            assert found.fetchone() == ("a\\b'c",)
        database.probe()


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
    def test_a_database_that_cannot_hold_every_text_is_refused_with_what_to_do(
        self, postgresql_server, encoding
    ):
        with psycopg.connect(postgresql_server, autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS narrow")
            admin.execute(
                f"CREATE DATABASE narrow ENCODING '{encoding}' TEMPLATE template0"
                " LC_COLLATE 'C' LC_CTYPE 'C'"
            )
        store = open_store(postgresql_server.replace("/postgres?", "/narrow?"))
        for ask in (store.revision, store.probe, lambda: ensure_schema(store, migrate=True)):
            with pytest.raises(Misconfigured, match=f"narrow has the encoding {encoding}"):
                ask()
        with pytest.raises(Misconfigured, match="ENCODING 'UTF8'"), store.write_transaction():
            pass

    def test_whatever_encoding_the_environment_asks_for_texts_are_whole(
        self, database, postgresql_url, monkeypatch
    ):
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
        administer(postgresql_url, "ALTER DATABASE {} SET client_encoding = {}", "LATIN1")
        with database.transaction() as transaction:
            found = transaction._connection.execute("SELECT %s", ("\u20ac \U0001f600",))
            assert found.fetchone() == ("\u20ac \U0001f600",)


def test_nothing_is_prepared(database):
    """A pooler may run the next transaction on a connection that does not know it."""
    for _ in range(20):
        with database.transaction() as transaction:
            transaction.users(["jane@example.com"])
    with database.transaction() as transaction:
        known = transaction._connection.execute("SELECT count(*) FROM pg_prepared_statements")
        assert known.fetchone() == (0,)


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
        raise psycopg.errors.lookup(state)("as PostgreSQL reports it")


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
        raise psycopg.errors.lookup(state)("as PostgreSQL reports it")


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
        raise error("as PostgreSQL reports it")


def test_a_row_quoted_by_the_server_is_not_in_the_error_message(database):
    """The words are the server's own, and behind them come detail and context with the row."""
    quoting = """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full',
                DETAIL = 'Failing row contains (jane@example.com).', HINT = 'ask jane@example.com';
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse()
    """
    with database.write_transaction() as connection:
        connection.exec_driver_sql(quoting)
    with pytest.raises(Unavailable) as caught, database.transaction() as transaction:
        transaction._connection.execute(
            "INSERT INTO users (email, email_key) VALUES ('jane@example.com', 'jane@example.com')"
        )
    assert str(caught.value) == "PostgreSQL: the disk is full"
    assert "jane" in str(caught.value.__cause__), "the driver's error did quote it"


def test_of_a_lost_connection_too_only_the_first_line_is_reported():
    with pytest.raises(Unavailable) as caught, translated():
        raise psycopg.OperationalError("no route\nDETAIL: jane@example.com\nCONTEXT: joan@b.c")
    assert str(caught.value) == "PostgreSQL: no route"
