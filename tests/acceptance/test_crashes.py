"""kill -9 at every step of a message's journey: each event is applied once, none is lost."""

import mail
import pytest

POINTS = [
    "received",
    "in-transaction",
    "committed",
    "deleting",
    "deleted",
]


@pytest.fixture
def twelve(run, twin, queue, environment):
    """Twelve bounces of one user, which counts them, and of eleven others."""
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "30"
    people = mail.addresses(12)
    run("users", "import", "-", input="email\n" + "\n".join(people) + "\n")
    for address in people:
        twin.send(queue, mail.bounce(address))
    return people


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_loses_nothing_and_applies_nothing_twice(
    failing, run, twin, queue, books, either_store, twelve, point
):
    assert failing(point, "kill", "drain", "--json").status == -9
    twin.clock.advance(31)
    again = run("drain", "--json")
    assert again.status == 0
    assert books.count("events") == 12
    assert [user["hard_bounce_count"] for user in books.rows("SELECT * FROM users")] == [1] * 12
    assert twin.messages(queue) == []


@pytest.mark.parametrize("point", ["received", "in-transaction"])
def test_a_kill_in_mid_transaction_writes_nothing(
    failing, twin, queue, books, either_store, twelve, point
):
    """And before it, even less."""
    failing(point, "kill", "drain")
    assert books.count("events") == 0
    assert len(twin.messages(queue)) == 12


def test_a_kill_between_commit_and_delete_leaves_duplicates_that_change_nothing(
    failing, run, twin, queue, books, either_store, twelve
):
    failing("deleting", "kill", "drain")
    written = books.count("events")
    assert written > 0
    assert len(twin.messages(queue)) == 12
    twin.clock.advance(31)
    assert run("drain", "--json").json["duplicate"] == written


@pytest.mark.parametrize("point", ["dead-letter-sent", "set-aside"])
def test_a_kill_while_a_message_is_set_aside_leaves_at_least_one_copy(
    failing, run, twin, queue, environment, point
):
    twin.send(queue, "nonsense")
    assert failing(point, "kill", "drain").status == -9
    assert len(twin.messages(queue)) == 1
    twin.clock.advance(61)
    run("drain")
    assert {letter.body for letter in twin.messages("feedback-dlq")} == {"nonsense"}
    assert twin.messages(queue) == []


def test_a_kill_after_quarantine_keeps_one_copy(failing, run, twin, environment, books):
    environment["SES_WORKER_QUEUE__URL"] = url = twin.create_queue("alone")
    twin.send(url, "nonsense")
    assert failing("set-aside", "kill", "drain").status == -9
    assert books.count("quarantine") == 1
    twin.clock.advance(61)
    run("drain")
    assert books.count("quarantine") == 1
    assert twin.messages(url) == []


def test_whatever_is_deleted_was_committed_before(
    run, twin, queue, books, either_store, either_client, twelve
):
    """At each delete the rows are looked for with a connection of the test's own."""
    seen = []

    def look(deletion):
        feedback_id = deletion.body.partition('"feedbackId": "')[2].partition('"')[0]
        found = books.rows(f"SELECT action FROM events WHERE feedback_id = '{feedback_id}'")
        seen.append(len(found))

    twin.on_delete(look)
    run("drain")
    assert seen == [1] * 12
    assert twin.messages(queue) == []
