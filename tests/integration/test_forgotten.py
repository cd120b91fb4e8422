"""Forgotten people on both databases: what stays of them, and what a late event may still do."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from support import mail

from worker.core.address import parse_address
from worker.core.effects import Lane
from worker.core.errors import Misconfigured
from worker.core.messages import Delete
from worker.core.model import Outcome
from worker.core.naming import names_people
from worker.core.outbox.others import entry_for_requested_removal
from worker.core.payloads import Removal
from worker.core.policy import Policy, UnknownRecipients
from worker.core.privacy import PrivacyKey
from worker.core.rate_limit import RateLimit
from worker.core.unit_of_work import UnitOfWork
from worker.process import process
from worker.store.forgetting import Forgetting, leave_tombstones, look
from worker.store.forgotten_removals import drop_removals
from worker.store.outbox import Outbox
from worker.store.schema import events, forgotten, metadata, new_counts, outbox, users
from worker.store.tombstones import forgotten_among
from worker.store.traces import Fate, traces
from worker.store.users import import_users

KEY = PrivacyKey("3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4")
OTHER_KEY = PrivacyKey("4f1c0b7d9e2a4c5b8d6f7e8091a2b3c4")
POLICY = Policy(privacy_key=KEY, notify=(Lane("slack"),))
JANE, BOB = "jane@example.com", "bob@example.com"
FIVE = ["ann@example.com", BOB, JANE, "joe@example.org", "mary@example.net"]
LATE = mail.NOW + timedelta(days=400)
"""When a late event is received; its own time may be before the person was forgotten."""


def rows(store, table):
    with store.read_transaction() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def forget(store, *keys, also_unblock=False, key=KEY):
    forgetting = Forgetting(
        keys=list(keys), privacy_key=key, policy=POLICY, also_unblock=also_unblock
    )
    leave_tombstones(store, forgetting)
    return list(
        traces(store, list(keys), changing=True, redact_message=lambda *_: {}, watch=lambda _: None)
    )


def add_users(store, *addresses):
    rows = ({"email": address, "email_key": address.lower()} for address in addresses)
    list(import_users(store, rows))


def run(store, message, *bodies, policy=POLICY, **how):
    return process([message(body, **how) for body in bodies], store, policy)


def outcomes(handled):
    return [result.disposition.outcome for result in handled]


def tombstone(store, address=JANE):
    return forgotten_among(store, [address], KEY).get(address)


def names(store, address):
    """The tables in which an address is, however it is spelled."""
    found = {}
    for table in metadata.sorted_tables:
        written = [
            bytes(value).decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for row in rows(store, table)
            for value in row.values()
        ]
        if names_people(written, [address]):
            found[table.name] = written
    return found


def test_a_person_is_gone_from_every_table_and_the_block_stays(store, message):
    add_users(store, *FIVE)
    now = datetime.now(UTC)
    bounced_at = now - timedelta(days=3)
    bounce = mail.enveloped(mail.bounce(*FIVE, at=bounced_at.isoformat()))
    run(store, message, bounce, mail.complaint(JANE), received_at=now)
    before = {row["email_key"]: row for row in rows(store, users)}
    forget(store, JANE)
    assert not names(store, JANE)
    after = {row["email_key"]: row for row in rows(store, users)}
    assert after == {key: row for key, row in before.items() if key != JANE}
    assert sorted(row["recipient"] for row in rows(store, events)) == sorted({*FIVE} - {JANE})
    assert tombstone(store).blocked
    assert tombstone(store).paused_until == bounced_at + POLICY.hard_bounce_pause
    (row,) = rows(store, forgotten)
    assert row["key_id"] == KEY.key_id


def test_the_other_four_of_a_notice_lose_nothing(store, message):
    add_users(store, *FIVE)
    run(store, message, mail.bounce(*FIVE))
    (before,) = rows(store, outbox)
    assert {trace.fate for trace in forget(store, JANE)} == {Fate.REDACTED}
    (after,) = rows(store, outbox)
    recipients = json.loads(before["payload"])["recipients"]
    assert json.loads(after["payload"])["recipients"] == [
        each for each in recipients if each["reported"] != JANE
    ]
    assert json.loads(after["summary"])["domains"] == {
        "example.com": 2, "example.org": 1, "example.net": 1,
    }  # fmt: skip
    same = {"payload", "summary"}
    assert {k: v for k, v in after.items() if k not in same} == {
        k: v for k, v in before.items() if k not in same
    }


@pytest.mark.parametrize("local", ["=?UTF-8?B?asO8cmdlbg==?=", "=?utf-8?q?j=C3=BCrgen?="])
def test_an_address_that_ses_reports_in_encoded_words_goes_from_notices(store, message, local):
    """SES mails to local parts that are not ASCII only if they are spelled so."""
    run(store, message, mail.bounce(f"{local}@example.com", BOB))
    recipient = mail.recipient(BOB, diagnosticCode=f"550 <{local}@example.com> is gone")
    run(store, message, mail.bounce(recipient))
    assert names(store, "jürgen@example.com").keys() == {"events", "outbox"}
    forget(store, "jürgen@example.com")
    assert not names(store, "jürgen@example.com")
    assert local not in str([rows(store, table) for table in metadata.sorted_tables])
    assert {row["recipient"] for row in rows(store, events)} == {BOB}


def test_a_notice_about_nobody_else_goes(store, message):
    run(store, message, mail.bounce(JANE))
    assert [trace.fate for trace in forget(store, JANE)] == [Fate.DELETED]
    assert not rows(store, outbox)


@pytest.mark.parametrize("unknown", UnknownRecipients)
def test_a_late_event_is_ignored_and_brings_nobody_back(store, message, unknown):
    policy = replace(POLICY, unknown_recipients=unknown)
    run(store, message, mail.bounce(JANE), policy=POLICY)
    forget(store, JANE)
    before = rows(store, new_counts)
    late = mail.bounce("Jane@Example.COM"), mail.enveloped(mail.complaint(JANE))
    for _ in range(2):
        handled = run(store, message, *late, policy=policy, received_at=LATE)
        assert outcomes(handled) == [Outcome.IGNORED] * 2
        assert {each.ignored.kind for each in handled} == {"Forgotten"}
    assert not names(store, JANE)
    assert not rows(store, users) + rows(store, events) + rows(store, outbox)
    assert len(rows(store, new_counts)) == len(before) + 2, "they are counted"


def test_what_was_received_before_is_not_counted_again(store, message):
    forget(store, JANE)
    run(store, message, mail.bounce(JANE), receive_count=2)
    assert not rows(store, new_counts)
    off = replace(POLICY, count_events=False)
    run(store, message, mail.bounce(JANE), policy=off)
    assert not rows(store, new_counts)


def test_when_a_person_of_five_is_forgotten_four_lose_nothing(store, message):
    add_users(store, *FIVE)
    forget(store, JANE)
    body = mail.enveloped(mail.bounce(*FIVE))
    assert outcomes(run(store, message, body)) == [Outcome.APPLIED]
    assert sorted(row["recipient"] for row in rows(store, events)) == sorted({*FIVE} - {JANE})
    assert not names(store, JANE)
    (notice,) = rows(store, outbox)
    assert len(json.loads(notice["payload"])["recipients"]) == 4
    assert outcomes(run(store, message, body)) == [Outcome.DUPLICATE]


def test_a_person_to_whom_the_mail_went_is_not_in_the_notice_about_others(store, message):
    forget(store, JANE)
    body = json.loads(mail.bounce({"emailAddress": BOB, "diagnosticCode": f"550 for <{JANE}>"}))
    body["mail"]["destination"] = [BOB, JANE]
    run(store, message, json.dumps(body))
    assert not names(store, JANE)
    (event,) = rows(store, events)
    assert event["diagnostic"] == "550 for <***@example.com>"


@pytest.mark.parametrize("policy", [POLICY, replace(POLICY, notify=())])
def test_texts_of_later_events_of_others_do_not_bring_the_person_back(store, message, policy):
    """She is no recipient there: a header names her, or the answer of a mail server does."""
    forget(store, JANE)
    diagnostic = f"smtp; 550 5.1.1 <Jane@Example.com>: forwarded, x={JANE}."
    body = json.loads(mail.bounce(mail.recipient(BOB, diagnosticCode=diagnostic)))
    body["mail"]["headers"] = [{"name": "Cc", "value": f'"Doe, Jane" <{JANE}>, ann@example.com'}]
    body["mail"]["commonHeaders"] = {"cc": [f"Jane Doe <{JANE}>", "ann@example.com"]}
    assert outcomes(run(store, message, json.dumps(body), policy=policy)) == [Outcome.APPLIED]
    assert not names(store, JANE)
    (event,) = rows(store, events)
    assert event["diagnostic"].startswith("smtp; 550 5.1.1 <***@Example.com>: forwarded")
    for notice in rows(store, outbox):
        assert "ann@example.com" in notice["payload"]


def test_a_late_complaint_blocks_and_a_late_bounce_pauses_for_longer(store, message):
    forget(store, JANE)
    assert not tombstone(store).blocked
    now = tombstone(store).forgotten_at
    bounce = mail.bounce(JANE, at=now.isoformat())
    run(store, message, bounce, received_at=now + timedelta(seconds=1))
    paused = tombstone(store).paused_until
    assert paused == now + POLICY.hard_bounce_pause
    older = mail.bounce(JANE, at=(now - timedelta(days=3)).isoformat())
    run(store, message, older, received_at=now + timedelta(seconds=1))
    assert tombstone(store).paused_until == paused, "it becomes no shorter"
    run(store, message, mail.complaint(JANE), received_at=now + timedelta(seconds=1))
    assert tombstone(store).blocked
    assert tombstone(store).paused_until == paused
    assert not rows(store, users) + rows(store, events) + rows(store, outbox)


def test_a_forgotten_person_who_is_forgotten_again_stays_blocked(store, message):
    run(store, message, mail.complaint(JANE))
    forget(store, JANE)
    before = tombstone(store)
    forget(store, JANE)
    assert tombstone(store) == before


def test_a_block_that_is_dropped_is_not_set_again_by_the_same_complaint(store, message):
    complaint = mail.complaint(JANE)
    run(store, message, complaint)
    forget(store, JANE, also_unblock=True)
    assert not tombstone(store).blocked
    run(store, message, complaint, received_at=LATE)
    assert not tombstone(store).blocked
    newer = mail.complaint(JANE, at=LATE.isoformat())
    run(store, message, newer, received_at=LATE)
    assert tombstone(store).blocked


def test_events_of_others_that_name_the_person_have_the_address_masked(store, message):
    diagnostic = f"550 mail for {JANE} was forwarded here, not for mary.{JANE}"
    run(store, message, mail.bounce({"emailAddress": BOB, "diagnosticCode": diagnostic}))
    forget(store, JANE)
    assert not names(store, JANE)
    (event,) = rows(store, events)
    assert event["diagnostic"] == (
        f"550 mail for ***@example.com was forwarded here, not for mary.{JANE}"
    )


@pytest.mark.parametrize(
    ("key", "error"), [(None, "privacy.key is not set"), (OTHER_KEY, "privacy.key has changed")]
)
def test_without_the_key_nobody_is_recognised_and_nothing_is_decided(store, message, key, error):
    forget(store, JANE)
    policy = replace(POLICY, privacy_key=key)
    (handled,) = run(store, message, mail.bounce(BOB), policy=policy)
    assert isinstance(handled.error, Misconfigured)
    assert error in str(handled.error)
    assert KEY.key_id in str(handled.error)
    assert handled.met_an_outage, "it stays in the queue"
    assert not rows(store, events)
    with pytest.raises(Misconfigured, match=error):
        forgotten_among(store, [BOB], key)
    if key:
        with pytest.raises(Misconfigured, match=error):
            forget(store, BOB, key=key)


@pytest.mark.parametrize("feedback_id", ["key id:x", "x is the key id", "2026-11-30 00:00:00 UTC"])
def test_no_untrusted_id_is_taken_for_a_key(store, message, feedback_id):
    body = mail.bounce(BOB, feedback_id=feedback_id, message_id=feedback_id)
    assert outcomes(run(store, message, body, policy=Policy())) == [Outcome.APPLIED]
    assert outcomes(run(store, message, body, policy=Policy())) == [Outcome.DUPLICATE]
    forget(store, JANE)
    assert outcomes(run(store, message, body)) == [Outcome.DUPLICATE]


def test_who_was_never_forgotten_needs_no_key(store, message):
    policy = replace(POLICY, privacy_key=None)
    assert outcomes(run(store, message, mail.bounce(BOB), policy=policy)) == [Outcome.APPLIED]
    assert forgotten_among(store, [BOB], None) == {}


def test_a_look_changes_nothing_and_counts_everything(store, message):
    add_users(store, JANE)
    run(store, message, mail.bounce(JANE), mail.complaint(JANE))
    before = {table.name: rows(store, table) for table in metadata.sorted_tables}
    forgetting = Forgetting(keys=[JANE], privacy_key=KEY, policy=POLICY)
    (found,) = look(store, forgetting)
    assert found.rows == {
        "users": 1, "shadow_users": 0, "imported_users": 0, "events": 2, "removals": 0,
    }  # fmt: skip
    assert found.blocked
    looked = traces(store, [JANE], changing=False, redact_message=lambda *_: {}, watch=print)
    assert [trace.fate for trace in looked] == [Fate.DELETED] * 2
    assert {table.name: rows(store, table) for table in metadata.sorted_tables} == before


def test_nobody_decides_while_a_person_is_being_forgotten(store, message):
    """A message is decided before, and its rows go; or after, and it is ignored."""
    add_users(store, *FIVE)
    bodies = [mail.bounce(*FIVE) for _ in range(60)]
    stopped = threading.Event()
    handled = []

    def work():
        for body in bodies:
            handled.extend(run(store, message, body))
        stopped.set()

    thread = threading.Thread(target=work)
    thread.start()
    while len(handled) < 10 and not stopped.is_set():
        pass
    forget(store, JANE)
    thread.join()
    traced = traces(store, [JANE], changing=False, redact_message=lambda *_: {}, watch=print)
    assert not list(traced), "one search behind the tombstones finds all there is"
    assert not names(store, JANE)
    assert all(isinstance(each.disposition, Delete) for each in handled)
    counts = [row["recipient"] for row in rows(store, events)]
    assert {counts.count(person) for person in FIVE if person != JANE} == {60}


def test_a_worker_that_has_read_less_weakens_no_tombstone(store, message):
    """In PostgreSQL two workers may decide at once about somebody who is no user."""
    run(store, message, mail.complaint(JANE))
    forget(store, JANE)
    before = tombstone(store)
    for paused_until in (LATE, None, mail.NOW):
        unit = UnitOfWork(POLICY, (), {})
        unit.tombstones = {JANE: replace(before, blocked=False, paused_until=paused_until)}
        with store.transaction() as transaction:
            transaction.save(unit)
        assert tombstone(store) == replace(before, paused_until=LATE)


class TestRemovalsFromTheSuppressionList:
    """A worker that carries out a removal writes about the person."""

    @pytest.fixture
    def claimable(self, store):
        address = parse_address(JANE)
        removal = Removal(
            reported=JANE, mailed=JANE, key=JANE, type="x", subtype=None, occurred_at=mail.NOW
        )
        entry = entry_for_requested_removal(address, removal, name="asked", created_at=mail.NOW)
        Outbox(store).enqueue([entry])
        limit = RateLimit(name="asked_removals:x", per_second=100)
        return lambda: Outbox(store).claim(entry.lane, limit)

    def test_what_nobody_carries_out_is_dropped_and_cannot_be_begun_later(self, store, claimable):
        dropped, under_way = drop_removals(store, [JANE])
        assert ([trace.fate for trace in dropped], under_way) == ([Fate.DELETED], 0)
        assert claimable().effects == ()
        assert not rows(store, outbox)

    def test_what_a_worker_carries_out_is_waited_for_and_not_tried_again(self, store, claimable):
        claimed = claimable()
        assert len(claimed.effects) == 1
        assert drop_removals(store, [BOB]) == ([], 0)
        assert drop_removals(store, [JANE]) == ([], 1)
        assert len(rows(store, outbox)) == 1
        Outbox(store).not_yet(claimed, "not listed yet", 0, lambda *_: ())
        assert drop_removals(store, [JANE])[1] == 0
        assert claimable().effects == ()


def test_a_probe_needs_no_key_although_people_were_forgotten(store):
    forget(store, JANE)
    before = {table.name: rows(store, table) for table in metadata.sorted_tables}
    store.probe()
    assert {table.name: rows(store, table) for table in metadata.sorted_tables} == before
