"""Policies that ask for earlier events, on the databases: what is read, and what is kept."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select
from support.examples import examples
from support.remembering import DAY, SORTS, WHO, event, kept, on

from worker.core.past import MOST_PAST
from worker.core.policy import Policy
from worker.process import process
from worker.store.rows import FEEDBACK_COLUMNS
from worker.store.schema import events, users
from worker.store.users import import_users

THREE = Policy(soft_bounces_to_pause=3, soft_bounce_window=7 * DAY, track_deliveries=True)
POLICIES = (
    THREE,
    Policy(repeat_pause=60 * DAY),
    replace(THREE, repeat_pause=60 * DAY, complaint_block=5 * DAY, trust_status=True),
)
happenings = st.lists(
    st.builds(event, st.sampled_from([*SORTS, "soft", "soft"]), st.integers(0, 9)),
    min_size=1,
    max_size=9,
)


@pytest.fixture
def take(store, message):
    """Write these bodies in batches of a size, into a store that has Jane alone."""

    def take(bodies, policy, size=1):
        for start in range(0, len(bodies), size):
            batch = [message(body, received_at=on(400)) for body in bodies[start : start + size]]
            process(batch, store, policy)

    return take


def begin_anew(store):
    with store.write_transaction() as connection:
        connection.execute(events.delete())
        connection.execute(users.delete())
    list(import_users(store, [{"email": WHO, "email_key": WHO}]))


def record(store):
    with store.read_transaction() as connection:
        return dict(connection.execute(select(users)).mappings().one())


def rows(store, kind):
    with store.read_transaction() as connection:
        query = select(events).where(events.c.kind == kind).order_by(events.c.id)
        return [dict(row) for row in connection.execute(query).mappings()]


@pytest.mark.hypothesis
@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(happenings, st.sampled_from(POLICIES), st.data())
def test_a_database_keeps_what_the_core_decides_in_any_order_and_batches(
    store, take, bodies, policy, data
):
    order = data.draw(st.permutations(bodies + data.draw(st.lists(st.sampled_from(bodies)))))
    size = data.draw(st.integers(1, 4))
    begin_anew(store)
    take(order, policy, size)
    expected = kept(bodies, policy).user
    found = record(store)
    assert {name: found[name] for name in FEEDBACK_COLUMNS} == {
        name: getattr(expected, name) for name in FEEDBACK_COLUMNS
    }


def test_a_delivery_that_forgives_is_an_event_of_its_own(store, take):
    begin_anew(store)
    take([event("soft", 1), event("soft", 2), event("delivery", 3), event("delivery", 4)], THREE)
    (row,) = rows(store, "forgiveness")
    assert (row["recipient"], row["occurred_at"], row["received_at"]) == (WHO, on(3), on(400))
    assert (row["action"], row["reason"], row["user_match"]) == ("no_action", "delivered", "found")
    assert "@" not in row["dedupe_key"] + row["route_key"]
    assert record(store)["last_delivery"] == on(4)


def test_a_delivery_that_came_before_an_older_soft_bounce_becomes_a_row_then(store, take):
    begin_anew(store)
    take([event("delivery", 3)], THREE)
    assert rows(store, "forgiveness") == []
    take([event("soft", 1)], THREE)
    assert [row["occurred_at"] for row in rows(store, "forgiveness")] == [on(3)]
    assert rows(store, "bounce")[0]["reason"] == "transient:forgiven"


def test_events_from_before_the_address_was_a_user_count(store, take):
    take([event("soft", 1), event("soft", 2)], THREE)
    list(import_users(store, [{"email": WHO, "email_key": WHO}]))
    take([event("soft", 3)], THREE)
    assert record(store)["paused_until"] == on(4)


def test_of_an_address_that_bounces_for_ever_the_newest_events_are_read(store, take):
    begin_anew(store)
    oldest = [event("hard", 0.5 + number / 1_000) for number in range(10)]
    take([*oldest, *(event("soft", 1 + number / 50) for number in range(MOST_PAST))], THREE, 200)
    with store.transaction() as transaction:
        past = transaction.past([WHO, "nobody@example.com"])
    assert list(past) == [WHO]
    assert len(past[WHO]) == MOST_PAST
    assert min(item.occurred_at for item in past[WHO]) == on(1)
    assert record(store)["pause_reason"] == "hard_bounce"


def test_events_of_an_older_version_are_judged_by_their_texts(store, take):
    begin_anew(store)
    take([event("out_of_office", 1), event("5.x.x", 2), event("spam", 3)], THREE)
    with store.write_transaction() as connection:
        nothing = dict.fromkeys(("mentions_spam", "out_of_office", "permanent_status"))
        connection.execute(events.update().values(**nothing))
    with store.transaction() as transaction:
        found = [item.feedback for item in transaction.past([WHO])[WHO]]
    assert [each.out_of_office for each in found] == [False, False, True]
    assert [each.permanent_status for each in found] == [False, True, False]
    assert [each.recipient.mentions_spam for each in found] == [True, False, False]
