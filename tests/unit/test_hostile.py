"""Hostile bodies are what their names say, and the oracles check what became of them."""

import pytest
from oracles import PublishedEvents, places
from oracles.database import Row
from oracles.observer import REASON
from support.hostile import APPLIED, IGNORED, KINDS, MEBIBYTE, Hostile, bodies, is_theirs, mark_in

from simulators.sqs import SqsSimulator
from simulators.sqs.messages import check_text
from worker.core.decode import decode
from worker.core.model import Ignored, Malformed

MARK = "hostile-7-0"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_sqs_carries_each_and_it_becomes_what_it_says(kind):
    body = kind.make(MARK)
    check_text(body)
    assert len(body.encode()) <= MEBIBYTE
    decoded = decode(body)
    if isinstance(decoded, Malformed):
        assert decoded.reason in kind.outcomes
    elif isinstance(decoded, Ignored):
        assert IGNORED in kind.outcomes
    else:
        output = decoded[0].notification
        assert APPLIED in kind.outcomes
        assert len(decoded) == kind.rows
        assert mark_in(output.ses_message_id, output.feedback_id) == MARK
        assert all(item.address is None or is_theirs(item.address.key) for item in decoded)


def test_each_kind_comes_in_order_and_no_body_twice():
    some = bodies(1)
    first = [next(some) for _ in range(len(KINDS))]
    assert [item.kind for item in first] == list(KINDS)
    assert len({kind.name for kind in KINDS}) == len(KINDS) > 40
    assert next(some).body != first[0].body


class Quarantine:
    def __init__(self, *kept):
        self.kept = list(kept)

    def all_quarantined(self):
        return self.kept


@pytest.fixture
def look():
    """Take one hostile body, and return what is found of it, wherever it is."""

    def look(kind, *, rows=0, sent_as=(), quarantined_as=()):
        hostile = Hostile(kind, MARK, kind.make(MARK))
        removal_log = PublishedEvents()
        removal_log.publish_hostile(hostile)
        row = Row("bounce", f"{MARK}-feedback", MARK, "Permanent", "General", None, "")
        assert removal_log.take_stock(iter([row] * rows)) == []
        with SqsSimulator() as emulator:
            emulator.create_queue("feedback", dead_letter="feedback-dlq")
            for reason in sent_as:
                attribute = {REASON: {"DataType": "String", "StringValue": reason}}
                emulator.send("feedback-dlq", hostile.body, attributes=attribute)
            kept = Quarantine(*((hostile.body, reason) for reason in quarantined_as))
            found = places.look(removal_log, kept, emulator, "feedback", "feedback-dlq")
        assert (found.hostile, found.dead_lettered) == (1, 0)
        return [finding.text for finding in found.findings]

    return look


def named(name):
    return next(kind for kind in KINDS if kind.name == name)


def test_a_message_that_is_where_it_may_be_is_no_fault(look):
    assert look(named("wrong type of status"), rows=1) == []
    assert look(named("wrong type of bounce"), sent_as=["no_object"]) == []
    assert look(named("wrong type of bounce"), sent_as=["no_object"] * 2) == [], "after a kill"
    assert look(named("wrong type of bounce"), quarantined_as=["no_object"]) == []


@pytest.mark.parametrize(
    ("name", "where", "expected"),
    [
        ("wrong type of status", {}, "lost"),
        ("wrong type of status", {"rows": 2}, "2 rows, not 1"),
        ("wrong type of status", {"sent_as": ["processing_failed"]}, "became"),
        ("wrong type of bounce", {"rows": 1}, "became"),
        ("an envelope in an envelope", {"rows": 1, "quarantined_as": ["no_type"]}, "two places"),
    ],
)
def test_a_message_that_is_lost_or_elsewhere_is_noticed(look, name, where, expected):
    (text,) = look(named(name), **where)
    assert expected in text
