"""`policy rebuild`: records computed anew from the events on record, while workers go on."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import update
from support import mail
from support.policies import DAY, JANE, JOE, NOW

from worker.core.backtesting import Change, Unknown
from worker.core.model import Action, Address
from worker.core.policy import Policy
from worker.process import process
from worker.store import rebuilding as module
from worker.store.rebuilding import Survey, rebuild
from worker.store.reinstating import Lifting, reinstate
from worker.store.schema import users
from worker.store.selecting import UserFilter, all_users
from worker.store.users import find_user, import_users

OTHER = Policy(
    hard_bounce_pause=7 * DAY,
    soft_bounce_pause=3 * DAY,
    bounce_actions={"Transient/MailboxFull": Action.NO_ACTION},
)


def users_of(store):
    return {user["email_key"]: user for user in all_users(store, UserFilter())}


def surveyed(store, policy):
    survey = Survey(policy, NOW, 20)
    with store.read_transaction() as connection:
        survey.read(connection, lambda *_: None)
    return survey


def rebuilt(store, policy):
    survey = surveyed(store, policy)
    for _ in rebuild(store, survey, policy):
        pass
    survey.__exit__()
    return survey


def imported(store, *keys, **more):
    list(import_users(store, [{"email": key, "email_key": key, **more} for key in keys], Policy()))


def bounce(who, days, **more):
    return mail.bounce(who, at=(NOW - days * DAY).isoformat(), **more)


def taken_in(store, message, policy, *bodies):
    process([message(body, received_at=NOW) for body in bodies], store, policy)


def some_mail(people, events, seed=7):
    """Random bounces and complaints, as bodies."""
    chance = random.Random(seed)
    for _ in range(events):
        who = f"person{chance.randrange(people)}@example.com"
        days = chance.uniform(0, 60)
        at = (NOW - timedelta(days=days)).isoformat()
        if chance.random() < 0.1:
            yield mail.complaint(who, at=at)
        else:
            sort = chance.choice(
                [
                    ("Permanent", "General"),
                    ("Transient", "MailboxFull"),
                    ("Transient", "General"),
                    ("Permanent", "Suppressed"),
                    ("Undetermined", "Undetermined"),
                ]
            )
            diagnostic = chance.choice(["550 no such user", "spam", "452 full", None])
            entry = mail.recipient(who, diagnosticCode=diagnostic)
            yield mail.bounce(entry, type=sort[0], subtype=sort[1], at=at)


@pytest.mark.parametrize("policy", [Policy(), OTHER])
def test_a_rebuild_equals_what_the_policy_made_of_the_same_mail_row_by_row(
    store, message, policy, monkeypatch
):
    """Processed by another policy, and rebuilt: as if the policy had been in force all the time."""
    monkeypatch.setattr(module, "USERS_IN_A_BITE", 37)
    people = [f"person{n}@example.com" for n in range(300)]
    bodies = list(some_mail(300, 1_500))
    received = [message(body, received_at=NOW) for body in bodies]

    def live(with_policy):
        with store.write_transaction() as connection:
            for table in ("events", "users", "imported_users"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        imported(store, *people)
        for start in range(0, len(received), 200):
            process(received[start : start + 200], store, with_policy)
        return users_of(store)

    expected = live(policy)
    assert live(Policy(hard_bounce_pause=DAY, soft_bounce_pause=9 * DAY)) != expected
    survey = rebuilt(store, policy)
    assert users_of(store) == expected
    assert survey.changed > 100
    again = surveyed(store, policy)
    assert (again.changed, again.refused.total()) == (0, 0)
    again.__exit__()


def test_reinstatements_imports_and_what_was_set_by_hand_stay(store, message):
    imported(store, JANE, JOE)
    taken_in(store, message, Policy(), bounce(JANE, 5), bounce(JOE, 5))
    reinstate(store, [Address(JANE, JANE)], Lifting(who="joan", why="fixed"))
    exported = {
        "email": "old@b.c", "email_key": "old@b.c", "auto_block_spam": False,
        "last_hard_bounce": NOW - 9 * DAY, "last_soft_bounce": None, "last_complaint": None,
        "hard_bounce_count": 7, "soft_bounce_count": 0, "complaint_count": 0,
        "paused_until": NOW + 21 * DAY, "pause_reason": "hard_bounce",
        "hard_bounce_refused": False, "soft_bounce_refused": False, "reinstated_at": None,
    }  # fmt: skip
    list(import_users(store, [exported], Policy()))
    taken_in(store, message, Policy(), bounce("old@b.c", 3, type="Transient"))
    imported(store, "vip@b.c")
    taken_in(store, message, Policy(), bounce("vip@b.c", 3, type="Undetermined"))
    with store.write_transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE users SET auto_block_spam = true WHERE email_key = 'vip@b.c'"
        )
    before = users_of(store)
    survey = rebuilt(store, Policy())
    assert (survey.changed, survey.refused.total()) == (0, 0)
    shorter = rebuilt(store, Policy(hard_bounce_pause=DAY))
    after = users_of(store)
    assert shorter.by_change == {Change.FREED: 1}
    assert after.pop(JOE)["paused_until"] == NOW - 4 * DAY
    del before[JOE]
    assert after == before


FULL = {"type": "Transient", "subtype": "MailboxFull"}
BY_HAND = {
    "a block after a soft bounce from before the import": (
        Policy(),
        [bounce(JANE, 5, **FULL), None],
        {"auto_block_spam": True},
    ),
    "a pause with a reason of its own after such a bounce": (
        Policy(),
        [bounce(JANE, 5, **FULL), None],
        {"paused_until": NOW + 300 * DAY, "pause_reason": "legal hold"},
    ),
    "a block after a complaint that had blocked for a time": (
        Policy(complaint_block=20 * DAY),
        [None, mail.complaint(JANE, at=(NOW - 30 * DAY).isoformat())],
        {"auto_block_spam": True},
    ),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_what_was_set_by_hand_stays_though_events_are_on_record_that_did_not_set_it(
    store, message, what
):
    policy, steps, by_hand = BY_HAND[what]
    for body in steps:
        if body is None:
            imported(store, JANE)
        else:
            taken_in(store, message, policy, body)
    with store.write_transaction() as connection:
        connection.execute(update(users).where(users.c.email_key == JANE).values(**by_hand))
    rebuilt(store, policy)
    assert by_hand.items() <= find_user(store, JANE).items()


def test_a_block_for_good_becomes_a_block_for_a_time_with_the_policy(store, message):
    taken_in(store, message, Policy(), mail.complaint(JOE, at=(NOW - 5 * DAY).isoformat()))
    imported(store, JANE, JOE)
    taken_in(store, message, Policy(), mail.complaint(JANE, at=(NOW - 5 * DAY).isoformat()))
    rebuilt(store, Policy(complaint_block=20 * DAY))
    for who in (JANE, JOE):
        user = find_user(store, who)
        assert (user["auto_block_spam"], user["pause_reason"]) == (False, "complaint")
        assert user["paused_until"] == NOW + 15 * DAY


def test_a_user_whose_events_were_deleted_is_refused_and_stays_as_it_was(store, message):
    imported(store, JANE, JOE, "gone@b.c")
    bodies = [bounce(JANE, 9), bounce(JANE, 2), bounce(JOE, 2), bounce("gone@b.c", 2)]
    taken_in(store, message, Policy(), *bodies)
    with store.write_transaction() as connection:
        connection.exec_driver_sql(
            f"DELETE FROM events WHERE recipient = 'gone@b.c' OR id IN "
            f"(SELECT min(id) FROM events WHERE recipient = '{JANE}')"
        )
    before = users_of(store)
    survey = rebuilt(store, Policy(hard_bounce_pause=DAY))
    assert survey.refused == {Unknown.EVENTS: 1}
    assert survey.without_events == 1
    after = users_of(store)
    assert after[JANE] == before[JANE]
    assert after["gone@b.c"] == before["gone@b.c"]
    assert after[JOE]["paused_until"] == NOW - DAY


def test_a_policy_that_spares_faults_refuses_users_with_bounces_from_before_faults_were_kept(
    store, message
):
    imported(store, JANE)
    taken_in(store, message, Policy(), bounce(JANE, 2))
    with store.write_transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET fault = ''")
    survey = rebuilt(store, Policy(hard_bounce_pause=DAY, spare_faults=frozenset({"sender"})))
    assert survey.refused == {Unknown.FAULT: 1}


def test_what_workers_write_meanwhile_is_not_lost(store, message):
    """After the records were read, one user bounces and another is removed."""
    imported(store, JANE, JOE, "kim@b.c")
    for who in (JANE, JOE, "kim@b.c"):
        taken_in(store, message, Policy(), bounce(who, 9))
    policy = Policy(hard_bounce_pause=20 * DAY)
    survey = surveyed(store, policy)
    taken_in(store, message, policy, bounce(JANE, 1), bounce(JOE, 12))
    with store.write_transaction() as connection:
        connection.exec_driver_sql("DELETE FROM users WHERE email_key = 'kim@b.c'")
    assert list(rebuild(store, survey, policy)) == [3]
    survey.__exit__()
    assert find_user(store, JANE)["hard_bounce_count"] == 2
    assert find_user(store, JANE)["paused_until"] == NOW + 19 * DAY
    assert find_user(store, JOE)["hard_bounce_count"] == 2
    assert find_user(store, JOE)["paused_until"] == NOW + 11 * DAY
    assert find_user(store, "kim@b.c") is None


def test_a_rebuild_that_was_broken_off_can_be_repeated(store, message, monkeypatch):
    monkeypatch.setattr(module, "USERS_IN_A_BITE", 2)
    people = [f"person{n}@b.c" for n in range(9)]
    imported(store, *people)
    taken_in(store, message, Policy(), *(bounce(who, 9) for who in people))
    policy = Policy(hard_bounce_pause=DAY)
    survey = surveyed(store, policy)
    assert next(iter(rebuild(store, survey, policy))) == 2
    survey.__exit__()
    again = rebuilt(store, policy)
    assert (again.changed, again.unchanged) == (7, 2)
    assert {user["paused_until"] for user in users_of(store).values()} == {NOW - 8 * DAY}
