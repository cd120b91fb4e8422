"""Bounces by faults of our own are an incident: one notice an hour, whatever the processes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs
from support import mail
from support.lanes import SLACK

from worker.app.current import Current
from worker.app.own_faults import OwnFaultWatch
from worker.core.effects import Lane
from worker.core.errors import Unavailable
from worker.core.own_faults import BETWEEN_NOTICES
from worker.core.payloads import EffectKind
from worker.process import process
from worker.settings import Settings
from worker.store.incidents import announce
from worker.store.schema import events, limits, outbox
from worker.timing import clock

WEBHOOK = "https://hooks.slack.com/services/T0/B0/secret"
OURS = "550 5.7.1 <jane@example.com> blocked using zen.spamhaus.org"


class Process:
    """One of the processes that share a database."""

    def __init__(self, store, message, own_faults=10, **sections):
        given = {"notify": {"own_faults": own_faults}, "slack": {"webhook_url": WEBHOOK}} | sections
        self.current = Current(Settings(**given), None)
        self.watch = OwnFaultWatch(store, self.current)
        self._store, self._message = store, message

    def bounces(self, count, diagnostic=OURS):
        """Take in so many bounces, a message each; return how many notices were announced."""
        announced = 0
        for number in range(count):
            entry = mail.recipient(f"person{number}@example.com", diagnosticCode=diagnostic)
            body = json.loads(mail.bounce(entry, event=True))
            body["mail"] |= {
                "source": "news@sender.example.org",
                "tags": {"ses:configuration-set": ["bulk"], "ses:tenant-name": ["acme"]},
            }
            batch = [self._message(json.dumps(body))]
            announced += self.watch.look_at(process(batch, self._store, self.current.policy))
        return announced


@pytest.fixture
def begin(store, message):
    return lambda *arguments, **more: Process(store, message, *arguments, **more)


def notices(store):
    with store.reading() as connection:
        ours = outbox.c.kind == EffectKind.OWN_FAULTS_NOTICE.value
        rows = connection.execute(select(outbox).where(ours)).mappings()
        return [(row["lane"], json.loads(row["payload"])) for row in rows]


def test_the_tenth_is_an_incident_and_each_is_recorded(store, begin):
    worker = begin()
    assert worker.bounces(9) == 0
    assert notices(store) == []
    with capture_logs() as lines:
        assert worker.bounces(11) == 1
    ((lane, notice),) = notices(store)
    assert lane == SLACK
    assert notice["count"] == 10
    assert notice["configuration_sets"] == ["bulk"]
    assert notice["tenants"] == ["acme"]
    assert notice["senders"] == ["sender.example.org"]
    assert notice["providers"] == ["example.com"]
    assert "***@example.com" in notice["diagnostic"]
    assert "jane" not in str(notice)
    (line,) = [line for line in lines if line["event"] == "bounces.own_faults"]
    assert (line["log_level"], line["bounces"]) == ("warning", 10)
    assert "jane" not in str(line)
    with store.reading() as connection:
        assert connection.execute(select(events.c.fault)).scalars().all() == ["sender"] * 20


@pytest.mark.parametrize("diagnostic", ["550 5.1.1 user unknown", "452 4.2.2 mailbox full"])
def test_faults_of_others_are_no_incident(store, begin, diagnostic):
    assert begin().bounces(30, diagnostic) == 0
    assert notices(store) == []


def test_two_processes_give_notice_once_in_an_hour_and_then_again(store, begin, monkeypatch):
    first, second = begin(), begin()
    assert (first.bounces(10), second.bounces(10)) == (1, 0)
    assert (first.bounces(10), second.bounces(10)) == (0, 0)
    later = clock.now() + BETWEEN_NOTICES.total_seconds() + 1
    monkeypatch.setattr(clock, "now", lambda: later)
    assert second.bounces(10) == 0, "the database's hour is not over"
    with store.writing() as connection:
        connection.execute(update(limits).values(next_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert (first.bounces(10), second.bounces(10)) == (1, 0)
    assert len(notices(store)) == 2


def test_a_time_that_a_wrong_clock_wrote_silences_nobody(store, begin):
    assert begin().bounces(10) == 1
    with store.writing() as connection:
        connection.execute(update(limits).values(next_at=datetime.now(UTC) + timedelta(days=9)))
    assert begin().bounces(10) == 1


def test_zero_is_off_and_a_reload_changes_the_number(store, begin):
    worker = begin(own_faults=0)
    assert worker.bounces(30) == 0
    worker.current.settings = Settings(notify={"own_faults": 3}, slack={"webhook_url": WEBHOOK})
    assert worker.bounces(2) == 0
    assert worker.bounces(1) == 1


def test_without_a_channel_there_is_the_log_line_alone(store, begin):
    with capture_logs() as lines:
        assert begin(slack={}).bounces(25) == 0
    assert [line["event"] for line in lines] == ["bounces.own_faults"]
    assert notices(store) == []


def test_a_store_that_fails_costs_nothing_but_the_notice(store, begin, monkeypatch):
    worker = begin()

    def failing(*_):
        raise Unavailable("the database does not answer")

    monkeypatch.setattr("worker.app.own_faults.announce", failing)
    with capture_logs() as lines:
        assert worker.bounces(10) == 0
    assert [line["event"] for line in lines] == ["bounces.own_faults", "notice.lost"]
    monkeypatch.undo()
    soon = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: soon)
    assert worker.bounces(1) == 1


def test_each_channel_gets_the_notice(store):
    from worker.core.outbox.others import entries_for_own_faults
    from worker.core.payloads import OwnFaultsNotice

    at = datetime.now(UTC)
    notice = OwnFaultsNotice(count=10, since=at, occurred_at=at, diagnostic="550 sorry")
    lanes = [SLACK, Lane("other")]
    entries = entries_for_own_faults(notice, at, lanes)
    assert not announce(store, "own_faults", BETWEEN_NOTICES, entries)
    assert [lane for lane, _ in notices(store)] == lanes
