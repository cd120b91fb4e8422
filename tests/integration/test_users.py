"""User records: brought in, found, streamed; on store of both kinds."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from support import mail

from worker.core.errors import Raced
from worker.core.messages import Release
from worker.core.model import Address, User
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.process import process
from worker.store import ensure_schema, open_store, reinstating
from worker.store import users as module
from worker.store.on_record import fold_new
from worker.store.reinstating import Lifting, reinstate
from worker.store.selecting import UserFilter, all_users, count_users
from worker.store.users import Imported, find_user, import_users


def row(email, **more):
    return {"email": email, "email_key": email.lower()} | more


def bring_in(store, *rows):
    counts = Imported()
    for so_far in import_users(store, rows):
        counts = so_far
    return (counts.created, counts.updated, counts.unchanged)


def test_importing_the_same_rows_again_changes_nothing(store):
    rows = [
        row("Jane@example.com", account_id="a", metrics_enabled=True),
        row("joan@example.com", account_id=None, metrics_enabled=False),
    ]
    assert bring_in(store, *rows) == (2, 0, 0)
    before = find_user(store, "jane@example.com")
    assert bring_in(store, *rows) == (0, 0, 2)
    assert find_user(store, "jane@example.com") == before


def test_only_the_columns_of_the_file_are_changed(store):
    bring_in(store, row("jane@example.com", account_id="a", metrics_enabled=False))
    assert bring_in(store, row("JANE@example.com")) == (0, 1, 0)
    user = find_user(store, "jane@example.com")
    assert (user["email"], user["account_id"], user["metrics_enabled"]) == (
        "JANE@example.com",
        "a",
        False,
    )


def test_what_feedback_has_made_of_a_user_stays(store):
    bring_in(store, row("jane@example.com"))
    unit = UnitOfWork(Policy(), (), {})
    unit.changed = {
        "jane@example.com": User(email="x", email_key="jane@example.com", auto_block_spam=True)
    }
    with store.transaction() as transaction:
        transaction.save(unit)
    bring_in(store, row("Jane@example.com", account_id="new"))
    user = find_user(store, "jane@example.com")
    assert (user["auto_block_spam"], user["account_id"]) == (True, "new")


def test_a_person_listed_twice_in_the_file_is_a_single_user_and_the_last_row_counts(store):
    rows = [row("jane@example.com", account_id="1"), row("Jane@example.com", account_id="2")]
    assert bring_in(store, *rows) == (1, 0, 1)
    assert find_user(store, "jane@example.com")["account_id"] == "2"
    assert bring_in(store, *rows) == (0, 0, 2)


def test_rows_are_committed_as_they_come(store, monkeypatch):
    monkeypatch.setattr(module, "ROWS_IN_A_TRANSACTION", 10)
    monkeypatch.setattr(module, "ROWS_IN_A_STATEMENT", 4)

    def rows():
        yield from (row(f"person{n:03}@example.com") for n in range(25))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(import_users(store, rows()))
    assert count_users(store, UserFilter()) == 20


def test_users_are_written_in_the_order_in_which_the_worker_locks_them(store, monkeypatch):
    written = []

    def write(connection, names, rows):
        written.extend(row["email_key"] for row in rows)

    monkeypatch.setattr(module, "_write", write)
    monkeypatch.setattr(module, "ROWS_IN_A_STATEMENT", 2)
    bring_in(store, *(row(f"{name}@b.c") for name in "dacbe"))
    assert written == [f"{name}@b.c" for name in "abcde"]


def test_an_import_that_meets_a_deadlock_starts_its_transaction_over(postgresql_url):
    """Somebody holds b and wants a, while the import holds a and wants b."""
    import psycopg

    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    bring_in(store, row("a@b.c"), row("b@b.c"))
    found = []
    importing = threading.Thread(
        target=lambda: found.append(
            bring_in(store, *(row(f"{name}@b.c", account_id="1") for name in "ab"))
        )
    )
    lock = "SELECT 1 FROM users WHERE email_key = %s FOR UPDATE"
    with psycopg.connect(postgresql_url) as other:
        other.execute("SET deadlock_timeout = '60s'")  # the import is who notices
        other.execute(lock, ["b@b.c"])
        importing.start()
        with psycopg.connect(postgresql_url, autocommit=True) as observer:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not observer.execute(waiting).fetchone()[0]:
                time.sleep(0.01)
        other.execute(lock, ["a@b.c"])
    importing.join()
    assert found == [(0, 2, 0)]
    assert find_user(store, "a@b.c")["account_id"] == "1"


@pytest.mark.parametrize("policy", [Policy(), None])
def test_a_complaint_that_comes_during_an_import_is_not_taken_for_that_of_no_user(
    postgresql_url, message, monkeypatch, policy
):
    """Between the fold of what is on record and the commit, no worker decides about the user."""
    store, worker = open_store(postgresql_url), open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    complaint = [message(mail.complaint("jane@example.com"))]
    meanwhile = []
    name = "fold_new" if policy else "keep_first_records"
    begin = getattr(module, name)

    def begun(*arguments):
        found = begin(*arguments)
        meanwhile.extend(process(complaint, worker, Policy()))
        return found

    monkeypatch.setattr(module, name, begun)
    with closing(store), closing(worker):
        rows = [{"email": "jane@example.com", "email_key": "jane@example.com"}]
        list(import_users(store, rows, policy))
        early = meanwhile[0]
        assert isinstance(early.disposition, Release)
        process(complaint, worker, Policy())
        assert find_user(store, "jane@example.com")["auto_block_spam"]


def test_a_complaint_that_comes_while_no_user_is_reinstated_is_not_taken_for_that_of_no_user(
    postgresql_url, message, monkeypatch
):
    store, worker = open_store(postgresql_url), open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    jane, now = "jane@example.com", datetime.now(UTC)
    process([message(mail.bounce(jane, at=now.isoformat()), received_at=now)], worker, Policy())
    later = now + timedelta(hours=1)
    complaint = [message(mail.complaint(jane, at=later.isoformat()), received_at=later)]
    meanwhile = []

    def folded(*arguments):
        found = fold_new(*arguments)
        meanwhile.extend(process(complaint, worker, Policy()))
        return found

    monkeypatch.setattr(reinstating, "fold_new", folded)
    with closing(store), closing(worker):
        reinstate(store, [Address(jane, jane)], Lifting(who="joan", why="fixed"))
        early = meanwhile[0]
        assert isinstance(early.disposition, Release)
        process(complaint, worker, Policy())
        assert find_user(store, jane)["auto_block_spam"]


def test_a_lasting_race_is_reported_in_a_sentence():
    import psycopg

    from worker.store.postgresql.errors import translated

    with pytest.raises(Raced, match=r"wrote the same rows .* \(40P01\); try again"), translated():
        raise psycopg.errors.DeadlockDetected


@pytest.fixture
def some(store):
    now = datetime.now(UTC)
    unit = UnitOfWork(Policy(), (), {})
    people = [
        User(email="b", email_key="b", paused_until=now + timedelta(days=1)),
        User(email="a", email_key="a", auto_block_spam=True),
        User(email="d", email_key="d", auto_block_spam=True, paused_until=now + timedelta(days=1)),
        User(email="c", email_key="c", paused_until=now - timedelta(days=1)),
    ]
    unit.created = {user.email_key: user for user in people}
    with store.transaction() as transaction:
        transaction.save(unit)
    return now


@pytest.mark.parametrize(
    ("paused", "blocked", "expected"),
    [(False, False, "abcd"), (True, False, "bd"), (False, True, "ad"), (True, True, "d")],
)
def test_users_are_listed_in_order_and_by_filter(store, some, paused, blocked, expected):
    filter_ = UserFilter(paused_at=some if paused else None, blocked=blocked)
    assert "".join(user["email_key"] for user in all_users(store, filter_)) == expected
    assert count_users(store, filter_) == len(expected)
    assert [user["email_key"] for user in all_users(store, filter_, limit=1)] == [expected[0]]


def test_nobody_is_nobody(store):
    assert find_user(store, "nobody@example.com") is None
