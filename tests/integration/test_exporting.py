"""Events by the time of occurrence: all of them once, in order, found by the index of times."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, insert

from worker.store import ensure_schema, exporting, open_store
from worker.store.exporting import EventFilter, exported_events
from worker.store.schema import events

BEGINNING = datetime(2026, 11, 1, tzinfo=UTC)


def row(number, at, recipient="jane@example.com", kind="bounce"):
    texts = {column.name: "" for column in events.c if not column.nullable and column.name != "id"}
    keys = {"dedupe_key": f"d{number}", "route_key": f"r{number}", "tags": "{}"}
    times = {"occurred_at": at, "received_at": at}
    return texts | keys | times | {"recipient": recipient, "kind": kind}


def add(store, rows):
    with store.writing() as connection:
        connection.execute(insert(events), rows)


@pytest.fixture
def week(store, monkeypatch):
    """Events that arrived in another order than they occurred, many of them at the same time."""
    monkeypatch.setattr(exporting, "WINDOW", 5)
    hours = [(n * 37) % 168 // 8 * 8 for n in range(60)]
    people = ("jane@example.com", "joe@sub.example.com", "x@other.org")
    rows = [
        row(n, BEGINNING + timedelta(hours=hour), people[n % 3], ("bounce", "complaint")[n % 2])
        for n, hour in enumerate(hours)
    ]
    add(store, rows)
    return rows


def keys(found):
    return [row["dedupe_key"] for row in found]


def expected(rows, fits=lambda row: True):
    chosen = [row for row in rows if fits(row)]
    return keys(sorted(chosen, key=lambda row: row["occurred_at"]))


def test_all_come_once_in_the_order_of_occurrence(store, week):
    assert keys(exported_events(store, EventFilter())) == expected(week)


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        (
            {"since": BEGINNING + timedelta(hours=48)},
            lambda row: row["occurred_at"] >= BEGINNING + timedelta(hours=48),
        ),
        (
            {"until": BEGINNING + timedelta(hours=48)},
            lambda row: row["occurred_at"] < BEGINNING + timedelta(hours=48),
        ),
        ({"recipient": "jane@example.com"}, lambda row: row["recipient"] == "jane@example.com"),
        ({"domain": "example.com"}, lambda row: row["recipient"] == "jane@example.com"),
        ({"domain": ".example.com"}, lambda row: row["recipient"].endswith("example.com")),
        ({"domain": "ex_mple.com"}, lambda row: False),
        ({"kinds": ("complaint",)}, lambda row: row["kind"] == "complaint"),
        (
            {"kinds": ("bounce",), "domain": "other.org", "since": BEGINNING + timedelta(days=3)},
            lambda row: (
                row["kind"] == "bounce"
                and row["recipient"] == "x@other.org"
                and row["occurred_at"] >= BEGINNING + timedelta(days=3)
            ),
        ),
    ],
)
def test_conditions_select(store, week, conditions, fits):
    assert keys(exported_events(store, EventFilter(**conditions))) == expected(week, fits)


def test_what_arrives_meanwhile_disturbs_nothing_and_no_transaction_is_open_between(store, week):
    found = []
    for number, exported in enumerate(exported_events(store, EventFilter())):
        found.append(exported["dedupe_key"])
        if number == 7:
            add(
                store,
                [row(900, BEGINNING - timedelta(days=1)), row(901, BEGINNING + timedelta(days=9))],
            )
    assert [key for key in found if key != "d901"] == expected(week)
    assert found[-1] == "d901"


def test_a_sqlite_file_is_checkpointed_while_an_export_waits_for_its_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "WINDOW", 5)
    store = open_store(f"sqlite:///{tmp_path / 'worker.db'}")
    ensure_schema(store, migrate=True)
    add(store, [row(n, BEGINNING) for n in range(20)])
    export = exported_events(store, EventFilter())
    next(export)
    add(store, [row(99, BEGINNING)])
    with closing(sqlite3.connect(tmp_path / "worker.db")) as connection:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0
    assert len(list(export)) == 20
    store.close()


@pytest.fixture
def heard():
    statements = []

    def hear(_connection, _cursor, statement, values, *_):
        statements.append((statement, values))

    event.listen(Engine, "before_cursor_execute", hear)
    yield statements
    event.remove(Engine, "before_cursor_execute", hear)


def plans(store, statements, store_url):
    """The plans of the queries in SQLite, or in PostgreSQL."""
    steps = []
    explain = "EXPLAIN QUERY PLAN" if store_url.startswith("sqlite") else "EXPLAIN"
    with store.reading() as connection:
        for statement, values in statements:
            if statement.startswith("SELECT"):
                found = connection.exec_driver_sql(f"{explain} {statement}", values)
                steps += [line[-1] for line in found]
    return steps


def test_the_last_week_is_found_by_the_index_of_times(store, store_url, heard):
    """Of events of a hundred weeks."""
    weeks = 100
    add(store, [row(n, BEGINNING - timedelta(hours=n)) for n in range(168 * weeks)])
    if not store_url.startswith("sqlite"):
        with store.writing() as connection:
            connection.exec_driver_sql("ANALYZE")
    heard.clear()
    last_week = EventFilter(since=BEGINNING - timedelta(days=7), until=BEGINNING)
    assert len(list(exported_events(store, last_week))) == 168
    steps = plans(store, [*heard], store_url)
    assert [step for step in steps if "events_occurred" in step], steps
    assert not [step for step in steps if "Seq Scan on events" in step or step.startswith("SCAN")]


def test_in_sqlite_events_of_an_address_are_found_by_their_index(tmp_path, heard):
    url = f"sqlite:///{tmp_path / 'worker.db'}"
    store = open_store(url)
    ensure_schema(store, migrate=True)
    heard.clear()
    list(exported_events(store, EventFilter(recipient="jane@example.com", until=BEGINNING)))
    steps = plans(store, [*heard], url)
    assert not [step for step in steps if step.startswith("SCAN events")], steps
    store.close()
