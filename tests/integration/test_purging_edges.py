"""Purges where ids come again, clocks are wrong, several purge, and what a dry run says."""

import json
from datetime import timedelta

import pytest
from integration.test_folding import folded, records, rows
from integration.test_purging import STRANGER, barred, blocked, count, purge, with_newest
from sqlalchemy import bindparam, text
from support import mail
from support.lanes import SLACK
from support.policies import JANE, JOE

from worker.core.messages import DeadLetter, Delete
from worker.core.model import Outcome, Reason
from worker.core.policy import Policy
from worker.core.retention import Announced, Retention, announced
from worker.process import process
from worker.store.purging import Faster, Pace, Purge, judging
from worker.store.purging.events import EventsPurge
from worker.store.purging.limits import Limits
from worker.store.purging.writing import write
from worker.store.schema import Moment
from worker.store.users import import_users

DAY = timedelta(days=1)
USUAL = Retention()


def arrived(store, message, body, at):
    (handled,) = process([message(body, received_at=at)], store, Policy())
    return handled.disposition


def execute(store, query, **times):
    with store.writing() as connection:
        bound = [bindparam(name, at, type_=Moment()) for name, at in times.items()]
        connection.execute(text(query).bindparams(*bound))


def test_events_after_a_purge_of_all_others_are_a_part_of_the_record(store, message):
    list(import_users(store, rows([JANE]), Policy()))
    bodies = [mail.bounce(JANE, feedback_id=name, message_id=name) for name in "abc"]
    process([message(body) for body in bodies], store, Policy())
    for turn in (1, 2):
        work = Purge(store, USUAL, Policy(), mail.NOW + turn * 100 * DAY)
        work.announce(at_once=True)
        list(work.bites())
        at = mail.NOW + turn * 101 * DAY
        for body in (
            mail.bounce(JANE, feedback_id=f"n{turn}", message_id=f"n{turn}", at=at.isoformat()),
            mail.complaint(JANE, feedback_id=f"m{turn}", message_id=f"m{turn}", at=at.isoformat()),
        ):
            assert arrived(store, message, body, at) == Delete(Outcome.APPLIED)
        assert folded(store, Policy()) == records(store)
    assert records(store)[JANE]["hard_bounce_count"] == 5


def test_an_effect_whose_removal_is_logged_stays_until_that_goes(store, message):
    process([message(mail.bounce(JANE))], store, Policy(notify=(SLACK,)))
    execute(store, "UPDATE outbox SET state = 'delivered', finished_at = :at", at=mail.NOW)
    execute(
        store,
        "INSERT INTO removals (outbox_id, email_key, address, entry, begun_at)"
        " SELECT id, 'jane@example.com', 'jane@example.com', '{}', :at FROM outbox",
        at=mail.NOW,
    )
    for days, left in ((100, (1, 1)), (399, (1, 1)), (410, (0, 0))):
        now = mail.NOW + days * DAY
        work = Purge(store, USUAL, Policy(), now, removals_kept=400 * DAY)
        work.announce(at_once=True)
        list(work.bites())
        assert (count(store, "removals"), count(store, "outbox")) == left, days


def test_keys_outlive_a_clock_that_is_years_ahead(store, message):
    body = mail.bounce(JANE)
    process([message(body)], store, Policy())
    process([message(mail.complaint(STRANGER))], store, Policy())
    now = mail.NOW + 91 * DAY
    purge(store, Policy(), now)
    assert count(store, "kept_keys") == 2
    for days in (1_000, 1_006):
        work = purge(store, Policy(), now + days * DAY, at_once=False)
        assert work.is_announcing
        assert count(store, "kept_keys") == 2, days
    assert arrived(store, message, body, now) == Delete(Outcome.DUPLICATE)
    purge(store, Policy(), now + 1_008 * DAY, at_once=False)
    assert count(store, "kept_keys") == 0


def test_only_finished_effects_with_a_message_count_as_old_messages(store, message):
    policy = Policy(notify=(SLACK,), notices_with_json=10)
    process([message(mail.bounce(JANE, feedback_id=name)) for name in "ab"], store, policy)
    execute(store, "UPDATE outbox SET state = 'delivered', finished_at = :at", at=mail.NOW)
    work = Purge(store, USUAL, policy, mail.NOW + 15 * DAY)
    work.announce(at_once=True)
    assert work.targets()["messages"].rows == 2
    list(work.bites())
    assert work.removed["messages"] == 2
    assert work.targets()["messages"].rows == 0
    with store.reading() as connection:
        payloads = connection.exec_driver_sql("SELECT payload FROM outbox").scalars().all()
    assert [("message" in json.loads(payload)) for payload in payloads] == [False, False]


