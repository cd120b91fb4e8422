"""A notice that SES stopped sending goes out at once, by itself, whatever else waits."""

import threading
import time
from datetime import timedelta

import pytest
from msgspec.structs import replace
from support.account_events import account_event
from support.lanes import SLACK
from support.mail import NOW
from support.waiting import wait_until

from worker.core.effects import Later, OutboxEntry, Sent, Summary
from worker.core.payloads import EffectKind, ParkedNotice
from worker.core.policy import Policy
from worker.core.rate_limit import LARGEST_DIGEST, RateLimit
from worker.core.unit_of_work import UnitOfWork
from worker.observability.health import Health
from worker.relay import LaneSender, Relay, WaitBudget
from worker.store.outbox import Outbox
from worker.store.schema import limits, outbox

CHANNEL = RateLimit(name="slack:test", per_second=1_000, per_minute=20)
SLACK_RATE = RateLimit(name="slack:test", per_second=1, per_minute=20)
MANY = 12_000
URGENT = EffectKind.ACCOUNT_NOTICE


def other(n):
    """A notice that nobody hurries for."""
    payload = ParkedNotice(
        what=EffectKind.BOUNCE_NOTICE, effect_id=n, count=1, error="", attempts=1, occurred_at=NOW
    )
    return OutboxEntry(
        kind=EffectKind.PARKED_NOTICE,
        lane=SLACK,
        payload=payload,
        summary=Summary(label="x", domains={"": 1}, occurred_at=NOW),
        created_at=NOW,
    )


def let_wait(store, count):
    with store.transaction() as transaction:
        transaction.enqueue([other(n) for n in range(count)])


def stop_sending(store, message, *tenants):
    unit = UnitOfWork(Policy(notify=(SLACK,)), known_keys=(), users={})
    for tenant in tenants:
        unit.decide_message(message(""), account_event(tenant))
    with store.transaction() as transaction:
        transaction.save(unit)


def kinds(claim):
    return [effect.kind for effect in claim.effects]


def at(store, **values):
    with store.writing() as connection:
        connection.execute(limits.update().values(**values))


class Sender:
    def __init__(self):
        self.sent = []
        self.answers = []

    def __call__(self, effects):
        self.sent.append((time.monotonic(), effects))
        return (self.answers.pop(0) if self.answers else Sent()), ()


@pytest.fixture
def relaying(store):
    """Run a relay of a lane until the end of the test."""
    begun = []

    def begin(sender, rate_limit=SLACK_RATE):
        work = LaneSender(lane=SLACK, rate_limit=rate_limit, deliver=sender, parked=lambda *_: ())
        begun.append(Relay(Outbox(store), [work], WaitBudget(), Health()))
        begun[0].start()
        return begun[0]

    yield begin
    for relay in begun:
        relay.finish(threading.Event())


def test_it_goes_out_within_seconds_while_thousands_of_notices_wait(store, message, relaying):
    """Measured with a real relay, at Slack's rate, amid the digests of a burst."""
    let_wait(store, MANY)
    sender = Sender()
    relay = relaying(sender)
    wait_until(lambda: len(sender.sent) == 1, 30)
    assert len(sender.sent[0][1]) == LARGEST_DIGEST
    began = time.monotonic()
    stop_sending(store, message, "acme")
    relay.wake()
    wait_until(lambda: len(sender.sent) == 2, 20)
    sent_at, (effect,) = sender.sent[1]
    assert effect.kind is URGENT
    assert effect.read().tenant == "acme"
    assert sent_at - began < 8, "within a look at the outbox, every 5 s, and a second's pause"


def test_it_is_claimed_first_and_whole_although_a_digest_is_due(store, message):
    let_wait(store, 50)
    stop_sending(store, message, "acme", "bolt")
    database = Outbox(store)
    claims = [database.claim(SLACK, CHANNEL)]
    for _ in range(2):
        at(store, next_at=NOW)
        claims.append(database.claim(SLACK, CHANNEL))
    assert [kinds(claim)[0] for claim in claims[:2]] == [URGENT, URGENT]
    assert [effect.read().tenant for claim in claims[:2] for effect in claim.effects] == [
        "acme",
        "bolt",
    ]
    assert len(claims[2].effects) == 50


def test_none_is_ever_folded_into_a_digest(store, message):
    """Also where so many are urgent that they must wait themselves."""
    stop_sending(store, message, *[f"t{n}" for n in range(60)])
    let_wait(store, 50)
    database, sizes, began = Outbox(store), [], time.monotonic()
    while (claim := database.claim(SLACK, CHANNEL)).effects:
        at(store, next_at=NOW)
        sizes.append((len(claim.effects), set(kinds(claim))))
    refilled = int((time.monotonic() - began) / 6) + 1
    assert (50, {EffectKind.PARKED_NOTICE}) in sizes, "the others do not wait for them"
    alone = [size for size, found in sizes if URGENT in found]
    assert set(alone) == {1}
    assert 29 <= len(alone) <= 29 + refilled, "a minute's budget of 20, beside the 9 that were left"
    assert claim.limited
    assert 0 < claim.wait_seconds <= 7, "each six seconds another"


def test_they_are_paid_back_and_others_go_out_separately_again(store, message):
    stop_sending(store, message, *[f"t{n}" for n in range(29)])
    database = Outbox(store)
    for _ in range(29):
        assert database.claim(SLACK, CHANNEL).effects
        at(store, next_at=NOW)
    let_wait(store, 2)
    assert len(database.claim(SLACK, CHANNEL).effects) == 2, "in a digest, as nothing is left"
    with store.reading() as connection:
        (level,) = connection.execute(limits.select()).mappings()
    at(store, next_at=NOW, refilled_at=level["refilled_at"] - timedelta(minutes=4))
    let_wait(store, 2)
    assert len(database.claim(SLACK, CHANNEL).effects) == 1


def test_after_a_failed_try_it_is_still_before_the_others(store, message):
    let_wait(store, 3_000)
    stop_sending(store, message, "acme")
    database = Outbox(store)
    claim = database.claim(SLACK, CHANNEL)
    database.postponed(claim, "503", 1.0, lambda *_: ())
    with store.writing() as connection:
        connection.execute(limits.update().values(next_at=NOW))
        connection.execute(outbox.update().where(outbox.c.kind == URGENT.value).values(
            due_at=NOW + timedelta(seconds=1)
        ))  # fmt: skip
    assert kinds(database.claim(SLACK, CHANNEL)) == [URGENT]


def test_while_it_waits_for_its_next_try_others_go_out(store, message, relaying):
    stop_sending(store, message, "acme")
    sender = Sender()
    sender.answers = [Later(error="503", seconds=0.01)]
    relaying(sender, replace(CHANNEL, per_minute=6_000))
    wait_until(lambda: len(sender.sent) >= 1, 20)
    let_wait(store, 3)
    wait_until(lambda: len(sender.sent) >= 5, 30)
    assert sorted(kind for _, effects in sender.sent[1:] for kind in {e.kind for e in effects}) == [
        URGENT, *[EffectKind.PARKED_NOTICE] * 3
    ]  # fmt: skip


def test_looking_for_it_costs_a_claim_little_while_many_wait(store, message):
    let_wait(store, MANY)
    database = Outbox(store)
    database.claim(SLACK, CHANNEL)  # a digest; from now on nothing is allowed
    at(store, next_at=NOW)
    began = time.perf_counter()
    for _ in range(5):
        assert not database.claim(SLACK, CHANNEL).effects
    seconds = (time.perf_counter() - began) / 5
    assert seconds < 0.25
