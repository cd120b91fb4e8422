"""The relay and the outbox, with real databases and senders that do what a test wants."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from sqlalchemy import event
from structlog.testing import capture_logs
from support import mail
from support.lanes import SLACK
from support.mail import NOW
from support.waiting import wait_until

from worker import relay as relaying
from worker.core import rate_limit as volumes
from worker.core.decode import decode
from worker.core.effects import SUPPRESSION, Blocked, Later, NotYet, Sent, Unfit
from worker.core.errors import Stopped, Unavailable
from worker.core.outbox.others import entries_for_parked, entries_for_removal
from worker.core.patterns import Patterns
from worker.core.payloads import EffectKind, RemovalNotice, RemovalOutcome
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.observability.health import Health
from worker.relay import LaneSender, Relay, WaitBudget
from worker.store import claims
from worker.store import outbox as outbox_module
from worker.store.history import history_of
from worker.store.levels import lock, moment, take_slot
from worker.store.outbox import Outbox
from worker.store.schema import limits, outbox

FAST = volumes.RateLimit(name="slack:test", per_second=1_000, per_minute=6_000)
SLOW = volumes.RateLimit(name="slack:test", per_second=1_000, per_minute=2)
WITH_NOTICES = Policy(notify=(SLACK,))


def enqueue(store, message, count=1, policy=WITH_NOTICES, **more):
    """Write the effects of bounces, as the path does."""
    for number in range(count):
        unit = UnitOfWork(policy, known_keys=(), users={})
        body = mail.bounce(f"jane{number}@example.com", **more)
        unit.decide_message(message(body), decode(body))
        with store.transaction() as transaction:
            transaction.save(unit)


def rows(store, table=outbox):
    with store.read_transaction() as connection:
        return [dict(row) for row in connection.execute(table.select()).mappings()]


def states(store):
    found = rows(store)
    return {
        state: [row["state"] for row in found].count(state) for state in {r["state"] for r in found}
    }


def make_due(store):
    with store.write_transaction() as connection:
        connection.execute(outbox.update().values(due_at=NOW))
        connection.execute(limits.update().values(next_at=NOW))


class Sender:
    """Answers as scripted, then `Sent`; remembers what it was given."""

    def __init__(self, *answers, follow_ups=()):
        self.answers = list(answers)
        self.follow_ups = follow_ups
        self.claims = []

    def __call__(self, effects):
        self.claims.append([effect.id for effect in effects])
        answer = self.answers.pop(0) if self.answers else Sent()
        if isinstance(answer, BaseException):
            raise answer
        follow_ups, self.follow_ups = self.follow_ups, ()
        return answer, follow_ups

    @property
    def delivered(self):
        return [number for claim in self.claims for number in claim]


def work(sender, rate_limit=FAST, lane=SLACK):
    return LaneSender(
        lane=lane,
        rate_limit=rate_limit,
        deliver=sender,
        parked=lambda effects, error: entries_for_parked(effects, error, NOW, [SLACK]),
    )


def deliver(store, sender, *, seconds=10, rate_limit=FAST, lane=SLACK):
    relay = Relay(Outbox(store), [work(sender, rate_limit, lane)], WaitBudget(), Health())
    relay.deliver_for(seconds, threading.Event())
    assert relay.failure is None
    return relay


def test_effects_are_delivered_once_and_in_order(store, message):
    enqueue(store, message, 5)
    sender = Sender()
    relay = deliver(store, sender)
    assert sender.delivered == sorted(sender.delivered)
    assert len(sender.delivered) == relay.delivered == 5
    assert states(store) == {"delivered": 5}


def test_an_empty_outbox_is_left_at_once(store):
    began = time.monotonic()
    deliver(store, Sender())
    assert time.monotonic() - began < 3


def test_a_single_effect_brings_its_payload_and_many_their_summaries(store, message):
    enqueue(store, message)
    claim = Outbox(store).claim(SLACK, FAST)
    (effect,) = claim.effects
    assert effect.kind is EffectKind.BOUNCE_NOTICE
    assert effect.read().recipients[0].reported == "jane0@example.com"
    enqueue(store, message, 10)
    make_due(store)
    claim = Outbox(store).claim(SLACK, SLOW)
    assert len(claim.effects) == 11  # made due: the first claim's lease is over too
    assert {effect.payload for effect in claim.effects} == {""}
    assert claim.effects[0].summary.domains == {"example.com": 1}


def test_what_is_claimed_is_nobody_elses_until_its_lease_ends(store, message):
    enqueue(store, message)
    first = Outbox(store).claim(SLACK, FAST)
    assert not Outbox(store).claim(SLACK, FAST).effects
    make_due(store)
    second = Outbox(store).claim(SLACK, FAST)
    assert [e.id for e in second.effects] == [e.id for e in first.effects]
    assert second.effects[0].attempts == 2
    Outbox(store).postponed(first, "too late", None, lambda *_: ())
    assert rows(store)[0]["state"] == "claimed", "a claim that has run out settles nothing"
    Outbox(store).delivered(second)
    assert states(store) == {"delivered": 1}


def test_an_unreachable_destination_is_tried_again_later(store, message):
    enqueue(store, message, 3)
    outbox_ = Outbox(store)
    claim = outbox_.claim(SLACK, FAST)
    outbox_.postponed(claim, "503", None, lambda *_: ())
    waiting = outbox_.claim(SLACK, FAST)
    assert not waiting.effects
    assert waiting.limited
    assert 0 < waiting.wait_seconds <= 2
    assert states(store) == {"waiting": 3}
    (postponed,) = (row for row in rows(store) if row["last_error"])
    assert postponed["last_error"] == "503"


def test_a_requested_wait_is_kept(store, message):
    enqueue(store, message)
    outbox_ = Outbox(store)
    outbox_.postponed(outbox_.claim(SLACK, FAST), "429", 120, lambda *_: ())
    assert 100 < outbox_.claim(SLACK, FAST).wait_seconds <= 120


def test_a_requested_delay_repeated_often_uses_up_no_tries(store, message):
    """`Retry-After: 1`, thirty times in a row, is half a minute."""
    enqueue(store, message)
    outbox_, waits = Outbox(store), []
    for _ in range(8):
        make_due(store)
        outbox_.postponed(outbox_.claim(SLACK, FAST), "429", 1, lambda *_: ())
        (row,) = rows(store)
        waits.append((row["due_at"] - datetime.now(UTC)).total_seconds())
    assert max(waits[:5]) <= 1
    assert min(waits[5:]) > 10


def test_after_an_outage_a_single_effect_goes_first_and_then_all_folded(store, message):
    enqueue(store, message, 10)
    outbox_ = Outbox(store)
    outbox_.postponed(outbox_.claim(SLACK, SLOW), "503", None, lambda *_: ())
    make_due(store)
    probe = outbox_.claim(SLACK, SLOW)
    assert len(probe.effects) == 1
    outbox_.delivered(probe)
    make_due(store)
    assert len(outbox_.claim(SLACK, SLOW).effects) == 9


def test_the_last_try_parks_and_enqueues_a_notice(store, message, monkeypatch):
    monkeypatch.setattr(outbox_module, "MOST_TRIES", 2)
    enqueue(store, message)
    for _ in range(2):
        make_due(store)
        sender = Sender(Later(error="503"))
        relay = Relay(Outbox(store), [work(sender)], WaitBudget(), Health())
        relay.deliver_for(0.5, threading.Event())
    first, notice = rows(store)
    assert (first["state"], first["parked_by"], first["attempts"]) == ("parked", None, 2)
    assert first["parked_reason"] == "tries"
    assert (notice["kind"], notice["state"]) == ("parked_notice", "waiting")
    assert "503" in notice["payload"]


def test_an_unfit_effect_is_parked_and_the_others_pass(store, message):
    enqueue(store, message, 3)
    sender = Sender(Unfit(error="invalid_blocks"))
    deliver(store, sender)
    first = rows(store)[0]
    assert (first["state"], first["parked_by"]) == ("parked", None)
    assert first["parked_reason"] == "undeliverable"
    assert first["last_error"] == "invalid_blocks"
    assert states(store) == {"parked": 1, "delivered": 3}  # two, and the notice about the first


def test_an_undeliverable_parked_notice_enqueues_no_other(store, message):
    enqueue(store, message)
    deliver(store, Sender(Unfit(error="bad"), Unfit(error="bad")))
    assert [row["kind"] for row in rows(store)] == ["bounce_notice", "parked_notice"]
    assert states(store) == {"parked": 2}


def test_a_bug_met_by_an_effect_parks_it_and_ends_nothing(store, message):
    enqueue(store, message, 2)
    deliver(store, Sender(KeyError("x")))
    assert rows(store)[0]["last_error"] == "KeyError while it was delivered"
    assert states(store) == {"parked": 1, "delivered": 2}


def test_not_yet_concerns_that_effect_only(store, message):
    enqueue(store, message, 2)
    sender = Sender(NotYet(error="not listed", seconds=120))
    deliver(store, sender)
    first, second = rows(store)
    assert (first["state"], second["state"]) == ("waiting", "delivered")
    assert first["last_error"] == "not listed"


def test_a_configuration_error_parks_the_lane_until_it_is_fixed(store, message):
    enqueue(store, message, 3)
    outbox_ = Outbox(store)
    claim = outbox_.claim(SLACK, FAST)
    assert outbox_.blocked(claim, "no_service")
    assert states(store) == {"parked": 3}
    assert sum(counts.parked for counts in store.unfinished()) == 3
    enqueue(store, message)
    waiting = outbox_.claim(SLACK, FAST)
    assert not waiting.effects
    assert 200 < waiting.wait_seconds <= 300
    assert states(store) == {"parked": 4}, "what is in the outbox meanwhile is parked too"
    outbox_.look_again(FAST)
    probe = outbox_.claim(SLACK, FAST)
    assert len(probe.effects) == 1
    assert not outbox_.blocked(probe, "no_service"), "it is logged once"
    assert states(store) == {"parked": 4}
    deliver(store, Sender())  # a start looks again at once
    assert states(store) == {"delivered": 4}


def test_an_effect_that_causes_another_enqueues_it_in_the_same_commit(store, message):
    enqueue(store, message)
    done = RemovalNotice(
        address="jane0@example.com",
        domain="example.com",
        outcome=RemovalOutcome.REMOVED,
        response="NotFoundException",
        occurred_at=NOW,
    )
    policy = Policy(remove=Patterns(["@example.com"]))
    unit = UnitOfWork(policy, known_keys=(), users={})
    body = mail.bounce("jane0@example.com")
    unit.decide_message(message(body), decode(body))
    with store.transaction() as transaction:
        transaction.enqueue(unit.entries)
    claim = Outbox(store).claim(SUPPRESSION, FAST)
    (follows,) = entries_for_removal(claim.effects[0], done, WITH_NOTICES)
    deliver(store, Sender(follow_ups=[follows]))
    kinds = {row["kind"]: row["state"] for row in rows(store)}
    assert kinds["removal_notice"] == kinds["bounce_notice"] == "delivered"
    reported = next(row for row in rows(store) if row["kind"] == "removal_notice")
    assert reported["recipient"] == "jane0@example.com"


def test_a_stop_in_mid_delivery_gives_the_effect_back(store, message):
    enqueue(store, message)
    deliver(store, Sender(Stopped(), *[Stopped()] * 1_000), seconds=0.3)
    (row,) = rows(store)
    assert (row["state"], row["attempts"]) == ("waiting", 0)


def test_a_short_outage_of_the_store_repeats_nothing(store, message, monkeypatch):
    enqueue(store, message)
    settled = []
    real = Outbox.delivered

    def flaky(self, *arguments):
        settled.append(1)
        if len(settled) < 3:
            raise Unavailable("unreachable")
        return real(self, *arguments)

    monkeypatch.setattr(Outbox, "delivered", flaky)
    sender = Sender()
    deliver(store, sender)
    assert len(sender.delivered) == 1
    assert len(settled) == 3
    assert states(store) == {"delivered": 1}


def test_two_workers_share_the_work_and_deliver_nothing_twice(store, message):
    enqueue(store, message, 60)
    senders = [Sender(), Sender()]
    relays = [Relay(Outbox(store), [work(sender)], WaitBudget(), Health()) for sender in senders]
    for relay in relays:
        relay.start()
    deadline = time.monotonic() + 30
    while sum(relay.delivered for relay in relays) < 60 and time.monotonic() < deadline:
        time.sleep(0.02)
    for relay in relays:
        assert relay.finish()
    delivered = [number for sender in senders for number in sender.delivered]
    assert len(delivered) == len(set(delivered)) == 60
    assert states(store) == {"delivered": 60}


def test_a_stop_that_was_waited_for_elsewhere_is_not_waited_for_once_more(
    store, message, monkeypatch
):
    """A daemon stops relay and consumer together; the two bounds do not add up."""
    monkeypatch.setattr(relaying, "STOP_SECONDS", 0.1)
    enqueue(store, message)
    under_way, over = threading.Event(), threading.Event()

    def hanging(_):
        under_way.set()
        over.wait(60)
        return Sent(), ()

    relay = Relay(Outbox(store), [work(hanging)], WaitBudget(), Health())
    relay.start()
    assert under_way.wait(30)
    relay.stop()
    time.sleep(0.1)  # the consumer's share
    monkeypatch.setattr(relaying, "STOP_SECONDS", 50)
    began = time.monotonic()
    assert not relay.finish()
    assert time.monotonic() - began < 20
    over.set()


def test_slots_are_given_a_second_apart_to_all_who_request_them(store):
    account = volumes.RateLimit(name="suppression:test", per_second=1)
    waits = [take_slot(store, account) for _ in range(4)]
    assert waits == pytest.approx([0, 1, 2, 3], abs=0.5)


def test_nobody_reads_a_level_while_another_is_about_to_change_it(store):
    """Or two workers would take the same slot: the limits are kept by all together."""
    account = volumes.RateLimit(name="suppression:test", per_second=1)
    take_slot(store, account)
    waits = []
    other = threading.Thread(target=lambda: waits.append(take_slot(store, account)))
    with store.write_transaction() as connection:
        lock(connection, account, moment(connection))
        other.start()
        other.join(0.3)
        assert waits == []
    other.join(10)
    assert len(waits) == 1


def test_a_row_that_somebody_is_just_settling_holds_nobody_up(store, message):
    if store.place.endswith(".db"):
        pytest.skip("one at a time writes to a SQLite file")
    enqueue(store, message, 2)
    with store.write_transaction() as connection:
        connection.execute(outbox.update().where(outbox.c.id == 1).values(last_error="x"))
        assert [effect.id for effect in Outbox(store).claim(SLACK, FAST).effects] == [2]


def test_two_lanes_fail_apart_from_each_other(store, message):
    enqueue(store, message, policy=Policy(notify=(SLACK,), remove=Patterns(["@example.com"])))
    slack, ses = Sender(Blocked(error="no_service")), Sender()
    lanes = [
        work(slack),
        work(ses, volumes.RateLimit(name="suppression:test", per_second=1_000), SUPPRESSION),
    ]
    Relay(Outbox(store), lanes, WaitBudget(), Health()).deliver_for(3, threading.Event())
    assert {row["lane"]: row["state"] for row in rows(store)} == {
        "slack": "parked",
        "suppression": "delivered",
    }


def test_nothing_is_enqueued_without_a_sender(store, message):
    enqueue(store, message, 3, policy=Policy())
    assert rows(store) == []


def test_a_notice_is_enqueued_once_however_often_the_message_comes(store, message):
    body = mail.bounce("jane@example.com", "joe@example.com")
    for observed in ((), [item.dedupe_key for item in decode(body)]):
        unit = UnitOfWork(WITH_NOTICES, known_keys=observed, users={})
        unit.decide_message(message(body), decode(body))
        with store.transaction() as transaction:
            transaction.enqueue(unit.entries)
    assert len(rows(store)) == 1


OTHER = volumes.RateLimit(name="slack:other", per_second=1_000, per_minute=6_000)


def nothing_enqueued(*_):
    return ()


def test_another_channel_takes_over_what_the_old_channel_had_parked(store, message):
    enqueue(store, message, 3)
    outbox_ = Outbox(store)
    outbox_.blocked(outbox_.claim(SLACK, FAST), "no_service")
    assert states(store) == {"parked": 3}
    deliver(store, Sender(), rate_limit=OTHER)
    assert states(store) == {"delivered": 3}


def test_a_channel_that_is_changed_back_is_looked_at_at_the_start(store, message):
    enqueue(store, message, 3)
    outbox_ = Outbox(store)
    outbox_.blocked(outbox_.claim(SLACK, FAST), "no_service")
    outbox_.blocked(outbox_.claim(SLACK, OTHER), "no_service")
    deliver(store, Sender(), rate_limit=FAST)
    assert states(store) == {"delivered": 3}


def test_a_worker_with_the_old_channel_keeps_nobody_from_the_new_channel(store, message):
    enqueue(store, message, 2)
    old, new = Outbox(store), Outbox(store)
    old.blocked(old.claim(SLACK, FAST), "no_service")
    for _ in range(2):
        old.claim(SLACK, FAST)
        make_due(store)
        new.delivered(new.claim(SLACK, OTHER))
    assert states(store) == {"delivered": 2}


def test_a_success_does_not_shorten_a_wait_that_slack_requested_from_another(store, message):
    enqueue(store, message, 2)
    outbox_ = Outbox(store)
    first = outbox_.claim(SLACK, FAST)
    make_due_again(store)
    second = outbox_.claim(SLACK, FAST)
    outbox_.postponed(second, "429", 120, nothing_enqueued)
    outbox_.delivered(first)
    with store.read_transaction() as connection:
        (level,) = connection.execute(limits.select()).mappings()
    assert (level["next_at"] - datetime.now(UTC)).total_seconds() > 100


def make_due_again(store):
    with store.write_transaction() as connection:
        connection.execute(limits.update().values(next_at=NOW))


def test_what_is_never_answered_clearly_has_a_last_try_too(store, message, monkeypatch):
    monkeypatch.setattr(outbox_module, "MOST_TRIES", 2)
    enqueue(store, message)
    outbox_ = Outbox(store)
    for _ in range(2):
        make_due(store)
        outbox_.not_yet(outbox_.claim(SLACK, FAST), "a new word", 1, nothing_enqueued)
    assert [row["parked_reason"] for row in rows(store)] == ["tries"]


def claimed_twice(store, message):
    """Two claims of the same effect: the lease of the first has ended."""
    enqueue(store, message)
    outbox_ = Outbox(store)
    first = outbox_.claim(SLACK, FAST)
    make_due(store)
    return outbox_, first, outbox_.claim(SLACK, FAST)


def test_effects_that_another_worker_has_enqueue_nothing_of_ours(store, message):
    outbox_, first, second = claimed_twice(store, message)
    follows = unit_of(message).entries
    outbox_.delivered(second, follow_ups=follows)
    outbox_.delivered(first, follow_ups=follows)
    assert len(rows(store)) == 2


def test_effects_that_another_worker_has_enqueue_nothing_where_we_cannot_deliver_them(
    store, message
):
    outbox_, first, second = claimed_twice(store, message)
    follows = unit_of(message).entries
    outbox_.parked(first, "invalid_blocks", follow_ups=follows)
    assert len(rows(store)) == 1
    outbox_.parked(second, "invalid_blocks", follow_ups=follows)
    assert [row["state"] for row in rows(store)] == ["parked", "waiting"]


def test_effects_that_another_worker_has_are_not_reported_as_parked(store, message, monkeypatch):
    monkeypatch.setattr(outbox_module, "MOST_TRIES", 1)
    enqueue(store, message)
    outbox_ = Outbox(store)
    first = outbox_.claim(SLACK, FAST)
    make_due(store)
    second = outbox_.claim(SLACK, FAST)
    assert outbox_.postponed(first, "503", None, work(None).parked) == 0
    outbox_.delivered(second)
    assert states(store) == {"delivered": 1}


def unit_of(message):
    unit = UnitOfWork(WITH_NOTICES, known_keys=(), users={})
    body = mail.bounce("joe@example.com")
    unit.decide_message(message(body), decode(body))
    return unit


@pytest.mark.parametrize("odd", [{"kind": "telegram"}, {"summary": "{}"}])
def test_a_row_of_another_program_is_parked_and_ends_no_thread(store, message, odd):
    enqueue(store, message, 2)
    with store.write_transaction() as connection:
        connection.execute(outbox.update().where(outbox.c.id == 1).values(**odd))
    with capture_logs() as output:
        relay = deliver(store, Sender())
    assert relay.failure is None
    assert [row["state"] for row in rows(store)] == ["parked", "delivered"]
    assert [line["outbox_id"] for line in output if line["event"] == "effect.parked"] == [1]


def test_a_look_that_found_nothing_out_is_soon_repeated(store, message):
    enqueue(store, message)
    outbox_ = Outbox(store)
    outbox_.blocked(outbox_.claim(SLACK, FAST), "no_service")
    outbox_.look_again(FAST)
    outbox_.postponed(outbox_.claim(SLACK, FAST), "429", None, nothing_enqueued)
    assert outbox_.claim(SLACK, FAST).wait_seconds <= 60
    assert states(store) == {"parked": 1}


def test_another_reason_to_be_blocked_is_news(store, message):
    enqueue(store, message)
    outbox_ = Outbox(store)
    outbox_.blocked(outbox_.claim(SLACK, FAST), "no_service")
    for error, news in [("no_service", False), ("is_archived", True), ("is_archived", False)]:
        outbox_.look_again(FAST)
        assert outbox_.blocked(outbox_.claim(SLACK, FAST), error) is news


def test_looks_at_a_blocked_far_side_use_up_no_tries(store, message):
    enqueue(store, message)
    outbox_ = Outbox(store)
    for _ in range(5):
        outbox_.look_again(FAST)
        outbox_.blocked(outbox_.claim(SLACK, FAST), "no_service")
    assert [row["attempts"] for row in rows(store)] == [0]


def test_an_effect_that_kills_every_worker_is_parked_in_the_end_and_reported(store, message):
    enqueue(store, message)
    with store.write_transaction() as connection:
        connection.execute(outbox.update().values(attempts=30))
    sender = Sender()
    deliver(store, sender)
    lost, notice = rows(store)
    assert (lost["parked_reason"], lost["last_error"]) == (
        "tries",
        "each process that claimed it ended before it settled it",
    )
    assert (notice["kind"], sender.delivered) == ("parked_notice", [notice["id"]])


def test_a_clock_that_is_ahead_of_the_clock_of_the_claims_delays_nothing(store, message):
    """Another worker's is ahead of PostgreSQL's, or SQS's of ours, which claims go by in SQLite."""
    enqueue(store, message)
    later = message(mail.bounce("late@example.com"))
    ahead = structs.replace(later, received_at=datetime.now(UTC) + timedelta(minutes=10))
    unit = UnitOfWork(WITH_NOTICES, known_keys=(), users={})
    unit.decide_message(ahead, decode(ahead.body))
    with store.transaction() as transaction:
        transaction.save(unit)
    deliver(store, Sender())
    assert set(states(store)) == {"delivered"}


