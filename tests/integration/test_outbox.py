"""What the outbox, the limits and the removals remember; with both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from support import mail
from support.lanes import SLACK
from support.mail import NOW

from worker.app.effects import suppression_rate_limit
from worker.core.decode import decode
from worker.core.patterns import Patterns
from worker.core.payloads import Removal, RemovalOutcome
from worker.core.policy import Policy
from worker.core.rate_limit import LONGEST_PAUSE_SECONDS, RateLimit
from worker.core.unit_of_work import UnitOfWork
from worker.settings import Settings
from worker.store.history import history_of
from worker.store.outbox import Outbox
from worker.store.outbox_list import OutboxFilter, discard_effects, problems, retry_effects
from worker.store.removals import RemovalLog
from worker.store.schema import limits, outbox, removals

CHANNEL = RateLimit(name="slack:test", per_second=1, per_minute=20)
JANE = Removal(
    reported="jane@example.com",
    mailed="jane@example.com",
    key="jane@example.com",
    type="Permanent",
    subtype="General",
    occurred_at=datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC),
)
ENTRY = {"EmailAddress": "jane@example.com", "Reason": "BOUNCE"}
WITHIN = timedelta(days=30)
BOTH = Policy(notify=(SLACK,), remove=Patterns(["@example.com"]))


def enqueue(store, message, *bodies, policy=BOTH):
    for body in bodies or [mail.bounce("jane@example.com")]:
        unit = UnitOfWork(policy, known_keys=(), users={})
        unit.decide_message(message(body), decode(body))
        with store.transaction() as transaction:
            transaction.save(unit)


def rows(store, table=outbox):
    with store.read_transaction() as connection:
        return [dict(row) for row in connection.execute(table.select()).mappings()]


def let_pass(store):
    """Have every lease and pause be over."""
    with store.write_transaction() as connection:
        connection.execute(outbox.update().values(due_at=NOW))
        connection.execute(limits.update().values(next_at=NOW))


def level(store):
    (found,) = (row for row in rows(store, limits) if row["name"] == CHANNEL.name)
    return found


def test_after_a_digest_nothing_goes_out_alone_for_a_while(store, message):
    enqueue(store, message, *[mail.bounce(f"u{n}@example.com") for n in range(15)])
    assert len(Outbox(store).claim(SLACK, CHANNEL).effects) == 15
    assert level(store)["tokens"] == 0


@pytest.mark.parametrize("budget", [1, 2, 20, 60])
def test_a_notice_sent_separately_after_a_commit_has_its_message_whatever_the_budget(
    store, message, budget
):
    """However many are enqueued at once: what has lost it comes in a digest."""
    rate_limit = replace(CHANNEL, per_minute=budget)
    policy = Settings(slack={"messages_per_minute": budget, "webhook_url": "http://s"}).as_policy()
    for count in range(1, policy.notices_with_json + 2):
        unit = UnitOfWork(policy, known_keys=(), users={})
        for number in range(count):
            body = mail.bounce(f"u{number}@example.com")
            unit.decide_message(message(body), decode(body))
        with store.write_transaction() as connection:
            connection.execute(outbox.delete())
            connection.execute(limits.delete())
        with store.transaction() as transaction:
            transaction.save(unit)
        claimed = Outbox(store).claim(SLACK, rate_limit).effects
        assert len(claimed) in {1, count}
        if len(claimed) == 1:
            assert all(entry.payload.message for entry in unit.entries)


def test_the_next_effect_goes_a_second_after_a_slow_effect_has_arrived(store, message):
    enqueue(store, message, *[mail.bounce(f"u{n}@example.com") for n in range(2)])
    claim = Outbox(store).claim(SLACK, CHANNEL)
    with store.write_transaction() as connection:
        connection.execute(limits.update().values(next_at=NOW))
    Outbox(store).delivered(claim)
    assert 0.5 < Outbox(store).claim(SLACK, CHANNEL).wait_seconds <= 1


def test_a_claimed_effect_is_nobody_elses_until_the_lease_ends(store, message):
    enqueue(store, message, policy=Policy(notify=(SLACK,)))
    fast = replace(CHANNEL, per_second=1_000, per_minute=60_000, lease_seconds=60)
    (claimed,) = Outbox(store).claim(SLACK, fast).effects
    other = Outbox(store).claim(SLACK, fast)
    assert not other.effects
    assert 30 < other.wait_seconds <= 60, "the rest of the lease"
    let_pass(store)
    (again,) = Outbox(store).claim(SLACK, fast).effects
    assert (again.id, again.attempts) == (claimed.id, 2)


def test_a_blocked_lane_probes_with_a_single_effect(store, message):
    enqueue(store, message, *[mail.bounce(f"u{n}@example.com") for n in range(3)])
    database = Outbox(store)
    database.blocked(database.claim(SLACK, CHANNEL), "no_service")
    database.look_again(CHANNEL)
    probe = database.claim(SLACK, CHANNEL)
    assert len(probe.effects) == 1
    assert rows(store)[0]["parked_by"] is None
    assert not database.claim(SLACK, CHANNEL).effects


def test_a_probe_that_was_killed_is_parked_again(store, message):
    enqueue(store, message, policy=Policy(notify=(SLACK,)))
    database = Outbox(store)
    database.blocked(database.claim(SLACK, CHANNEL), "no_service")
    database.look_again(CHANNEL)
    database.claim(SLACK, CHANNEL)
    with store.write_transaction() as connection:
        connection.execute(outbox.update().values(due_at=NOW))
    database.claim(SLACK, CHANNEL)
    assert [row["state"] for row in rows(store)] == ["parked"]


def test_effects_parked_for_their_own_sake_stay_when_the_lane_is_fixed(store, message):
    bodies = [mail.bounce(f"u{n}@example.com") for n in range(2)]
    enqueue(store, message, *bodies, policy=Policy(notify=(SLACK,)))
    database = Outbox(store)
    database.parked(database.claim(SLACK, CHANNEL), "invalid_blocks")
    let_pass(store)
    database.blocked(database.claim(SLACK, CHANNEL), "no_service")
    database.look_again(CHANNEL)
    assert database.delivered(database.claim(SLACK, CHANNEL))
    assert [row["state"] for row in rows(store)] == ["parked", "delivered"]


def test_a_person_who_retries_gives_all_tries_again_and_wakes_a_blocked_lane(store, message):
    enqueue(store, message, policy=Policy(notify=(SLACK,)))
    database = Outbox(store)
    claim = database.claim(SLACK, CHANNEL)
    database.postponed(claim, "503", None, lambda *_: ())
    let_pass(store)
    database.blocked(database.claim(SLACK, CHANNEL), "no_service")
    assert retry_effects(store, OutboxFilter(ids=[1])) == 1
    assert rows(store)[0]["attempts"] == 0
    assert len(database.claim(SLACK, CHANNEL).effects) == 1


def parked(store, state):
    """Return the columns that show why effects of this state are parked."""
    names = ("parked_by", "parked_reason", "finished_at")
    return [tuple(row[name] for name in names) for row in rows(store) if row["state"] == state]


def block(store, message):
    """Enqueue two effects and have their lane blocked."""
    bodies = [mail.bounce(f"u{n}@example.com") for n in range(2)]
    enqueue(store, message, *bodies, policy=Policy(notify=(SLACK,)))
    database = Outbox(store)
    database.blocked(database.claim(SLACK, CHANNEL), "no_service")
    assert [found[:2] for found in parked(store, "parked")] == [(CHANNEL.name, "blocked")] * 2
    return database


def test_effects_that_are_freed_lose_the_reason_why_they_were_parked(store, message):
    database = block(store, message)
    database.look_again(CHANNEL)
    assert database.delivered(database.claim(SLACK, CHANNEL))
    assert parked(store, "waiting") == [(None, None, None)]


def test_nor_do_those_that_a_person_retries_or_discards(store, message):
    block(store, message)
    assert retry_effects(store, OutboxFilter(ids=[1])) == 1
    assert discard_effects(store, OutboxFilter(ids=[2])) == 1
    assert parked(store, "waiting") == [(None, None, None)]
    assert [found[:2] for found in parked(store, "discarded")] == [(None, None)]


@pytest.mark.parametrize("change", [retry_effects, discard_effects])
def test_nobody_takes_an_effect_out_of_the_hands_that_deliver_it(store, message, change):
    enqueue(store, message, policy=Policy(notify=(SLACK,)))
    claim = Outbox(store).claim(SLACK, CHANNEL)
    assert change(store, OutboxFilter(ids=[1])) == 0
    Outbox(store).delivered(claim)
    assert [row["state"] for row in rows(store)] == ["delivered"]


def test_why_separates_what_a_single_mail_caused_for_each(store, message):
    enqueue(store, message, mail.bounce("jane@example.com", "joe@example.com"))
    enqueue(store, message, mail.complaint("ann@example.com", message_id="0100-mail-1"))
    kinds = [effect["kind"] for effect in history_of(store, "jane@example.com").effects]
    assert sorted(kinds) == ["bounce_notice", "removal"]


def test_why_goes_by_the_feedback_and_by_the_mail(store, message):
    for number, policy in enumerate([Policy(), Policy(notify=(SLACK,))]):
        body = mail.bounce("jane@example.com", feedback_id=f"f-{number}", message_id="one-mail")
        other = body if number == 0 else body.replace("08:15:33", "09:15:33")
        enqueue(store, message, other, policy=policy)
    found = history_of(store, "jane@example.com")
    assert len(found.events) == 2
    assert [effect["feedback_id"] for effect in found.effects] == ["f-1"]


class TestRemovals:
    def take_off(self, store, effect_id, outcome=RemovalOutcome.REMOVED, tenant="", **entry):
        removal_log = RemovalLog(store)
        removal_log.begin(effect_id, replace(JANE, tenant=tenant), ENTRY | entry)
        if outcome:
            removal_log.finish(effect_id, outcome)
        return removal_log

    @pytest.mark.parametrize("outcome", [None, *RemovalOutcome])
    def test_a_removal_that_was_begun_counts_whatever_its_outcome(self, store, outcome):
        removal_log = self.take_off(store, 1, outcome)
        assert removal_log.removals(JANE, WITHIN, besides=2) == 1

    def test_an_effect_that_is_tried_again_does_not_count_itself(self, store):
        removal_log = self.take_off(store, 1, None)
        assert removal_log.removals(JANE, WITHIN, besides=1) == 0

    def test_what_is_long_ago_does_not(self, store):
        removal_log = self.take_off(store, 1)
        with store.write_transaction() as connection:
            connection.execute(removals.update().values(begun_at=datetime.now(UTC) - 2 * WITHIN))
        assert removal_log.removals(JANE, WITHIN, besides=2) == 0

    @pytest.mark.parametrize("days", [-60, 60])
    def test_a_wrong_clock_of_ours_hides_none(self, store, days, monkeypatch):
        """PostgreSQL's counts; with SQLite there is one clock, and it is ours."""
        wrong = datetime.now(UTC) + timedelta(days=days)
        if store.place.startswith("PostgreSQL"):
            removal_log = self.take_off(store, 1)
        monkeypatch.setattr("worker.timing.clock.wall", lambda: wrong)
        if not store.place.startswith("PostgreSQL"):
            removal_log = self.take_off(store, 1)
        assert removal_log.removals(JANE, WITHIN, besides=2) == 1

    def test_the_last_entry_is_the_entry_to_restore(self, store):
        self.take_off(store, 1, LastUpdateTime="first")
        removal_log = self.take_off(store, 2, LastUpdateTime="second")
        assert removal_log.latest("jane@example.com").entry["LastUpdateTime"] == "second"

    def test_each_list_is_counted_and_restored_by_itself(self, store):
        for effect_id, tenant in enumerate(["", "acme", "acme", "other"], start=1):
            log = self.take_off(store, effect_id, tenant=tenant, LastUpdateTime=str(effect_id))
        counts = {
            tenant: log.removals(replace(JANE, tenant=tenant), WITHIN, besides=9)
            for tenant in ("", "acme", "other", "unknown")
        }
        assert counts == {"": 1, "acme": 2, "other": 1, "unknown": 0}
        latest = {
            tenant: (kept.tenant, kept.entry["LastUpdateTime"]) if kept else None
            for tenant in (None, "", "acme", "unknown")
            for kept in [log.latest("jane@example.com", tenant)]
        }
        assert latest == {
            None: ("other", "4"),
            "": ("", "1"),
            "acme": ("acme", "3"),
            "unknown": None,
        }


