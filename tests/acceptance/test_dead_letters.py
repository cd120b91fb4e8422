"""A dead letter's life at the command line: arrives, is listed, shown, dry-run, replayed, gone."""

import json

import pytest
from support import mail
from support.dead import (
    DLQ,
    all_visible,
    bodies,
    fill,
    groups,
    outcomes,
    quarantined,
    redriven,
    users,
)

from simulators.sqs import ACCESS_DENIED, EmptyBody

FIGURES = {
    "received", "applied", "duplicate", "ignored", "deferred", "dead_lettered", "remaining",
    "effects_delivered", "effects_waiting", "effects_parked", "elapsed_s", "sent", "dry_run",
}  # fmt: skip


def test_a_fixed_dead_letter_is_replayed_and_the_other_stays(
    run, emulator, queue, environment, database, either_store
):
    """Jane is not a user when her bounce comes; the other message is never going to be understood."""
    dead_lettering = {"SES_WORKER_POLICY__UNKNOWN_RECIPIENTS": "dead_letter"}
    emulator.send(queue, mail.enveloped(mail.bounce("jane@example.com")))
    emulator.send(queue, "nonsense from jane@example.com")
    assert run("drain", "--json", **dead_lettering).json["dead_lettered"] == 2
    jane, nonsense = sorted(
        emulator.messages(DLQ), key=lambda dead_letter: "nonsense" in dead_letter.body
    )

    listed = run("dlq", "list", "--json")
    assert (listed.status, listed.json["complete"]) == (0, True)
    assert groups(listed.json) == {
        ("dead_letter_queue", "unknown_recipient"): 1,
        ("dead_letter_queue", "not_json"): 1,
    }
    assert "jane@" not in listed.out

    shown = run("dlq", "show", jane.message_id, "--json").json
    assert (shown["where"], shown["reason"]) == ("dead_letter_queue", "unknown_recipient")
    assert (shown["body"], shown["source_queue"]) == (jane.body, queue)
    assert shown["reads_as"]["recipients"] == ["jane@example.com"]

    users(environment, ["jane@example.com"])
    ahead = run("dlq", "replay", "--dry-run", "--json", **dead_lettering)
    assert (ahead.status, ahead.json["dry_run"]) == (0, True)
    assert outcomes(ahead.json) == [1, 0, 0, 0, 1]
    assert database.count("events") == 0
    assert all_visible(emulator, 2)

    done = run("dlq", "replay", "--json", **dead_lettering)
    assert done.json.keys() >= FIGURES
    assert (done.status, outcomes(done.json)) == (3, [1, 0, 0, 0, 1])
    assert (done.json["received"], done.json["remaining"]) == (2, 0)
    assert database.user("jane@example.com")["hard_bounce_count"] == 1

    (left,) = emulator.messages(DLQ)
    assert (left.message_id, left.body) == (nonsense.message_id, nonsense.body)
    assert left.attributes == nonsense.attributes
    assert all_visible(emulator, 1)
    assert run("dlq", "show", left.message_id).out.endswith("nonsense from jane@example.com\n")


def test_recipients_that_nobody_knows_are_named_with_what_to_do(
    run, emulator, queue, environment, either_store
):
    environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "dead_letter"
    users(environment, ["joe@example.org"])
    body = mail.bounce("Jane@example.com", "joe@example.org")
    ids = [emulator.send(queue, body)]
    drained = run("drain")
    (logged,) = [line for line in drained.log if line["event"] == "message.dead_lettered"]
    why = "1 of 2 recipients are not among the users: ***@example.com"
    assert logged["detail"] == why
    for command in (["replay", "--dry-run"], ["replay"]):
        done = run("dlq", *command)
        assert why in " ".join(done.out.replace("│", " ").split())
        assert "users import" in done.err
        assert "Jane" not in done.out
    assert "users import" in run("dlq", "list").out
    shown = run("dlq", "show", ids[0])
    assert "Jane@example.com, not among the users" in shown.out
    assert "joe@example.org, not" not in shown.out
    assert "users import" in shown.out
    found = run("dlq", "show", ids[0], "--json").json
    assert found["reads_as"]["unknown_recipients"] == ["Jane@example.com"]


