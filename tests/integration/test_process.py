"""From bytes to commit, on real store of both kinds."""

import gc
import json
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from support import mail

from worker.core.errors import Misconfigured, Raced, Unavailable
from worker.core.messages import DeadLetter, Delete, Release
from worker.core.model import Outcome, Reason
from worker.core.policy import Policy, UnknownRecipients
from worker.process import process
from worker.store.schema import events, users
from worker.store.users import find_user, import_users

PAYLOADS = Path(__file__).parents[1] / "payloads"
REPORTS = Path(__file__).parents[1] / "reports"


def add_users(store, *addresses):
    rows = ({"email": address, "email_key": address.lower()} for address in addresses)
    list(import_users(store, rows))


def rows(store, table):
    with store.read_transaction() as connection:
        return connection.execute(table.select()).mappings().all()


def run(store, message, *bodies, policy=Policy()):
    return process([message(body) for body in bodies], store, policy)


def outcomes(handled):
    return [
        result.disposition.outcome.value
        if isinstance(result.disposition, Delete)
        else type(result.disposition).__name__
        for result in handled
    ]


def test_every_payload_once_and_once_more(store, message):
    expected = json.loads((PAYLOADS / "expected.json").read_text())
    everybody = sorted({address for row in expected for address in row["recipients"] if address})
    add_users(store, *everybody[::2])
    bodies = [(PAYLOADS / row["file"]).read_text() for row in expected]
    first = Counter(outcomes(run(store, message, *bodies)))
    before = rows(store, users), len(rows(store, events))
    feedback = [row for row in expected if row["kind"] in {"bounce", "complaint"}]
    named = sorted(address or "" for row in feedback for address in row["recipients"])
    assert sorted(row["recipient"] for row in rows(store, events)) == named
    again = Counter(outcomes(run(store, message, *map(mail.enveloped, bodies[:-1]))))
    assert (rows(store, users), len(rows(store, events))) == before
    assert first == {"applied": 35, "ignored": 17, "DeadLetter": 6}
    assert again == {"duplicate": 35, "ignored": 17, "DeadLetter": 5}


def test_each_reported_body_has_its_outcome(store, message):
    found = {
        file.name[:2]: outcomes(run(store, message, file.read_text(encoding="utf-8")))[0]
        for file in sorted(REPORTS.glob("*.body.json"))
    }
    assert found == {
        "01": "applied", "02": "applied", "03": "applied", "04": "duplicate",
        "05": "applied", "06": "applied", "07": "applied", "08": "applied", "11": "DeadLetter", "12": "DeadLetter",
    }  # fmt: skip
    by_route = {row["recipient"]: (row["route"], row["region"]) for row in rows(store, events)}
    assert by_route == {
        "ana@example.com": ("eventbridge", "eu-west-1"),
        "ben@example.com": ("eventbridge", "eu-west-1"),
        "cem@example.net": ("eventbridge", "eu-west-1"),
        "dan@example.com": ("sns", "eu-west-1"),
        "eva@example.com": ("sns", "eu-west-1"),
    }


def test_of_a_list_the_readable_records_are_applied_once(store, message):
    add_users(store, "jane@example.com", "joan@example.com")
    bodies = mail.bounce("jane@example.com"), "{", mail.bounce("joan@example.com")
    body = mail.in_records(*map(mail.enveloped, bodies))
    for _ in range(2):
        (handled,) = run(store, message, body)
        assert handled.disposition.reason is Reason.NOT_JSON
    assert [row["recipient"] for row in rows(store, events)] == [
        "jane@example.com",
        "joan@example.com",
    ]
    assert [row["hard_bounce_count"] for row in rows(store, users)] == [1, 1]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("written", ["", "some day", 0])
def test_a_user_time_that_is_invalid_counts_as_missing(store, message, written):
    """SQLite takes whatever an application writes: a spreadsheet's empty fields are empty texts."""
    add_users(store, "jane@example.com")
    named = ("last_hard_bounce", "last_soft_bounce", "last_complaint", "paused_until")
    times = ", ".join(f"{name} = :written" for name in named)
    with store.write_transaction() as connection:
        connection.execute(text(f"UPDATE users SET {times}"), {"written": written})
    bodies = [mail.bounce("jane@example.com"), mail.complaint("jane@example.com")]
    assert outcomes(run(store, message, *bodies)) == ["applied", "applied"]
    (jane,) = rows(store, users)
    assert jane["paused_until"] > mail.NOW
    assert (jane["last_soft_bounce"], jane["hard_bounce_count"]) == (None, 1)


