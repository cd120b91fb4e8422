"""Verdicts on many addresses at once are those on each of them, and are found by indexes."""

import json
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from support import mail

from worker.core.policy import Policy
from worker.process import process
from worker.store import bulk_answers
from worker.store.answers import verdict_on
from worker.store.bulk_answers import verdicts_on
from worker.store.in_force import as_kept
from worker.store.users import import_users

NOW = datetime.now(UTC)
PEOPLE = [f"person{n}@example{n % 7}.com" for n in range(300)]
POLICY = Policy(bounce_actions={}, spare_faults=frozenset({"sender"}))


@pytest.fixture
def grown(store, message):
    """Half of the people are users; any of them may have any feedback."""
    rng = random.Random(16)
    names = ("email", "email_key", "account_id", "metrics_enabled")
    rows = [dict(zip(names, (who, who, None, True), strict=True)) for who in PEOPLE[::2]]
    list(import_users(store, rows))
    store.keep_policy(as_kept(POLICY))
    bodies = []
    for who in PEOPLE[:250]:
        for _ in range(rng.randrange(4)):
            at = (NOW - timedelta(days=rng.randrange(-1, 60) / 2, hours=1)).isoformat()
            reply = rng.choice(
                (*["550 no such user"] * 3, "blocked using zen.spamhaus.org", "is spam")
            )
            entry = mail.recipient(who, diagnosticCode=reply)
            kind = rng.choice(("Permanent", *["Transient"] * 6, "Undetermined", "complaint"))
            subtype = rng.choice(("General", "Suppressed"))
            bodies.append(
                mail.complaint(who, at=at)
                if kind == "complaint"
                else mail.bounce(entry, type=kind, subtype=subtype, at=at)
            )
    process([message(body, received_at=NOW) for body in bodies], store, POLICY)
    return store


@pytest.mark.parametrize(("few", "in_a_statement"), [(500, 20_000), (0, 7)])
def test_verdicts_on_many_are_those_on_each(grown, monkeypatch, few, in_a_statement):
    monkeypatch.setattr(bulk_answers, "FEW", few)
    monkeypatch.setattr(bulk_answers, "_IN_A_STATEMENT", in_a_statement)
    people = [
        *PEOPLE,
        *PEOPLE[:3],
        "nobody@example.com",
        "{braces}@example.com",
        'q"@example.com',
    ]
    verdicts = verdicts_on(grown, people)
    assert verdicts == {key: verdict_on(grown, key) for key in people}
    kinds = {(verdict.is_user, verdict.is_known, verdict.reason) for verdict in verdicts.values()}
    assert len(kinds) == 9, "not all cases occurred"


def test_of_none_there_is_none(store):
    assert verdicts_on(store, []) == {}


def plan_of(path, query, **values):
    with closing(sqlite3.connect(path)) as connection:
        steps = connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
    return [step for (*_, step) in steps]


@pytest.mark.parametrize(("few", "scans"), [(500, []), (0, ["events_bucket"])])
def test_in_sqlite_few_are_looked_up_and_many_read_the_index_once_and_never_the_table(
    tmp_path, monkeypatch, few, scans
):
    from worker.store import ensure_schema, open_store

    path = tmp_path / "worker.db"
    store = open_store(f"sqlite:///{path}")
    ensure_schema(store, migrate=True)
    monkeypatch.setattr(bulk_answers, "FEW", few)
    statements = []
    answer = store.ask
    monkeypatch.setattr(
        store, "ask", lambda query, **v: (statements.append((query, v)), answer(query, **v))[1]
    )
    verdicts_on(store, ["jane@example.com"])
    steps = [
        step
        for query, values in statements
        for step in plan_of(path, query.format_map({name: f":{name}" for name in values}), **values)
    ]
    found = [step for step in steps if step.startswith(("SCAN events", "SCAN users"))]
    assert [step.rpartition(" ")[2] for step in found] == scans, steps


def test_in_postgresql_each_is_found_by_indexes_in_statements_of_bounded_size(
    postgresql_url, monkeypatch
):
    from worker.store import ensure_schema, open_store

    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    with store.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO events (dedupe_key, route_key, kind, type, recipient,"
            " recipient_as_reported, user_match, action, reason, occurred_at, received_at,"
            " feedback_id, ses_message_id, diagnostic, status) SELECT i, i, 'bounce', 'Permanent',"
            " i || '@b.c', '', 'missing', 'no_action', 'r', now(), now(), '', '', '', ''"
            " FROM generate_series(1, 20000) AS i"
        )
        connection.exec_driver_sql(
            "INSERT INTO users (email, email_key) SELECT i, i || '@d.e'"
            " FROM generate_series(1, 20000) AS i"
        )
    with store.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
    statements = []
    answer = store.ask
    monkeypatch.setattr(
        store, "ask", lambda query, **v: (statements.append((query, v)), answer(query, **v))[1]
    )
    monkeypatch.setattr(bulk_answers, "_IN_A_STATEMENT", 8_000)
    keys = [f"{n}@b.c" for n in range(1, 10_001)]
    assert all(verdict.is_known for verdict in verdicts_on(store, keys).values())
    sizes = [len(values["keys"]) for _, values in statements if values]
    assert sizes == [8_000, 2_000]
    assert len(statements) == 3, "the key of those who were forgotten is another"
    for query, values in statements:
        plan = json.dumps(answer(f"EXPLAIN {query}", **values))
        assert "Seq Scan on events" not in plan
        assert "Seq Scan on users" not in plan
    store.close()
