"""`ses-worker provision`, as somebody with an empty account would run it."""

import json

import pytest
from support.wiring import ACCOUNT, REGION

READ_CALLS = ("Get", "List", "Describe")


@pytest.fixture
def account(proxy, environment):
    """An account with a verified domain and a configuration set, and nothing that is told."""
    proxy.publishing.identities["example.com"] = {}
    proxy.publishing.configuration_sets["main"] = {}
    return proxy


NAMED = ("--identity", "example.com", "--configuration-set", "main")


def changes(proxy):
    """The calls that changed something, as they went over the wire."""
    return [request for request in proxy.requests if not request.operation.startswith(READ_CALLS)]


def test_a_dry_run_says_exactly_what_a_run_then_does_and_changes_nothing(run, account):
    dry = run("provision", *NAMED, "--dry-run", "--json")
    assert (dry.status, dry.err, changes(account)) == (0, "", [])
    done = run("provision", *NAMED, "--json")
    assert (done.status, done.err) == (0, "")
    assert done.json["steps"] == dry.json["steps"]
    assert [request.operation for request in changes(account)] == [
        "".join(word.title() for word in step["operation"].split("_")) for step in dry.json["steps"]
    ]
    made = [
        request.arguments["Attributes"] for request in changes(account) if request.service == "sqs"
    ]
    output = [s["arguments"]["Attributes"] for s in dry.json["steps"] if s["service"] == "sqs"]
    assert made == output


def test_what_is_provisioned_is_healthy_with_the_settings_that_are_printed(
    run, account, tmp_path, environment
):
    done = run("provision", *NAMED)
    assert (done.status, done.err) == (0, "")
    file = tmp_path / "worker.toml"
    file.write_text(done.out.partition("# The settings")[2].partition("\n")[2])
    assert run("--config", file, "db", "upgrade").status == 0
    found = run("--config", file, "check", "--json").json["checks"]
    assert [(item["check"], item["status"]) for item in found if item["status"] != "ok"] == [
        ("feedback", "note")  # twice, for both ways were asked for
    ]
    account.requests.clear()
    again = run("--config", file, "provision", *NAMED)
    assert f"# The settings, for {file}\n" in again.out
    assert (again.status, again.out.splitlines()[0], changes(account)) == (0, "nothing to do", [])


def test_what_may_not_be_created_is_reported_and_the_next_run_goes_on(run, account):
    account.denied.add("sns:Subscribe")
    done = run("provision", "--json")
    assert done.status == 1
    subscribe = "subscribe the queue ses-feedback to the topic ses-feedback"
    assert [step["description"] for step in done.json["done"]] == [
        "create the topic ses-feedback, to which SES may publish",
        "create the dead-letter queue ses-feedback-dlq",
        "create the queue ses-feedback",
    ]
    assert done.json["failed"]["step"]["description"] == subscribe
    for output in (done.json["failed"]["error"], done.err):
        assert "sns:Subscribe" in output
    again = run("provision")
    assert (again.status, again.out) == (1, "")
    assert f"failed: {subscribe}: " in again.err
    account.denied.clear()
    done = run("provision", "--json")
    assert [step["description"] for step in done.json["done"]] == [subscribe]
    assert (done.status, done.json["failed"]) == (0, None)


def test_an_account_that_may_not_be_looked_at_is_not_guessed_at(run, account):
    account.denied.add("sns:GetTopicAttributes")
    done = run("provision", "--dry-run")
    assert (done.status, done.out) == (1, "")
    assert "not permitted: sns:GetTopicAttributes (config/iam-provision.json)" in done.err


def test_what_others_have_written_does_nothing_to_the_terminal(run, account):
    account.publishing.configuration_sets["main"]["ses-feedback-worker"] = {
        "Enabled": False,
        "MatchingEventTypes": ["\x1b[31mSEND"],
        "SnsDestination": {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:ses-feedback"},
    }
    done = run("provision", "--configuration-set", "main", "--dry-run")
    assert "\x1b" not in done.out
    assert done.out.count("\\x1b[31mSEND") == 2


@pytest.mark.parametrize("name", ["feedback.fifo", "a b", "x" * 81, ""])
def test_a_name_that_no_queue_can_have_is_wrong_usage(run, proxy, name):
    assert run("provision", "--queue", name).status == 2
    assert proxy.requests == []


def test_an_identity_wired_otherwise_is_left_and_reported(run, account):
    other = f"arn:aws:sns:{REGION}:{ACCOUNT}:other"
    account.publishing.identities["example.com"]["Bounce"] = other
    done = run("provision", "--identity", "example.com", "--json")
    assert done.status == 1
    assert f"its bounce notifications go to {other}" in done.err
    topics = account.publishing.identities["example.com"]
    assert topics == {"Bounce": other, "Complaint": f"arn:aws:sns:{REGION}:{ACCOUNT}:ses-feedback"}
    assert json.dumps(done.json["undone"])
