"""The way by EventBridge as an operator sets it up: provision, check, and messages that arrive."""

import json
import tomllib
from pathlib import Path

import pytest
from support import mail
from support.wiring import ACCOUNT, REGION

REPORTS = Path(__file__).parents[1] / "reports"
READ_CALLS = ("Get", "List", "Describe")
NAMED = ("--eventbridge", "--configuration-set", "main")


@pytest.fixture
def account(proxy, environment):
    """An account with a configuration set, and nothing else."""
    proxy.publishing.configuration_sets["main"] = {}
    return proxy


def changes(proxy):
    return [r.operation for r in proxy.requests if not r.operation.startswith(READ_CALLS)]


def test_what_is_provisioned_is_healthy_and_a_second_run_does_nothing(run, account, tmp_path):
    file = tmp_path / "worker.toml"
    dry = run("provision", *NAMED, "--dry-run", "--json")
    assert (dry.status, changes(account)) == (0, [])
    done = run("provision", *NAMED, "--write-settings", file)
    assert (done.status, done.out) == (0, "")
    assert changes(account) == [
        "".join(word.title() for word in step["operation"].split("_")) for step in dry.json["steps"]
    ]
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    assert written.keys() == {"aws", "queue"}
    assert run("--config", file, "db", "upgrade").status == 0
    found = run("--config", file, "check", "--eventbridge", "--json").json["checks"]
    assert [item["check"] for item in found if item["status"] not in {"ok", "skipped"}] == ["users"]
    account.requests.clear()
    again = run("--config", file, "provision", *NAMED, "--write-settings", file)
    assert (again.status, changes(account)) == (0, [])


def test_with_a_topic_beside_it_the_settings_accept_both(run, account, tmp_path):
    file = tmp_path / "worker.toml"
    assert run("provision", *NAMED, "--topic", "bounces", "--write-settings", file).status == 0
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    assert written["eventbridge"] == {"accept": True, "accounts": [ACCOUNT]}
    assert written["sns"] == {"topic_arns": [f"arn:aws:sns:{REGION}:{ACCOUNT}:bounces"]}
    found = run("--config", file, "check", "--json").json["checks"]
    assert "eventbridge.accept is true: events are accepted" in json.dumps(found)


def test_what_is_not_accepted_is_dead_lettered_with_the_setting_and_can_be_replayed(
    run, queue, emulator, environment
):
    emulator.send(queue, mail.in_eventbridge(mail.bounce("jane@example.com")))
    assert run("drain", SES_WORKER_EVENTBRIDGE__ACCEPT="false").status == 3
    (group,) = run("dlq", "list", "--json").json["groups"]
    assert group["reason"] == "eventbridge_not_accepted"
    shown = run("dlq", "show", group["sample"]["message_id"]).out
    assert "eventbridge.accept is false; set it to true or auto" in " ".join(shown.split()), shown
    assert "next step:" in shown
    done = run("dlq", "replay", "--reason", "eventbridge_not_accepted", "--json")
    assert (done.status, done.json["applied"]) == (0, 1)


def test_a_refused_report_that_ses_stopped_is_notified_as_an_unproven_claim(
    run, queue, emulator, slack
):
    """It is the second of two dead letters with the same reason: the notice names it."""
    emulator.send(queue, mail.in_eventbridge(mail.bounce("jane@example.com")))
    emulator.send(queue, mail.sending_status())
    proof = {"SES_WORKER_SNS__TOPIC_ARNS": f'["{mail.TOPIC}"]'}
    assert run("drain", **proof).status == 3
    claim = "Unproven claim: SES stopped sending for tenant acme of account 111122223333, eu-west-1"
    assert claim in json.dumps(slack.posts)
    (group,) = run("dlq", "list", "--json", **proof).json["groups"]
    assert (group["count"], group["claims_sending_stopped"]) == (2, 1)
    assert group["sample"]["summary"] == claim
    listed = " ".join(run("dlq", "list", **proof).out.split())
    assert "1 dead letter claims that SES stopped sending, and nothing proves it" in listed
    shown = run("dlq", "show", group["sample"]["message_id"], **proof)
    assert f"what it says:       {claim}" in shown.out


def test_each_reported_body_is_read_by_the_worker(run, queue, emulator):
    for file in sorted(REPORTS.glob("*.body.json")):
        emulator.send(queue, file.read_text(encoding="utf-8"))
    found = run("drain", "--json").json
    outcomes = [found[name] for name in ("applied", "duplicate", "ignored", "dead_lettered")]
    assert outcomes == [7, 1, 0, 2]
    reasons = json.dumps(run("dlq", "list", "--json").json)
    assert "s3_pointer" in reasons
    assert "cloudwatch_alarm" in reasons
