"""What SES says about the account and its tenants: recorded once, whatever comes with it."""

import threading
from datetime import UTC, datetime

import pytest
from support import mail, signing
from support.account_events import AT, account_event, enabled, finding
from support.lanes import SLACK

from worker.commands.dlq.applying import DryRun
from worker.consumer import Counters
from worker.core import batch as batching
from worker.core.dead_letter import DeadLetterMessage, Where
from worker.core.decode import decode
from worker.core.effects import BEFORE_ALL_OTHERS
from worker.core.errors import Unavailable
from worker.core.messages import DeadLetter, Delete, Release
from worker.core.model import Outcome, Reason
from worker.core.payloads import AccountNotice, EffectKind
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.process import process
from worker.store import open_store
from worker.store.schema import account_events, events, outbox

NOTIFIED = Policy(notify=(SLACK,))


@pytest.fixture
def bodies(monkeypatch):
    """Messages whose bodies name account events, in place of EventBridge's JSON."""
    known = {}

    def decode_known(body, topics=()):
        return known[body] if body in known else decode(body, topics)

    monkeypatch.setattr(batching, "decode", decode_known)

    def body_of(event):
        body = f"event {len(known)}"
        known[body] = event
        return body

    return body_of


def rows(store, table):
    with store.read_transaction() as connection:
        return [dict(row) for row in connection.execute(table.select()).mappings()]


def outcomes(handled):
    return [result.disposition.outcome for result in handled]


def run(store, message, *bodies, policy=NOTIFIED):
    return process([message(body) for body in bodies], store, policy)


def test_an_account_event_is_recorded_whole_and_once(store, message, bodies):
    body = bodies(account_event(dedupe_key="k", impact="HIGH", finding="f"))
    assert outcomes(run(store, message, body, body)) == [Outcome.APPLIED, Outcome.DUPLICATE]
    assert outcomes(run(store, message, body)) == [Outcome.DUPLICATE]
    (row,) = rows(store, account_events)
    assert row | {"id": 1} == {
        "id": 1,
        "dedupe_key": "k",
        "kind": "sending_status",
        "status": "disabled",
        "scope": "tenant",
        "tenant": "acme",
        "resource": "arn:aws:ses:eu-west-1:111122223333:tenant/acme/tn-000000000000",
        "cause": "Reputation finding: bounce rate.",
        "finding": "f",
        "impact": "HIGH",
        "account_id": "111122223333",
        "region": "eu-west-1",
        "route": "eventbridge",
        "occurred_at": AT,
        "received_at": mail.NOW,
        "verification": "reported",
        "verified_at": None,
    }
    (entry,) = rows(store, outbox)
    assert (entry["kind"], entry["lane"]) == ("account_notice", "slack")
    assert entry["due_at"] == BEFORE_ALL_OTHERS


def test_a_batch_may_hold_both_account_events_and_feedback(store, message, bodies):
    first = [bodies(account_event()), mail.bounce("jane@example.com"), bodies(finding()), "{}"]
    handled = run(store, message, *first)
    assert [type(result.disposition) for result in handled] == [Delete, Delete, Delete, DeadLetter]
    assert outcomes(run(store, message, *first[:3])) == [Outcome.DUPLICATE] * 3
    assert len(rows(store, account_events)) == 2
    assert len(rows(store, events)) == 1
    kinds = sorted(row["kind"] for row in rows(store, outbox))
    assert kinds == ["account_notice", "account_notice", "bounce_notice"]


def test_a_time_that_is_missing_or_in_the_future_is_the_time_of_receipt(store, message, bodies):
    """A forged event of the year 2099 would be the newest for ever."""
    for at in (None, datetime(2099, 1, 1, tzinfo=UTC)):
        run(store, message, bodies(account_event(occurred_at=at)))
    assert [row["occurred_at"] for row in rows(store, account_events)] == [mail.NOW] * 2


def test_without_a_channel_no_effect_is_enqueued(store, message, bodies):
    assert outcomes(run(store, message, bodies(account_event()), policy=Policy())) == [
        Outcome.APPLIED
    ]
    assert not rows(store, outbox)


