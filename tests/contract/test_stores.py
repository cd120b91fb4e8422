"""The store: one suite, SQLite and PostgreSQL alike."""

import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from sqlalchemy import insert
from support import mail

from worker import __version__
from worker.core.decode import decode
from worker.core.errors import Raced, Unavailable
from worker.core.messages import DeadLetter, Received
from worker.core.model import Reason, User
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.store import ensure_schema, open_store
from worker.store.figures import Figures
from worker.store.schema import events, metadata, outbox, quarantine, users

JANE = User(
    email="Jane@example.com",
    email_key="jane@example.com",
    account_id="acct-1",
    metrics_enabled=False,
    auto_block_spam=True,
    last_hard_bounce=datetime(2026, 11, 1, 1, 2, 3, 456789, tzinfo=UTC),
    last_soft_bounce=datetime(2026, 11, 2, tzinfo=UTC),
    last_complaint=datetime(2026, 11, 3, tzinfo=UTC),
    hard_bounce_count=1,
    soft_bounce_count=2,
    complaint_count=3,
    paused_until=datetime(2026, 12, 1, 1, 2, 3, 456789, tzinfo=UTC),
    pause_reason="hard_bounce",
    hard_bounce_refused=True,
    soft_bounce_refused=True,
)
KEYS = [JANE.email_key]


def unit(*, created=(), changed=(), decisions=()):
    unit = UnitOfWork(Policy(), known_keys=(), users={})
    unit.created = {user.email_key: user for user in created}
    unit.changed = {user.email_key: user for user in changed}
    unit.decisions = list(decisions)
    return unit


def decided(message, body, user=None):
    unit = UnitOfWork(Policy(), known_keys=(), users={user.email_key: user} if user else {})
    unit.decide_message(message(body), decode(body))
    return unit


def rows(store, table):
    with store.reading() as connection:
        return connection.execute(table.select()).mappings().all()


def test_a_user_comes_back_as_it_was_written(store):
    with store.transaction() as transaction:
        transaction.save(unit(created=[JANE]))
    with store.transaction() as transaction:
        assert transaction.users([*KEYS, "nobody@example.com"]) == {JANE.email_key: JANE}


def test_changing_a_user_leaves_what_is_the_applications(store):
    with store.transaction() as transaction:
        transaction.save(unit(created=[JANE]))
    stale = User(email="other", email_key=JANE.email_key, hard_bounce_count=9)
    with store.transaction() as transaction:
        transaction.save(unit(changed=[stale]))
    (row,) = rows(store, users)
    assert (row["email"], row["account_id"], row["metrics_enabled"]) == (
        "Jane@example.com",
        "acct-1",
        False,
    )
    assert (row["hard_bounce_count"], row["last_hard_bounce"]) == (9, None)


def test_keys_are_known_once_written(store, message):
    written = decided(message, mail.bounce("jane@example.com", "joan@example.com"))
    others = decode(mail.bounce("jane@example.com"))
    feedback = [decision.feedback for decision in written.decisions]
    with store.transaction() as transaction:
        assert transaction.known_keys(feedback) == set()
        transaction.save(written)
    with store.transaction() as transaction:
        found = transaction.known_keys([*feedback, *others])
    assert found == {key for item in feedback for key in (item.dedupe_key, item.route_key)}


def test_an_event_is_written_whole(store, message):
    entry = mail.recipient(
        '"Okafor, Jane" <Jane@Example.com>',
        status="5.1.1",
        diagnosticCode="550 \u00fc \U0001f600 \x00 end",
    )
    body = mail.bounce(entry, at="2026-11-20T08:15:33.123456Z", feedback_id="f-1", message_id="m-1")
    with store.transaction() as transaction:
        transaction.save(decided(message, body, JANE))
    (row,) = rows(store, events)
    expected = {
        "dedupe_key": row["dedupe_key"],
        "route_key": row["route_key"],
        "kind": "bounce",
        "type": "Permanent",
        "subtype": "General",
        "recipient": "jane@example.com",
        "recipient_as_reported": '"Okafor, Jane" <Jane@Example.com>',
        "user_match": "found",
        "action": "hard_bounce",
        "reason": "permanent",
        "occurred_at": datetime(2026, 11, 20, 8, 15, 33, 123456, tzinfo=UTC),
        "received_at": datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        "feedback_id": "f-1",
        "ses_message_id": "m-1",
        "diagnostic": "550 \u00fc \U0001f600 \ufffd end",
        "status": "5.1.1",
        "sent_at": datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC),
        "tags": "{}",
        "route": "raw",
        "mentions_spam": False,
        "out_of_office": False,
        "permanent_status": False,
        "claimed_at": None,
    } | dict.fromkeys(("configuration_set", "tenant", "sender", "account_id", "region"), "")
    assert {name: row[name] for name in expected} == expected
    assert row.keys() - expected == {"id", "fault"}


