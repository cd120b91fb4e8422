"""Dead letters are sent ten at a time; whatever part of a call fails, each is there, and none is lost."""

import pytest
from support import mail

from simulators.sqs.faults import ACCESS_DENIED, Cut, EmptyBody, FailEntries, OmitEntries

DLQ = "feedback-dlq"
COUNT = 25


@pytest.fixture
def bodies(emulator, queue):
    bodies = [f"nonsense {number}" for number in range(COUNT)]
    for body in bodies:
        emulator.send(queue, body)
    return bodies


def kept(emulator, database):
    there = [item.body for item in emulator.messages(DLQ)]
    return there, [
        bytes(row["body"]).decode() for row in database.rows("SELECT body FROM quarantine")
    ]


def calls(emulator, operation):
    return len(emulator.journal.requests(operation))


def test_a_call_for_ten_and_each_with_its_reason(run, emulator, queue, bodies, database):
    done = run("drain", "--json")
    assert done.json["dead_lettered"] == COUNT
    there, quarantined = kept(emulator, database)
    assert (sorted(there), quarantined) == (sorted(bodies), [])
    assert calls(emulator, "SendMessage") <= COUNT // 5, "an odd one out goes by itself"
    assert calls(emulator, "SendMessageBatch") < COUNT // 2
    for item in emulator.messages(DLQ):
        assert item.attributes["ses_worker_reason"]["StringValue"] == "not_json"
    assert (
        len({line["message_id"] for line in done.log if line["event"] == "message.dead_lettered"})
        == COUNT
    )


def odd(entry):
    return int(entry["Id"]) % 2 == 1


@pytest.mark.parametrize(
    ("fault", "copies"),
    [
        (FailEntries(odd), 1),
        (FailEntries(odd, sender_fault=True), 1),
        (FailEntries(), 1),
        (OmitEntries(odd), 1),
        (OmitEntries(odd, done=True), 2),
        (ACCESS_DENIED, 1),
        (Cut(), 1),
        (Cut(done=True), 2),
        (EmptyBody(whatever=True), 2),
    ],
    ids=[
        "some failed", "some failed through us", "all failed", "some omitted", "some done and omitted",
        "refused", "cut before", "cut after", "empty",
    ],
)  # fmt: skip
def test_what_a_call_does_not_confirm_is_sent_by_itself(
    run, emulator, queue, bodies, database, fault, copies
):
    emulator.faults.add(fault, on="SendMessageBatch")
    done = run("drain", "--json")
    assert (done.status, done.json["dead_lettered"]) == (3, COUNT)
    there, quarantined = kept(emulator, database)
    assert (set(there), quarantined) == (set(bodies), [])
    assert max(map(there.count, there)) <= copies
    assert emulator.messages(queue) == []


def test_where_no_call_is_allowed_each_is_in_quarantine(run, emulator, queue, bodies, database):
    emulator.faults.add(ACCESS_DENIED, on="SendMessageBatch")
    emulator.faults.add(ACCESS_DENIED, on="SendMessage")
    assert run("drain", "--json").json["dead_lettered"] == COUNT
    there, quarantined = kept(emulator, database)
    assert (there, sorted(quarantined)) == ([], sorted(bodies))


def test_bodies_that_are_too_large_for_a_call_together_are_sent_in_several(run, emulator, queue):
    emulator.faults.add(ACCESS_DENIED, on="SendMessage")  # each call has several
    bodies = [letter * 300_000 for letter in "abcdef"]
    for body in bodies:
        emulator.send(queue, body)
    emulator.send(queue, mail.bounce("jane@example.com"))
    done = run("drain", "--json", SES_WORKER_QUEUE__POLLERS="1")
    assert done.json["dead_lettered"] == len(bodies)
    there = {item.body for item in emulator.messages(DLQ)}
    assert there <= set(bodies)
    assert len(there) >= 3
