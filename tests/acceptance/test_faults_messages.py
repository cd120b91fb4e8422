"""Messages that come twice, late, elsewhere or broken: F4, F20 to F24 of tests/FAULTS.md."""

import itertools
import json
import sqlite3
from contextlib import closing

import boto3
import pytest
from support import mail

from simulators.sqs import DELETE, RECEIVE, FailEntries, ForgetDelete, HandOutTwice

EARLY, LATE = "2026-11-01T10:00:00.000Z", "2026-11-20T10:00:00.000Z"


@pytest.fixture
def sqs(emulator):
    """Another client."""
    session = boto3.Session("AKIAEXAMPLE", "not-checked", region_name="us-east-1")
    client = session.client("sqs", endpoint_url=emulator.endpoint)
    yield client
    client.close()


@pytest.mark.parametrize("failed", [0, 5])
def test_a_kill_in_the_midst_of_deletes_leaves_some_done_and_some_to_be_found_done(
    failing, run, emulator, queue, database, failed
):
    """F4: after the first of three calls; and where SQS has carried out half of that call."""
    for address in mail.addresses(25):
        emulator.send(queue, mail.bounce(address))
    if failed:
        emulator.faults.add(FailEntries({"0", "2", "4", "6", "8"}), on=DELETE, times=1)
    assert failing("deleted", "kill", "drain").status == -9
    assert len(emulator.messages(queue)) == 25 - 10 + failed
    written = database.count("events")
    assert written > 10 - failed
    emulator.clock.advance(61)
    again = run("drain", "--json").json
    assert again["duplicate"] == written - (10 - failed)
    assert (again["applied"], database.count("events")) == (25 - written, 25)
    assert emulator.messages(queue) == []


def test_a_message_redriven_while_it_is_processed_is_applied_and_later_a_duplicate(
    run, emulator, sqs, environment, database
):
    """F20: our delete is acknowledged and does nothing, for the message is elsewhere."""
    run("users", "import", "-", input="email\njane@example.com\n")
    url = emulator.create_queue("brief", dead_letter="brief-dlq", max_receive_count=1)
    emulator.send(url, mail.bounce("jane@example.com"))

    def remove(_):
        emulator.clock.advance(61)
        assert "Messages" not in sqs.receive_message(QueueUrl=url)

    emulator.on_delete(remove)
    first = run("drain", "--json", SES_WORKER_QUEUE__URL=url)
    assert (first.status, first.json["applied"], first.json["remaining"]) == (0, 1, 0)
    assert len(emulator.messages("brief-dlq")) == 1
    second = run("drain", "--json", SES_WORKER_QUEUE__URL=emulator.url("brief-dlq"))
    assert (second.json["applied"], second.json["duplicate"]) == (0, 1)
    assert database.user("jane@example.com")["hard_bounce_count"] == 1


def test_an_event_is_applied_once_however_it_comes_again(
    daemon, run, emulator, sqs, environment, database, either_store
):
    """F21."""
    run("users", "import", "-", input="email\njane@example.com\n")
    fortnight = {"MessageRetentionPeriod": 14 * 86_400}
    url = emulator.create_queue("patient", dead_letter="patient-dlq", **fortnight)
    environment["SES_WORKER_QUEUE__URL"] = url
    body = mail.bounce("jane@example.com")

    def assert_it_changes_nothing(sent, receives):
        assert emulator.wait_for(lambda: not emulator.messages(url))
        assert emulator.journal.fate(sent).received >= receives
        assert database.user("jane@example.com")["hard_bounce_count"] == 1
        assert database.count("events") == 1

    emulator.faults.add(HandOutTwice(), on=RECEIVE, times=1)
    for same in (body, body, mail.enveloped(body)):
        sent = emulator.send(url, same)
    worker = daemon()
    assert_it_changes_nothing(sent, 1)  # in one batch, and in several

    rule = emulator.faults.add(ForgetDelete(), on=DELETE, times=1)
    sent = emulator.send(url, body)
    assert emulator.wait_for(lambda: rule.struck and emulator.journal.fate(sent).forgotten_deletes)
    emulator.clock.advance(13 * 86_400)
    assert_it_changes_nothing(sent, 2)

    emulator.send("patient-dlq", body)
    moves = {"SourceArn": emulator.arn("patient-dlq"), "DestinationArn": emulator.arn("patient")}
    sqs.start_message_move_task(**moves)
    assert emulator.wait_for(lambda: not emulator.messages("patient-dlq"))
    moved = [fate.became for fate in emulator.journal.fates().values() if fate.became]
    assert_it_changes_nothing(*moved, 1)
    assert worker.stop()[0] == 0


