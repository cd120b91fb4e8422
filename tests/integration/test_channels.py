"""A second notice channel: its package, its settings section and a line in the registry are all.

The toy channel here writes notices to a file. It is what `docs/development/channels.md` points at.
"""

import json
import threading
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from structlog.testing import capture_logs
from support import mail
from support.lanes import SLACK
from support.waiting import wait_until

from simulators.slack import SlackSimulator
from worker.app import make_relay
from worker.app.current import Current
from worker.app.reload import reload
from worker.commands.check.channels import check_channels
from worker.core.effects import Blocked, Effect, Lane, Sent
from worker.core.messages import DeadLetter
from worker.core.model import Reason
from worker.core.outbox.others import entries_for_dead_letters
from worker.core.rate_limit import RateLimit
from worker.notifiers import registry
from worker.notifiers.channel import ChannelType
from worker.notifiers.slack.notices import notice
from worker.observability.health import Health
from worker.process import process
from worker.service.startup_checks import warn_of_effects_without_sender
from worker.settings import Settings
from worker.settings.channels import ChannelSection
from worker.store.outbox import Outbox
from worker.store.outbox_list import problems
from worker.store.schema import outbox

TOY = Lane("toy")


class ToySettings(ChannelSection):
    """`[toy]`: the file to write to; a missing folder blocks the channel."""

    enabled_by: ClassVar[tuple[str, ...]] = ("file",)

    file: Path | None = None

    @property
    def lanes(self):
        return (TOY,) if self.file else ()

    @property
    def notices_at_once(self):
        return 1


class ToyChannel:
    """Appends each notice to a file, as a line of JSON."""

    service = "the file"

    def __init__(self, settings, lane):
        self.lane = lane
        self.destination = settings.file.name
        self.rate_limit = RateLimit(name=f"{lane}:{settings.file}", per_second=1_000)
        self._file = settings.file

    def deliver(self, effects):
        if not self._file.parent.is_dir():
            return Blocked(error=f"no folder: make {self._file.parent}")
        with self._file.open("ab") as file:
            file.writelines(msgspec.json.encode(effect) + b"\n" for effect in effects)
        return Sent(result=self._file.name)

    def ask(self):
        found = self._file.parent.is_dir()
        return Sent(result="it can be written") if found else Blocked(error="no folder: make it")

    def send_sample(self, queue):
        self._file.write_text(f"a test notice of {queue}\n", encoding="utf-8")
        return Sent(result=self._file.name)


class SettingsWithToy(Settings):
    """The settings of a program that has the toy channel."""

    toy: ToySettings = ToySettings()


@pytest.fixture(autouse=True)
def toy_type(monkeypatch):
    """The line in the registry."""
    types = (*registry.CHANNEL_TYPES, ChannelType(ToySettings, ToyChannel))
    monkeypatch.setattr(registry, "CHANNEL_TYPES", types)


@pytest.fixture
def slack():
    with SlackSimulator() as slack:
        yield slack


@pytest.fixture
def file(tmp_path):
    return tmp_path / "toy" / "notices"


@pytest.fixture
def settings(slack, file):
    """Both channels are configured, and the toy works."""
    file.parent.mkdir()
    to_slack = {"webhook_url": slack.webhook_url, "messages_per_second": 100}
    return SettingsWithToy.model_validate({
        "slack": to_slack, "toy": {"file": file}, "queue": {"url": "https://sqs.x/1/feedback"},
    })  # fmt: skip


def bounce(store, message, settings, address="jane@example.com"):
    """Process a bounce, as the consumer does."""
    process([message(mail.bounce(address))], store, settings.as_policy())


def deliver(store, settings):
    relay = make_relay(settings, store, Health())
    relay.deliver_for(10, threading.Event())
    assert relay.failure is None


def rows(store):
    with store.read_transaction() as connection:
        query = outbox.select().order_by(outbox.c.id)
        return [dict(row) for row in connection.execute(query).mappings()]