def test_an_exception_leaves_nothing_behind(store):
    with pytest.raises(ZeroDivisionError), store.transaction() as transaction:
        transaction.save(unit(created=[JANE]))
        raise ZeroDivisionError
    with store.transaction() as transaction:
        assert transaction.users(KEYS) == {}


def test_a_row_that_cannot_be_written_is_blamed_instead_of_the_store(store):
    with store.transaction() as transaction:
        transaction.save(unit(created=[JANE]))
    with pytest.raises(Exception) as caught, store.transaction() as transaction:  # noqa: PT011
        transaction.save(unit(created=[JANE]))
    assert isinstance(caught.value, Raced) or type(caught.value).__name__ == "IntegrityError"
    with store.transaction() as transaction:
        assert transaction.users(KEYS) == {JANE.email_key: JANE}


def test_quarantine_keeps_every_byte_once(store, message):
    received = message("\x00 half a pair \ud83d and \U0001f600")
    why = DeadLetter(Reason.NOT_JSON, "x")
    for _ in range(2):
        with store.transaction() as transaction:
            transaction.quarantine("https://queue", received, why)
    (row,) = rows(store, quarantine)
    assert row["body"].decode("utf-8", "surrogatepass") == received.body
    assert (row["queue"], row["message_id"], row["reason"]) == (
        "https://queue",
        "message-1",
        "not_json",
    )
    assert row["received_at"] == received.received_at


def test_a_pause_can_be_compared_with_now_in_sql(store, store_url):
    now = datetime.now(UTC)
    paused = User(email="a", email_key="a", paused_until=now + timedelta(seconds=5))
    ended = User(email="b", email_key="b", paused_until=now - timedelta(seconds=5))
    with store.transaction() as transaction:
        transaction.save(unit(created=[paused, ended]))
    clock = (
        "now()" if store_url.startswith("postgresql") else "strftime('%Y-%m-%d %H:%M:%f', 'now')"
    )
    with store.reading() as connection:
        found = connection.exec_driver_sql(f"SELECT email FROM users WHERE paused_until > {clock}")
        assert [email for (email,) in found] == ["a"]


def test_times_are_stored_as_applications_read_them(store, store_url):
    with store.transaction() as transaction:
        transaction.save(unit(created=[JANE]))
    with store.reading() as connection:
        (found,) = connection.exec_driver_sql("SELECT paused_until FROM users").one()
    if store_url.startswith("sqlite"):
        assert found == "2026-12-01 01:02:03.456789"
    else:
        assert found == JANE.paused_until


def test_a_probe_finds_a_healthy_store_healthy_and_changes_nothing(store, message):
    """Of users who are there nothing is changed, and nothing is added to any table."""
    with store.transaction() as transaction:
        transaction.save(unit(created=[JANE]))
        transaction.save(decided(message, mail.bounce("joan@example.com")))
    before = [rows(store, table) for table in metadata.sorted_tables]
    store.probe()
    assert [rows(store, table) for table in metadata.sorted_tables] == before
    with store.transaction() as transaction:
        assert transaction.users(KEYS) == {JANE.email_key: JANE}, "nothing is left locked"


RENAMED = "ALTER TABLE events RENAME COLUMN recipient_as_reported TO as_reported"
GROWN = {
    "postgresql": "ALTER TABLE events ADD COLUMN a_later_one text NOT NULL",
    "sqlite": "CREATE TRIGGER t AFTER INSERT ON events BEGIN SELECT RAISE(FAIL, 'no'); END",
}


@pytest.mark.parametrize("how", ["renamed", "grown"])
def test_a_schema_that_changed_underfoot_is_nobodys_fault_and_a_probe_sees_it(
    store, store_url, message, how
):
    change = RENAMED if how == "renamed" else GROWN[store_url.partition(":")[0]]
    with store.writing() as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(Unavailable):
        store.probe()
    written = decided(message, mail.bounce("jane@example.com"))
    if "TRIGGER" not in change:
        with pytest.raises(Unavailable), store.transaction() as transaction:
            transaction.save(written)
    assert rows(store, users) == []


def test_a_probe_of_a_store_that_refuses_every_row_blames_the_store(store, store_url):
    make = "CREATE UNIQUE INDEX only_one ON users ((1))"
    with store.transaction() as transaction:
        transaction.save(unit(created=[JANE]))
    with store.writing() as connection:
        connection.exec_driver_sql(make)
    with pytest.raises(Unavailable):
        store.probe()


