"""kill -9 at every step of a message's journey: each event is applied once, none is lost."""

import pytest
from support import counting, mail

POINTS = [
    "received",
    "in-transaction",
    "committed",
    "deleting",
    "deleted",
]


@pytest.fixture
def twelve(run, emulator, queue, environment):
    """Twelve bounces of one user, which counts them, and of eleven others."""
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "30"
    people = mail.addresses(12)
    run("users", "import", "-", input="email\n" + "\n".join(people) + "\n")
    for address in people:
        emulator.send(queue, mail.bounce(address))
    return people


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_loses_nothing_and_applies_nothing_twice(
    failing, run, emulator, queue, database, either_store, twelve, point
):
    assert failing(point, "kill", "drain", "--json").status == -9
    emulator.clock.advance(31)
    again = run("drain", "--json")
    assert again.status == 0
    assert database.count("events") == 12
    assert [user["hard_bounce_count"] for user in database.rows("SELECT * FROM users")] == [1] * 12
    assert emulator.messages(queue) == []


@pytest.mark.parametrize("point", ["received", "in-transaction"])
def test_a_kill_in_mid_transaction_writes_nothing(
    failing, emulator, queue, database, either_store, twelve, point
):
    """And before it, even less."""
    failing(point, "kill", "drain")
    assert database.count("events") == 0
    assert len(emulator.messages(queue)) == 12


@pytest.mark.parametrize("point", POINTS)
def test_what_is_only_counted_never_counts_less_than_once(
    failing, run, emulator, queue, environment, database, either_store, point
):
    """What counts twice is what SQS delivered twice, and that is counted beside it."""
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "30"
    for address in mail.addresses(12):
        emulator.send(queue, counting.event("Send", address))
    assert failing(point, "kill", "drain", "--json").status == -9
    emulator.clock.advance(31)
    run("drain")
    assert emulator.messages(queue) == []
    assert database.count("new_counts") == 0
    query = "SELECT measure, count FROM daily_counts WHERE dimension = 'all'"
    counts = {row["measure"]: row["count"] for row in database.rows(query)}
    assert counts["send"] >= 12
    assert counts["send"] - counts.get("received_again", 0) <= 12
    if point in {"received", "in-transaction"}:
        assert counts["send"] == 12


def test_what_is_only_counted_is_deleted_after_its_commit(
    run, emulator, queue, database, either_store
):
    """At each delete the rows are looked for with a connection of the test's own."""
    observed = []
    for address in mail.addresses(12):
        emulator.send(queue, counting.event("Open", address))
    emulator.on_delete(lambda _: observed.append(database.count("new_counts")))
    assert run("drain", "--json").json["ignored"] == 12
    assert len(observed) == 12
    assert min(observed) > 0


def test_a_kill_between_commit_and_delete_leaves_duplicates_that_change_nothing(
    failing, run, emulator, queue, database, either_store, twelve
):
    failing("deleting", "kill", "drain")
    written = database.count("events")
    assert written > 0
    assert len(emulator.messages(queue)) == 12
    emulator.clock.advance(31)
    assert run("drain", "--json").json["duplicate"] == written


@pytest.mark.parametrize("point", ["dead-letter-sent", "set-aside"])
def test_a_kill_while_a_message_is_dead_lettered_leaves_at_least_a_copy(
    failing, run, emulator, queue, environment, point
):
    emulator.send(queue, "nonsense")
    assert failing(point, "kill", "drain").status == -9
    assert len(emulator.messages(queue)) == 1
    emulator.clock.advance(61)
    run("drain")
    assert {dead_letter.body for dead_letter in emulator.messages("feedback-dlq")} == {"nonsense"}
    assert emulator.messages(queue) == []


def test_a_kill_after_quarantine_keeps_a_single_copy(failing, run, emulator, environment, database):
    environment["SES_WORKER_QUEUE__URL"] = url = emulator.create_queue("alone")
    emulator.send(url, "nonsense")
    assert failing("set-aside", "kill", "drain").status == -9
    assert database.count("quarantine") == 1
    emulator.clock.advance(61)
    run("drain")
    assert database.count("quarantine") == 1
    assert emulator.messages(url) == []


def test_whatever_is_deleted_was_committed_before(
    run, emulator, queue, database, either_store, either_client, twelve
):
    """At each delete the rows are looked for with a connection of the test's own."""
    observed = []

    def look(deletion):
        feedback_id = deletion.body.partition('"feedbackId": "')[2].partition('"')[0]
        found = database.rows(f"SELECT action FROM events WHERE feedback_id = '{feedback_id}'")
        observed.append(len(found))

    emulator.on_delete(look)
    run("drain")
    assert observed == [1] * 12
    assert emulator.messages(queue) == []