def test_a_bounce_changes_the_user_and_leaves_a_row(store, message):
    add_users(store, "Jane@example.com")
    (handled,) = run(store, message, mail.bounce("JANE@example.com"))
    assert handled.disposition == Delete(Outcome.APPLIED)
    user = find_user(store, "jane@example.com")
    assert user["last_hard_bounce"] == datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)
    (event,) = rows(store, events)
    assert (event["user_match"], event["action"]) == ("found", "hard_bounce")


@pytest.mark.parametrize("first", [0, 1])
def test_the_same_bounce_by_both_publishing_routes_counts_once(store, message, first):
    add_users(store, "jane@example.com")
    same = {"message_id": "m-1", "at": mail.TIME}
    routes = [
        mail.bounce("jane@example.com", feedback_id="f-1", **same),
        mail.enveloped(mail.bounce("jane@example.com", feedback_id="f-2", event=True, **same)),
    ]
    assert outcomes(run(store, message, routes[first])) == ["applied"]
    assert outcomes(run(store, message, routes[1 - first])) == ["duplicate"]
    assert find_user(store, "jane@example.com")["hard_bounce_count"] == 1


def test_a_replay_days_later_starts_no_fresh_pause(store, message):
    add_users(store, "jane@example.com")
    body = mail.bounce("jane@example.com")
    run(store, message, body)
    before = find_user(store, "jane@example.com")
    late = message(body, received_at=datetime(2026, 12, 5, tzinfo=UTC))
    assert outcomes(process([late], store, Policy())) == ["duplicate"]
    assert find_user(store, "jane@example.com") == before


def test_a_bad_recipient_hides_nobody_else(store, message):
    add_users(store, "jane@example.com", "joan@example.com")
    body = mail.bounce(
        "jane@example.com", {"emailAddress": "a b"}, "unknown@example.com", "joan@example.com"
    )
    assert outcomes(run(store, message, body)) == ["applied"]
    found = sorted((e["recipient"], e["user_match"], e["action"]) for e in rows(store, events))
    assert found == [
        ("", "no_address", "no_action"),
        ("jane@example.com", "found", "hard_bounce"),
        ("joan@example.com", "found", "hard_bounce"),
        ("unknown@example.com", "missing", "no_action"),
    ]


def test_unknown_recipients_can_be_created(store, message):
    policy = Policy(unknown_recipients=UnknownRecipients.CREATE)
    run(
        store,
        message,
        mail.bounce("Jane@Example.com"),
        mail.complaint("jane@example.com"),
        policy=policy,
    )
    user = find_user(store, "jane@example.com")
    assert (user["email"], user["hard_bounce_count"], user["complaint_count"]) == (
        "Jane@example.com",
        1,
        1,
    )


def test_unknown_recipients_can_be_set_aside_until_they_are_known(store, message):
    policy = Policy(unknown_recipients=UnknownRecipients.DEAD_LETTER)
    add_users(store, "jane@example.com")
    body = mail.bounce("jane@example.com", "late@example.com")
    (handled,) = run(store, message, body, policy=policy)
    assert handled.disposition.reason is Reason.UNKNOWN_RECIPIENT
    assert find_user(store, "jane@example.com")["hard_bounce_count"] == 1
    add_users(store, "late@example.com")
    assert outcomes(run(store, message, body, policy=policy)) == ["applied"]
    assert find_user(store, "late@example.com")["hard_bounce_count"] == 1
    assert find_user(store, "jane@example.com")["hard_bounce_count"] == 1


