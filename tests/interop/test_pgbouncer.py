"""The worker through pgbouncer, and what it does to other clients."""

import threading
from collections import Counter
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from sqlalchemy import text
from support import mail

from worker.core.errors import Unavailable
from worker.core.policy import Policy
from worker.process import process
from worker.store import ensure_schema, migrate, open_store
from worker.store.selecting import UserFilter, all_users
from worker.store.users import import_users

POOL_SIZE = 3
MODES = ["transaction", "session"]
NOTES = """
    CREATE TABLE notes (pid integer, synchronous_commit text, lock_timeout text,
        statement_timeout text, idle text, zone text, style text, path text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.notes SELECT pg_backend_pid(), current_setting('synchronous_commit'),
            current_setting('lock_timeout'), current_setting('statement_timeout'),
            current_setting('idle_in_transaction_session_timeout'), current_setting('TimeZone'),
            current_setting('DateStyle'), current_setting('search_path');
        RETURN NEW;
    END $$;
    CREATE TRIGGER note AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION note();
"""
OURS = ("on", "UTC", "30s", "1min", '"$user", public')
THEIRS = {
    "synchronous_commit": "off",
    "lock_timeout": "7s",
    "statement_timeout": "11s",
    "idle_in_transaction_session_timeout": "13s",
    "search_path": "pg_catalog",
}
"""What another client of the pool sets for its session, and so for the server's connections."""


def use_all_connections(url):
    """Have the pooler open all that it may, which then take turns."""
    with ExitStack() as stack:
        for _ in range(POOL_SIZE):
            stack.enter_context(psycopg.connect(url)).execute("SELECT 1")


def other_client(url):
    """Another client of the pool."""
    return psycopg.connect(url, autocommit=True, prepare_threshold=None, application_name="shop")


@contextmanager
def opened(url):
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture(params=MODES)
def url(request, pgbouncer):
    return pgbouncer(request.param, default_pool_size=POOL_SIZE)


@pytest.fixture
def store(url):
    with opened(url) as store:
        ensure_schema(store, migrate=True)
        yield store


def commit(store, message, *addresses):
    handled = process([message(mail.bounce(address)) for address in addresses], store, Policy())
    assert all(result.decisions for result in handled)


@pytest.mark.parametrize("url", ["transaction"], indirect=True)
class TestOthersOnTheSamePool:
    def test_every_commit_waits_for_the_disk_and_has_our_settings(
        self, store, url, postgresql_url, message
    ):
        """The database would not wait, and another client sets its own on every connection."""
        with psycopg.connect(postgresql_url, autocommit=True) as admin:
            admin.execute(NOTES)
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET synchronous_commit = off")
        use_all_connections(url)
        with other_client(url) as other:
            for number in range(100):
                name, value = list(THEIRS.items())[number % len(THEIRS)]
                other.execute(f"SET {name} = '{value}'")
                commit(store, message, f"jane{number}@example.com")
        with psycopg.connect(postgresql_url, autocommit=True) as admin:
            found = admin.execute(
                "SELECT synchronous_commit, zone, statement_timeout, idle, path FROM notes"
            ).fetchall()
            pids = admin.execute("SELECT DISTINCT pid FROM notes").fetchall()
        assert Counter(found) == {OURS: 100}
        assert len(pids) == POOL_SIZE

    def test_nobody_else_gets_our_settings(self, store, url, message):
        use_all_connections(url)
        names = [*THEIRS, "TimeZone", "default_transaction_isolation", "application_name"]
        with other_client(url) as other:
            before = [other.execute(f"SHOW {name}").fetchone() for name in names]
            for number in range(30):
                commit(store, message, f"jane{number}@example.com")
                store.figures()
                with store.writing() as connection:
                    connection.execute(text("SELECT 1"))
                assert [other.execute(f"SHOW {name}").fetchone() for name in names] == before

    def test_an_event_goes_into_our_tables_whatever_path_others_have_set(self, store, url, message):
        use_all_connections(url)
        with other_client(url) as other:
            other.execute("CREATE SCHEMA theirs")
            other.execute("CREATE TABLE theirs.events AS TABLE public.events")
            for _ in range(6):
                other.execute("SET search_path = theirs, public")
            commit(store, message, *mail.addresses(20))
            assert other.execute("SELECT count(*) FROM theirs.events").fetchone() == (0,)
            assert other.execute("SELECT count(*) FROM public.events").fetchone() == (20,)


def test_two_processes_bring_the_schema_up_at_once(url):
    found = []

    def bring_up():
        with opened(url) as store:
            found.append(bool(ensure_schema(store, migrate=True)))

    threads = [threading.Thread(target=bring_up) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, True]
    with opened(url) as store:
        assert migrate.upgrade(store) == ()


def test_users_are_brought_in_and_streamed_out(store):
    people = mail.addresses(5_000)
    list(import_users(store, ({"email": each, "email_key": each} for each in people)))
    assert [user["email_key"] for user in all_users(store, UserFilter())] == sorted(people)


def test_a_connection_of_the_pooler_that_is_killed_costs_a_single_try(
    store, postgresql_url, message
):
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        kill = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(Unavailable), store.transaction() as transaction:
            transaction.users(["jane@example.com"])
            admin.execute(kill)
            transaction.users(["jane@example.com"])
        store.probe()
        commit(store, message, "jane@example.com")
        admin.execute(kill)
        handled = process([message(mail.bounce("joan@example.com"))], store, Policy())
        if handled[0].met_an_outage:  # pgbouncer has not noticed yet
            store.probe()
            commit(store, message, "joan@example.com")


def test_a_transaction_that_hangs_is_broken_off(store):
    store.probe()
    timer = threading.Timer(0.3, store.break_off)
    timer.start()
    with pytest.raises(Unavailable), store.transaction() as transaction:
        transaction._connection.execute("SELECT pg_sleep(5)")
    timer.join()
    store.probe()


@pytest.mark.parametrize("mode", MODES)
def test_a_drain_applies_everything(run, emulator, queue, pgbouncer, mode, environment):
    environment["SES_WORKER_STORE__URL"] = pgbouncer(mode, default_pool_size=20)
    for address in mail.addresses(300):
        emulator.send(queue, mail.bounce(address))
    done = run("drain", "--json")
    assert (done.status, done.json["applied"], done.json["remaining"]) == (0, 300, 0)


def test_a_pooler_that_shares_statements_out_is_refused_in_words(pgbouncer):
    """In statement mode there are no transactions to be had."""
    with opened(pgbouncer("statement")) as store, pytest.raises(Unavailable) as caught:
        store.revision()
    assert "transaction" in str(caught.value)
    assert "statement" in str(caught.value)
