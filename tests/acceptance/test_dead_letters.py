"""A dead letter's life at the command line: arrives, is listed, shown, dry-run, replayed, gone."""

import json

import mail
import pytest
from dead import DLQ, all_visible, bodies, fill, groups, outcomes, quarantined, redriven, users
from twin import ACCESS_DENIED

FIGURES = {
    "received", "applied", "duplicate", "ignored", "deferred", "dead_lettered", "remaining",
    "effects_delivered", "effects_waiting", "effects_parked", "elapsed_s", "sent", "dry_run",
}  # fmt: skip


def test_one_letter_is_mended_and_replayed_and_one_stays(
    run, twin, queue, environment, books, either_store
):
    """Jane is not a user when her bounce comes; the other one is never going to be understood."""
    dead_lettering = {"SES_WORKER_POLICY__UNKNOWN_RECIPIENTS": "dead_letter"}
    twin.send(queue, mail.enveloped(mail.bounce("jane@example.com")))
    twin.send(queue, "nonsense from jane@example.com")
    assert run("drain", "--json", **dead_lettering).json["dead_lettered"] == 2
    jane, nonsense = sorted(twin.messages(DLQ), key=lambda one: "nonsense" in one.body)

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
    assert books.count("events") == 0
    assert all_visible(twin, 2)

    done = run("dlq", "replay", "--json", **dead_lettering)
    assert done.json.keys() >= FIGURES
    assert (done.status, outcomes(done.json)) == (3, [1, 0, 0, 0, 1])
    assert (done.json["received"], done.json["remaining"]) == (2, 0)
    assert books.user("jane@example.com")["hard_bounce_count"] == 1

    (left,) = twin.messages(DLQ)
    assert (left.message_id, left.body) == (nonsense.message_id, nonsense.body)
    assert left.attributes == nonsense.attributes
    assert all_visible(twin, 1)
    assert run("dlq", "show", left.message_id).out.endswith("nonsense from jane@example.com\n")


def test_recipients_that_nobody_knows_are_named_with_what_to_do(
    run, twin, queue, environment, either_store
):
    environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "dead_letter"
    users(environment, ["joe@example.org"])
    body = mail.bounce("Jane@example.com", "joe@example.org")
    ids = [twin.send(queue, body)]
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
    run, twin, queue
):
    body = {
        "Type": "SubscriptionConfirmation", "TopicArn": mail.TOPIC, "Token": "2336412f37fb687f",
        "Message": "You have chosen to subscribe", "MessageId": "1",
    }  # fmt: skip
    sent = twin.send(queue, json.dumps(body))
    drained = run("drain")
    assert "2336412f" not in drained.out + drained.err
    listed = run("dlq", "list")
    assert "aws sns confirm-subscription" in listed.out
    assert "2336412f" not in listed.out
    shown = run("dlq", "show", sent)
    assert "aws sns confirm-subscription" in shown.out
    (reads,) = [line for line in shown.out.splitlines() if line.startswith("reads as")]
    assert reads.split(maxsplit=2)[2] == f"subscription_confirmation: for {mail.TOPIC}"


def test_without_a_dead_letter_queue_it_all_works_on_the_quarantine(
    run, twin, environment, books, either_store
):
    environment["SES_WORKER_QUEUE__URL"] = url = twin.create_queue("alone")
    other = mail.enveloped(mail.bounce("jane@example.com"), topic="arn:other")
    for body in ("nonsense", other):
        twin.send(url, body)
    topics = {"SES_WORKER_SNS__TOPIC_ARNS": f'["{mail.TOPIC}"]'}
    drained = run("drain", **topics)
    assert any("ses-worker dlq list" in line.get("hint", "") for line in drained.log)
    assert "ses-worker dlq list" in drained.out
    rows = {row["reason"]: row["message_id"] for row in books.rows("SELECT * FROM quarantine")}

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
    assert (books.count("events"), books.count("quarantine")) == (0, 2)

    done = run("dlq", "replay", "--json")
    assert (done.status, outcomes(done.json)) == (3, [1, 0, 0, 0, 1])
    assert [row["reason"] for row in books.rows("SELECT * FROM quarantine")] == ["not_json"]
    gone = run("dlq", "delete", "--message-id", rows["not_json"], "--yes", "--json")
    assert (gone.status, gone.json["deleted"]) == (0, 1)
    assert books.count("quarantine") == 0


def test_what_sqs_itself_moved_is_listed_by_a_reason_and_replayed(run, twin, queue, books):
    redriven(twin, queue, mail.bounce("jane@example.com"))
    assert groups(run("dlq", "list", "--json").json) == {("dead_letter_queue", "max_receives"): 1}
    (letter,) = twin.messages(DLQ)
    assert run("dlq", "show", letter.message_id, "--json").json["source_queue"] == twin.arn(queue)
    done = run("dlq", "replay", "--reason", "max_receives", "--json")
    assert (done.status, done.json["applied"], twin.messages(DLQ)) == (0, 1, [])


def test_letters_go_back_to_the_queue_with_the_attributes_that_were_theirs(run, twin, queue):
    fill(twin, "one", "two", theirs="kept")
    done = run("dlq", "replay", "--to-queue", "--json")
    assert (done.status, done.json["sent"], done.json["received"]) == (0, 2, 0)
    assert done.json["looked_at"] == 2
    assert "--by-sqs" not in done.err, "nothing is left"
    assert twin.messages(DLQ) == []
    assert bodies(twin, queue) == ["one", "two"]
    texts = {"DataType": "String", "StringValue": "kept"}
    assert [letter.attributes for letter in twin.messages(queue)] == [{"theirs": texts}] * 2