def test_what_confirms_a_subscription_is_shown_with_how_and_its_token_is_not_logged(
    run, emulator, queue
):
    body = {
        "Type": "SubscriptionConfirmation", "TopicArn": mail.TOPIC, "Token": "2336412f37fb687f",
        "Message": "You have chosen to subscribe", "MessageId": "1",
    }  # fmt: skip
    sent = emulator.send(queue, json.dumps(body))
    drained = run("drain")
    assert "2336412f" not in drained.out + drained.err
    listed = run("dlq", "list")
    assert "ses-worker subscription confirm" in " ".join(listed.out.split())
    assert "2336412f" not in listed.out
    shown = run("dlq", "show", sent)
    assert "ses-worker subscription confirm" in shown.out
    (reads,) = [line for line in shown.out.splitlines() if line.startswith("reads as")]
    assert reads.split(maxsplit=2)[2] == f"subscription_confirmation: for {mail.TOPIC}"


def test_without_a_dead_letter_queue_it_all_works_on_the_quarantine(
    run, emulator, environment, database, either_store
):
    environment["SES_WORKER_QUEUE__URL"] = url = emulator.create_queue("alone")
    other = mail.enveloped(mail.bounce("jane@example.com"), topic="arn:other")
    for body in ("nonsense", other):
        emulator.send(url, body)
    topics = {"SES_WORKER_SNS__TOPIC_ARNS": f'["{mail.TOPIC}"]'}
    drained = run("drain", **topics)
    assert any("ses-worker dlq list" in line.get("hint", "") for line in drained.log)
    assert "ses-worker dlq list" in drained.out
    rows = {row["reason"]: row["message_id"] for row in database.rows("SELECT * FROM quarantine")}

    listed = run("dlq", "list")
    assert listed.status == 0
    assert "there is no dead-letter queue" in listed.out
    assert "***@example.com" in listed.out
    assert "foreign_topic" in listed.out
    shown = run("dlq", "show", rows["foreign_topic"], "--json").json
    assert (shown["where"], shown["body"]) == ("quarantine", other)
    assert shown["reads_as"]["recipients"] == ["jane@example.com"]
    shown = run("dlq", "show", rows["foreign_topic"], "--json", **topics).json
    assert shown["reads_as"]["reason"] == "foreign_topic"
    ahead = run("dlq", "replay", "--dry-run", "--json").json
    assert outcomes(ahead) == [1, 0, 0, 0, 1]
    assert (database.count("events"), database.count("quarantine")) == (0, 2)

    done = run("dlq", "replay", "--json")
    assert (done.status, outcomes(done.json)) == (3, [1, 0, 0, 0, 1])
    assert [row["reason"] for row in database.rows("SELECT * FROM quarantine")] == ["not_json"]
    gone = run("dlq", "delete", "--message-id", rows["not_json"], "--yes", "--json")
    assert (gone.status, gone.json["deleted"]) == (0, 1)
    assert database.count("quarantine") == 0


def test_what_sqs_itself_moved_is_listed_by_a_reason_and_replayed(run, emulator, queue, database):
    redriven(emulator, queue, mail.bounce("jane@example.com"))
    assert groups(run("dlq", "list", "--json").json) == {("dead_letter_queue", "max_receives"): 1}
    (dead_letter,) = emulator.messages(DLQ)
    assert run("dlq", "show", dead_letter.message_id, "--json").json[
        "source_queue"
    ] == emulator.arn(queue)
    done = run("dlq", "replay", "--reason", "max_receives", "--json")
    assert (done.status, done.json["applied"], emulator.messages(DLQ)) == (0, 1, [])