TOMORROW = datetime.now(UTC) + timedelta(days=1)


def test_what_was_put_off_by_a_clock_that_is_set_back_since_is_due(store, message):
    enqueue(store, message)
    with store.write_transaction() as connection:
        connection.execute(outbox.update().values(due_at=TOMORROW))
    deliver(store, Sender())
    assert states(store) == {"delivered": 1}


def test_a_slot_of_a_clock_that_was_set_back_is_not_waited_for(store):
    account = volumes.RateLimit(name="suppression:test", per_second=1)
    take_slot(store, account)
    with store.write_transaction() as connection:
        connection.execute(limits.update().values(next_slot=TOMORROW))
    assert [take_slot(store, account) for _ in range(2)] == pytest.approx([0, 1], abs=0.5)


def test_a_blocked_lane_is_looked_at_again_though_the_clock_is_set_back(store, message):
    enqueue(store, message)
    outbox_ = Outbox(store)
    outbox_.blocked(outbox_.claim(SLACK, FAST), "no_service")
    with store.write_transaction() as connection:
        connection.execute(limits.update().values(next_at=TOMORROW))
    assert len(outbox_.claim(SLACK, FAST).effects) == 1


def test_a_follow_up_effect_is_due_at_once_though_our_clock_is_ahead(store, message):
    enqueue(store, message)
    outbox_ = Outbox(store)
    follows = [structs.replace(entry, created_at=TOMORROW) for entry in unit_of(message).entries]
    outbox_.delivered(outbox_.claim(SLACK, FAST), follow_ups=follows)
    assert rows(store)[1]["due_at"] < TOMORROW - timedelta(hours=1)


