"""Oracles must be right themselves: they parse as the worker does, and find what is wrong."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chaos.mailbox import Mailbox
from oracles import PublishedEvents, Sort, calls, once, read
from oracles.database import Row
from oracles.notices import hear
from support import mail
from support.notices import bounced, effect, recipient, summarised

from simulators.sqs import Request
from worker.core.decode import decode
from worker.core.model import Ignored, Malformed
from worker.notifiers.slack.digest import digest
from worker.notifiers.slack.notices import notice

PAYLOADS = Path(__file__).parents[1] / "payloads"
EXPECTED = json.loads((PAYLOADS / "expected.json").read_text(encoding="utf-8"))
SORTS = {"ack-warn": Sort.IGNORED, "silent": Sort.IGNORED, "dead": Sort.UNREADABLE}


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected["file"])
def test_the_parsing_is_what_is_expected_of_each_payload(expected):
    feedback = read((PAYLOADS / expected["file"]).read_text(encoding="utf-8"))
    noticed = expected["kind"] in {"bounce", "complaint"}
    assert feedback.sort is SORTS.get(
        expected["disposition"], Sort.FEEDBACK if noticed else Sort.IGNORED
    )
    if feedback.sort is Sort.FEEDBACK:
        keys = [recipient.key for recipient in feedback.recipients]
        assert keys == [key or "" for key in dict.fromkeys(expected["recipients"])]


def test_two_readings_of_what_schedules_publish_agree():
    for body in Mailbox(seed=1, users=20).take(600):
        feedback, decoded = read(body), decode(body)
        if isinstance(decoded, Ignored):
            assert feedback.sort is Sort.IGNORED
        elif isinstance(decoded, Malformed):
            assert (feedback.sort, feedback.reason) == (Sort.UNREADABLE, decoded.reason)
        else:
            keys = [item.address.key if item.address else "" for item in decoded]
            assert sorted(keys) == sorted(recipient.key for recipient in feedback.recipients)
            first = decoded[0].notification
            assert (feedback.kind, feedback.type, feedback.subtype) == (
                first.kind,
                first.type,
                first.subtype,
            )
            assert (feedback.feedback_id, feedback.at) == (first.feedback_id, first.occurred_at)


@pytest.fixture
def published():
    """One bounce of two people, published by both routes with different feedback ids."""
    published = PublishedEvents()
    for feedback_id, event in (("one", False), ("other", True)):
        published.publish(
            mail.bounce("a@x.example", "b@x.example", feedback_id=feedback_id, message_id="m", event=event)
        )  # fmt: skip
    return published


def row(recipient, feedback_id="one"):
    at = datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)
    return Row("bounce", feedback_id, "m", "Permanent", "General", at, recipient)


def test_both_routes_are_the_same_event(published):
    (event,) = published.events
    assert (event.published, event.expected) == (2, {"a@x.example": 1, "b@x.example": 1})


def test_an_event_with_all_its_rows_is_applied(published):
    assert published.take_stock(iter([row("a@x.example"), row("b@x.example", "other")])) == []
    assert published.events[0].applied
    assert not list(once.twice(published, []))


def test_a_row_too_few_too_many_or_of_nobody_is_noticed(published):
    unknown_rows = published.take_stock(
        iter([row("a@x.example"), row("a@x.example", "other"), row("c@x.example")])
    )
    assert not published.events[0].applied
    assert len(list(once.twice(published, unknown_rows))) == 2


def deleting(handles, failed=(), *, client="run", clock=0.0, status=200, code=""):
    entries = [
        {"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)
    ]
    answer = {
        "Successful": [e for e in entries if e["ReceiptHandle"] not in failed],
        "Failed": [e | {"SenderFault": False} for e in entries if e["ReceiptHandle"] in failed],
    }
    return Request(
        1, 0.0, 0.0, "DeleteMessageBatch", "feedback", {"Entries": entries}, status, code,
        answer, ("FailEntries",), client, clock,
    )  # fmt: skip


def test_what_failed_must_be_tried_again_unless_the_process_was_killed():
    failing = deleting(["a", "b"], failed=["b"])
    assert len(list(calls.forgotten([failing], {}))) == 1
    assert not list(calls.forgotten([failing, deleting(["b"])], {}))
    assert not list(calls.forgotten([failing], {"run": 1.0}))
    assert list(calls.forgotten([failing], {"run": 60.0, "another": 1.0}))
    assert not list(calls.forgotten([failing], {}, before=0.0))


def extending(handles, **facts):
    return deleting(handles, **facts)._replace(operation="ChangeMessageVisibilityBatch")


def test_a_lease_need_not_be_extended_once_its_message_is_deleted():
    failing = extending(["a", "b"], status=503)
    assert len(list(calls.forgotten([failing], {}))) == 2
    (left,) = calls.forgotten([deleting(["a"]), failing], {})
    assert "'b'" in left.text
    assert len(list(calls.forgotten([deleting(["a"], failed=["a"]), failing], {}))) == 2
    assert len(list(calls.forgotten([deleting(["a"], status=503), failing], {}))) == 2


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [(503, "ServiceUnavailable", 1), (400, "ThrottlingException", 1), (403, "RequestThrottled", 1),
     (0, "", 1), (403, "AccessDenied", 0)],
)  # fmt: skip
def test_so_must_all_of_a_call_that_sqs_had_no_time_for(status, code, again):
    failing = deleting(["a"], status=status, code=code)
    assert len(list(calls.forgotten([failing], {}))) == again


def test_a_loop_without_a_pause_is_noticed_and_a_waiting_loop_is_not():
    refused = [deleting(["a"], status=500, clock=number / 100) for number in range(100)]
    assert len(list(calls.too_many(refused))) == 1
    patient = [deleting(["a"], status=500, clock=float(number)) for number in range(100)]
    assert not list(calls.too_many(patient))


def test_the_numbers_at_the_foot_of_notices_and_digests_are_read():
    single = notice(effect(bounced(recipient(), message='{"text": "outbox #7"}'), id=123))
    folded = digest([summarised(id=number, example_com=1) for number in (5, 9, 6)])
    posts = [{"text": post.text, "blocks": post.blocks} for post in (single, folded)]
    heard = hear([*posts, {"text": "nobody's"}])
    assert (dict(heard.singly), heard.folded, heard.unsigned, heard.notices_sent) == (
        {123: 1},
        [3],
        1,
        4,
    )
