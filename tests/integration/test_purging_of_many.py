"""Purges of addresses with very many events: they take no longer, and nobody's answer changes."""

from datetime import timedelta

import pytest
from integration.test_folding import folded, records, rows
from integration.test_purging import NO_USER, barred, blocked, count, purge, with_newest
from sqlalchemy import Engine, event
from support import mail
from support.policies import JANE

from worker.core.messages import Delete
from worker.core.model import Outcome
from worker.core.policy import Policy
from worker.process import process
from worker.store import recorded
from worker.store.purging import Throttle, batches, planning
from worker.store.purging import events as sweep
from worker.store.purging.events import EventsPurge
from worker.store.purging.limits import Limits
from worker.store.users import import_users

DAY = timedelta(days=1)
NOW = mail.NOW + 300 * DAY
MANY = 1_200


class Slow(Throttle):
    """Of a disk on which bites stay small."""

    def __init__(self, rows=20):
        super().__init__()
        self.rows = rows

    def _note(self, rows, executing, seconds):
        self.held = seconds


def handle(store, message, bodies, at=mail.NOW):
    for start in range(0, len(bodies), 100):
        some = [message(body, received_at=at) for body in bodies[start : start + 100]]
        handled = process(some, store, Policy())
        assert all(each.disposition == Delete(Outcome.APPLIED) for each in handled)


def bounces(who, number, name="b", **changes):
    ids = [f"{name}{step}" for step in range(number)]
    return [mail.bounce(who, feedback_id=id_, message_id=id_, **changes) for id_ in ids]


def complaint(who, name):
    return mail.complaint(who, feedback_id=name, message_id=name)


def swept(store, throttle, now=NOW, policy=None):
    with_newest(store)
    limits = Limits(cutoff=now - 90 * DAY, now=now, keys=400 * DAY)
    work = EventsPurge(store, policy or Policy(), limits)
    work.begin()
    for _ in work.bites(throttle):
        pass
    return work


@pytest.fixture
def read(monkeypatch):
    """How many events were read."""
    found = []

    def counted(row):
        found.append(1)
        return original(row)

    original = recorded.read_recorded
    for module in (recorded, batches):
        monkeypatch.setattr(module, "read_recorded", counted)
    return found


def test_the_events_of_an_address_are_read_a_few_times_however_many_it_has(store, message, read):
    bodies = [complaint(NO_USER, f"c{step}") for step in range(MANY)]
    handle(store, message, bodies)
    read.clear()
    work = swept(store, Slow())
    assert len(read) < 5 * MANY
    assert (count(store, "events"), work.kept) == (1, 1)
    assert blocked(store) == [NO_USER]


def test_so_are_those_of_a_user_of_whom_an_event_stays(store, message, read):
    list(import_users(store, rows([JANE]), Policy()))
    handle(store, message, [complaint(JANE, "c"), *bounces(JANE, MANY)])
    before = records(store)
    read.clear()
    swept(store, Slow())
    assert len(read) < 5 * MANY
    assert count(store, "events") == 1
    assert blocked(store) == [JANE]
    assert folded(store, Policy()) == records(store) == before


WITH_MEMORY = Policy(soft_bounces_to_pause=3, repeat_pause=30 * DAY)


def test_by_a_policy_with_a_memory_they_are_not_read_for_each_batch(
    store, message, read, monkeypatch
):
    monkeypatch.setattr(sweep, "ROWS_IN_A_BATCH", 100)
    list(import_users(store, rows([JANE]), WITH_MEMORY))
    handle(store, message, bounces(JANE, MANY, type="Transient"))
    before, largest, original = records(store), [], planning._by_address
    read.clear()
    monkeypatch.setattr(
        planning, "_by_address", lambda events: largest.append(original(events)) or largest[-1]
    )
    swept(store, Slow(), policy=WITH_MEMORY)
    assert len(read) < 5 * MANY
    assert max(len(events) for found in largest for events in found.values()) <= 501
    assert count(store, "events") == 0
    assert records(store) == before
    new = message(bounces(JANE, 1, "new", at=NOW.isoformat())[0], received_at=NOW)
    process([new], store, WITH_MEMORY)
    assert folded(store, WITH_MEMORY) == records(store) != before


