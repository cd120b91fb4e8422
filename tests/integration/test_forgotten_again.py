"""A person who was forgotten and is on record again, on both databases: the tombstone still bars."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text
from support import mail
from support.documents import blocks, text_of

from worker.core.address import parse_address
from worker.core.policy import Policy
from worker.core.privacy import PrivacyKey
from worker.process import process
from worker.store import users as importing
from worker.store.answers import verdict_on
from worker.store.bulk_answers import verdicts_on
from worker.store.forgetting import Forgetting, leave_tombstones
from worker.store.reinstating import Lifting, reinstate
from worker.store.schema import users
from worker.store.users import import_users, remove_users

KEY = PrivacyKey("3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4")
POLICY = Policy(privacy_key=KEY)
JANE, BOB = "jane@example.com", "bob@example.com"
SIGN_UP = blocks(text_of("docs/connect.md"), "sql")[2].partition("\n\n")[0]
"""The statement by which an application adds a person."""


def forget(store, *keys):
    leave_tombstones(store, Forgetting(keys=keys, privacy_key=KEY, policy=POLICY))


def add(store, *addresses):
    rows = [{"email": address, "email_key": address} for address in addresses]
    return list(import_users(store, rows, POLICY, KEY))[-1]


def complain(store, message, at):
    body = mail.complaint(JANE, at=at.isoformat())
    process([message(body, received_at=at + timedelta(seconds=1))], store, POLICY)


def answers(store):
    """The verdict of all commands: the single answer, and that for many at once."""
    alone = verdict_on(store, JANE, KEY)
    assert verdicts_on(store, [JANE, BOB], KEY)[JANE] == alone
    return alone


def lift(store):
    return reinstate(store, [parse_address(JANE)], Lifting(who="o", why="w", policy=POLICY))[0]


class TestAComplaintAfterTheReturn:
    """Forgotten, a user again, complains, and is removed: the complaint is on record."""

    @pytest.fixture(autouse=True)
    def _again(self, store, message):
        forget(store, JANE)
        add(store, JANE)
        complain(store, message, datetime.now(UTC) + timedelta(seconds=1))
        remove_users(store, [JANE])

    def test_bars_although_the_tombstone_does_not(self, store):
        found = answers(store)
        assert (found.may_send, found.until, found.is_user) == (False, None, False)
        assert found.reason == "auto_block_spam"

    def test_is_lifted_by_a_reinstatement(self, store):
        assert lift(store).reason == "auto_block_spam"
        assert answers(store).may_send


class TestAUserWhomTheApplicationHasMade:
    """By SQL, which knows nothing of tombstones."""

    @pytest.fixture(autouse=True)
    def _again(self, store, message):
        complain(store, message, datetime.now(UTC) - timedelta(days=1))
        forget(store, JANE)
        with store.write_transaction() as connection:
            connection.execute(insert(users).values(email=JANE, email_key=JANE))

    def test_stays_blocked(self, store):
        found = answers(store)
        assert (found.may_send, found.reason, found.is_user) == (False, "forgotten", True)

    def test_is_lifted_by_a_reinstatement(self, store):
        assert lift(store).reason == "forgotten"
        assert answers(store).may_send


def test_a_complaint_from_before_a_reinstatement_does_not_block_again(store, message):
    before = datetime.now(UTC) - timedelta(days=1)
    complain(store, message, before)
    forget(store, JANE)
    assert lift(store).was_forgotten
    complain(store, message, before)
    assert answers(store).may_send
    complain(store, message, datetime.now(UTC) + timedelta(seconds=5))
    assert not answers(store).may_send


def test_a_pause_of_the_tombstone_counts_where_that_of_the_record_is_shorter(store, message):
    add(store, JANE)
    bounce = mail.bounce(JANE, at=datetime.now(UTC).isoformat())
    process([message(bounce, received_at=datetime.now(UTC))], store, POLICY)
    until = answers(store).until
    forget(store, JANE)
    with store.write_transaction() as connection:
        row = {"email": JANE, "email_key": JANE, "pause_reason": "soft_bounce"}
        soon = datetime.now(UTC) + timedelta(hours=1)
        connection.execute(insert(users).values(**row, paused_until=soon))
    found = answers(store)
    assert (found.reason, found.until) == ("forgotten", until)


def test_an_import_of_somebody_who_is_being_forgotten_does_not_unblock(
    store, message, monkeypatch, in_thread
):
    """She is a user when the import reads, and none when it writes: in PostgreSQL both may be."""
    add(store, JANE, BOB)
    complain(store, message, datetime.now(UTC) - timedelta(days=1))
    read = importing._read

    def forgotten_meanwhile(*arguments):
        found = read(*arguments)
        in_thread(lambda: forget(store, JANE))
        return found

    monkeypatch.setattr(importing, "_read", forgotten_meanwhile)
    row = {"email": JANE, "email_key": JANE, "account_id": "42"}
    list(import_users(store, [row], POLICY, KEY))
    monkeypatch.undo()
    in_thread.end()
    with store.read_transaction() as connection:
        query = text("SELECT auto_block_spam FROM users WHERE email_key = :key")
        found = connection.execute(query, {"key": JANE}).scalar()
    assert found in {None, True}
    assert not answers(store).may_send
    add(store, JANE)
    assert not answers(store).may_send


@pytest.fixture
def in_thread():
    """Begin something that may have to wait for us, and go on after half a second."""
    import threading

    threads = []

    def begin(work):
        threads.append(threading.Thread(target=work))
        threads[-1].start()
        threads[-1].join(0.5)

    def end():
        for thread in threads:
            thread.join()

    begin.end = end
    yield begin
    end()


class TestTheSignUpOfAnApplication:
    """The INSERT of docs/connect.md, as it stands there."""

    @pytest.fixture(autouse=True)
    def _again(self, store, message):
        complain(store, message, datetime.now(UTC) - timedelta(days=1))
        forget(store, JANE)
        with store.write_transaction() as connection:
            for _ in range(2):
                connection.exec_driver_sql(SIGN_UP)

    def test_unblocks_nobody(self, store):
        found = answers(store)
        assert (found.may_send, found.until, found.reason) == (False, None, "forgotten")

    def test_and_the_next_event_of_the_worker_gives_the_row_its_block(self, store, message):
        bounce = mail.bounce(JANE, at=datetime.now(UTC).isoformat())
        later = datetime.now(UTC) + timedelta(seconds=1)
        process([message(bounce, received_at=later)], store, POLICY)
        found = answers(store)
        assert (found.may_send, found.until) == (False, None)
        with store.read_transaction() as connection:
            row = connection.execute(users.select().where(users.c.email_key == JANE)).one()
            view = text("SELECT until FROM do_not_mail WHERE email_key = :key")
            (until,) = connection.execute(view, {"key": JANE}).one()
        assert row.hard_bounce_count == 1
        assert row.auto_block_spam
        assert until is None
        assert lift(store)
        assert answers(store).may_send