@pytest.mark.parametrize("ids", [{"message_id": ""}, {"feedback_id": "", "message_id": ""}])
def test_why_shows_nothing_about_others(store, message, ids):
    for address in ("jane@example.com", "joe@example.com"):
        unit = UnitOfWork(WITH_NOTICES, known_keys=(), users={})
        body = json.loads(mail.bounce(address))
        body["mail"]["messageId"] = ids["message_id"]
        body["bounce"]["feedbackId"] = ids.get("feedback_id", body["bounce"]["feedbackId"])
        text = json.dumps(body)
        unit.decide_message(message(text), decode(text))
        with store.transaction() as transaction:
            transaction.save(unit)
    found = history_of(store, "jane@example.com")
    assert len(found.events) == 1
    assert all("joe@" not in effect["payload"] for effect in found.effects)


def test_why_shows_no_notice_that_is_about_others_only(store, message):
    policy = Policy(notify=(SLACK,), ignore=Patterns(["jane@example.com"]))
    unit = UnitOfWork(policy, known_keys=(), users={})
    body = mail.bounce("jane@example.com", "joe@example.com")
    unit.decide_message(message(body), decode(body))
    with store.transaction() as transaction:
        transaction.save(unit)
    assert history_of(store, "jane@example.com").effects == []
    assert len(history_of(store, "joe@example.com").effects) == 1