def test_a_transaction_that_reads_cannot_write(store):
    with pytest.raises(Exception), store.reading() as connection:  # noqa: B017, PT011
        connection.execute(users.insert().values(email="a", email_key="a"))
    assert rows(store, users) == []


def test_two_workers_who_change_the_same_user_lose_no_change(store, store_url):
    with store.transaction() as transaction:
        transaction.save(unit(created=[User(email="a", email_key="a")]))
    rounds = 40

    def work():
        database = open_store(store_url)
        for _ in range(rounds):
            with database.transaction() as transaction:
                (user,) = transaction.users(["a"]).values()
                counted = User(
                    email="a", email_key="a", hard_bounce_count=user.hard_bounce_count + 1
                )
                transaction.save(unit(changed=[counted]))
        database.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.transaction() as transaction:
        assert transaction.users(["a"])["a"].hard_bounce_count == 3 * rounds


def test_the_schema_is_there_for_the_second_worker(store_url):
    threads, found = [], []

    def start():
        store = open_store(store_url)
        found.append(ensure_schema(store, migrate=True))
        store.close()

    for _ in range(4):
        threads.append(threading.Thread(target=start))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len([applied for applied in found if applied]) == 1


def test_quarantine_keeps_all_that_there_is_to_know(store):
    attributes = {
        "text": {"DataType": "String", "StringValue": "gr\u00fc\u00dfe"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff\x1e"},
    }
    received = Received(
        message_id="message-1",
        body="nonsense",
        receipt_handle="handle-1",
        receive_count=1,
        received_at=datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC),
        lease_until=0,
        sent_at=datetime(2026, 11, 20, 8, 15, 33, 123000, tzinfo=UTC),
        attributes=attributes,
    )
    with store.transaction() as transaction:
        transaction.quarantine("https://queue", received, DeadLetter(Reason.NOT_JSON, "line 1"))
    (row,) = rows(store, quarantine)
    kept = dict(row) | {"attributes": json.loads(row["attributes"])}
    assert kept == {
        "id": row["id"],
        "queue": "https://queue",
        "message_id": "message-1",
        "reason": "not_json",
        "detail": "line 1",
        "body": b"nonsense",
        "attributes": attributes | {"raw": {"DataType": "Binary", "BinaryValue": "AP8e"}},
        "sent_at": received.sent_at,
        "received_at": received.received_at,
        "worker_version": __version__,
        "verified": False,
    }


def test_tables_that_are_gone_blame_no_message_and_are_found_missing(store, message):
    feedback = decode(mail.bounce("jane@example.com"))
    with store.writing() as connection:
        for view in ("do_not_mail", "events_by_recipient"):  # PostgreSQL insists on it
            connection.exec_driver_sql(f"DROP VIEW {view}")
        connection.exec_driver_sql("DROP TABLE events")
    with pytest.raises(Unavailable, match="events"), store.transaction() as transaction:
        transaction.known_keys(feedback)
    with pytest.raises(Unavailable):
        store.probe()


def test_a_probe_detects_a_store_that_cannot_be_read_or_written(store):
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE users RENAME TO elsewhere")
    with pytest.raises(Unavailable):
        store.probe()
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO users")
    store.probe()


def test_what_waits_is_counted_by_lane_kind_and_state_and_what_is_done_is_not(store, message):
    assert store.figures() == Figures(quarantined=0, effects={})
    for number in range(2):
        with store.transaction() as transaction:
            received = structs.replace(message("nonsense"), message_id=f"kept-{number}")
            transaction.quarantine("queue", received, DeadLetter(Reason.NOT_JSON, ""))
    rows = [
        ("slack", "bounce_notice", "waiting"),
        ("slack", "bounce_notice", "claimed"),
        ("slack", "bounce_notice", "parked"),
        ("slack", "bounce_notice", "parked"),
        ("slack", "complaint_notice", "parked"),
        ("suppression", "removal", "waiting"),
        ("slack", "bounce_notice", "delivered"),
        ("slack", "bounce_notice", "discarded"),
    ]
    with store.writing() as connection:
        for lane, kind, state in rows:
            due = {"due_at": mail.NOW, "created_at": mail.NOW, "payload": "{}"}
            connection.execute(insert(outbox).values(lane=lane, kind=kind, state=state, **due))
    figures = store.figures()
    assert figures.quarantined == 2
    assert figures.effects == Counter(rows[:6])


def test_what_waits_is_counted_while_somebody_writes(store, message):
    with store.transaction() as transaction:
        transaction.quarantine("queue", message("nonsense"), DeadLetter(Reason.NOT_JSON, ""))
        assert store.figures().quarantined == 0
    assert store.figures().quarantined == 1
