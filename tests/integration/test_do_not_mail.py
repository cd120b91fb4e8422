"""The view `do_not_mail`: who must not be mailed now, by the same rules as the core's."""

import json
import os
import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support import mail
from support.examples import examples

from worker.core.decide import decide
from worker.core.decode import decode
from worker.core.model import Action, User
from worker.core.past import NOTHING, past_event
from worker.core.policy import REFUSED_BY_SES, SPAREABLE, Policy
from worker.process import process
from worker.store.answers import verdict_on
from worker.store.in_force import as_kept

DAY = timedelta(days=1)
JANE, JOE = "jane@example.com", "joe@example.com"
NOW = datetime.now(UTC)
TYPES = (
    *["Permanent"] * 5,
    *["Transient"] * 3,
    "Undetermined",
    "PERMANENT",
    "transient",
    "Brandnew",
    "",
    None,
)
SUBTYPES = (
    *["General"] * 6,
    *sorted(REFUSED_BY_SES),
    "SUPPRESSED",
    "MailboxFull",
    "UnsubscribedRecipient",
    "unsubscribedrecipient",
    "XSuppressionList",
    'a"b',
    "%",
    "",
    None,
)
FEEDBACK = ("abuse", "not-spam", "NOT-SPAM", "virus", "", None)
DIAGNOSTICS = (
    "550 no such user",
    "blocked by SpamHaus",
    "antiSPAM",
    "",
    None,
    "x" * 20_000 + "Spam",
    "550 5.7.1 blocked using zen.spamhaus.org",
    "550 5.7.1 message content rejected as spam",
    "451 4.7.1 greylisted, try again later",
    "550 <antispam@example.com> no such user",
    "Abwesenheitsnotiz: bin im Urlaub",
    "smtp; 550 5.3.0 denied",
)
STATUSES = ("5.3.0", "4.2.2", "", None, None)


def listed(store, *keys):
    """What the view says about these, all at once and one by one."""
    with store.read_transaction() as connection:
        query = "SELECT email_key, reason, until FROM do_not_mail"
        rows = connection.exec_driver_sql(query).all()
    whole = {key: (reason, as_time(until)) for key, reason, until in rows}
    assert len(rows) == len(whole)
    for key in keys:
        verdict = verdict_on(store, key)
        assert (verdict.reason, verdict.until) == whole.get(key, (None, None))
    return whole


def as_time(value):
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


def barred(user):
    """What the view must show about a user with this record; None: mail may go there."""
    if user.auto_block_spam:
        return ("auto_block_spam", None)
    if user.paused_until and user.paused_until > datetime.now(UTC):
        return (user.pause_reason, user.paused_until)
    return None


def folded(bodies, policy, key, user=None):
    """The record that the core makes of a person's events."""
    user = user or User(email=key, email_key=key)
    past = NOTHING
    for received_at, body in bodies:
        for feedback in decode(body):
            if feedback.address and feedback.address.key == key:
                decision = decide(feedback, user, policy, received_at, past)
                user = decision.user
                past = past.and_then(past_event(feedback, decision.occurred_at, policy))
    return user


def taken_in(store, message, bodies, policy):
    for received_at, body in bodies:
        process([message(body, received_at=received_at)], store, policy)


def emptied(store):
    with store.write_transaction() as connection:
        for table in ("events", "users"):
            connection.exec_driver_sql(f"DELETE FROM {table}")


days = st.integers(-70, 3).map(lambda days: NOW + days * DAY)
moments = st.integers(-70 * 86_400_000, 0).map(lambda ms: NOW + timedelta(milliseconds=ms))
times = (days | moments).map(datetime.isoformat)
people = st.sampled_from([[JANE], [JANE], [JANE, JOE], [JOE, "no address"]])


@st.composite
def bounces(draw):
    entries = [
        mail.recipient(
            who,
            diagnosticCode=draw(st.sampled_from(DIAGNOSTICS)),
            status=draw(st.sampled_from(STATUSES)),
            action=draw(st.sampled_from(["failed", None, None])),
        )
        for who in draw(people)
    ]
    type_, subtype = draw(st.sampled_from(TYPES)), draw(st.sampled_from(SUBTYPES))
    return mail.bounce(*entries, type=type_, subtype=subtype, at=draw(times | st.just("never")))


@st.composite
def complaints(draw):
    feedback, subtype = draw(st.sampled_from(FEEDBACK)), draw(st.sampled_from(SUBTYPES))
    return mail.complaint(*draw(people), feedback=feedback, subtype=subtype, at=draw(times))