def test_no_look_at_the_outbox_reads_what_is_done(store, message):
    """Ten thousand delivered effects cost nothing, under a lock that messages wait for."""
    if not store.place.endswith(".db"):
        pytest.skip("PostgreSQL's planner goes by how many rows there are")
    enqueue(store, message)
    requested = []
    with store.write_transaction() as connection:
        event.listen(connection, "before_cursor_execute", lambda *a: requested.append(a[2:4]))
        claims.claim(connection, SLACK, FAST)
        statements = tuple(requested)
        for statement, parameters in statements:
            if "outbox" in statement:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                output = [row[3] for row in plan]
                assert not any("SCAN outbox" in line for line in output), (statement, output)
    assert len(requested) > 5


class Counting(Outbox):
    """Counts its claims, which are transactions that write."""

    claims = 0

    def claim(self, lane, rate_limit):
        self.claims += 1
        return super().claim(lane, rate_limit)


@pytest.fixture
def idle(store, monkeypatch):
    """A relay at work with nothing to do, that looks often."""
    monkeypatch.setattr("worker.relay.lane.LONGEST_LOOK_SECONDS", 0.02)
    health, counted, sender = Health(), Counting(store), Sender()
    relay = Relay(counted, [work(sender)], WaitBudget(), health)
    yield relay, counted, sender, health
    relay.finish()
    assert relay.failure is None


