"""The events of one address in a SQLite file: found by an index that new events hardly touch."""

import random
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import Engine, create_mock_engine, event

from worker.store import ensure_schema, migrate, open_store
from worker.store.history import history_of
from worker.store.revision import HEAD
from worker.store.schema import events, metadata
from worker.store.tombstones import KEY_ID

BUCKET = 4096
FRAME = 24 + 4096
"""Bytes of a page in the -wal (https://sqlite.org/fileformat2.html#walformat)."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "worker.db"


@pytest.fixture
def store_url(path):
    return f"sqlite:///{path}"


@pytest.fixture
def database(store):
    return store


def row(number, recipient):
    """A row as long as a real row; keys grow with the number, as SES's ids do with the time."""
    name = f"0100{number:012x}-1b2c3d4e-1111-2222-3333-444455556666-000000"
    names = [column.name for column in events.c if not column.nullable and column.name != "id"]
    first_columns = names[: names.index("status") + 1]
    output = dict.fromkeys(first_columns, "2026-01-01 00:00:00.000000")
    keys = {"dedupe_key": name + "a" * 25, "route_key": name + "b" * 25}
    mails = {"feedback_id": name, "ses_message_id": name, "diagnostic": "smtp; 550 " + "no " * 20}
    whose = {"recipient": recipient, "recipient_as_reported": recipient}
    return output | keys | mails | whose


def add(connection, first, recipients):
    """Add an event for each recipient, with ids from `first` on, in one commit."""
    connection.execute("BEGIN")
    fill(connection, first, recipients)
    connection.execute("COMMIT")


def fill(connection, first, recipients):
    names = ("id", *row(0, ""))
    places = ", ".join(f":{name}" for name in names)
    connection.executemany(
        f"INSERT INTO events ({', '.join(names)}) VALUES ({places})",
        ({"id": first + n} | row(first + n, who) for n, who in enumerate(recipients)),
    )


@pytest.fixture
def writing(path, database):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        yield connection


def indexes(path):
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        return {name: sql for name, sql in found if sql}


def test_the_events_of_an_address_are_found_in_the_first_a_middle_and_the_last_bucket(
    database, writing
):
    add(writing, 1, ["joe@example.com"] * (5 * BUCKET))
    ids = (1, BUCKET - 1, BUCKET, 3 * BUCKET - 1, 3 * BUCKET, 5 * BUCKET - 1, 5 * BUCKET)
    for each in ids:
        writing.execute("UPDATE events SET recipient = 'jane@example.com' WHERE id = ?", (each,))

    def found(**limit):
        return tuple(row["id"] for row in history_of(database, "jane@example.com", **limit).events)

    assert found() == ids
    assert found(limit=3) == ids[-3:]
    assert found(limit=6) == ids[-6:]  # the last of which has an older neighbour in its bucket
    assert history_of(database, "nobody@example.com").events == []
    writing.execute("DELETE FROM events WHERE id < ?", (2 * BUCKET,))  # as who clears up does
    assert found() == ids[3:]
    writing.execute("DELETE FROM events")
    assert found() == ()


def test_a_query_for_a_single_address_scans_no_table(path, database):
    requested = []

    def hear(_connection, _cursor, statement, values, *_):
        requested.append((statement, values))

    event.listen(Engine, "before_cursor_execute", hear)
    history_of(database, "jane@example.com")
    event.remove(Engine, "before_cursor_execute", hear)
    with closing(sqlite3.connect(path)) as connection:
        plan = [
            step
            for statement, values in requested
            if statement != KEY_ID  # of which one row is read
            for (*_, step) in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    assert "SEARCH events USING COVERING INDEX events_bucket (<expr>=? AND recipient=?)" in plan, (
        plan
    )
    through = [step for step in plan if step.startswith("SCAN")]
    assert [step for step in through if step.split()[1] in metadata.tables] == []


@pytest.mark.parametrize(
    "rest",
    ["", "ORDER BY id DESC LIMIT 100", "AND kind = 'bounce' AND occurred_at > '2026-01-01'"],
)
def test_an_application_that_asks_the_view_scans_no_table(path, database, rest):
    query = f"SELECT * FROM events_by_recipient WHERE recipient = ? {rest}"
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", ("jane@example.com",)).fetchall()
    steps = [step for (*_, step) in plan]
    assert "SEARCH events USING INDEX events_bucket (<expr>=? AND recipient=?)" in steps
    assert not [step for step in steps if step.startswith("SCAN events")]


def test_the_migrations_make_exactly_the_indexes_that_the_code_knows(path, database):
    """Alembic's comparison leaves out those on expressions."""
    output = []
    engine = create_mock_engine("sqlite://", lambda made, *_: output.append(made))
    metadata.create_all(engine, checkfirst=False)
    expected = [str(made.compile(dialect=engine.dialect)) for made in output]
    expected = [statement for statement in expected if statement.startswith("CREATE INDEX")]
    assert sorted(indexes(path).values()) == sorted(expected)


@pytest.mark.parametrize(
    ("revision", "then"),
    [
        ("0002", "CREATE INDEX events_recipient ON events (recipient)"),
        ("0014", "CREATE INDEX events_bucket ON events (id / 2048, recipient)"),
    ],
)
def test_an_older_file_keeps_its_events_and_finds_them(path, monkeypatch, revision, then):
    store = open_store(f"sqlite:///{path}")
    upgrade = migrate.command.upgrade
    monkeypatch.setattr(migrate.command, "upgrade", lambda config, _head: upgrade(config, revision))
    migrate.upgrade(store)
    monkeypatch.undo()
    assert store.revision() == revision
    assert then in indexes(path).values()
    with store.write_transaction() as connection:
        driver = connection.connection.driver_connection
        fill(driver, 1, [f"{n % 2}@example.com" for n in range(1, 2 * BUCKET)])
    pending = migrate.status(store).pending
    assert int(pending[0]) == int(revision) + 1
    assert pending[-1] == HEAD
    assert ensure_schema(store, migrate=True) == pending
    assert then not in indexes(path).values()
    kept = [event["id"] for event in history_of(store, "1@example.com", 10_000).events]
    assert kept == list(range(1, 2 * BUCKET, 2))
    store.close()


def test_new_events_are_written_to_few_pages(path, writing):
    """In a whole bucket's life, 50 a commit; by recipient alone each has a page of its own."""
    rng = random.Random(1)
    whom = [f"user{rng.randrange(10**6)}@example{n % 977}.com" for n in range(50 * BUCKET)]
    add(writing, 1, whom[: 49 * BUCKET])
    assert pages_a_commit(path, writing, whom[49 * BUCKET :]) < 52
    writing.execute("DELETE FROM events WHERE id > ?", (49 * BUCKET,))
    writing.execute("DROP INDEX events_bucket")
    writing.execute("CREATE INDEX plain ON events (recipient)")
    assert pages_a_commit(path, writing, whom[49 * BUCKET :]) > 60


def pages_a_commit(path, connection, whom):
    """Commit them, 50 at a time, and count what each commit has put into the -wal."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    commits = range(0, len(whom), 50)
    for start in commits:
        add(connection, 49 * BUCKET + 1 + start, whom[start : start + 50])
    log = path.with_name(f"{path.name}-wal")
    return log.stat().st_size / FRAME / len(commits)