class Breaking:
    """Store that break on certain messages, as a bug or a database's limit would have it."""

    def __init__(self, store, breaks, error=ValueError):
        self.store = store
        self.breaks = breaks
        self.error = error
        self.commits = 0
        self.probes = 0

    def probe(self):
        self.probes += 1
        self.store.probe()

    def transaction(self):
        @contextmanager
        def transaction():
            with self.store.transaction() as inner:
                real = inner.save

                def save(unit):
                    if any(self.breaks(d.feedback.recipient.reported) for d in unit.decisions):
                        raise self.error("cannot be written")
                    real(unit)

                inner.save = save
                yield inner
            self.commits += 1

        return transaction()


def test_only_the_guilty_message_of_a_large_batch_suffers(store, message):
    people = mail.addresses(100)
    add_users(store, *people)
    database = Breaking(store, lambda reported: reported == people[37])
    handled = process([message(mail.bounce(person)) for person in people], database, Policy())
    assert Counter(outcomes(handled)) == {"applied": 99, "Release": 1}
    assert [result.received.message_id for result in handled] == [
        f"message-{n + 1}" for n in range(100)
    ]
    assert isinstance(handled[37].disposition, Release)
    assert isinstance(handled[37].error, ValueError)
    assert len(rows(store, events)) == 99
    assert find_user(store, people[37])["hard_bounce_count"] == 0


def test_a_message_that_keeps_breaking_is_set_aside(store, message):
    database = Breaking(store, lambda _: True)
    (handled,) = process(
        [message(mail.bounce("jane@example.com"), receive_count=5)], database, Policy()
    )
    assert handled.disposition == DeadLetter(Reason.PROCESSING_FAILED, "ValueError")


def test_where_all_break_alike_no_message_is_to_blame(store, message):
    """A bug, or a change to the tables that has no error code."""
    database = Breaking(store, lambda _: True)
    bodies = [*map(mail.bounce, mail.addresses(3)), "nonsense", '{"eventType": "Open"}']
    handled = process([message(body, receive_count=5) for body in bodies], database, Policy())
    assert outcomes(handled) == ["Release"] * 3 + ["DeadLetter", "ignored"]
    assert [str(result.error) for result in handled[:3]] == [
        "all of 3 messages break alike: ValueError"
    ] * 3
    assert all(result.met_an_outage for result in handled[:3])


def test_a_message_that_breaks_alone_is_to_blame_only_if_a_sample_can_be_written(store, message):
    database = Breaking(store, lambda _: True)
    bounce = message(mail.bounce("jane@example.com"), receive_count=5)
    (handled,) = process([bounce], database, Policy())
    assert (database.probes, type(handled.disposition)) == (1, DeadLetter)

    def refuse():
        raise Unavailable("a sample cannot be written")

    database.probe = refuse
    (handled,) = process([bounce], database, Policy())
    assert (handled.disposition, handled.met_an_outage) == (Release(0), True)


def test_two_that_break_among_others_are_found_and_cost_no_probe(store, message):
    people = mail.addresses(6)
    database = Breaking(store, lambda reported: reported in people[2:4])
    handled = process([message(mail.bounce(person)) for person in people], database, Policy())
    assert Counter(outcomes(handled)) == {"applied": 4, "Release": 2}
    assert database.probes == 0


def test_a_table_that_somebody_locks_blames_no_message_and_is_waited_for_once(
    postgresql_url, message, monkeypatch
):
    import psycopg

    from worker.store import ensure_schema, open_store
    from worker.store.postgresql import connection

    monkeypatch.setitem(connection._SETTINGS, "lock_timeout", "1500ms")
    database = open_store(postgresql_url)
    ensure_schema(database, migrate=True)
    batch = [message(mail.bounce(person), receive_count=5) for person in mail.addresses(4)]
    with psycopg.connect(postgresql_url) as application:
        application.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        handled = process(batch, database, Policy())
        assert time.monotonic() - started < 5  # not once a message
    assert [result.disposition for result in handled] == [Release(0)] * 4
    assert all(result.met_an_outage for result in handled)
    database.close()


def test_a_column_that_was_renamed_blames_no_message(store, message):
    with store.write_transaction() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE events RENAME COLUMN recipient_as_reported TO as_reported"
        )
    (handled,) = process(
        [message(mail.bounce("jane@example.com"), receive_count=5)], store, Policy()
    )
    assert (handled.disposition, handled.met_an_outage) == (Release(0), True)