def written(file):
    """The effects in the toy's file."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=Effect) for line in lines]


def states(store):
    return {(row["lane"], row["kind"]): row["state"] for row in rows(store)}


def test_both_channels_get_the_same_notice(store, message, settings, slack, file):
    bounce(store, message, settings)
    to_slack, to_toy = rows(store)
    assert (to_slack["lane"], to_toy["lane"]) == ("slack", "toy")
    differs = {key for key in to_slack if to_slack[key] != to_toy[key]}
    assert differs == {"id", "lane"}
    deliver(store, settings)
    assert {row["state"] for row in rows(store)} == {"delivered"}
    (effect,) = written(file)
    (post,) = slack.posts
    same = notice(msgspec.structs.replace(effect, id=to_slack["id"]))
    assert (effect.id, post["text"], post["blocks"]) == (to_toy["id"], same.text, same.blocks)


def test_a_parked_channel_does_not_hold_up_the_others_and_they_are_notified(
    store, message, settings, slack, file
):
    file.parent.rmdir()
    for number in range(3):
        bounce(store, message, settings, f"user{number}@example.com")
        deliver(store, settings)
    assert states(store) == {
        ("slack", "bounce_notice"): "delivered",
        ("slack", "parked_notice"): "delivered",
        ("toy", "bounce_notice"): "parked",
    }
    assert {row["parked_by"] for row in rows(store) if row["lane"] == "toy"} == {f"toy:{file}"}
    assert {row["parked_reason"] for row in rows(store) if row["lane"] == "toy"} == {"blocked"}
    assert [problem.name for problem in problems(store)] == ["toy"]
    texts = [post["text"] for post in slack.posts]
    assert len([text for text in texts if text.startswith("BOUNCE: user")]) == 3
    assert texts.count("PARKED: bounce_notice (1)") == 1
    file.parent.mkdir()
    deliver(store, settings)
    assert len(written(file)) == 3
    assert problems(store) == []


def test_parked_notices_without_a_sender_are_counted_too(store, message, settings):
    bounce(store, message, settings)
    bounce(store, message, settings)
    database = Outbox(store)
    rate_limit = RateLimit(name="toy:gone", per_second=1, per_minute=20)
    database.parked(database.claim(Lane("toy"), rate_limit), "cannot be written")
    found = [row["state"] for row in rows(store) if row["lane"] == "toy"]
    assert sorted(found) == ["parked", "waiting"]
    with capture_logs() as log:
        warn_of_effects_without_sender(store, Settings().lanes, Settings().keys_of)
    assert ("toy", 2) in [(line["lane"], line["effects"]) for line in log]


def test_a_channel_that_is_no_longer_configured_is_reported_and_its_notices_wait(
    store, message, settings
):
    bounce(store, message, settings)
    without = settings.model_copy(update={"toy": ToySettings()})
    deliver(store, without)
    assert states(store)["toy", "bounce_notice"] == "waiting"
    with capture_logs() as log:
        warn_of_effects_without_sender(store, without.lanes, without.keys_of)
    (line,) = log
    assert (line["event"], line["lane"], line["effects"]) == ("outbox.no_sender", "toy", 1)
    assert "until toy.file is set again" in line["hint"]
    with capture_logs() as log:
        warn_of_effects_without_sender(store, Settings().lanes, Settings().keys_of)
    assert [(line["lane"], "until [toy] is set again" in line["hint"]) for line in log] == [
        ("toy", True)
    ]


def test_a_reload_adds_a_channel_and_removes_it(store, message, settings, file, stopping):
    without = settings.model_copy(update={"toy": ToySettings()})
    health = Health()
    current = Current(without, make_relay(without, store, health))
    current.start()
    try:
        for desired, lanes in ((settings, (SLACK, TOY)), (without, (SLACK,))):
            left = reload(current, lambda new=desired: new, store, health, stopping)
            assert (left, current.policy.notify) == ("", lanes)
            assert [worker.name for worker in current.relay._workers] == [
                f"relay-{lane}" for lane in lanes
            ]
            if desired is settings:
                bounce(store, message, settings)
                current.relay.wake()
                wait_until(lambda: written(file))
    finally:
        assert current.finish(threading.Event())


def test_check_asks_each_channel_and_names_each_section_without_a_channel(settings, slack, file):
    found = {finding.check: finding for finding in check_channels(settings, send=False)}
    assert set(found) == set(settings.channel_sections)
    assert {name: str(found[name].status) for name in ("slack", "toy")} == {
        "slack": "ok",
        "toy": "ok",
    }
    assert not file.exists()
    assert slack.posts == []
    assert {str(item.status) for item in check_channels(settings, send=True)} == {"ok"}
    assert file.read_text(encoding="utf-8") == "a test notice of feedback\n"
    assert slack.posts[0]["text"] == "TEST: ses-worker check"
    file.unlink()
    file.parent.rmdir()
    broken = {finding.check: finding for finding in check_channels(settings, send=False)}
    assert (str(broken["toy"].status), broken["toy"].fix) == ("wrong", "make it")
    none = {finding.check: finding for finding in check_channels(SettingsWithToy(), send=False)}
    assert "toy.file" in none["toy"].message
    assert "slack.webhook_url or slack.token" in none["slack"].message


def test_each_channel_gets_the_notices_about_dead_letters(message, settings):
    dead = (message("{}"), DeadLetter(Reason.NOT_JSON, "no JSON"), "feedback-dlq")
    entries = entries_for_dead_letters([dead], settings.channel_lanes)
    assert [entry.lane for entry in entries] == ["slack", "toy"]
    assert json.loads(msgspec.json.encode(entries[0].payload))["reason"] == "not_json"
    assert entries[0].payload == entries[1].payload
    assert entries_for_dead_letters([dead], ()) == []


def test_a_notice_keeps_its_message_for_as_many_notices_as_with_a_single_channel(settings):
    without = settings.model_copy(update={"toy": ToySettings()})
    assert settings.as_policy().notices_with_json == 2 * without.as_policy().notices_with_json


def test_the_registry_has_a_line_for_each_channel_section(monkeypatch):
    monkeypatch.undo()
    sections = {type(section) for section in Settings().channel_sections.values()}
    assert {channel_type.section for channel_type in registry.CHANNEL_TYPES} == sections
