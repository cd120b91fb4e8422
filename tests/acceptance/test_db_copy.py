"""`ses-worker db copy`: the database moves to another, with all that it has, or not at all."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa
from support import mail
from support.running import patched
from support.waiting import wait_until

from simulators.slack.faults import refused
from worker.store import ensure_schema, open_store
from worker.store.schema import metadata

NOW = datetime.now(UTC)
TABLES = sorted(metadata.tables)
USED = "0100-used-before"


@pytest.fixture
def old(environment):
    """The URL of the SQLite file from which it is copied."""
    return environment["SES_WORKER_STORE__URL"]


@pytest.fixture
def new(postgresql_url):
    """The URL of an empty database to which it is copied."""
    return postgresql_url


def rows_of(url, table):
    store = open_store(url)
    with closing(store), store.read_transaction() as connection:
        found = metadata.tables[table]
        query = sa.select(found).order_by(*found.primary_key)
        return connection.execute(query).mappings().all()


def do_not_mail(url):
    store = open_store(url)
    with closing(store), store.read_transaction() as connection:
        query = "SELECT email_key, email, reason, CAST(until AS text) FROM do_not_mail ORDER BY 1"
        return [
            (key, email, reason, until and until.removesuffix("+00").split(".")[0])
            for key, email, reason, until in connection.exec_driver_sql(query)
        ]


def value_for(column, number):
    """A value that is unlike the default, for any column that there will be."""
    kind = column.type.python_type
    if kind is datetime:
        return NOW - timedelta(seconds=number, microseconds=-number)
    if kind is bytes:
        return bytes(range(256)) * number
    return {str: f"{column.name} {number} \U0001f4ea'\\", bool: True, float: number / 7}.get(
        kind, number
    )


def fill_each_column(url, rows=3):
    store = open_store(url)
    ensure_schema(store, migrate=True)
    with closing(store), store.write_transaction() as connection:
        for table in metadata.sorted_tables:
            for number in range(1, rows + 1):
                values = {each.name: value_for(each, number) for each in table.columns}
                connection.execute(sa.insert(table).values(values))


def only_read(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def test_every_column_of_every_table_arrives_and_comes_back(run, old, new, tmp_path):
    fill_each_column(old)
    done = run("db", "copy", "--to", new, "--json")
    assert done.status == 0, done.err
    assert done.json["rows"] == 3 * len(TABLES)
    for name in TABLES:
        assert len(rows_of(old, name)) == 3
        assert rows_of(new, name) == rows_of(old, name), name
    back = f"sqlite:///{tmp_path / 'back.db'}"
    again = run("db", "copy", "--to", back, "--json", SES_WORKER_STORE__URL=new)
    assert again.json["tables"] == done.json["tables"]
    for name in TABLES:
        assert rows_of(back, name) == rows_of(old, name), name


def test_after_the_move_the_worker_goes_on_where_it_was(
    run, emulator, queue, slack, environment, old, new
):
    run("users", "import", "-", input="email\njane@example.com\nanna@example.com\n")
    slack.fail(*[refused(503, "service_unavailable")] * 20)
    used = mail.bounce("jane@example.com", at=NOW.isoformat(), feedback_id=USED, message_id=USED)
    for body in (
        used,
        mail.complaint("anna@example.com"),
        mail.complaint("unknown@example.org"),
        mail.bounce("paused@example.org", at=NOW.isoformat()),
        mail.bounce("over@example.org", at=(NOW - timedelta(days=90)).isoformat()),
    ):
        emulator.send(queue, body)
    run("drain", "--max-seconds", "1")
    waiting = run("outbox", "list", "--json").json["total"]
    assert waiting >= 4
    before = do_not_mail(old)
    assert {key for key, *_ in before} == {
        "anna@example.com", "jane@example.com", "paused@example.org", "unknown@example.org",
    }  # fmt: skip

    done = run("db", "copy", "--to", new)
    assert done.status == 0, done.err
    assert "5 events" in done.out
    assert "Start none with the old database" in done.err
    environment["SES_WORKER_STORE__URL"] = new
    assert do_not_mail(new) == before
    for address, status in (("unknown@example.org", 3), ("over@example.org", 0)):
        assert run("may-send", address).status == status

    slack.recover()
    emulator.send(queue, used)  # once more, by redelivery
    emulator.send(queue, mail.bounce("later@example.org", at=NOW.isoformat()))
    run("outbox", "retry", "--waiting", "--parked")
    posts = len(slack.posts)
    drained = run("drain", "--json")
    assert (drained.json["duplicate"], drained.json["applied"]) == (1, 1)
    assert drained.json["effects_delivered"] >= 1
    assert len(slack.posts) > posts
    assert run("outbox", "list", "--json").json["total"] == 0
    assert only_read(new, "SELECT max(id), count(*) FROM events") == [(6, 6)]
    posts = len(slack.posts)
    assert run("drain", "--json").json["effects_delivered"] == 0
    assert len(slack.posts) == posts


class TestRefusals:
    def test_a_database_with_rows_is_named_with_what_it_has(self, run, old, new):
        fill_each_column(old)
        run("db", "upgrade", SES_WORKER_STORE__URL=new)
        assert run("users", "import", "-", input="email\na@b.c\n", SES_WORKER_STORE__URL=new)
        done = run("db", "copy", "--to", new)
        assert (done.status, done.out) == (1, "")
        assert "is not empty (rows: users has 1): name an empty database" in done.err
        assert len(rows_of(new, "users")) == 1

    def test_a_worker_that_has_the_old_database_open_is_named(self, run, daemon, new, database):
        worker = daemon()
        worker.wait_for("worker.started")
        done = run("db", "copy", "--to", new)
        assert done.status == 1
        assert f"process {worker.process.pid}" in done.err
        assert "stop every worker that uses it" in done.err
        assert only_read(new, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [
            (0,)
        ]
        assert worker.stop()[0] == 0
        assert run("db", "copy", "--to", new).status == 0

    def test_a_worker_with_a_session_of_the_old_database_is_named(
        self, run, daemon, new, tmp_path, environment
    ):
        environment["SES_WORKER_STORE__URL"] = new
        worker = daemon()
        worker.wait_for("worker.started")
        to = f"sqlite:///{tmp_path / 'new.db'}"
        done = run("db", "copy", "--to", to)
        assert done.status == 1
        assert "sessions of the server's processes" in done.err
        assert worker.stop()[0] == 0
        assert run("db", "copy", "--to", to).status == 0

    def test_an_application_that_only_reads_the_old_database_may_go_on(self, run, old, new):
        fill_each_column(old)
        path = old.removeprefix("sqlite:///")
        code = (
            f"import sqlite3, sys; c = sqlite3.connect('file:{path}?mode=ro', uri=True)\n"
            "c.execute('BEGIN'); c.execute('SELECT * FROM users').fetchone()\n"
            "print('reads', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as reader:
            assert reader.stdout.readline() == b"reads\n"
            assert run("db", "copy", "--to", new).status == 0
            reader.stdin.close()

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("mysql://x/y", "must be sqlite:///PATH or postgresql://USER@HOST/DATABASE"),
            ("postgresql://u:p@ss@h/d", "is not a valid PostgreSQL URL"),
            ("", "must be sqlite:///PATH"),
            ("sqlite:///worker.db", "is the database of store.url"),
        ],
    )
    def test_a_url_that_cannot_be_meant_is_wrong_usage(self, run, old, url, words):
        fill_each_column(old)
        done = run("db", "copy", "--to", url)
        assert (done.status, done.out) == (2, "")
        assert words in done.err
        assert "p@ss" not in done.err

    def test_an_unreachable_server_is_an_error_of_a_sentence(self, run, old):
        fill_each_column(old)
        done = run("db", "copy", "--to", "postgresql://nobody@127.0.0.1:1/none")
        assert (done.status, done.out) == (1, "")
        assert "ses-worker: PostgreSQL: " in done.err
        assert len(done.err.splitlines()) == 1

    def test_a_database_of_another_program_is_left_alone(self, run, old, new):
        fill_each_column(old)
        with psycopg.connect(new, autocommit=True) as connection:
            connection.execute("CREATE TABLE users (name text)")
        done = run("db", "copy", "--to", new)
        assert done.status == 78
        assert "already has users, made by another program" in done.err

    def test_without_a_database_to_copy_it_makes_none(self, run, new, tmp_path):
        done = run("db", "copy", "--to", new)
        assert done.status == 1
        assert "no database at" in done.err
        assert not (tmp_path / "worker.db").exists()

    def test_an_older_schema_is_brought_up_first(self, run, old, new):
        fill_each_column(old)
        with closing(sqlite3.connect(old.removeprefix("sqlite:///"))) as connection:
            connection.execute("UPDATE ses_worker_schema SET version_num = '0007'")
            connection.commit()
        done = run("db", "copy", "--to", new)
        assert done.status == 1
        assert "ses-worker db upgrade" in done.err

    @pytest.mark.parametrize(
        ("column", "value", "words"),
        [
            ("account_id", "char(0)", "account_id has a NUL"),
            ("paused_until", "'soon'", "soon"),
            ("pause_reason", "x'00ff'", "pause_reason is bytes and not str"),
            ("hard_bounce_count", "3000000000", "hard_bounce_count is 3000000000"),
        ],
    )
    def test_a_value_that_postgresql_cannot_hold_is_named_with_its_row(
        self, run, old, new, column, value, words
    ):
        fill_each_column(old)
        with closing(sqlite3.connect(old.removeprefix("sqlite:///"))) as connection:
            connection.execute(f"UPDATE users SET {column} = {value} WHERE id = 3")
            connection.commit()
        done = run("db", "copy", "--to", new)
        assert (done.status, done.out) == (1, "")
        (line,) = [line for line in done.err.splitlines() if "cannot be copied" in line]
        assert "a row of users" in line
        assert words in line
        assert all(not rows_of(new, name) for name in TABLES)

    def test_columns_of_the_operators_own_are_named(self, run, old, new):
        fill_each_column(old)
        with closing(sqlite3.connect(old.removeprefix("sqlite:///"))) as connection:
            connection.execute("ALTER TABLE users ADD COLUMN plan TEXT")
        done = run("db", "copy", "--to", new)
        assert done.status == 0
        assert "not copied, since the worker has no such columns: users.plan" in done.err


TRIGGER = """
    CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {what}; END
    $$;
    CREATE TRIGGER spoil BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION spoil()