plain_bounces = st.builds(
    lambda sort, at: mail.bounce(JANE, type=sort[0], subtype=sort[1], at=at.isoformat()),
    st.sampled_from(
        [("Permanent", "General"), ("Permanent", "Suppressed"), *[("Transient", "MailboxFull")] * 3]
    ),
    st.integers(-120, 0).map(lambda days: NOW + days * DAY),
)
"""What pauses most users: the dates of these events are what decides."""
received = st.integers(0, 60).map(lambda days: NOW - timedelta(days=days, seconds=1))
all_at_once = st.lists(st.tuples(st.just(NOW), plain_bounces), min_size=2, max_size=9)
bodies = all_at_once | st.lists(
    st.tuples(received, plain_bounces | bounces() | complaints()), min_size=1, max_size=6
)
pauses = st.sampled_from([timedelta(0), DAY, 1.5 * DAY, 30 * DAY, 60 * DAY, 4 * 10**6 * DAY])
names = st.sampled_from(
    [
        "Permanent/General",
        "Transient/General",
        "PERMANENT/suppressed",
        "Permanent/*",
        "Transient/*",
        "Undetermined/*",
    ]
)
policies = st.builds(
    Policy,
    hard_bounce_pause=pauses,
    soft_bounce_pause=pauses,
    bounce_actions=st.dictionaries(names, st.sampled_from(Action), max_size=3),
    spare_faults=st.frozensets(st.sampled_from(SPAREABLE)),
    soft_bounces_to_pause=st.sampled_from([1, 1, 2, 3]),
    soft_bounce_window=st.sampled_from([DAY, 10 * DAY, 90 * DAY]),
    repeat_pause=st.sampled_from([timedelta(0), timedelta(0), 2 * DAY, 90 * DAY, 4 * 10**6 * DAY]),
    ignore_out_of_office=st.booleans(),
    trust_status=st.booleans(),
    complaint_block=st.sampled_from([timedelta(0), 30 * DAY, 60 * DAY]),
)


def bounce(who, days=0, **more):
    return mail.bounce(who, at=(NOW - days * DAY).isoformat(), **more)


def at_once(*bodies):
    return [(NOW, body) for body in bodies]


REFUSED = {"subtype": "Suppressed"}
SOFT = {"type": "Transient", "subtype": "MailboxFull"}
COUNTING = Policy(soft_bounces_to_pause=3, soft_bounce_window=10 * DAY)
REPEATING = Policy(repeat_pause=60 * DAY)


@pytest.mark.hypothesis
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(bodies=bodies, policy=policies)
@example(at_once(bounce(JANE, 9, **REFUSED), bounce(JANE, 2, **REFUSED)), Policy())
@example(at_once(bounce(JANE, 9), bounce(JANE, 2, **REFUSED)), Policy())
@example(at_once(bounce(JANE, 9), bounce(JANE, 2)), Policy())
@example(
    at_once(bounce(JANE, 9), bounce(JANE, 9, type="Transient")), Policy(soft_bounce_pause=30 * DAY)
)
@example(at_once(bounce(JANE, 9)), Policy(hard_bounce_pause=4 * 10**6 * DAY))
@example(
    at_once(bounce(mail.recipient(JANE, diagnosticCode="550 blocked by SpamHaus"))),
    Policy(spare_faults=frozenset({"sender"})),
)
@example(at_once(bounce(JANE)), Policy(bounce_actions={"Permanent/General": Action.NO_ACTION}))
@example(at_once(*(bounce(JANE, days, **SOFT) for days in (9, 5, 0.5))), COUNTING)
@example(at_once(*(bounce(JANE, days, **SOFT) for days in (31, 5, 0.5))), COUNTING)
@example(at_once(*(bounce(JANE, days, **SOFT) for days in (90, 50, 2))), REPEATING)
@example(at_once(*(bounce(JANE, days, **SOFT) for days in (50.5, 50, 2))), REPEATING)
@example(at_once(bounce(JANE, 2, **REFUSED), bounce(JANE, 80), bounce(JANE, 40)), REPEATING)
@example(at_once(bounce(JANE, 0.5, **SOFT)), Policy(trust_status=True))
@example(at_once(bounce(JANE, 0.5, type="Transient")), Policy(ignore_out_of_office=True))
def test_events_of_an_address_that_is_no_user_bar_it_as_they_would_bar_a_user(
    store, message, bodies, policy
):
    expected = {key: barred(folded(bodies, policy, key)) for key in (JANE, JOE)}
    soon = datetime.now(UTC) + timedelta(minutes=1)
    for key in expected:
        until = folded(bodies, policy, key).paused_until
        assume(until is None or not soon - timedelta(minutes=5) < until < soon)
    emptied(store)
    store.keep_policy(as_kept(policy))
    taken_in(store, message, bodies, policy)
    assert listed(store, JANE, JOE) == {key: why for key, why in expected.items() if why}


