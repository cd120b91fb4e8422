"""What a purge removes, what it keeps, and that nothing that was counted once counts again."""

import itertools
import json
import random
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration.test_folding import emptied, folded, live, records, rows, steps
from sqlalchemy import bindparam, text
from support import mail
from support.examples import examples
from support.lanes import SLACK
from support.policies import JANE, JOE, policies

from worker.app.in_force import as_kept
from worker.core.messages import DeadLetter, Delete
from worker.core.model import Outcome, Reason
from worker.core.policy import Policy
from worker.core.retention import Retention
from worker.process import process
from worker.store.purging import Purge, judging
from worker.store.schema import Moment
from worker.store.users import import_users, remove_users
from worker.timing import clock

DAY = timedelta(days=1)
NO_USER = "unknown@example.com"


DEFAULTS = Retention()


def purge(store, policy, now, retention=DEFAULTS, *, at_once=True):
    with_newest(store)
    work = Purge(store, retention, policy, now)
    work.announce(at_once=at_once)
    list(work.bites())
    return work


NEWEST = "newest@example.com"


def with_newest(store):
    """Add an event: a purge keeps the newest of all, whatever its age."""
    with store.write_transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO events (dedupe_key, route_key, kind, recipient, recipient_as_reported,"
                " user_match, action, reason, occurred_at, received_at, feedback_id,"
                " ses_message_id, diagnostic, status)"
                " VALUES (:key, :key, 'other', :who, '', '', '', '', :at, :at, '', '', '', '')"
            ).bindparams(
                bindparam("at", mail.NOW + 36_500 * DAY, type_=Moment()),
                key=f"newest-{next(_numbers)}",
                who=NEWEST,
            )
        )


_numbers = itertools.count(1)


def barred(store):
    with store.read_transaction() as connection:
        query = "SELECT email_key, reason, until FROM do_not_mail"
        return sorted(map(tuple, connection.exec_driver_sql(query)))


def blocked(store):
    return [key for key, reason, _ in barred(store) if reason == "auto_block_spam"]


def count(store, table):
    with store.read_transaction() as connection:
        others = f" WHERE recipient <> '{NEWEST}'" if table == "events" else ""
        return connection.exec_driver_sql(f"SELECT count(*) FROM {table}{others}").scalar_one()


def forgotten(store):
    emptied(store)
    with store.write_transaction() as connection:
        for table in ("kept_keys", "progress", "policy", "outbox"):
            connection.exec_driver_sql(f"DELETE FROM {table}")


@pytest.mark.hypothesis
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(
    work=steps,
    policy=policies,
    days=st.sampled_from([1, 7, 30, 90, 365]),
    ahead=st.sampled_from([0, 0, 0, 3, 40, 200]),
    twice=st.booleans(),
    many=st.sampled_from([500, 0]),
)
def test_after_a_purge_whatever_arrives_again_is_a_duplicate_and_nobody_s_answer_changes(
    store, message, work, policy, days, ahead, twice, many
):
    """`many`: of an address with more events than so many all are judged at once."""
    forgotten(store)
    list(import_users(store, rows([JANE]), policy))
    store.keep_policy(as_kept(policy))
    live(store, message, work, policy)
    before, refolded, answers = records(store), folded(store, policy), barred(store)
    on_record = {name: refolded[name] for name in refolded}

    now = clock.wall() + ahead * DAY
    retention = Retention(events=days * DAY, messages=DAY, keys=max(400, days) * DAY)
    with patch.object(judging, "MANY", many):
        for _ in range(1 + twice):
            purge(store, policy, now, retention)
    assert records(store) == before
    if not ahead:
        assert barred(store) == answers
    found = folded(store, policy)
    assert found == {key: on_record[key] for key in found}

    events = count(store, "events")
    again = [body for what, items in work if what == "messages" for _, body in items]
    handled = process([message(body, received_at=now) for body in again], store, policy)
    for each in handled:
        assert each.disposition in {Delete(Outcome.DUPLICATE), Delete(Outcome.IGNORED)}, each
    assert count(store, "events") == events
    assert records(store) == before


def test_old_events_of_a_user_go_and_their_keys_stay(store, message):
    list(import_users(store, rows([JANE]), Policy()))
    body = mail.bounce(JANE, at=(mail.NOW - DAY).isoformat())
    process([message(body)], store, Policy())
    work = purge(store, Policy(), mail.NOW + 91 * DAY)
    assert (count(store, "events"), count(store, "kept_keys")) == (0, 2)
    assert work.removed["events"] == 1
    (handled,) = process([message(body)], store, Policy())
    assert handled.disposition == Delete(Outcome.DUPLICATE)