def test_of_many_refusals_a_single_old_refusal_stays(store, message):
    """Without it, the first that is left would pause."""
    old = bounces(NO_USER, 300, "o", subtype="Suppressed")
    at = NOW - DAY
    new = bounces(NO_USER, MANY, "n", subtype="Suppressed", at=at.isoformat())
    handle(store, message, old)
    handle(store, message, new, at)
    before = barred(store)
    work = swept(store, Slow())
    assert (work.kept, count(store, "events")) == (1, MANY + 1)
    assert barred(store) == before


def test_what_stays_of_many_stays_in_the_next_sweep(store, message):
    handle(store, message, [complaint(NO_USER, "c"), *bounces(NO_USER, MANY)])
    handle(store, message, [complaint(NO_USER, "d")])
    for _ in range(2):
        assert swept(store, Slow()).kept == 1
        assert blocked(store) == [NO_USER]


@pytest.mark.parametrize("killed_after", [1, 5, 30])
def test_a_purge_that_ends_on_the_way_has_unblocked_nobody(store, message, killed_after):
    handle(
        store,
        message,
        [complaint(NO_USER, "c"), *bounces(NO_USER, MANY // 2), complaint(NO_USER, "d")],
    )
    with_newest(store)
    limits = Limits(cutoff=NOW - 90 * DAY, now=NOW, keys=400 * DAY)
    work = EventsPurge(store, Policy(), limits)
    work.begin()
    bites = work.bites(Slow())
    for _ in range(killed_after):
        next(bites)
    bites.close()
    assert blocked(store) == [NO_USER]
    swept(store, Slow())
    assert (blocked(store), count(store, "events")) == ([NO_USER], 1)


def test_events_that_arrive_while_many_go_are_counted_and_stay(store, message):
    list(import_users(store, rows([JANE]), Policy()))
    handle(store, message, [complaint(JANE, "c"), *bounces(JANE, MANY)])
    with_newest(store)
    limits = Limits(cutoff=NOW - 90 * DAY, now=NOW, keys=400 * DAY)
    work = EventsPurge(store, Policy(), limits)
    work.begin()
    for step, _ in enumerate(work.bites(Slow(100))):
        handle(store, message, bounces(JANE, 1, f"new{step}-", at=NOW.isoformat()), NOW)
    assert step > 5
    assert count(store, "events") == 1 + step + 1
    assert folded(store, Policy()) == records(store)
    assert blocked(store) == [JANE]


@pytest.mark.parametrize("complaints", [0, 1])
def test_a_user_that_is_imported_between_the_bites_of_a_batch_keeps_its_record(
    store, message, complaints
):
    of_complaints = [complaint(NO_USER, "c")] * complaints
    handle(store, message, [*of_complaints, *bounces(NO_USER, 200)])
    with_newest(store)
    limits = Limits(cutoff=NOW - 90 * DAY, now=NOW, keys=400 * DAY)
    work = EventsPurge(store, Policy(), limits)
    work.begin()
    bites = work.bites(Slow())
    next(bites)
    list(import_users(store, rows([NO_USER]), Policy()))
    for _ in bites:
        pass
    handle(store, message, bounces(NO_USER, 1, "new", at=NOW.isoformat()), NOW)
    assert folded(store, Policy()) == records(store)
    assert blocked(store) == [NO_USER] * complaints


def test_all_events_of_a_user_are_counted_once_and_not_for_each_bite(store, message):
    """PostgreSQL counts: there an event may be committed after an event with a larger id."""
    list(import_users(store, rows([JANE]), Policy()))
    handle(store, message, bounces(JANE, MANY))
    counted = []

    def hear(_connection, _cursor, statement, *_rest):
        if "count(*)" in statement and "json_array_elements" in statement:
            counted.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        swept(store, Slow())
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    assert len(counted) <= 1
    assert count(store, "events") == 0


def test_earlier_events_that_stayed_are_a_part_of_the_record(store, message):
    """A sweep goes on where the last sweep ended; an event that stayed there is not read again."""
    list(import_users(store, rows([JANE]), Policy()))
    handle(store, message, [complaint(JANE, "c"), *bounces(NO_USER, 1, "x")])
    purge(store, Policy(), NOW)
    at = NOW - 89 * DAY
    handle(store, message, bounces(JANE, 1, "b", at=at.isoformat()), at)
    purge(store, Policy(), NOW + 2 * DAY)
    assert count(store, "events") == 1
    assert folded(store, Policy()) == records(store)
    assert records(store)[JANE]["hard_bounce_count"] == 1
    assert blocked(store) == [JANE]
