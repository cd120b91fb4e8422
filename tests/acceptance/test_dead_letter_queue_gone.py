"""A dead-letter queue that is named and not there, or whose dead letters others hold: what is
reported."""

import pytest
from support.dead import DLQ, client, fill, hold, quarantined


@pytest.fixture
def gone(emulator, queue):
    """The dead-letter queue was deleted."""
    sqs = client(emulator)
    sqs.delete_queue(QueueUrl=emulator.url(DLQ))
    sqs.close()


def events(done, name):
    return [line for line in done.log if line["event"] == name]


def test_it_is_logged_at_the_start_and_refused_messages_are_logged_once(
    run, emulator, queue, gone, database
):
    for number in range(3):
        emulator.send(queue, f"nonsense {number}")
    done = run("drain")
    (missing,) = events(done, "dead_letter_queue.missing")
    (refused,) = events(done, "dead_letter.refused")
    for line in (missing, refused):
        assert line["level"] == "warning"
        assert DLQ in line["error"]
        assert "the redrive policy of the queue feedback names it" in line["error"]
        assert "dlq list" in line["hint"]
    assert database.count("quarantine") == 3


def test_where_a_dead_letter_is_too_large_the_hint_names_the_limit(run, emulator, queue, database):
    sqs = client(emulator)
    limit = {"MaximumMessageSize": "1024"}
    sqs.set_queue_attributes(QueueUrl=emulator.url(DLQ), Attributes=limit)
    sqs.close()
    emulator.send(queue, "nonsense" * 200)
    (refused,) = events(run("drain"), "dead_letter.refused")
    assert "must be shorter than 1024 bytes" in refused["error"]
    assert "raise MaximumMessageSize" in refused["hint"]
    assert database.count("quarantine") == 1


def test_the_commands_name_the_queue_and_what_to_do(run, emulator, queue, gone, environment):
    quarantined(environment, ("not_json", "from the table"))
    listed = run("dlq", "list", "--json")
    assert (listed.status, listed.json["quarantine"], listed.json["complete"]) == (1, 1, False)
    about = listed.json["dead_letter_queue"]
    assert (about["name"], about["about"]) == (DLQ, None)
    for command in (["list"], ["show", "nowhere"], ["replay", "--dry-run"], ["delete", "--all"]):
        yes = ["--yes"] * (command[0] == "delete")
        done = run("dlq", *command, *yes)
        assert done.status == 1
        assert f"dead-letter queue {DLQ} is not there" in done.err
        assert "the redrive policy of the queue feedback" in done.err
        assert "quarantine" in done.err
        assert "no dead letters" not in done.out
    environment["SES_WORKER_QUEUE__DEAD_LETTER_URL"] = queue + "-other"
    done = run("dlq", "list")
    assert "feedback-other is not there, and queue.dead_letter_url names it" in done.err


def test_a_move_by_sqs_advises_nothing_that_cannot_work(run, emulator, queue, gone, environment):
    quarantined(environment)
    done = run("dlq", "replay", "--to-queue", "--by-sqs")
    assert (done.status, "is not there" in done.err) == (1, True)
    assert "--by-sqs" not in done.err


def test_a_wrong_url_of_the_queue_itself_reads_otherwise(run, emulator, queue, environment):
    quarantined(environment)
    done = run("dlq", "list", SES_WORKER_QUEUE__URL=queue + "-typo")
    assert (done.status, "fix queue.url" in done.err) == (1, True)
    assert "dead-letter queue" not in done.err


def test_a_quarantined_dead_letter_can_still_be_deleted_by_its_id(
    run, emulator, queue, gone, environment, database
):
    quarantined(environment, ("not_json", "from the table"), ("not_json", "another"))
    done = run("dlq", "delete", "--message-id", "kept-0", "--yes")
    assert (done.status, database.count("quarantine")) == (0, 1)
    assert "the dead-letter queue was not read" in done.err
    done = run("dlq", "replay", "--message-id", "kept-1", "--to-queue")
    assert (done.status, database.count("quarantine")) == (0, 0)


class TestThatNoneAreListed:
    def test_is_not_that_there_are_none(self, run, emulator, queue, environment):
        quarantined(environment)
        fill(emulator, "one", "two", "three")
        hold(emulator, 3)
        done = run("dlq", "list")
        assert done.status == 4
        assert "none found of about 3: they are held by others" in " ".join(done.out.split())
        assert "no dead letters" not in done.out

    def test_says_so_when_no_dead_letter_has_the_reason(self, run, emulator, queue, environment):
        quarantined(environment)
        fill(emulator, "one")
        done = run("dlq", "list", "--reason", "nope")
        assert (done.status, "no dead letter has the reason nope" in done.out) == (0, True)
        assert "no dead letters" not in done.out

    def test_in_places_that_are_empty_is_that_there_are_none(self, run, queue, environment):
        quarantined(environment)
        done = run("dlq", "list")
        assert (done.status, "no dead letters" in done.out) == (0, True)