def test_what_still_bars_an_address_that_is_a_user_or_not_stays(store, message):
    list(import_users(store, rows([JANE]), Policy()))
    bodies = [mail.complaint(NO_USER, feedback_id="s"), mail.complaint(JANE, feedback_id="j")]
    bodies += [mail.bounce(NO_USER, feedback_id="b"), mail.bounce(JANE, feedback_id="c")]
    process([message(body) for body in bodies], store, Policy())
    work = purge(store, Policy(), mail.NOW + 300 * DAY)
    assert (count(store, "events"), work.kept) == (2, 2)
    assert {key for key, *_ in barred(store)} == {NO_USER, JANE}
    remove_users(store, [JANE])
    assert blocked(store) == [JANE, NO_USER], "who complained is not mailed without a user either"
    list(import_users(store, rows([JANE]), Policy()))
    assert blocked(store) == [JANE, NO_USER]


def filled(store, message, people, each=2):
    """Fill the store with old events of users and of no users; return the bodies."""
    names = [f"p{number}@example.com" for number in range(people)]
    list(import_users(store, rows(names[::2]), Policy()))
    bodies = [
        mail.complaint(name, feedback_id=f"c{step}-{name}", message_id=f"c{step}-{name}")
        if number % 10 == step
        else mail.bounce(name, feedback_id=f"f{step}-{name}", message_id=f"m{step}-{name}")
        for step in range(each)
        for number, name in enumerate(names)
    ]
    for start in range(0, len(bodies), 100):
        process([message(body) for body in bodies[start : start + 100]], store, Policy())
    return bodies


def all_are_duplicates(store, message, bodies):
    handled = []
    for start in range(0, len(bodies), 100):
        some = bodies[start : start + 100]
        handled += process([message(body) for body in some], store, Policy())
    return all(each.disposition == Delete(Outcome.DUPLICATE) for each in handled)


PURGING = """
import sys
from datetime import datetime, timedelta
from worker.core.policy import Policy
from worker.core.retention import Retention
from worker.store import open_store
from worker.store.purging import Faster, Purge
from worker.timing.retries import when_raced
store = open_store(sys.argv[1])
now = datetime.fromisoformat(sys.argv[2])
print("begun", flush=True)
while True:
    work = Purge(store, Retention(), Policy(), now)
    work.announce(at_once=True)
    try:
        for bite in work.bites():
            print(bite.rows, flush=True)
        break
    except Faster:
        pass
"""


def purging(store_url, now):
    command = [sys.executable, "-c", PURGING, store_url, now.isoformat()]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_kill_at_any_moment_leaves_each_event_or_both_its_keys(store, store_url, message):
    bodies = filled(store, message, 1_500)
    before, refolded, answers = records(store), folded(store, Policy()), blocked(store)
    now, chance, kills = mail.NOW + 300 * DAY, random.Random(17), 0
    with_newest(store)
    for _ in range(6):
        process_ = purging(store_url, now)
        process_.stdout.readline()
        for _ in range(chance.randrange(4)):
            process_.stdout.readline()
        time.sleep(chance.random() / 50)
        process_.kill()
        kills += process_.wait() == -signal.SIGKILL
        process_.stdout.close()
        with store.read_transaction() as connection:
            query = "SELECT count(*) FROM kept_keys"
            kept = connection.exec_driver_sql(query).scalar_one()
        assert count(store, "events") == len(bodies) - kept / 2
        assert folded(store, Policy()) == {key: refolded[key] for key in folded(store, Policy())}
    assert kills > 2
    purge(store, Policy(), now)
    assert count(store, "events") == 300, "who complained stays"
    assert blocked(store) == answers
    assert all_are_duplicates(store, message, bodies)
    assert records(store) == before


def test_several_purge_at_once_while_messages_are_worked_on(store, store_url, message):
    bodies = filled(store, message, 1_000)
    now = mail.NOW + 300 * DAY
    workers = [purging(store_url, now) for _ in range(2)]
    more = [
        mail.bounce(
            f"p{number}@example.com",
            feedback_id=f"n{number}",
            message_id=f"n{number}",
            at=now.isoformat(),
        )
        for number in range(600)
    ]
    for start in range(0, len(more), 20):
        some = bodies[start : start + 20]
        assert all_are_duplicates(store, message, some)
        handled = process(
            [message(body, received_at=now) for body in more[start : start + 20]], store, Policy()
        )
        assert all(each.disposition == Delete(Outcome.APPLIED) for each in handled)
    for worker in workers:
        worker.communicate()
        assert worker.returncode == 0
    assert all_are_duplicates(store, message, [*bodies, *more])
    assert records(store) == {**records(store), **folded(store, Policy())}


