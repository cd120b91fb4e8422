"""Untrusted text, to show it takes about as long as to parse it, wherever it is shown."""

import io
from contextlib import redirect_stdout
from datetime import UTC, datetime

import pytest
from support import mail, timing, worst
from support.lanes import SLACK
from support.notices import bounced, effect, recipient

from worker.cli.dlq.dead_letter import dead_letter_as_json, show_dead_letter
from worker.commands.dlq.groups import Groups
from worker.commands.dlq.listing import Looked
from worker.core.acceptance import EVERYTHING
from worker.core.dead_letter import dead_letter_from_queue
from worker.core.decide import decide
from worker.core.decode import decode
from worker.core.effects import Effect, Summary
from worker.core.masking import printable, sanitized
from worker.core.messages import Delete, Handled, Received
from worker.core.model import Outcome
from worker.core.outbox.feedback import entries_for
from worker.core.policy import Policy
from worker.notifiers.slack.digest import digest, simplified_digest
from worker.notifiers.slack.notices import notice, simplified
from worker.notifiers.slack.pretty import pretty
from worker.notifiers.slack.text import code, fence, mask, plain
from worker.observability.log import configure_logging
from worker.observability.metrics import Metrics
from worker.observability.telemetry import Telemetry

POLICY = Policy(notify=(SLACK,))
EVERYWHERE = ("bounce/bouncedRecipients/0/diagnosticCode", "bounce/bouncedRecipients/0/new")


def received(body, **attributes):
    shown = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
    return Received(
        message_id="m",
        body=body,
        receipt_handle="",
        receive_count=1,
        received_at=datetime.now(UTC),
        lease_until=0.0,
        sent_at=datetime.now(UTC),
        attributes=shown,
    )


def decided(body):
    return [decide(item, None, POLICY, mail.NOW) for item in decode(body)]


TEXTS = {
    "in a log line": sanitized,
    "on a terminal": printable,
    "masked for Slack": mask,
    "as code": lambda text: code(text, 300, masked=True),
    "in a fence": lambda text: fence(text, 2_900, masked=True),
    "plain": lambda text: plain(text, 300, masked=True),
    "that is no JSON": lambda text: pretty(text, masked=True),
}


@pytest.mark.parametrize("show", TEXTS.values(), ids=TEXTS)
def test_no_text_takes_long_to_show(show):
    found = {
        name: wrong
        for name, unit in worst.CHARACTERS.items()
        if (wrong := timing.is_bounded(show, lambda size, unit=unit: worst.filled(unit, size)))
    }
    assert found == {}


def in_slack(body):
    for entries in entries_for(decided(body), POLICY):
        first = effect(entries.payload)
        for masked in (False, True):
            notice(first, masked=masked)
            simplified(first, masked=masked)


def in_the_log(body):
    decisions = decided(body)
    Telemetry(Metrics()).report([Handled(received(body), Delete(Outcome.APPLIED), decisions)])


def as_a_dead_letter(body):
    dead_letter = dead_letter_from_queue(received(body, ses_worker_error=body[:9_000]), "arn:x")
    Groups(datetime.now(UTC)).add(dead_letter)
    with redirect_stdout(io.StringIO()):
        show_dead_letter(dead_letter_as_json(Looked(), dead_letter, EVERYTHING))


@pytest.fixture(autouse=True)
def log():
    configure_logging("debug", json=True, stream=io.StringIO())
    yield
    configure_logging("warning", json=None)


PLACES = {"Slack": in_slack, "the log": in_the_log, "a dead letter": as_a_dead_letter}


@pytest.mark.parametrize("show", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("field", EVERYWHERE)
def test_no_message_takes_long_to_show(show, field):
    found = {
        name: wrong
        for name, unit in worst.CHARACTERS.items()
        if (
            wrong := timing.is_bounded(
                show, lambda size, unit=unit: worst.body(field, worst.filled(unit, size))
            )
        )
    }
    assert found == {}


@pytest.mark.parametrize("value", ["[]", "1"])
@pytest.mark.parametrize("show", PLACES.values(), ids=PLACES)
def test_no_list_takes_long_to_show(show, value):
    assert not timing.is_bounded(show, lambda size: worst.a_list("new", value, size))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("levels", [90, 800])
def test_a_message_that_is_nested_deep_takes_no_longer(levels, masked):
    """Each of its lines begins with twice as many spaces: 400 MB of them for one notice, once."""

    def text(size):
        return "[" * levels + "1," * (size // 8) + "1" + "]" * levels

    assert not timing.is_bounded(lambda whole: pretty(whole, masked=masked), text)
    first = effect(bounced(recipient(), message=text(1_000_000)))
    assert timing.seconds(lambda: notice(first, masked=masked), 0.05) <= 0.05


def test_a_digest_of_thousands_takes_no_longer_for_their_texts():
    def effects(unit):
        output = [
            Summary(
                label=f"{unit}{n}"[:100],
                domains={f"{n}.{unit}"[:200]: 1},
                sample=unit[:200],
                occurred_at=mail.NOW,
            )
            for n in range(2_000)
        ]
        return [
            Effect(id=n, kind="bounce_notice", attempts=1, created_at=mail.NOW, summary=item)
            for n, item in enumerate(output)
        ]

    usual = effects("example.com")
    limit = 5 * timing.seconds(lambda: digest(usual)) + timing.LEAST_SECONDS
    for unit in worst.CHARACTERS.values():
        bad = effects(worst.filled(unit, 300))
        assert timing.seconds(lambda bad=bad: digest(bad), limit) <= limit
        assert timing.seconds(lambda bad=bad: simplified_digest(bad), limit) <= limit
