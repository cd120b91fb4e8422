"""What a purge removes, what it keeps, and that nothing that was counted once counts again."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration.test_folding import emptied, folded, live, records, rows, steps
from support import mail
from support.examples import examples
from support.policies import JANE, policies

from worker.core.model import Delete, Outcome
from worker.core.policy import Policy
from worker.core.retention import Retention
from worker.process import process
from worker.store.purging import Purge
from worker.store.users import import_users
from worker.timing import clock

DAY = timedelta(days=1)
STRANGER = "stranger@example.com"
DEFAULTS = Retention()


def purge(store, policy, now, retention=DEFAULTS, *, at_once=True):
    work = Purge(store, retention, policy, now)
    work.announce(at_once=at_once)
    list(work.bites())
    return work


def barred(store):
    with store.reading() as connection:
        query = "SELECT email_key, reason, until FROM do_not_mail"
        return sorted(map(tuple, connection.exec_driver_sql(query)))


def count(store, table):
    with store.reading() as connection:
        return connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()


def forgotten(store):
    emptied(store)
    with store.writing() as connection:
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
)
def test_after_a_purge_whatever_is_seen_again_is_a_duplicate_and_nobody_s_answer_changes(
    store, message, work, policy, days, ahead, twice
):
    forgotten(store)
    list(import_users(store, rows([JANE]), policy))
    store.keep_policy({})
    from worker.app.in_force import as_kept

    store.keep_policy(as_kept(policy))
    live(store, message, work, policy)
    before, refolded, answers = records(store), folded(store, policy), barred(store)
    on_record = {name: refolded[name] for name in refolded}

    now = clock.wall() + ahead * DAY
    retention = Retention(events=days * DAY, messages=DAY, keys=max(400, days) * DAY)
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


def test_what_still_bars_a_stranger_or_a_user_stays(store, message):
    list(import_users(store, rows([JANE]), Policy()))
    bodies = [mail.complaint(STRANGER, feedback_id="s"), mail.complaint(JANE, feedback_id="j")]
    bodies += [mail.bounce(STRANGER, feedback_id="b"), mail.bounce(JANE, feedback_id="c")]
    process([message(body) for body in bodies], store, Policy())
    work = purge(store, Policy(), mail.NOW + 300 * DAY)
    assert (count(store, "events"), work.kept) == (2, 2)
    assert {key for key, *_ in barred(store)} == {STRANGER, JANE}