def test_a_replaced_channel_is_no_problem(store, message):
    enqueue(store, message, policy=Policy(notify=(SLACK,)))
    database, other = Outbox(store), replace(CHANNEL, name="slack:other")
    database.blocked(database.claim(SLACK, CHANNEL), "no_service")
    assert [(problem.name, problem.why) for problem in problems(store)] == [("slack", "no_service")]
    let_pass(store)
    claim = database.claim(SLACK, other)
    assert problems(store) == []
    database.postponed(claim, "503", None, lambda *_: ())
    assert [problem.why for problem in problems(store)] == ["1 failure"]
    let_pass(store)
    database.delivered(database.claim(SLACK, other))
    assert problems(store) == []


@pytest.mark.parametrize("per_second", [0.01, 1, 100])
def test_the_lease_of_a_removal_outlasts_all_its_calls_and_their_turns(per_second):
    """Seven calls, each with a second try of at most 15 s."""
    settings = Settings.model_validate(
        {
            "aws": {"region": "eu-west-1"},
            "suppression": {"requests_per_second": per_second},
        }
    )
    lease = suppression_rate_limit(settings).lease_seconds
    assert 7 * 2 * (15 + 1 / per_second) <= lease < LONGEST_PAUSE_SECONDS


class TestBlockedLanes:
    """What `outbox list` says of the remote services."""

    OLD = RateLimit(name="slack:old", per_second=1, per_minute=20)

    def test_an_abandoned_channel_is_no_problem(self, store, message):
        enqueue(store, message, policy=Policy(notify=(SLACK,)))
        database = Outbox(store)
        database.blocked(database.claim(SLACK, self.OLD), "no_service")
        assert [problem.why for problem in problems(store)] == ["no_service"]
        database.claim(SLACK, CHANNEL)
        assert problems(store) == []

    def test_an_effect_that_a_former_version_parked_stays_parked(self, store, message):
        """It runs on after the schema was upgraded, and knows no `parked_reason`."""
        enqueue(store, message, policy=Policy(notify=(SLACK,)))
        with store.write_transaction() as connection:
            connection.execute(outbox.update().values(state="parked", parked_by="message"))
        assert not Outbox(store).claim(SLACK, CHANNEL).effects
        assert [row["state"] for row in rows(store)] == ["parked"]

    def test_a_rest_that_is_over_is_none_either(self, store, message):
        enqueue(store, message, policy=Policy(notify=(SLACK,)))
        database = Outbox(store)
        database.postponed(database.claim(SLACK, CHANNEL), "503", None, lambda *_: ())
        assert [problem.why for problem in problems(store)] == ["1 failure"]
        let_pass(store)
        assert problems(store) == []