def test_both_places_go_back_to_the_queue(run, twin, queue, environment, books):
    fill(twin, "from the queue")
    quarantined(environment, ("not_json", "from the table"))
    assert run("dlq", "replay", "--to-queue", "--json").json["sent"] == 2
    assert (books.count("quarantine"), twin.messages(DLQ)) == (0, [])
    kept, _ = sorted(twin.messages(queue), key=lambda one: one.body, reverse=True)
    assert kept.body == "from the table"
    assert kept.attributes == {"theirs": {"DataType": "Binary", "BinaryValue": "AP8="}}


def test_a_letter_is_found_by_the_id_that_the_log_and_slack_name(
    run, twin, queue, slack, environment, books
):
    environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "dead_letter"
    ids = [twin.send(queue, body) for body in (mail.bounce("jane@example.com"), "nonsense")]
    drained = run("drain")
    logged = [line for line in drained.log if line["event"] == "message.dead_lettered"]
    assert {line["message_id"] for line in logged} == set(ids)
    posted = str(slack.posts)
    assert all(one in posted for one in ids)
    letters = {one.body: one.message_id for one in twin.messages(DLQ)}
    own = letters["nonsense"]
    assert own not in ids

    for name in (own, ids[1]):
        shown = run("dlq", "show", name, "--json").json
        assert (shown["message_id"], shown["original_message_id"]) == (own, ids[1])
    lines = run("dlq", "show", ids[1]).out
    assert own in lines
    assert ids[1] in lines
    listed = run("dlq", "list", "--json").json
    samples = {one["sample"]["original_message_id"] for one in listed["groups"]}
    assert samples == set(ids)
    assert all(f"(logged as {one})" in run("dlq", "list").out for one in ids)
    users(environment, ["jane@example.com"])
    ahead = run("dlq", "replay", "--message-id", ids[0], "--dry-run", "--json").json
    assert [one["original_message_id"] for one in ahead["letters"]] == [ids[0]]
    done = run("dlq", "replay", "--message-id", ids[0], "--json")
    assert (done.status, done.json["applied"]) == (0, 1)
    done = run("dlq", "delete", "--message-id", ids[1], "--yes", "--json")
    assert (done.status, done.json["deleted"], twin.messages(DLQ)) == (0, 1, [])


class TestAsking:
    def test_nothing_is_deleted_without_a_terminal_or_a_yes(self, run, twin, queue):
        fill(twin, "nonsense")
        done = run("dlq", "delete", "--all")
        assert (done.status, "--yes" in done.err) == (2, True)
        assert run("dlq", "delete", "--yes").status == 2
        assert all_visible(twin, 1)

    def test_those_with_a_reason_are_deleted_and_the_others_stay(
        self, run, twin, queue, environment
    ):
        users(environment, [])
        fill(twin, "one", "two", reason="not_json")
        fill(twin, "three", reason="no_type")
        done = run("dlq", "delete", "--reason", "not_json", "--yes", "--json")
        assert (done.status, done.json["deleted"]) == (0, 2)
        assert bodies(twin) == ["three"]
        assert all_visible(twin, 1)


class TestExitStatus:
    def test_78_without_a_queue(self, run):
        assert run("dlq", "list").status == 78

    def test_1_for_a_letter_that_is_not_there(self, run, twin, queue):
        fill(twin, "nonsense")
        for command in (["show", "nowhere"], ["replay", "--message-id", "nowhere"]):
            done = run("dlq", *command)
            assert (done.status, "no " in done.err) == (1, True)
        assert all_visible(twin, 1)

    def test_1_for_a_reason_that_no_letter_has_and_it_is_said(self, run, twin, queue):
        fill(twin, "nonsense")
        done = run("dlq", "replay", "--reason", "nonsensical", "--json")
        assert (done.status, done.json["received"]) == (1, 0)
        assert "no letter has the reason nonsensical" in done.err
        assert run("dlq", "delete", "--reason", "nonsensical", "--yes").status == 1

    def test_1_for_a_letter_that_is_there_with_another_reason_and_it_is_said(
        self, run, twin, queue, environment
    ):
        quarantined(environment, ("no_type", "{}"))
        (one,) = fill(twin, "nonsense")
        for name, reason in ((one, "not_json"), ("kept-0", "no_type")):
            done = run("dlq", "delete", "--message-id", name, "--reason", "other", "--yes")
            said = f"the letter {name} is there, with the reason {reason}"
            assert (done.status, said in done.err) == (1, True)
        assert all_visible(twin, 1)

    def test_2_for_all_and_some(self, run, queue):
        done = run("dlq", "delete", "--all", "--reason", "not_json", "--yes")
        assert (done.status, "not both" in done.err) == (2, True)

    @pytest.mark.parametrize(
        "options",
        [["--by-sqs"], ["--to-queue", "--by-sqs", "--limit", "1"], ["--limit", "0"]],
        ids=" ".join,
    )
    def test_2_for_what_does_not_go_together(self, run, queue, options):
        assert run("dlq", "replay", *options).status == 2


def test_a_place_that_is_away_is_told_and_the_other_is_listed(run, twin, queue, environment):
    quarantined(environment, ("not_json", "from the table"))
    twin.faults.add(ACCESS_DENIED, on="ReceiveMessage")
    done = run("dlq", "list", "--json")
    assert (done.status, done.json["quarantine"], done.json["complete"]) == (1, 1, False)
    assert "AccessDenied" in done.err
    no_books = run("dlq", "list", "--json", SES_WORKER_STORE__URL="sqlite:///nowhere.db")
    assert (no_books.status, "nowhere.db" in no_books.err) == (1, True)