def written(store, user):
    with store.write_transaction() as connection:
        statement = (
            "INSERT INTO users (email, email_key, auto_block_spam, paused_until, pause_reason)"
            " VALUES ({}, {}, {}, {}, {})"
        )
        values = (
            user.email,
            user.email_key,
            str(user.auto_block_spam).lower(),
            user.paused_until and f"{user.paused_until:%Y-%m-%d %H:%M:%S.%f}",
            user.pause_reason,
        )
        plain = [
            "NULL" if value is None else value if value in {"true", "false"} else f"'{value}'"
            for value in values
        ]
        connection.exec_driver_sql(statement.format(*plain))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, None),
        ({"auto_block_spam": True}, ("auto_block_spam", None)),
        ({"paused_until": NOW + DAY, "pause_reason": "soft_bounce"}, ("soft_bounce", NOW + DAY)),
        ({"paused_until": NOW + DAY}, ("paused", NOW + DAY)),
        ({"paused_until": NOW - DAY, "pause_reason": "soft_bounce"}, None),
        (
            {"paused_until": NOW + DAY, "pause_reason": "soft_bounce", "auto_block_spam": True},
            ("auto_block_spam", None),
        ),
    ],
)
def test_a_user_is_judged_by_the_record_alone_whatever_the_events(store, message, record, expected):
    taken_in(store, message, [(NOW, mail.complaint(JANE)), (NOW, bounce(JANE))], Policy())
    assert listed(store, JANE) == {JANE: ("auto_block_spam", None)}
    written(store, replace(User(email="Jane@example.com", email_key=JANE), **record))
    assert listed(store, JANE) == ({JANE: expected} if expected else {})
    with store.read_transaction() as connection:
        spelled = connection.exec_driver_sql("SELECT email FROM do_not_mail").scalars().all()
    assert spelled == (["Jane@example.com"] if expected else [])


def test_a_removed_user_is_judged_by_the_events_again(store, message):
    from worker.store.users import remove_users

    written(store, User(email=JANE, email_key=JANE))
    taken_in(store, message, [(NOW, mail.complaint(JANE))], Policy())
    assert remove_users(store, [JANE, JOE]) == {JANE}
    assert listed(store, JANE) == {JANE: ("auto_block_spam", None)}


@pytest.mark.parametrize("policy", [COUNTING, REPEATING], ids=["counting", "repeating"])
def test_a_removed_user_is_judged_by_what_a_delivery_forgave(store, message, policy):
    from worker.store.users import remove_users

    policy = replace(policy, track_deliveries=True)
    written(store, User(email=JANE, email_key=JANE))
    store.keep_policy(as_kept(policy))
    at = (NOW - timedelta(hours=2)).isoformat()
    text = {"timestamp": at, "recipients": [JANE]}
    delivery = json.dumps({"notificationType": "Delivery", "delivery": text, "mail": {}})
    bodies = [bounce(JANE, days, **SOFT) for days in (40, 9, 5, 0.5)]
    taken_in(store, message, at_once(*bodies), policy)
    assert set(listed(store, JANE)) == {JANE}
    taken_in(store, message, at_once(delivery), policy)
    expected = set(listed(store, JANE))
    assert expected == (set() if policy.forgives else {JANE})
    remove_users(store, [JANE])
    assert set(listed(store, JANE)) == expected


def test_events_without_an_address_bar_nobody(store, message):
    taken_in(store, message, [(NOW, mail.complaint()), (NOW, mail.bounce("nonsense"))], Policy())
    assert listed(store, "") == {}


def test_pauses_are_those_of_the_policy_in_force_and_at_first_the_default_ones(store, message):
    bodies = [(NOW, bounce(JANE, days=5)), (NOW, bounce(JOE, days=0.5, type="Transient"))]
    taken_in(store, message, bodies, Policy())
    assert set(listed(store, JANE, JOE)) == {JANE, JOE}
    store.keep_policy(as_kept(Policy(hard_bounce_pause=4 * DAY)))
    assert set(listed(store, JANE, JOE)) == {JOE}
    store.keep_policy(as_kept(Policy(bounce_actions={"Transient/*": Action.AUTO_BLOCK_SPAM})))
    assert listed(store, JANE, JOE)[JOE] == ("auto_block_spam", None)
    store.keep_policy(as_kept(Policy(soft_bounce_pause=timedelta(hours=1))))
    assert set(listed(store, JANE, JOE)) == {JANE}