def test_no_user_record_changes(message):
    unit = UnitOfWork(NOTIFIED, known_keys=(), users={})
    handled = unit.decide_message(message(""), account_event())
    assert handled.is_new
    assert not handled.decisions
    assert (unit.created, unit.changed) == ({}, {})
    (entry,) = unit.entries
    assert entry.kind is EffectKind.ACCOUNT_NOTICE
    assert isinstance(entry.payload, AccountNotice)


def test_a_message_without_account_events_asks_for_none(message):
    class Reader:
        locked = ()
        key_id = ""

        def users(self, _):
            return {}

        def known_keys(self, _):
            return ()

    decoded = batching.decode_batch([message(mail.bounce("jane@example.com"))], Policy())
    _, handled = batching.decide_batch(decoded, Policy(), Reader())
    assert handled[0].is_new


def test_two_workers_that_get_the_same_event_at_once_record_it_once(
    store, store_url, message, bodies
):
    body = bodies(account_event())
    stores = [store, open_store(store_url)]
    barrier, handled = threading.Barrier(2), []

    def work(each):
        barrier.wait(10)
        handled.extend(run(each, message, body))

    threads = [threading.Thread(target=work, args=(each,)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    stores[1].close()
    assert sorted(outcomes(handled)) == [Outcome.APPLIED, Outcome.DUPLICATE]
    assert len(rows(store, account_events)) == len(rows(store, outbox)) == 1


class BreaksAt:
    """A store that breaks, or breaks off, where it should write a certain tenant's event."""

    def __init__(self, store, tenant, error):
        self._store, self._tenant, self._error = store, tenant, error
        self.probe = store.probe

    def transaction(self):
        return _Broken(self._store.transaction(), self._tenant, self._error)


class _Broken:
    def __init__(self, within, tenant, error):
        self._within, self._tenant, self._error = within, tenant, error

    def __enter__(self):
        transaction = self._within.__enter__()
        save = transaction.save

        def save_or_break(unit):
            if any(new.event.tenant == self._tenant for new in unit.account_events):
                raise self._error
            save(unit)

        transaction.save = save_or_break
        return transaction

    def __exit__(self, *error):
        return self._within.__exit__(*error)


def test_only_the_account_event_that_breaks_the_batch_suffers(store, message, bodies):
    batch = [
        bodies(account_event(name)) if name else mail.bounce(f"p{number}@example.com")
        for number, name in enumerate(["one", "", "guilty", "", "two"])
    ]
    broken = BreaksAt(store, "guilty", ValueError("broken"))
    handled = [*process([message(body) for body in batch], broken, NOTIFIED)]
    assert [type(result.disposition) for result in handled] == [
        Delete,
        Delete,
        Release,
        Delete,
        Delete,
    ]
    last = message(batch[2], receive_count=5)
    (given_up,) = process([last], broken, NOTIFIED)
    assert given_up.disposition.reason is Reason.PROCESSING_FAILED
    assert {row["tenant"] for row in rows(store, account_events)} == {"one", "two"}


def test_an_account_event_that_is_written_shows_that_the_store_works(store, message, bodies):
    """So a message that breaks beside it is blamed without a probe."""
    broken = BreaksAt(store, "guilty", ValueError("broken"))
    broken.probe = None
    batch = [bodies(account_event("one")), bodies(account_event("guilty"))]
    handled = process([message(body) for body in batch], broken, NOTIFIED)
    assert handled[0].disposition == Delete(Outcome.APPLIED)
    assert isinstance(handled[1].error, ValueError)


def test_an_outage_gives_all_of_them_back(store, message, bodies):
    broken = BreaksAt(store, "acme", Unavailable("unreachable"))
    batch = [message(bodies(account_event())), message(bodies(enabled("acme")))]
    handled = process(batch, broken, NOTIFIED)
    assert all(result.met_an_outage for result in handled)
    assert not rows(store, account_events)


def test_a_dry_run_sees_an_event_twice_as_a_duplicate(store, message, bodies):
    body = bodies(account_event())
    look = DryRun(store, NOTIFIED, signing.verifier(), Counters())
    dead_letters = [
        DeadLetterMessage(where=Where.QUARANTINE, received=message(body), reason="")
        for _ in range(2)
    ]
    verdicts = [*look(dead_letters), *look(dead_letters[:1])]
    assert [verdict.outcome for verdict in verdicts] == [
        Outcome.APPLIED,
        Outcome.DUPLICATE,
        Outcome.DUPLICATE,
    ]
    assert not rows(store, account_events)
