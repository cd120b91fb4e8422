"""What is folded from the events on record is the record that live processing has made."""

import json
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support import mail
from support.examples import examples
from support.policies import JANE, JOE, NOW, bodies, policies, received_at

from worker.core.folding import Fold
from worker.core.model import Address, User
from worker.core.policy import Policy, UnknownRecipients
from worker.process import process
from worker.store.people import people
from worker.store.reinstating import Lifting, reinstate
from worker.store.rows import FEEDBACK_COLUMNS
from worker.store.selecting import UserFilter, all_users
from worker.store.users import import_users, remove_users

steps = st.lists(
    st.tuples(
        st.just("messages"), st.lists(st.tuples(received_at, bodies()), min_size=1, max_size=5)
    )
    | st.tuples(
        st.sampled_from(["reinstate", "remove", "import", "ignore"]),
        st.sampled_from([[JANE], [JOE], [JANE, JOE]]),
    )
    | st.tuples(st.just("deliver"), st.tuples(st.sampled_from([JANE, JOE]), received_at)),
    min_size=1,
    max_size=6,
)


numbers = count()


def rows(keys):
    return [{"email": who.title(), "email_key": who} for who in keys]


def emptied(store):
    with store.write_transaction() as connection:
        for table in ("events", "users", "imported_users", "shadow_users"):
            connection.exec_driver_sql(f"DELETE FROM {table}")


def live(store, message, work, policy):
    for what, items in work:
        if what == "messages":
            batch = [message(body, received_at=at) for at, body in items]
            process(batch, store, policy)
        elif what == "reinstate":
            reinstate(
                store,
                [Address(key, key) for key in items],
                Lifting(who="joan", why="fixed", policy=policy),
            )
        elif what == "import":
            list(import_users(store, rows(items), policy))
        elif what == "ignore":
            list(import_users(store, rows(items)))
        elif what == "deliver" and policy.forgives:
            deliver(store, message, *items, policy)
        elif what == "remove":
            remove_users(store, items)


def deliver(store, message, who, at, policy):
    delivery = {"timestamp": at.isoformat(), "recipients": [who]}
    sent = {"messageId": f"mail-{next(numbers)}", "timestamp": at.isoformat()}
    body = {"notificationType": "Delivery", "delivery": delivery, "mail": sent}
    tracking = replace(policy, track_deliveries=True)
    process([message(json.dumps(body), received_at=max(at, NOW))], store, tracking)


def records(store):
    return {
        user["email_key"]: {name: user[name] for name in FEEDBACK_COLUMNS}
        for user in all_users(store, UserFilter())
    }


def folded(store, policy):
    with store.read_transaction() as connection:
        found = {
            person.key: person.finished(folds[0].user)
            for person, folds in people(connection, lambda start: [Fold(start, policy)])
            if person.user
        }
    return {
        key: {name: getattr(user, name) for name in FEEDBACK_COLUMNS} for key, user in found.items()
    }


@pytest.mark.hypothesis
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(work=steps, policy=policies, creates=st.booleans())
@example(
    [("messages", [(NOW, mail.complaint(JANE, at=NOW.isoformat()))]), ("reinstate", [JANE])],
    Policy(),
    False,
)
def test_a_fold_equals_live_processing_whatever_came_and_in_whatever_order(
    store, message, work, policy, creates
):
    if creates:
        empty = len(work) % 2 == 0
        policy = replace(
            policy, unknown_recipients=UnknownRecipients.CREATE, begin_with_record=not empty
        )
    emptied(store)
    list(import_users(store, rows([JANE, JOE]), policy))
    live(store, message, work, policy)
    expected = records(store)
    found = folded(store, policy)
    assert found == {key: expected[key] for key in found}
    bars = [name for name in FEEDBACK_COLUMNS if name != "last_delivery"]
    empty = User(email="", email_key="")
    for key in expected.keys() - found.keys():
        assert [expected[key][name] for name in bars] == [getattr(empty, name) for name in bars]