def purging_events(store, now, after=0):
    limits = Limits(cutoff=now - 90 * DAY, now=now, keys=400 * DAY)
    purge_ = EventsPurge(store, Policy(), limits, after=after)
    purge_.begin()
    return purge_


@pytest.mark.parametrize("many", [500, 1])
def test_of_two_purges_at_once_none_removes_what_the_other_relies_on(
    store, message, monkeypatch, many
):
    """Also if an address has so many events that the other remembers what must stay."""
    monkeypatch.setattr(judging, "MANY", many)
    bodies = [mail.complaint(STRANGER, feedback_id=name, message_id=name) for name in "ab"]
    process(
        [message(body) for body in [*bodies, mail.bounce(JOE, feedback_id="z", message_id="z")]],
        store,
        Policy(),
    )
    now = mail.NOW + 300 * DAY
    one, other = purging_events(store, now), purging_events(store, now, after=1)
    plans = []
    for purge_ in (one, other):
        batch = purge_.next_batch(1)
        plans.append(purge_.plan(batch, batch.rows, careful=False))
    assert [plan.ids for plan in plans] == [[1], [2]]
    with store.writing() as connection:
        write(connection, plans[0])
    with pytest.raises(Faster), store.writing() as connection:
        write(connection, plans[1])
    assert sum(bite.rows for bite in other.bites(Pace())) == 0, "planned anew"
    assert blocked(store) == [STRANGER]


def test_a_dry_run_counts_as_the_purge_does(store, message):
    bodies = []
    for name in ("first", "second"):
        bodies.append(mail.complaint(STRANGER, feedback_id=name, message_id=name))
        bodies += [
            mail.bounce(JOE, feedback_id=f"{name}{n}", message_id=f"{name}{n}")
            for n in range(1_000)
        ]
    for start in range(0, len(bodies), 200):
        process([message(body) for body in bodies[start : start + 200]], store, Policy())
    with_newest(store)
    before = count(store, "events")
    work = Purge(store, USUAL, Policy(), mail.NOW + 300 * DAY)
    work.announce(at_once=True)
    would = sum(bite.rows for bite in work.dry_run() if bite.table == "events")
    assert count(store, "events") == before
    done = purge(store, Policy(), mail.NOW + 300 * DAY)
    assert done.removed["events"] == would
    assert blocked(store) == [STRANGER]


def test_the_newest_event_of_all_stays_until_the_next_arrives(store, message):
    process([message(mail.bounce(JANE))], store, Policy())
    for days in (100, 200):
        work = Purge(store, USUAL, Policy(), mail.NOW + days * DAY)
        work.announce(at_once=True)
        list(work.bites())
        assert count(store, "events") == 1
    process([message(mail.bounce(JOE, feedback_id="n", message_id="n"))], store, Policy())
    work = Purge(store, USUAL, Policy(), mail.NOW + 300 * DAY)
    work.announce(at_once=True)
    list(work.bites())
    with store.reading() as connection:
        left = connection.exec_driver_sql("SELECT recipient FROM events").scalars().all()
    assert left == [JOE]


def test_a_time_hours_after_receipt_that_was_not_kept_is_looked_up_all_the_same(store, message):
    """As a worker of the version before the column `claimed_at` records it."""
    body = mail.bounce(JANE, at=(mail.NOW + DAY / 2).isoformat())
    process([message(body)], store, Policy())
    execute(store, "UPDATE events SET claimed_at = NULL, received_at = :at", at=mail.NOW)
    purge(store, Policy(), mail.NOW + 90 * DAY + timedelta(seconds=1))
    assert count(store, "events") == 0
    assert arrived(store, message, body, mail.NOW + 91 * DAY) == Delete(Outcome.DUPLICATE)


