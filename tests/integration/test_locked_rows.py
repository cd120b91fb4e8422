"""Rows that an application holds, or another worker that hangs: whose messages wait, and whose do
not."""

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from support import mail
from support.counting import event
from support.lanes import SLACK

from worker.core.errors import Locked, Unavailable
from worker.core.messages import Delete, Release
from worker.core.model import Outcome
from worker.core.policy import Policy, UnknownRecipients
from worker.observability.metrics import Metrics
from worker.observability.telemetry import Telemetry
from worker.process import process
from worker.store import ensure_schema, open_store
from worker.store.outbox import Outbox
from worker.store.users import find_user, import_users

APPLIED = Delete(Outcome.APPLIED)
PEOPLE = mail.addresses(20)
HELD = PEOPLE[7]


@pytest.fixture
def database(postgresql_url):
    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    list(import_users(store, ({"email": each, "email_key": each} for each in PEOPLE)))
    yield store
    store.close()


@pytest.fixture
def application(postgresql_url):
    """A transaction of somebody else's."""
    with psycopg.connect(postgresql_url) as connection:
        yield connection
        connection.rollback()


@contextmanager
def at_most(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.fixture
def bounces(message):
    def bounces(*addresses, receive_count=1):
        return [message(mail.bounce(each), receive_count=receive_count) for each in addresses]

    return bounces


def hold(application, address, strength="UPDATE"):
    application.execute(f"SELECT 1 FROM users WHERE email_key = %s FOR {strength}", (address,))


@pytest.mark.parametrize("strength", ["UPDATE", "NO KEY UPDATE", "SHARE"])
def test_only_the_message_of_a_user_who_is_locked_waits(database, bounces, application, strength):
    hold(application, HELD, strength)
    with at_most(3):
        handled = process(bounces(*PEOPLE), database, Policy())
    assert [result.disposition == APPLIED for result in handled] == [
        each != HELD for each in PEOPLE
    ]
    assert [result.is_locked_out for result in handled] == [each == HELD for each in PEOPLE]
    assert not any(result.met_an_outage for result in handled)
    application.rollback()
    (again,) = process([handled[7].received], database, Policy())
    assert again.disposition == APPLIED
    assert all(find_user(database, each)["hard_bounce_count"] == 1 for each in PEOPLE)


def test_a_foreign_key_of_an_applications_new_row_holds_nobody_up(database, bounces, application):
    application.execute("CREATE TABLE orders (user_id bigint REFERENCES users)")
    application.commit()
    named = "INSERT INTO orders SELECT id FROM users WHERE email_key = %s"
    application.execute(named, (HELD,))
    with at_most(0.9):
        handled = process(bounces(*PEOPLE), database, Policy())
    assert {result.disposition for result in handled} == {APPLIED}


def test_it_comes_again_later_each_time_and_is_never_given_up(database, bounces, application):
    hold(application, HELD)
    seconds = {}
    for receives in (1, 2, 3, 4, 5, 50):
        (first,) = process(bounces(HELD, receive_count=receives), database, Policy())
        assert isinstance(first.disposition, Release)
        seconds[receives] = first.disposition.seconds
    assert 30 <= seconds[1] <= 60 <= seconds[2] <= 120 <= seconds[3] <= 240 <= seconds[4]
    assert seconds[50] <= 6 * 3600


def test_there_is_a_single_wait_and_then_none_to_speak_of(database, bounces, application):
    """Whether one user is locked, or all of them one after the other."""
    for each in PEOPLE:
        hold(application, each)
    process(bounces(PEOPLE[0]), database, Policy())
    with at_most(10):
        for each in PEOPLE:
            (first,) = process(bounces(each), database, Policy())
            assert first.is_locked_out
    with at_most(0.5):
        handled = process(bounces(*PEOPLE, "nobody@example.com"), database, Policy())
    assert [result.is_locked_out for result in handled] == [True] * 20 + [False]


def test_what_was_applied_already_needs_no_row(database, bounces, application, message):
    body = mail.bounce(HELD)
    process([message(body)], database, Policy())
    hold(application, HELD)
    (again,) = process([message(body)], database, Policy())
    assert again.disposition == Delete(Outcome.DUPLICATE)


def test_a_message_to_several_is_applied_whole_or_not_at_all(database, message, application):
    hold(application, HELD)
    body = mail.bounce(PEOPLE[0], HELD)
    (first,) = process([message(body)], database, Policy())
    assert first.is_locked_out
    assert find_user(database, PEOPLE[0])["hard_bounce_count"] == 0
    application.rollback()
    (first,) = process([message(body)], database, Policy())
    assert len(first.decisions) == 2


def test_who_is_locked_is_not_taken_for_unknown(database, bounces, application):
    hold(application, HELD)
    for unknown in UnknownRecipients:
        (first,) = process(bounces(HELD), database, Policy(unknown_recipients=unknown))
        assert first.is_locked_out


def test_a_user_whom_an_application_is_creating_holds_up_that_message_alone(
    database, bounces, application
):
    """What it has inserted cannot be seen yet, and ours would be a second row."""
    application.execute("INSERT INTO users (email, email_key) VALUES ('n@e.org', 'n@e.org')")
    create = Policy(unknown_recipients=UnknownRecipients.CREATE)
    with at_most(8):
        handled = process(bounces(*PEOPLE, "n@e.org", receive_count=9), database, create)
    assert [result.disposition for result in handled[:-1]] == [APPLIED] * 20
    assert (handled[-1].is_locked_out, type(handled[-1].disposition)) == (True, Release)
    application.commit()
    (again,) = process([handled[-1].received], database, create)
    assert (again.disposition, again.decisions[0].match.value) == (APPLIED, "found")


def test_an_event_that_a_worker_that_hangs_is_writing_holds_up_that_message_alone(
    database, bounces, postgresql_url, message
):
    client = message(mail.bounce("unknown@example.com"))
    other = open_store(postgresql_url)
    is_written, may_end = threading.Event(), threading.Event()

    class Hanging:
        @contextmanager
        def transaction(self):
            with other.transaction() as transaction:
                yield transaction
                is_written.set()
                may_end.wait(30)

    thread = threading.Thread(target=process, args=([client], Hanging(), Policy()))
    thread.start()
    assert is_written.wait(10)
    with at_most(8):
        handled = process([client, *bounces(*PEOPLE[:5])], database, Policy())
    may_end.set()
    thread.join()
    assert [result.is_locked_out for result in handled] == [True] + [False] * 5
    (again,) = process([client], database, Policy())
    assert again.disposition == Delete(Outcome.DUPLICATE)
    other.close()


@pytest.mark.parametrize(
    "lock", ["events IN SHARE MODE", "events IN ACCESS EXCLUSIVE MODE", "users IN SHARE MODE"]
)
def test_a_table_that_is_locked_is_an_outage_and_blames_nobody(
    database, bounces, application, lock, monkeypatch
):
    """As by CREATE INDEX, VACUUM FULL or ALTER TABLE."""
    from worker.store.postgresql import connection

    monkeypatch.setitem(connection._SETTINGS, "lock_timeout", "1500ms")
    application.execute(f"LOCK TABLE {lock}")
    with at_most(6):
        handled = process(bounces(*PEOPLE, receive_count=5), database, Policy())
    assert [result.disposition for result in handled] == [Release(0)] * 20
    assert all(result.met_an_outage for result in handled)


def test_a_table_that_is_locked_for_some_seconds_costs_nothing(database, bounces, postgresql_url):
    """A drain does not wait for outages."""
    with psycopg.connect(postgresql_url) as application:
        application.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        timer = threading.Timer(3, application.rollback)
        timer.start()
        handled = process(bounces(*PEOPLE), database, Policy())
        timer.join()
    assert {result.disposition for result in handled} == {APPLIED}


def test_a_single_line_names_the_domain_and_no_address(database, bounces, application):
    from structlog.testing import capture_logs

    for each in PEOPLE[:5]:
        hold(application, each)
    handled = process(bounces(*PEOPLE[:5]), database, Policy())
    with capture_logs() as lines:
        Telemetry(Metrics()).report(handled)
    assert [(line["event"], line["messages"]) for line in lines] == [("users.locked", 5)]
    assert "example.com" in str(lines)
    assert not any(each.partition("@")[0] in str(lines) for each in PEOPLE[:5])


def test_what_was_written_before_users_were_read_is_not_lost(database, application, message):
    hold(application, HELD)
    with pytest.raises(Locked), database.transaction() as transaction:
        transaction.touch()
        transaction._has_written = True
        transaction.users([HELD])


class TestOthersWhoWait:
    def test_an_import_says_in_words_that_somebody_holds_rows(
        self, database, application, monkeypatch
    ):
        from worker.store.postgresql import connection

        monkeypatch.setitem(connection._SETTINGS, "lock_timeout", "300ms")
        hold(application, HELD)
        rows = [{"email": HELD, "email_key": HELD, "account_id": "a-1"}]
        with pytest.raises(Unavailable, match="another session holds rows or a table"):
            list(import_users(database, rows))

    def test_a_row_of_limits_that_is_locked_is_a_problem_of_the_lane(
        self, database, bounces, application, monkeypatch
    ):
        from worker.core.rate_limit import RateLimit
        from worker.store.postgresql import connection

        monkeypatch.setitem(connection._SETTINGS, "lock_timeout", "300ms")
        rate_limit = RateLimit(name="slack:hook")
        outbox = Outbox(database)
        outbox.claim(SLACK, rate_limit)
        application.execute("SELECT 1 FROM limits FOR UPDATE")
        with pytest.raises(Unavailable, match="another session holds rows or a table"):
            outbox.claim(SLACK, rate_limit)
        handled = process(bounces(*PEOPLE), database, Policy())
        assert {result.disposition for result in handled} == {APPLIED}


def test_a_list_with_a_delivery_to_a_locked_user_waits_whole(database, message, application):
    """Neither is the delivery lost, nor is anything else of the message counted twice."""
    policy = Policy(track_deliveries=True)
    body = mail.in_records_of_sqs(event("Send", HELD), event("Delivery", HELD))
    hold(application, HELD)
    (early,) = process([message(body)], database, policy)
    assert (early.is_locked_out, type(early.disposition)) == (True, Release)
    assert find_user(database, HELD)["last_delivery"] is None
    application.rollback()
    (late,) = process([message(body)], database, policy)
    assert late.disposition == Delete(Outcome.IGNORED)
    assert find_user(database, HELD)["last_delivery"] is not None
    assert database.ask("SELECT count(*) FROM new_counts") == [(1,)]