MIXED = {
    "the complaint before its bounce, the older bounce last, and all other ways": (
        ((2, 1), "2026-11-20 10:00:00", "hard_bounce"),
        lambda address: (
            mail.complaint(address, at=LATE),
            mail.bounce(address, at=LATE),
            mail.bounce(address, at=EARLY),
            mail.bounce(address, at=EARLY, type="Transient"),
        ),
    ),
    "a later refusal by SES before the bounce that it is for": (
        ((2, 1), "2026-11-01 10:00:00", "hard_bounce"),
        lambda address: (
            mail.complaint(address, at=LATE),
            mail.complaint(address, at=LATE, feedback="not-spam"),
            mail.bounce(address, at=LATE, subtype="OnAccountSuppressionList"),
            mail.bounce(address, at=EARLY),
        ),
    ),
    "two refusals": (
        ((2, 0), "2026-11-01 10:00:00", "hard_bounce"),
        lambda address: (
            mail.bounce(address, at=LATE, subtype="OnAccountSuppressionList"),
            mail.bounce(address, at=EARLY, subtype="Suppressed"),
            mail.bounce(address, at=EARLY, type="Transient"),
            DELIVERY,
        ),
    ),
}
DELIVERY = '{"notificationType": "Delivery", "delivery": {}, "mail": {"messageId": "m"}}'


@pytest.mark.parametrize("mixed", MIXED)
def test_a_record_is_the_same_in_whatever_order_its_events_come(
    daemon, run, emulator, queue, database, mixed
):
    """F22."""
    (counts, date, reason), events = MIXED[mixed]
    orders = list(itertools.permutations(range(4)))
    people = [f"{''.join(map(str, order))}@example.com" for order in orders]
    run("users", "import", "-", input="email\n" + "\n".join(people) + "\n")
    worker = daemon()
    for step in range(4):
        for order, address in zip(orders, people, strict=True):
            emulator.send(queue, events(address)[order[step]])
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    assert worker.stop()[0] == 0
    ours = {"id", "email", "email_key", "created_at", "updated_at"}
    records = [
        {name: value for name, value in row.items() if name not in ours}
        for row in database.rows("SELECT * FROM users")
    ]
    assert len(records) == 24
    assert all(record == records[0] for record in records)
    assert (records[0]["hard_bounce_count"], records[0]["complaint_count"]) == counts
    assert date in str(records[0]["last_hard_bounce"])
    assert records[0]["pause_reason"] == reason


NESTED = '{"notificationType": "Bounce", "bounce": ' + "[" * 50_000 + "]" * 50_000 + "}"
POISON = {
    "cut off": '{"notificationType": "Bounce", "bounce": {"bounceType"',
    "encoded twice": json.dumps(mail.bounce("jane@example.com")),
    "bytes that were no UTF-8": "\ufffd\ufffd{\ufffd}",
    "half a surrogate pair": '"\\ud800"',
    "a mebibyte": "x" * 1_048_576,
    "no type": '{"bounce": {}}',
    "no object": '{"notificationType": "Bounce"}',
    "nested deeply": NESTED,
    "recipients that are no list": mail.bounce("x@y.z").replace(
        '[{"emailAddress": "x@y.z"}]', '"x@y.z"'
    ),
}
"""To be dead-lettered, whole."""
IGNORED_TEXTS = {
    "NUL characters": (
        mail.bounce(mail.recipient("ja\0ne@example.com", diagnosticCode="\0"), subtype="\0"),
        "applied",
    ),
    "an unknown type": ('{"eventType": "Teleport"}', "ignored"),
    "null for recipients": (
        mail.bounce("x@y.z").replace('[{"emailAddress": "x@y.z"}]', "null"),
        "applied",
    ),
}


def test_what_cannot_be_understood_is_kept_byte_for_byte_and_its_neighbours_are_applied(
    run, emulator, environment, database, either_store
):
    """F23."""
    environment["SES_WORKER_QUEUE__URL"] = url = emulator.create_queue("alone")
    good = [mail.bounce(address) for address in mail.addresses(len(POISON))]
    for bad, fine in zip(POISON.values(), good, strict=True):
        emulator.send(url, bad)
        emulator.send(url, fine)
    for body, _ in IGNORED_TEXTS.values():
        emulator.send(url, body)
    done = run("drain", "--json")
    expected = [outcome for _, outcome in IGNORED_TEXTS.values()]
    assert done.json["applied"] == len(good) + expected.count("applied")
    assert done.json["ignored"] == expected.count("ignored")
    assert done.json["dead_lettered"] == len(POISON)
    kept = {bytes(row["body"]) for row in database.rows("SELECT body FROM quarantine")}
    assert kept == {body.encode() for body in POISON.values()}
    assert emulator.messages(url) == []


def test_a_message_that_breaks_a_large_commit_is_found_and_the_others_are_written(
    run, emulator, queue, database, tmp_path
):
    """F24: a constraint of somebody else's refuses one row of many."""
    run("db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "worker.db")) as other:
        other.execute(
            "CREATE TRIGGER theirs BEFORE INSERT ON events"
            " WHEN new.recipient = 'person7@example.com' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    for address in mail.addresses(100):
        emulator.send(queue, mail.bounce(address))
    done = run("drain", "--max-messages", 100, "--json", SES_WORKER_QUEUE__POLLERS="1")
    assert (done.json["applied"], done.json["deferred"]) == (99, 1)
    assert database.count("events") == 99
    assert ["person7@example.com" in left.body for left in emulator.messages(queue)] == [True]