def test_dead_letters_go_back_to_the_queue_with_their_own_attributes(run, emulator, queue):
    fill(emulator, "one", "two", theirs="kept")
    done = run("dlq", "replay", "--to-queue", "--json")
    assert (done.status, done.json["sent"], done.json["received"]) == (0, 2, 0)
    assert done.json["examined"] == 2
    assert "--by-sqs" not in done.err, "nothing is left"
    assert emulator.messages(DLQ) == []
    assert bodies(emulator, queue) == ["one", "two"]
    texts = {"DataType": "String", "StringValue": "kept"}
    assert [dead_letter.attributes for dead_letter in emulator.messages(queue)] == [
        {"theirs": texts}
    ] * 2


def test_both_places_go_back_to_the_queue(run, emulator, queue, environment, database):
    fill(emulator, "from the queue")
    quarantined(environment, ("not_json", "from the table"))
    assert run("dlq", "replay", "--to-queue", "--json").json["sent"] == 2
    assert (database.count("quarantine"), emulator.messages(DLQ)) == (0, [])
    kept, _ = sorted(
        emulator.messages(queue), key=lambda dead_letter: dead_letter.body, reverse=True
    )
    assert kept.body == "from the table"
    assert kept.attributes == {"theirs": {"DataType": "Binary", "BinaryValue": "AP8="}}


def test_a_dead_letter_is_found_by_the_id_that_the_log_and_slack_name(
    run, emulator, queue, slack, environment, database
):
    environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "dead_letter"
    ids = [emulator.send(queue, body) for body in (mail.bounce("jane@example.com"), "nonsense")]
    drained = run("drain")
    logged = [line for line in drained.log if line["event"] == "message.dead_lettered"]
    assert {line["message_id"] for line in logged} == set(ids)
    posted = str(slack.posts)
    assert all(message_id in posted for message_id in ids)
    dead_letters = {message.body: message.message_id for message in emulator.messages(DLQ)}
    own = dead_letters["nonsense"]
    assert own not in ids

    for name in (own, ids[1]):
        shown = run("dlq", "show", name, "--json").json
        assert (shown["message_id"], shown["original_message_id"]) == (own, ids[1])
    lines = run("dlq", "show", ids[1]).out
    assert own in lines
    assert ids[1] in lines
    listed = run("dlq", "list", "--json").json
    samples = {item["sample"]["original_message_id"] for item in listed["groups"]}
    assert samples == set(ids)
    assert all(f"(logged as {message_id})" in run("dlq", "list").out for message_id in ids)
    users(environment, ["jane@example.com"])
    ahead = run("dlq", "replay", "--message-id", ids[0], "--dry-run", "--json").json
    assert [item["original_message_id"] for item in ahead["dead_letters"]] == [ids[0]]
    done = run("dlq", "replay", "--message-id", ids[0], "--json")
    assert (done.status, done.json["applied"]) == (0, 1)
    done = run("dlq", "delete", "--message-id", ids[1], "--yes", "--json")
    assert (done.status, done.json["deleted"], emulator.messages(DLQ)) == (0, 1, [])


class TestAsking:
    def test_nothing_is_deleted_without_a_terminal_or_a_yes(self, run, emulator, queue):
        fill(emulator, "nonsense")
        done = run("dlq", "delete", "--all")
        assert (done.status, "--yes" in done.err) == (2, True)
        assert run("dlq", "delete", "--yes").status == 2
        assert all_visible(emulator, 1)

    def test_those_with_a_reason_are_deleted_and_the_others_stay(
        self, run, emulator, queue, environment
    ):
        users(environment, [])
        fill(emulator, "one", "two", reason="not_json")
        fill(emulator, "three", reason="no_type")
        done = run("dlq", "delete", "--reason", "not_json", "--yes", "--json")
        assert (done.status, done.json["deleted"]) == (0, 2)
        assert bodies(emulator) == ["three"]
        assert all_visible(emulator, 1)


