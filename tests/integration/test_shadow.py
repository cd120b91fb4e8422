"""`policy.shadow`: a second policy decides beside the policy in force, and nobody acts on it."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support import mail
from support.examples import examples
from support.policies import DAY, JANE, JOE, NOW, bodies, policies, received_at

from worker.core.folding import Fold
from worker.core.model import Address
from worker.core.policy import Policy, UnknownRecipients
from worker.process import process
from worker.store.people import people
from worker.store.reinstating import Lifting, reinstate
from worker.store.rows import FEEDBACK_COLUMNS
from worker.store.shadow import begin, begun, how_many, pairs
from worker.store.users import find_user, import_users, remove_users

steps = st.lists(
    st.tuples(
        st.just("messages"), st.lists(st.tuples(received_at, bodies()), min_size=1, max_size=5)
    )
    | st.tuples(st.just("reinstate"), st.sampled_from([[JANE], [JOE], [JANE, JOE]]))
    | st.tuples(st.just("deliver"), st.tuples(st.sampled_from([JANE, JOE]), received_at)),
    min_size=1,
    max_size=5,
)


def imported(store):
    rows = [{"email": who, "email_key": who} for who in (JANE, JOE)]
    list(import_users(store, rows, Policy()))


def shadows(store):
    with store.transaction() as transaction:
        found = transaction.shadow_users([JANE, JOE])
    return {key: record(user) for key, user in found.items()}


def record(user):
    return {name: getattr(user, name) for name in FEEDBACK_COLUMNS}


def deliver(store, message, who, at, policy):
    delivery = {"timestamp": at.isoformat(), "recipients": [who]}
    sent = {"messageId": f"{who}-{at}", "timestamp": at.isoformat()}
    body = {"notificationType": "Delivery", "delivery": delivery, "mail": sent}
    process([message(json.dumps(body), received_at=max(at, NOW))], store, policy)


def folded(store, policy):
    with store.read_transaction() as connection:
        return {
            person.key: record(person.finished(folds[0].user))
            for person, folds in people(connection, lambda start: [Fold(start, policy)])
        }


def bounce(who, days, **more):
    return mail.bounce(who, at=(NOW - days * DAY).isoformat(), **more)


@pytest.mark.hypothesis
@settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(work=steps, live=policies, other=policies)
def test_it_decides_as_if_it_were_in_force_and_changes_nothing_of_the_users(
    store, message, work, live, other
):
    with store.write_transaction() as connection:
        for table in ("events", "users", "imported_users", "shadow_users"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    imported(store)
    policy = replace(live, shadow=other, track_deliveries=True)
    for what, items in work:
        if what == "messages":
            process([message(body, received_at=at) for at, body in items], store, policy)
        elif what == "deliver":
            deliver(store, message, *items, policy)
        else:
            reinstate(
                store,
                [Address(key, key) for key in items],
                Lifting(who="joan", why="fixed", policy=policy),
            )
    expected = folded(store, other)
    found = shadows(store)
    for key, shadow in found.items():
        if key in expected:  # a delivery alone is no event
            if not other.forgives:
                shadow["last_delivery"] = expected[key]["last_delivery"]
            assert shadow == expected[key]
    alone = folded(store, live)
    for key in alone:
        user = find_user(store, key)
        assert {name: user[name] for name in FEEDBACK_COLUMNS} == alone[key]


def test_a_record_begins_as_the_user_s_own_was_before_the_batch(store, message):
    imported(store)
    live = Policy()
    process([message(bounce(JANE, 5), received_at=NOW)], store, live)
    both = replace(live, shadow=Policy(soft_bounce_pause=9 * DAY))
    soft = bounce(JANE, 1, type="Transient")
    process([message(soft, received_at=NOW), message(bounce(JOE, 1), received_at=NOW)], store, both)
    found = shadows(store)[JANE]
    assert (found["hard_bounce_count"], found["soft_bounce_count"]) == (1, 1)
    assert found["paused_until"] == NOW + 25 * DAY
    assert how_many(store) == 2


def test_it_begins_anew_when_it_was_changed_and_goes_on_when_it_was_not(store, message):
    imported(store)
    first, second = (Policy(soft_bounce_pause=days * DAY) for days in (3, 9))
    assert begun(store) is None
    assert begin(store, None) is None
    since = begin(store, first).since
    process([message(bounce(JANE, 1), received_at=NOW)], store, Policy(shadow=first))
    assert begin(store, first) is None
    assert (how_many(store), begun(store).since) == (1, since)
    assert begin(store, second).policy["soft_bounce_pause"] == "P9D"
    assert how_many(store) == 0
    process([message(bounce(JANE, 2), received_at=NOW)], store, Policy(shadow=second))
    assert begin(store, None).since >= since
    assert (how_many(store), begun(store)) == (0, None)


def test_a_removed_user_leaves_it_and_a_reinstated_user_is_lifted_there_too(store, message):
    imported(store)
    both = Policy(shadow=Policy(hard_bounce_pause=60 * DAY))
    process([message(bounce(who, 1), received_at=NOW) for who in (JANE, JOE)], store, both)
    assert {key: after.until for key, _, after in pairs(store, NOW)} == dict.fromkeys(
        (JANE, JOE), NOW + 59 * DAY
    )
    reinstate(store, [Address(JANE, JANE)], Lifting(who="joan", why="fixed"))
    remove_users(store, [JOE])
    assert [(key, after.until) for key, _, after in pairs(store, NOW)] == [(JANE, None)]
    assert how_many(store) == 1


def test_the_record_of_a_user_whom_a_bounce_creates_begins_with_what_is_on_record(store, message):
    complaint = mail.complaint(JANE, at=(NOW - 7 * DAY).isoformat())
    process([message(complaint, received_at=NOW)], store, Policy())
    creating = Policy(unknown_recipients=UnknownRecipients.CREATE)
    policy = replace(creating, shadow=replace(creating, soft_bounce_pause=9 * DAY))
    soft = mail.bounce(JANE, type="Transient", at=NOW.isoformat())
    process([message(soft, received_at=NOW)], store, policy)
    ((key, live, shadow),) = pairs(store, NOW)
    assert (key, live.reason, shadow.reason) == (JANE, "auto_block_spam", "auto_block_spam")