"""


class TestAllOrNothing:
    @pytest.mark.parametrize(
        ("what", "words"),
        [
            ("NEW.status := 'x'; RETURN NEW", "does not keep events as"),
            ("RETURN NULL", "0 of 3 rows"),
            ("RAISE EXCEPTION 'not here'", "does not take the rows of events from id 1 to id 3"),
        ],
    )
    def test_a_database_that_keeps_something_else_is_not_left_with_it(
        self, run, old, new, what, words
    ):
        fill_each_column(old)
        run("db", "upgrade", SES_WORKER_STORE__URL=new)
        with psycopg.connect(new, autocommit=True) as connection:
            connection.execute(TRIGGER.format(what=what))
        done = run("db", "copy", "--to", new)
        assert (done.status, done.out) == (1, "")
        assert words in done.err
        assert all(not rows_of(new, name) for name in TABLES)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_a_copy_that_is_ended_halfway_leaves_nothing_and_the_next_is_whole(
        self, run, start, old, new, number
    ):
        fill_each_column(old)
        # It stands still before the last table is written.
        slow = (
            "import time, worker.store.copying as c; real = c._insert\n"
            "def slow(connection, table, rows):\n"
            "    real(connection, table, rows)\n"
            "    if table.name == 'users': print('writes', flush=True); time.sleep(60)\n"
            "c._insert = slow"
        )
        process = start("db", "copy", "--to", new, program=patched(slow))
        assert process.stdout.readline() == "writes\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode != 0
        assert number == signal.SIGKILL or "interrupted; nothing was copied" in err
        wait_until(lambda: all(not rows_of(new, name) for name in TABLES))
        assert run("db", "copy", "--to", new).status == 0
        assert all(rows_of(new, name) == rows_of(old, name) for name in TABLES)

    def test_a_worker_that_is_started_meanwhile_writes_nothing_into_the_old_database(
        self, run, start, old, new, emulator, queue
    ):
        fill_each_column(old)
        slow = (
            "import time, worker.store.copying as c; real = c._insert\n"
            "def slow(connection, table, rows):\n"
            "    real(connection, table, rows)\n"
            "    if table.name == 'users': print('writes', flush=True); time.sleep(3)\n"
            "c._insert = slow"
        )
        copying = start("db", "copy", "--to", new, program=patched(slow))
        assert copying.stdout.readline() == "writes\n"
        emulator.send(queue, mail.bounce("jane@example.com"))
        drain = start("drain", "--max-seconds", "1")
        assert copying.wait(30) == 0
        drain.wait(30)
        assert len(rows_of(new, "events")) == 3


def test_the_url_may_come_by_standard_input(run, old, new):
    fill_each_column(old)
    done = run("db", "copy", "--to", "-", input=f"{new}\n")
    assert done.status == 0, done.err
    assert len(rows_of(new, "users")) == 3


def test_progress_and_result_on_a_terminal(terminal, old, new):
    fill_each_column(old)
    done = terminal("db", "copy", "--to", new, columns=100)
    assert done.status == 0
    assert f"{6 * len(TABLES)} of {6 * len(TABLES)} rows" in done.out
    assert "3 users" in done.out


def test_more_rows_than_a_bite_and_a_row_as_large_as_a_bite(run, old, new):
    fill_each_column(old)
    store = open_store(old)
    with closing(store), store.write_transaction() as connection:
        table = metadata.tables["quarantine"]
        for number in range(10, 16):
            values = {each.name: value_for(each, number) for each in table.columns}
            connection.execute(sa.insert(table).values(values | {"body": os.urandom(1_500_000)}))
        events = metadata.tables["events"]
        numbers = range(10, 5_010)
        rows = [{each.name: value_for(each, n) for each in events.columns} for n in numbers]
        connection.execute(sa.insert(events), rows)
    done = run("db", "copy", "--to", new, "--json")
    assert done.json["tables"]["events"]["rows"] == 5_003
    assert rows_of(new, "quarantine") == rows_of(old, "quarantine")
    assert rows_of(new, "events") == rows_of(old, "events")