class TestExitStatus:
    def test_78_without_a_queue(self, run):
        assert run("dlq", "list").status == 78

    def test_exits_1_for_an_unknown_dead_letter(self, run, emulator, queue):
        fill(emulator, "nonsense")
        for command in (["show", "nowhere"], ["replay", "--message-id", "nowhere"]):
            done = run("dlq", *command)
            assert (done.status, "no " in done.err) == (1, True)
        assert all_visible(emulator, 1)

    def test_exits_1_and_says_so_when_no_dead_letter_has_the_reason(self, run, emulator, queue):
        fill(emulator, "nonsense")
        done = run("dlq", "replay", "--reason", "nonsensical", "--json")
        assert (done.status, done.json["received"]) == (1, 0)
        assert "no dead letter has the reason nonsensical" in done.err
        assert run("dlq", "delete", "--reason", "nonsensical", "--yes").status == 1

    def test_exits_1_and_says_so_when_the_dead_letter_has_another_reason(
        self, run, emulator, queue, environment
    ):
        quarantined(environment, ("no_type", "{}"))
        (first,) = fill(emulator, "nonsense")
        for name, reason in ((first, "not_json"), ("kept-0", "no_type")):
            done = run("dlq", "delete", "--message-id", name, "--reason", "other", "--yes")
            output = f"the dead letter {name} has the reason {reason}"
            assert (done.status, output in done.err) == (1, True)
        assert all_visible(emulator, 1)

    def test_2_for_all_and_some(self, run, queue):
        done = run("dlq", "delete", "--all", "--reason", "not_json", "--yes")
        assert (done.status, "cannot be combined" in done.err) == (2, True)

    @pytest.mark.parametrize(
        "options",
        [["--by-sqs"], ["--to-queue", "--by-sqs", "--limit", "1"], ["--limit", "0"]],
        ids=" ".join,
    )
    def test_2_for_what_does_not_go_together(self, run, queue, options):
        assert run("dlq", "replay", *options).status == 2


class TestAnswersWithoutABody:
    """Some stand-ins for SQS send no body where SQS sends `{}`."""

    def test_are_no_outage_to_a_listing_and_a_replay(self, run, emulator, queue, environment):
        emulator.faults.add(EmptyBody(), on="ReceiveMessage")
        fill(emulator, mail.bounce("jane@example.com"))
        users(environment, ["jane@example.com"])
        listed = run("dlq", "list", "--json")
        assert (listed.status, listed.json["complete"]) == (0, True)
        done = run("dlq", "replay", "--json")
        assert (done.status, outcomes(done.json)) == (0, [1, 0, 0, 0, 0])
        assert emulator.messages(DLQ) == []

    def test_confirm_no_dead_letter_so_it_is_kept_in_the_table_too(
        self, run, emulator, queue, database
    ):
        emulator.faults.add(EmptyBody(whatever=True), on="SendMessage")
        emulator.send(queue, "nonsense")
        done = run("drain", "--json")
        assert (done.status, done.json["dead_lettered"]) == (3, 1)
        assert database.count("quarantine") == 1
        assert len(emulator.messages(DLQ)) == 1, "a single copy, although nothing confirms it"
        (refused,) = [line for line in done.log if line["event"] == "dead_letter.refused"]
        assert "MessageId" in refused["error"]

    def test_confirm_no_delete_so_it_is_not_reported_as_done(
        self, run, emulator, queue, environment
    ):
        emulator.faults.add(EmptyBody(whatever=True), on="DeleteMessageBatch")
        fill(emulator, mail.bounce("jane@example.com"))
        users(environment, ["jane@example.com"])
        done = run("dlq", "replay", "--json")
        assert (done.status, done.json["applied"], done.json["remaining"]) == (4, 1, 1)


def test_an_unreachable_place_is_reported_and_the_other_is_listed(
    run, emulator, queue, environment
):
    quarantined(environment, ("not_json", "from the table"))
    emulator.faults.add(ACCESS_DENIED, on="ReceiveMessage")
    done = run("dlq", "list", "--json")
    assert (done.status, done.json["quarantine"], done.json["complete"]) == (1, 1, False)
    assert "AccessDenied" in done.err
    no_store = run("dlq", "list", "--json", SES_WORKER_STORE__URL="sqlite:///nowhere.db")
    assert (no_store.status, "nowhere.db" in no_store.err) == (1, True)