def test_a_policy_is_written_when_it_has_changed_and_returned_as_it_was(store):
    first, second = as_kept(Policy()), as_kept(Policy(hard_bounce_pause=DAY))
    assert store.keep_policy(first) == {}
    assert store.keep_policy(first) == first
    assert store.keep_policy(second) == first
    with store.read_transaction() as connection:
        assert dict(connection.exec_driver_sql("SELECT * FROM policy").all()) == second


def test_two_workers_that_write_their_policies_at_once_leave_either_policy(postgresql_url):
    from concurrent.futures import ThreadPoolExecutor

    from worker.store import ensure_schema, open_store

    stores = [open_store(postgresql_url) for _ in range(4)]
    ensure_schema(stores[0], migrate=True)
    policies = [
        as_kept(Policy(bounce_actions={f"Transient/X{n}{i}": Action.NO_ACTION for i in range(9)}))
        for n in range(4)
    ]
    with ThreadPoolExecutor() as pool:
        for _ in range(10):
            list(pool.map(lambda store, policy: store.keep_policy(policy), stores, policies))
    assert stores[0].keep_policy({}) in policies
    for store in stores:
        store.close()


def test_a_sqlite_file_is_searched_by_its_indexes_for_an_address(tmp_path):
    from worker.store import ensure_schema, open_store

    ensure_schema(open_store(f"sqlite:///{tmp_path / 'worker.db'}"), migrate=True)
    with closing(sqlite3.connect(tmp_path / "worker.db")) as connection:
        query = "EXPLAIN QUERY PLAN SELECT reason, until FROM do_not_mail WHERE email_key = ?"
        steps = [step for (*_, step) in connection.execute(query, (JANE,))]
    assert "SEARCH events USING INDEX events_bucket (<expr>=? AND recipient=?)" in steps, steps
    assert steps.count("SEARCH events USING INDEX events_bucket (<expr>=? AND recipient=?)") == 1
    assert [step for step in steps if step.startswith("SEARCH users USING INDEX")], steps
    assert not [step for step in steps if step.startswith(("SCAN events", "SCAN users"))], steps


def test_postgresql_is_searched_by_its_indexes_for_an_address(postgresql_url):
    from worker.store import ensure_schema, open_store

    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    with store.read_transaction() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # the tables are empty
        query = "EXPLAIN SELECT reason, until FROM do_not_mail WHERE email_key = 'jane@example.com'"
        plan = "\n".join(connection.exec_driver_sql(query).scalars())
    assert "events_recipient" in plan
    assert "Index Cond: (recipient = 'jane@example.com'::text)" in plan
    assert "Seq Scan on events" not in plan
    assert "Seq Scan on users" not in plan
    store.close()


def test_events_of_an_older_database_count(store_url, monkeypatch):
    from worker.store import ensure_schema, migrate, open_store

    store = open_store(store_url)
    upgrade = migrate.command.upgrade
    monkeypatch.setattr(migrate.command, "upgrade", lambda config, _: upgrade(config, "0007"))
    migrate.upgrade(store)
    monkeypatch.undo()
    written(store, User(email=JOE, email_key=JOE, auto_block_spam=True))
    with store.write_transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO events (dedupe_key, route_key, kind, recipient, recipient_as_reported,"
            " user_match, action, reason, occurred_at, received_at, feedback_id, ses_message_id,"
            f" diagnostic, status) VALUES ('a', 'b', 'bounce', '{JANE}', '{JANE}', 'missing',"
            " 'no_action', 'unknown_recipient', '2026-11-20 08:15:33', '2026-11-20 08:15:34', 'c',"
            " 'd', 'smells of Spam', '5.7.1')"
        )
    assert ensure_schema(store, migrate=True) == tuple(f"{number:04}" for number in range(8, 16))
    assert set(listed(store, JANE, JOE)) == {JANE, JOE}
    store.close()


def test_a_role_of_an_application_in_postgresql_needs_the_right_to_the_views_alone(postgresql_url):
    from worker.store import ensure_schema, open_store

    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    store.close()
    document = (Path(__file__).parents[2] / "docs" / "database.md").read_text()
    (grant,) = re.findall(r"`(GRANT SELECT ON .*) TO app`", document)
    role = f"app_{os.getpid()}_{time.time_ns()}"  # roles are the whole server's
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}")
        try:
            connection.execute(f"{grant} TO {role}")
            connection.execute(f"SET ROLE {role}")
            for view in ("do_not_mail", "events_by_recipient"):
                assert connection.execute(f"SELECT * FROM {view}").fetchall() == []
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM events")
        finally:
            connection.execute("RESET ROLE")
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")