def test_an_unavailable_store_blames_no_message(store, message):
    database = Breaking(store, lambda _: True, Unavailable)
    handled = process([message(mail.bounce(p)) for p in mail.addresses(5)], database, Policy())
    assert [result.disposition for result in handled] == [Release(0)] * 5
    assert all(isinstance(result.error, Unavailable) for result in handled)
    assert rows(store, events) == []


def test_a_race_is_started_over(store, message):
    races = [Raced, Raced]

    class Racing(Breaking):
        def transaction(self):
            if races:
                raise races.pop()
            return self.store.transaction()

    (handled,) = process([message(mail.bounce("jane@example.com"))], Racing(store, None), Policy())
    assert handled.disposition == Delete(Outcome.APPLIED)


def test_a_batch_with_nothing_to_write_opens_no_transaction(message):
    bodies = ["nonsense", json.dumps({"eventType": "Subscription"}), "[]"]
    handled = process([message(body) for body in bodies], None, Policy())
    assert outcomes(handled) == ["DeadLetter", "ignored", "DeadLetter"]


def test_what_would_only_be_counted_opens_none_where_nothing_is_counted(message):
    policy = Policy(count_events=False)
    (handled,) = process([message(json.dumps({"eventType": "Open"}))], None, policy)
    assert outcomes([handled]) == ["ignored"]
    assert not handled.proves_store_works


def test_the_same_message_to_two_workers_at_once_counts_once(store, store_url, message):
    import threading

    from worker.store import open_store

    add_users(store, "jane@example.com")
    bodies = [mail.bounce("jane@example.com", f"nobody{n}@example.com") for n in range(30)]
    batch = [message(body) for body in bodies]
    found = []

    def work():
        database = open_store(store_url)
        found.append(Counter(outcomes(process(batch, database, Policy()))))
        database.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts["applied"] for counts in found) == 30
    assert sum(counts["duplicate"] for counts in found) == 60
    assert find_user(store, "jane@example.com")["hard_bounce_count"] == 30
    assert len(rows(store, events)) == 60


def test_what_two_workers_learn_of_the_same_user_at_once_counts_twice(store, store_url, message):
    """Who comes second waits before it reads the user, or would write over what the first wrote."""
    import threading

    from worker.store import open_store

    add_users(store, "jane@example.com")
    has_read, may_write, second_is_done = (threading.Event() for _ in range(3))

    class Slow(Breaking):
        """Reads the users, and writes when the test allows it."""

        @contextmanager
        def transaction(self):
            with self.store.transaction() as inner:
                real = inner.save

                def save(unit):
                    has_read.set()
                    may_write.wait(20)
                    real(unit)

                inner.save = save
                yield inner

    def first():
        process([message(mail.bounce("jane@example.com"))], Slow(store, None), Policy())

    def second():
        database = open_store(store_url)
        process([message(mail.bounce("jane@example.com"))], database, Policy())
        second_is_done.set()
        database.close()

    threads = [threading.Thread(target=work) for work in (first, second)]
    threads[0].start()
    assert has_read.wait(20)
    threads[1].start()
    waits = not second_is_done.wait(0.3)
    may_write.set()
    for thread in threads:
        thread.join()
    assert find_user(store, "jane@example.com")["hard_bounce_count"] == 2
    assert waits


def test_a_store_that_became_something_else_blames_no_message_either(store, message):
    database = Breaking(store, lambda _: True, Misconfigured)
    last = message(mail.bounce("jane@example.com"), receive_count=5)
    (handled,) = process([last], database, Policy())
    assert handled.disposition == Release(0)
    assert isinstance(handled.error, Misconfigured)


@pytest.mark.parametrize(("receives", "kept"), [(1, True), (4, True), (5, False), (6, False)])
def test_a_message_that_breaks_is_tried_four_times_before_it_is_set_aside(
    store, message, receives, kept
):
    broken, good = mail.addresses(2)
    database = Breaking(store, lambda reported: reported == broken)
    batch = [message(mail.bounce(broken), receive_count=receives), message(mail.bounce(good))]
    handled, _ = process(batch, database, Policy())
    assert isinstance(handled.disposition, Release if kept else DeadLetter)