def test_an_idle_lane_writes_nothing_and_finds_what_others_enqueue(idle, store, message):
    relay, counted, sender, _ = idle
    relay.start()
    time.sleep(0.5)
    assert counted.claims == 1
    enqueue(store, message, 3)  # and nobody nudges
    wait_until(lambda: len(sender.delivered) == 3)
    wait_until(lambda: states(store) == {"delivered": 3})


def test_an_idle_lane_wakes_at_once_after_an_outage_of_the_store(idle, store, message, monkeypatch):
    relay, database, sender, health = idle
    monkeypatch.setattr("worker.relay.lane.back_off", lambda _: 0.01)
    looks = []

    def has_unfinished(lane):
        looks.append(lane)
        if len(looks) == 1:
            raise Unavailable("unreachable")
        monkeypatch.setattr("worker.relay.lane.LONGEST_LOOK_SECONDS", 3_600)
        return store.has_unfinished(lane)

    monkeypatch.setattr(database, "has_unfinished", has_unfinished)
    relay.start()
    wait_until(lambda: len(looks) == 2 and not health.problems)
    enqueue(store, message)
    relay.wake()
    wait_until(lambda: sender.delivered)


def test_a_failing_destination_is_probed_even_with_an_empty_outbox(idle, store):
    relay, _, _, health = idle
    blocked = limits.update().where(limits.c.name == FAST.name)
    with store.write_transaction() as connection:
        lock(connection, FAST, moment(connection))
        connection.execute(blocked.values(blocked="no_service"))
    relay.start()
    wait_until(lambda: health.problems)
    with store.write_transaction() as connection:
        connection.execute(blocked.values(blocked=None))
    wait_until(lambda: not health.problems)


@pytest.mark.parametrize("state", ["waiting", "claimed", "parked", "delivered", "dropped"])
def test_only_what_is_not_done_is_unfinished(store, message, state):
    assert not store.has_unfinished("slack")
    enqueue(store, message)
    with store.write_transaction() as connection:
        connection.execute(outbox.update().values(state=state))
    assert store.has_unfinished("slack") is (state in {"waiting", "claimed", "parked"})
    assert not store.has_unfinished("suppression")