@pytest.mark.parametrize("at", ["not a time", "1969-12-31T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_whatever_time_a_message_claims_it_is_a_duplicate_after_the_purge(store, message, at):
    body = mail.bounce(JANE, at=at)
    process([message(body)], store, Policy())
    purge(store, Policy(), mail.NOW + 91 * DAY)
    assert count(store, "events") == at.startswith("9999")
    assert arrived(store, message, body, mail.NOW + 92 * DAY) == Delete(Outcome.DUPLICATE)


def test_a_key_stays_as_long_as_messages_come_again_however_old_its_event_is(store, message):
    body = mail.bounce(JANE)
    process([message(body)], store, Policy())
    first = mail.NOW + 500 * DAY
    purge(store, Policy(), first)
    purge(store, Policy(), first + 28 * DAY)
    assert arrived(store, message, body, first) == Delete(Outcome.DUPLICATE)
    purge(store, Policy(), first + 29 * DAY)
    assert count(store, "kept_keys") == 0


def test_a_key_that_a_quarantined_message_needs_stays_and_for_ever_is_for_ever(store, message):
    bodies = [mail.bounce(who, feedback_id=who, message_id=who) for who in (JANE, JOE)]
    process([message(body) for body in bodies], store, Policy())
    purge(store, Policy(), mail.NOW + 91 * DAY)
    with store.transaction() as transaction:
        why = DeadLetter(Reason.UNKNOWN_RECIPIENT, "")
        transaction.quarantine("dead", message(bodies[0]), why)
    purge(store, Policy(), mail.NOW + 900 * DAY)
    assert count(store, "kept_keys") == 2
    assert arrived(store, message, bodies[0], mail.NOW) == Delete(Outcome.DUPLICATE)
    other = mail.bounce(JANE, feedback_id="other", message_id="other")
    process([message(other)], store, Policy())
    for_ever = Retention(keys=None)
    for days in (1_000, 30_000):
        purge(store, Policy(), mail.NOW + days * DAY, for_ever)
        assert count(store, "kept_keys") == 4


def test_the_log_of_a_removal_stays_while_its_effect_is_open(store, message):
    process([message(mail.bounce(JANE))], store, Policy(notify=(SLACK,)))
    execute(
        store,
        "INSERT INTO removals (outbox_id, email_key, address, entry, begun_at)"
        " SELECT id, 'jane@example.com', 'jane@example.com', '{}', :at FROM outbox",
        at=mail.NOW,
    )
    purge(store, Policy(), mail.NOW + 300 * DAY)
    assert count(store, "removals") == 1


def test_an_announcement_of_a_clock_that_was_ahead_begins_anew():
    ahead = Announced(through=mail.NOW, since=mail.NOW + 700 * DAY, cutoff=mail.NOW + 600 * DAY)
    now = mail.NOW + 200 * DAY
    found = announced(ahead, now - 90 * DAY, now, has_older=True)
    assert found == Announced(through=mail.NOW, since=now, cutoff=now - 90 * DAY)


def test_however_slow_a_disk_is_a_bite_has_a_hundred_rows():
    """A commit takes as long for fewer."""
    pace = Pace()
    for _ in range(10):
        pace._note(pace.rows, 0.01, 1.0)
    assert pace.rows == 100


def test_a_bite_whose_statements_take_long_is_followed_by_smaller_ones():
    pace = Pace()
    for _ in range(20):
        pace._note(pace.rows, pace.rows * 0.00005, pace.rows * 0.00005 + 0.005)
    assert 150 <= pace.rows <= 170, "8 ms"


def test_now_and_then_a_slow_bite_makes_the_others_no_smaller():
    """Others keep the machine busy: smaller bites would take as long, and be many more."""
    pace = Pace()
    for number in range(40):
        is_held_up = number % 3 == 0
        seconds = 0.06 if is_held_up else pace.rows * 0.00001
        pace._note(pace.rows, seconds, seconds + 0.01)
    assert pace.rows > 200


def test_the_bounce_without_which_a_refusal_would_pause_stays(store, message):
    process([message(mail.bounce(STRANGER, feedback_id="a", message_id="a"))], store, Policy())
    at = mail.NOW + 299 * DAY
    refused = mail.bounce(
        STRANGER, feedback_id="b", message_id="b", subtype="Suppressed", at=at.isoformat()
    )
    arrived(store, message, refused, at)
    before = barred(store)
    purge(store, Policy(), mail.NOW + 300 * DAY)
    assert count(store, "events") == 2
    assert barred(store) == before


WITH_MEMORY = Policy(repeat_pause=90 * DAY)


@pytest.mark.parametrize("policy", [WITH_MEMORY, Policy(shadow=WITH_MEMORY)])
def test_a_bounce_at_which_a_policy_may_look_stays_118_days_after_its_pause(store, message, policy):
    process([message(mail.bounce(JANE, at=mail.NOW.isoformat()))], store, policy)
    for days, left in ((147, 1), (149, 0)):
        purge(store, policy, mail.NOW + days * DAY + timedelta(hours=1))
        execute(store, "DELETE FROM progress WHERE name = 'retention'")
        assert count(store, "events") == left, days


def test_an_event_that_came_late_stays_until_it_is_kept_long_enough(store, message):
    late = mail.bounce(JANE, at=(mail.NOW - 200 * DAY).isoformat())
    arrived(store, message, late, mail.NOW)
    purge(store, Policy(), mail.NOW + 89 * DAY)
    assert count(store, "events") == 1
    purge(store, Policy(), mail.NOW + 97 * DAY)
    assert count(store, "events") == 0
