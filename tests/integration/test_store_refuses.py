"""A message at which the store breaks off is found and dead-lettered; an outage blames nobody."""

import threading
from collections import Counter
from contextlib import contextmanager

import psycopg
import pytest
from msgspec.structs import replace
from support import mail

from worker.consumer import received_batch, suspects, writing
from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.callbacks import Callbacks
from worker.consumer.counters import Counters
from worker.consumer.suspects import Suspects
from worker.consumer.writing import Writer
from worker.core.errors import Unavailable, Unsynced
from worker.core.messages import DeadLetter, Delete, Handled, Release
from worker.core.model import Outcome, Reason
from worker.core.policy import Policy
from worker.observability.health import Health
from worker.process import process

GUILTY = "guilty@example.com"
SQLITE = f"""
    CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.recipient = '{GUILTY}'
    BEGIN SELECT json('{{'); END
"""
POSTGRESQL = f"""
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.recipient = '{GUILTY}' THEN %s; END IF; RETURN NEW; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse();
"""
WAYS = {
    "the session is ended": "PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(5)",
    "a time-out": "RAISE SQLSTATE '57014'",
    "no memory": "RAISE SQLSTATE '53200'",
    "an I/O error": "RAISE SQLSTATE '58030'",
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Seconds become hundredths, and messages are held for 8 s at most."""
    monkeypatch.setattr(received_batch, "HELD_SECONDS", 8)
    monkeypatch.setattr("worker.consumer.outage.back_off", lambda attempt: 0.01 * attempt)
    monkeypatch.setattr("worker.consumer.outage.SOON_SECONDS", 0.005)
    monkeypatch.setattr(writing, "TICK_SECONDS", 0.002)


def make_writer(database, handle=None):
    def handle_by_process(batch):
        return process(batch, database, Policy())

    return Writer(
        callbacks=Callbacks(process=handle or handle_by_process, settled=lambda _: None),
        store=database,
        counters=Counters(),
        autoscaler=PollerAutoscaler(pollers=4, full=10),
        health=Health(),
        stopping=threading.Event(),
        give_up=None,
    )


def becomes(handled):
    return {result.received.message_id: result.disposition for result in handled}


class FakeStore:
    """Breaks off at certain messages, or at all of them; a probe succeeds unless it is unavailable."""

    def __init__(self, *guilty):
        self.guilty = set(guilty)
        self.unreachable = False
        self.commits = []

    def handle(self, batch):
        names = [message.message_id for message in batch]
        self.commits.append(names)
        if self.unreachable or self.guilty.intersection(names):
            return [
                Handled(message, Release(0), error=Unavailable("broken off")) for message in batch
            ]
        return [Handled(message, Delete(Outcome.APPLIED)) for message in batch]

    def probe(self):
        if self.unreachable:
            raise Unavailable("unreachable")


class Closed:
    """No transaction can begin."""

    @contextmanager
    def transaction(self):
        raise Unavailable("the database system is starting up")
        yield

    def probe(self):
        """The store works again."""


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_in_sqlite_the_guilty_message_is_set_aside_and_the_others_are_written(store, message):
    with store.write_transaction() as connection:
        connection.exec_driver_sql(SQLITE)
    check_guilty(store, message)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_in_postgresql_the_guilty_message_is_set_aside_and_the_others_are_written(
    store, store_url, message, way
):
    with psycopg.connect(store_url, autocommit=True) as admin:
        admin.execute(POSTGRESQL % WAYS[way])
    check_guilty(store, message)


def check_guilty(store, message):
    people = mail.addresses(30)
    bodies = [mail.bounce(item) for item in [*people[:17], GUILTY, *people[17:]]]
    handled = make_writer(store).write([message(body) for body in bodies])
    aside = [result for result in handled if isinstance(result.disposition, DeadLetter)]
    assert [item.received.message_id for item in aside] == ["message-18"]
    assert aside[0].disposition.reason is Reason.STORE_REFUSES
    assert Counter(type(result.disposition) for result in handled) == {Delete: 30, DeadLetter: 1}
    with store.read_transaction() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one()
    assert found == 30


class TestFinding:
    @pytest.mark.parametrize("place", [0, 1, 99, 197])
    def test_it_is_found_among_many_in_a_few_commits(self, message, place):
        database = FakeStore(f"message-{place + 1}")
        writer = make_writer(database, database.handle)
        handled = writer.write([message("x") for _ in range(200)])
        assert Counter(type(result.disposition) for result in handled) == {
            Delete: 199,
            DeadLetter: 1,
        }
        assert len(database.commits) < 60

    def test_the_last_of_all_is_found_by_those_that_come_later(self, message, monkeypatch):
        database = FakeStore("message-200")
        writer = make_writer(database, database.handle)
        monkeypatch.setattr(received_batch, "HELD_SECONDS", 0.3)
        writer.write([message("x") for _ in range(199)])
        last = message("x")
        for _ in range(2):
            (handled,) = writer.write([last])
            assert isinstance(handled.disposition, Release)
            writer.await_store()
            writer.write([message("x")])
        assert becomes(writer.write([last]))["message-200"].reason is Reason.STORE_REFUSES

    def test_several_are_found(self, message):
        database = FakeStore("message-3", "message-4", "message-20")
        writer = make_writer(database, database.handle)
        found = becomes(writer.write([message("x") for _ in range(30)]))
        aside = {name for name, what in found.items() if isinstance(what, DeadLetter)}
        assert aside == database.guilty

    def test_a_suspect_that_comes_again_is_alone_at_once_and_costs_no_other(
        self, message, monkeypatch
    ):
        monkeypatch.setattr(received_batch, "HELD_SECONDS", 0.05)
        database = FakeStore("message-1")
        writer = make_writer(database, database.handle)
        guilty = message("x")
        (handled,) = writer.write([guilty])
        assert isinstance(handled.disposition, Release)
        database.commits.clear()
        again = [message("x"), replace(guilty, receipt_handle="another"), message("x")]
        monkeypatch.setattr(received_batch, "HELD_SECONDS", 8)
        found = becomes(writer.write(again))
        assert found["message-1"].reason is Reason.STORE_REFUSES
        assert found["message-2"] == found["message-3"] == Delete(Outcome.APPLIED)
        assert all(len(names) == 1 for names in database.commits if "message-1" in names)

    def test_without_others_five_samples_will_do_after_five_receives(self, message):
        database = FakeStore("message-1")
        writer = make_writer(database, database.handle)
        (handled,) = writer.write([message("x", receive_count=5)])
        assert handled.disposition.reason is Reason.STORE_REFUSES
        assert len(database.commits) == 5


class TestBlamingNobody:
    def test_where_the_store_breaks_off_at_every_message(self, message, monkeypatch):
        """As when a table is locked that no probe needs: all others would follow, each in turn."""
        monkeypatch.setattr(received_batch, "HELD_SECONDS", 0.3)
        batch = [message("x", receive_count=4) for _ in range(5)]
        database = FakeStore(*(message.message_id for message in batch))
        found = becomes(make_writer(database, database.handle).write(batch))
        assert all(isinstance(what, Release) for what in found.values())

    def test_in_an_outage_that_a_look_meets_however_often_it_begins(self, message, monkeypatch):
        database = FakeStore()
        writer = make_writer(database, database.handle)
        unlucky = message("x", receive_count=9)
        monkeypatch.setattr(received_batch, "HELD_SECONDS", 0.02)
        for _ in range(6):
            database.unreachable = True
            (handled,) = writer.write([unlucky])
            assert isinstance(handled.disposition, Release)
            database.unreachable = False
            writer.await_store()
            writer.write([message("x")])
        assert becomes(writer.write([unlucky])) == {"message-1": Delete(Outcome.APPLIED)}

    def test_after_a_short_outage_that_no_look_has_met(self, message):
        database = FakeStore("message-1")
        writer = make_writer(database, database.handle)
        handle = writer._process
        tries = iter([True])

        def once(batch):
            database.guilty = {"message-1"} if next(tries, False) else set()
            return handle(batch)

        writer._process = once
        found = becomes(writer.write([message("x") for _ in range(3)]))
        assert set(found.values()) == {Delete(Outcome.APPLIED)}

    def test_in_a_store_that_breaks_off_again_and_again_and_takes_others_between(self, message):
        """An innocent message is alone both times; the store works again whenever it is probed."""
        database = FakeStore()
        commits = iter(range(1, 100))

        def handle(batch):
            database.unreachable = next(commits) in {1, 2, 4}
            handled = database.handle(batch)
            database.unreachable = False
            return handled

        writer = make_writer(database, handle)
        found = becomes(writer.write([message("x") for _ in range(10)]))
        assert database.commits[1] == database.commits[3] == ["message-1"]
        assert set(found.values()) == {Delete(Outcome.APPLIED)}

    def test_while_others_were_written_after_only_the_first_or_second_of_its_times(self, message):
        """A probe failed after the second time, so that time does not count."""
        found, innocent, other = Suspects(), message("x"), message("x")
        written = [Handled(other, Delete(Outcome.APPLIED))]
        for unreachable, handled in [(False, written), (False, []), (True, []), (False, written)]:
            found.broke_off([innocent], Unavailable("broken off"))
            found.probed(was_unavailable=unreachable)
            found.handled(handled)
            assert not found.is_to_blame(innocent)
        found.broke_off([innocent], Unavailable("broken off"))
        found.probed(was_unavailable=False)
        assert found.is_to_blame(innocent)

    def test_where_no_transaction_can_be_begun(self, message):
        """As while another program locks the file, or a restarting server accepts no connection."""
        database = FakeStore()
        commits = iter(range(1, 100))

        def handle(batch):
            if next(commits) in {1, 2, 4}:
                return process(batch, Closed(), Policy())
            return database.handle(batch)

        writer = make_writer(database, handle)
        found = becomes(writer.write([message(mail.bounce("a@example.com")) for _ in range(10)]))
        assert set(found.values()) == {Delete(Outcome.APPLIED)}

    def test_a_failed_fsync_says_nothing_about_a_message(self, message):
        found = Suspects()
        found.broke_off([message("x")], Unsynced("disk"))
        assert not found.has(message("x"))


def test_what_is_remembered_is_bounded(message, monkeypatch):
    monkeypatch.setattr(suspects, "MOST_KNOWN", 10)
    known = Suspects()
    messages = [message("x") for _ in range(50)]
    for received in messages:
        known.broke_off([received], Unavailable("unreachable"))
    assert [known.has(received) for received in messages] == [False] * 40 + [True] * 10