def test_a_message_that_breaks_for_the_first_time_comes_again_within_a_minute(store, message):
    good, *broken = mail.addresses(40)
    database = Breaking(store, lambda reported: reported in broken)
    batch = [message(mail.bounce(person)) for person in (good, *broken)]
    seconds = [result.disposition.seconds for result in process(batch, database, Policy())[1:]]
    assert all(1 <= each <= 60 for each in seconds)
    assert len(set(seconds)) > 1


class Counting:
    """Stores that record each transaction, and may become unavailable."""

    def __init__(self, store, unavailable_from=None):
        self.store = store
        self.saved = []
        self.unavailable_from = unavailable_from
        self.probe = store.probe

    @contextmanager
    def transaction(self):
        if self.unavailable_from is not None and len(self.saved) >= self.unavailable_from:
            raise Unavailable("unreachable")
        with self.store.transaction() as inner:
            real = inner.save

            def save(unit):
                self.saved.append(unit.decisions)
                real(unit)

            inner.save = save
            yield inner


class TestBoundsOfATransaction:
    """A transaction has a limited size, whatever the messages of a batch contain."""

    @pytest.fixture
    def few(self, monkeypatch):
        monkeypatch.setattr("worker.core.batch.MOST_ROWS", 10)
        monkeypatch.setattr("worker.core.batch.MOST_CHARACTERS", 10_000)

    def test_it_has_so_many_rows_at_most(self, store, message, few):
        database = Counting(store)
        batch = [message(mail.bounce(*mail.addresses(4))) for _ in range(7)]
        handled = process(batch, database, Policy())
        assert [len(decisions) for decisions in database.saved] == [8, 8, 8, 4]
        assert [result.received for result in handled] == batch
        assert outcomes(handled) == ["applied"] * 7
        assert len(rows(store, events)) == 28

    def test_it_has_bodies_of_so_many_characters_at_most(self, store, message, few):
        database = Counting(store)
        batch = [message(mail.bounce("jane@example.com", text="x" * 4_000)) for _ in range(5)]
        assert outcomes(process(batch, database, Policy())) == ["applied"] * 5
        assert [len(decisions) for decisions in database.saved] == [2, 2, 1]

    def test_a_message_that_has_more_is_written_alone(self, store, message, few):
        database = Counting(store)
        wide, long = (
            mail.bounce(*mail.addresses(30)),
            mail.bounce("joan@example.com", x="x" * 20_000),
        )
        bodies = [mail.bounce("jane@example.com"), wide, long, mail.bounce("jill@example.com")]
        assert (
            outcomes(process([message(body) for body in bodies], database, Policy()))
            == ["applied"] * 4
        )
        assert [len(decisions) for decisions in database.saved] == [1, 30, 1, 1]

    def test_an_outage_leaves_what_was_written_and_is_met_once(self, store, message, few):
        database = Counting(store, unavailable_from=1)
        batch = [message(mail.bounce(*mail.addresses(4))) for _ in range(7)]
        handled = process(batch, database, Policy())
        assert outcomes(handled) == ["applied"] * 2 + ["Release"] * 5
        assert len({id(result.error) for result in handled[2:]}) == 1
        assert all(result.met_an_outage for result in handled[2:])

    def test_a_message_that_breaks_in_a_later_transaction_is_found(self, store, message, few):
        people = mail.addresses(30)
        database = Breaking(store, lambda reported: reported == people[23])
        handled = process([message(mail.bounce(person)) for person in people], database, Policy())
        assert [n for n, result in enumerate(handled) if result.error] == [23]
        assert len(rows(store, events)) == 29


def test_batches_leave_nothing_behind_that_only_the_garbage_collector_frees(store, message):
    """The daemon has it look rarely: what lay about until then would be memory that grows."""
    run(store, message, mail.bounce("first@example.com"))
    gc.collect()
    gc.disable()
    try:
        for number in range(50):
            run(store, message, mail.bounce(f"jane{number}@example.com"))
        assert gc.collect() < 50
    finally:
        gc.enable()