def test_an_event_that_a_quarantined_message_needs_stays_and_so_do_its_keys(store, message):
    body = mail.bounce(JANE, JOE, feedback_id="f", message_id="m")
    process([message(body)], store, Policy())
    with store.transaction() as transaction:
        transaction.quarantine("dead", message(body), DeadLetter(Reason.UNKNOWN_RECIPIENT, ""))
    purge(store, Policy(), mail.NOW + 300 * DAY)
    assert count(store, "events") == 2
    with store.write_transaction() as connection:
        connection.exec_driver_sql("DELETE FROM quarantine")
    purge(store, Policy(), mail.NOW + 308 * DAY)
    assert (count(store, "events"), count(store, "kept_keys")) == (0, 4)


def test_keys_go_when_their_day_is_over(store, message):
    process([message(mail.bounce(JANE))], store, Policy())
    purge(store, Policy(), mail.NOW + 91 * DAY)
    purge(store, Policy(), mail.NOW + 401 * DAY)
    assert count(store, "kept_keys") == 2
    purge(store, Policy(), mail.NOW + 403 * DAY)
    assert count(store, "kept_keys") == 0


def test_an_event_that_claims_a_time_after_its_receipt_stays_until_that_is_old(store, message):
    ahead = mail.bounce(JANE, at=(mail.NOW + 200 * DAY).isoformat())
    process([message(ahead)], store, Policy())
    purge(store, Policy(), mail.NOW + 250 * DAY)
    assert count(store, "events") == 1
    purge(store, Policy(), mail.NOW + 291 * DAY)
    assert count(store, "events") == 0
    (handled,) = process([message(ahead, received_at=mail.NOW + 292 * DAY)], store, Policy())
    assert handled.disposition == Delete(Outcome.DUPLICATE)


def test_no_kept_key_holds_an_address(store, message):
    texts = [JANE, f"{JANE} and more", "0123456789abcdef-1", "jane@example.co"]
    bodies = [
        mail.bounce(JANE, feedback_id=text, message_id=text[::-1], at="2026-01-01T00:00:00Z")
        for text in texts
    ]
    bodies.append(mail.bounce(JANE, feedback_id="", message_id=""))
    process([message(body) for body in bodies], store, Policy())
    purge(store, Policy(), mail.NOW + 300 * DAY)
    with store.read_transaction() as connection:
        kept = connection.exec_driver_sql("SELECT key FROM kept_keys").scalars().all()
    assert len(kept) >= 9
    assert all(re.fullmatch("[0-9a-f]{24}|[0-9a-f]{40}", key) for key in kept)
    assert all_are_duplicates(store, message, bodies)


def test_what_an_upgrade_would_remove_is_announced_for_a_week(store, message):
    process([message(mail.bounce(JANE))], store, Policy())
    first = mail.NOW + 200 * DAY
    for days, events in ((0, 1), (6, 1), (7, 0)):
        work = purge(store, Policy(), first + days * DAY, at_once=False)
        assert count(store, "events") == events, days
        assert work.is_announcing is bool(events)


def test_a_new_database_announces_nothing(store, message):
    purge(store, Policy(), mail.NOW, at_once=False)
    process([message(mail.bounce(JANE))], store, Policy())
    purge(store, Policy(), mail.NOW + 60 * DAY, at_once=False)
    assert count(store, "events") == 1
    work = purge(store, Policy(), mail.NOW + 91 * DAY, at_once=False)
    assert not work.is_announcing
    assert count(store, "events") == 0


def test_of_finished_notices_the_message_goes_first_and_the_rest_with_the_events(store, message):
    policy = Policy(notify=(SLACK,), notices_with_json=10)
    process([message(mail.bounce(JANE, feedback_id=name)) for name in "abc"], store, policy)
    with store.write_transaction() as connection:
        connection.execute(
            text(
                "UPDATE outbox SET state = 'delivered', finished_at = :at WHERE id < 3"
            ).bindparams(bindparam("at", mail.NOW, type_=Moment()))
        )
    purge(store, policy, mail.NOW + 15 * DAY)
    with store.read_transaction() as connection:
        query = "SELECT payload FROM outbox ORDER BY id"
        *done, waits = map(json.loads, connection.exec_driver_sql(query).scalars())
    assert all("message" not in payload for payload in done)
    assert all(payload["recipients"][0]["reported"] == JANE for payload in done)
    assert json.loads(waits["message"])["bounce"]
    purge(store, policy, mail.NOW + 300 * DAY)
    assert count(store, "outbox") == 1, "what waits stays"
