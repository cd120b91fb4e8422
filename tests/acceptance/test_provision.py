"""`ses-worker provision`, as somebody with an empty account would run it."""

import json
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from support.publishing import Refusal
from support.running import COMMAND
from support.wiring import ACCOUNT, REGION

ROOT = Path(__file__).parents[2]

READ_CALLS = ("Get", "List", "Describe")


@pytest.fixture
def account(proxy, environment):
    """An account with a verified domain and a configuration set, and nothing that is published."""
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


@pytest.fixture
def shipped(tmp_path):
    """The settings file as it is shipped."""
    file = tmp_path / "worker.toml"
    shutil.copy(ROOT / "config" / "worker.toml", file)
    return file


def lines_of(file):
    return file.read_text(encoding="utf-8").splitlines()


def test_what_is_provisioned_is_healthy_with_the_settings_that_are_written(
    run, account, shipped, environment
):
    before, mode = lines_of(shipped), 0o640
    shipped.chmod(mode)
    done = run("provision", *NAMED, "--write-settings", shipped)
    assert (done.status, done.out) == (0, "")
    assert done.err.splitlines()[0] == "created the topic ses-feedback, to which SES may publish"
    assert done.err.splitlines()[-1] == (f"set aws.region, queue.url, sns.topic_arns in {shipped}")
    assert stat.S_IMODE(shipped.stat().st_mode) == mode
    after = lines_of(shipped)
    url = tomllib.loads(shipped.read_text(encoding="utf-8"))["queue"]["url"]
    assert url.endswith(f"/{ACCOUNT}/ses-feedback")
    assert len(after) == len(before), "each took the place of its example"
    assert [line for line, was in zip(after, before, strict=True) if line != was] == [
        f'region = "{REGION}"',
        f'url = "{url}"',
        f'topic_arns = ["arn:aws:sns:{REGION}:{ACCOUNT}:ses-feedback"]',
    ]
    file = shipped
    assert run("--config", file, "db", "upgrade").status == 0
    found = run("--config", file, "check", "--json").json["checks"]
    assert [(item["check"], item["status"]) for item in found if item["status"] != "ok"] == [
        ("users", "note"),  # none yet
        ("feedback", "note"),  # twice, for both ways were requested
        ("signatures", "skipped"),  # a simulator stands in for AWS
    ]
    account.requests.clear()
    again = run("--config", file, "provision", *NAMED, "--write-settings", file)
    assert (again.status, again.out, changes(account)) == (0, "", [])
    assert again.err.splitlines()[0] == "nothing to do"
    assert again.err.splitlines()[-1] == f"{file} has these settings already"
    assert lines_of(file) == after


def test_standard_output_is_an_environment_that_a_shell_reads(run, account, environment, tmp_path):
    done = run("provision", *NAMED)
    assert done.status == 0
    assert "create the" not in done.err
    assert done.err.count("created the") == 3
    file = tmp_path / "environment"
    file.write_text(done.out)
    script = f"set -a; . {file}; exec {COMMAND} --config /dev/null check --json"
    checked = subprocess.run(
        ["/bin/sh", "-euc", script], env=environment, capture_output=True, text=True, check=False
    )
    found = {item["check"]: item["status"] for item in json.loads(checked.stdout)["checks"]}
    assert (found["queue"], found["topic"], found["subscription"]) == ("ok", "ok", "ok")
    assert all(line.startswith("SES_WORKER_") for line in done.out.splitlines())


class TestWithoutAnythingOfSes:
    """A path that nothing is published to brings nothing, and nobody would notice."""

    SILENT = (
        "SES publishes nothing to the topic ses-feedback, so nothing will arrive by it: run this "
        "again with --identity NAME for each identity that you send from"
    )

    def test_the_first_run_says_so_and_names_the_options(self, run, account):
        done = run("provision")
        assert done.status == 0
        assert self.SILENT in done.err
        assert (
            "with --configuration-set NAME for each configuration set, or with --eventbridge"
            in done.err
        )
        assert "SES publishes" not in done.out

    def test_a_run_that_finds_nothing_to_do_says_so_with_the_identities_that_there_are(
        self, run, account
    ):
        account.publishing.identities["jane@example.org"] = {}
        run("provision")
        for more in ([], ["--dry-run"]):
            done = run("provision", *more)
            assert "nothing to do" in done.err
            assert f"{self.SILENT} (example.com), with" in done.err
        assert run("provision", "--json").json["remark"].startswith(self.SILENT)

    @pytest.mark.parametrize("named", [NAMED[:2], NAMED[2:]])
    def test_where_ses_publishes_by_either_way_there_is_no_remark(self, run, account, named):
        assert "SES publishes" not in run("provision", *named).err
        done = run("provision")
        assert "nothing to do" in done.err
        assert "SES publishes" not in done.err
        assert run("provision", "--json").json["remark"] is None

    def test_what_may_not_be_read_is_unknown(self, run, account):
        run("provision")
        account.denied.add("ses:ListIdentities")
        done = run("provision")
        assert (done.status, "nothing to do" in done.err) == (0, True)
        assert (
            "whether SES publishes to the topic ses-feedback is unknown (not permitted: "
            "ses:ListIdentities, config/iam-provision.json): run this again with" in done.err
        )

    def test_the_check_names_the_options_too(self, run, account, environment):
        run("provision", "--write-settings", "worker.toml")
        found = run("--config", "worker.toml", "check", "--json").json["checks"]
        (line,) = [item for item in found if item["check"] == "feedback"]
        assert line["status"] == "wrong"
        assert "provision adds them with --identity or --configuration-set" in line["message"]
        assert (
            "provision --queue ses-feedback --topic ses-feedback --identity example.com"
            in (line["fix"])
        )


def test_a_remark_names_a_queue_that_is_not_that_of_the_settings(run, account, environment):
    run("provision", *NAMED)
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/ses-feedback"
    environment["SES_WORKER_QUEUE__URL"] = url
    for options in ((), ("--queue", "ses-feedback")):
        assert "not the queue of the settings" not in run("provision", *options).err
    expected = (
        f"ses-feedback-spare is not the queue of the settings (queue.url is {url}): "
        "a worker that gets this queue.url no longer reads that queue"
    )
    for more in (("--dry-run",), ()):
        done = run("provision", "--queue", "ses-feedback-spare", *more)
        assert (done.status, done.err.splitlines()[-1]) == (0, expected)
    again = run("provision", "--queue", "ses-feedback-spare", "--json").json
    assert again["remark"] == expected


def test_a_dry_run_says_what_it_will_write_and_writes_nothing(run, account, shipped, environment):
    before = shipped.read_bytes()
    done = run("provision", "--dry-run", "--write-settings", shipped)
    assert (done.status, shipped.read_bytes(), changes(account)) == (0, before, [])
    lines = done.out.splitlines()
    assert lines[0] == "will create the topic ses-feedback, to which SES may publish"
    assert lines[-1] == f"will set aws.region, queue.url, sns.topic_arns in {shipped}"
    assert "SES_WORKER_" not in done.out
    assert "nothing was changed: --dry-run" in done.err


def test_a_file_that_could_not_be_written_is_reported_before_anything_is_created(
    run, account, tmp_path
):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[queue]\nurl = https://sqs.example\n")
    done = run("provision", "--write-settings", wrong)
    assert (done.status, "in quotes" in done.err, account.requests) == (78, True, [])
    done = run("provision", "--write-settings", tmp_path / "no" / "worker.toml")
    assert (done.status, account.requests) == (1, [])
    assert f"cannot write {tmp_path}/no/worker.toml" in done.err


UNSUPPORTED = [
    ("ses:GetIdentityNotificationAttributes", Refusal(501, "InternalFailure", "not implemented")),
    ("ses:GetIdentityNotificationAttributes", Refusal(400, "InvalidAction", "unknown action")),
    ("ses:GetIdentityNotificationAttributes", Refusal(404, "404", "page not found")),
    ("ses:SetIdentityNotificationTopic", Refusal(400, "UnknownOperation", "unknown")),
    ("ses:GetConfigurationSetEventDestinations", Refusal(501, "NotImplemented", "no")),
    ("ses:CreateConfigurationSetEventDestination", Refusal(404, "UnknownOperationException", "")),
]


@pytest.mark.parametrize(("action", "refusal"), UNSUPPORTED)
def test_a_call_to_ses_that_a_stand_in_does_not_have_is_named_and_the_rest_is_done(
    run, account, environment, action, refusal
):
    account.unsupported[action] = refusal
    done = run("provision", *NAMED)
    assert done.status == 1
    assert f"the endpoint does not support {action.partition(':')[2]}" in done.err
    assert "not done: " in done.err
    assert done.err.count("created the") == 3
    assert "SES_WORKER_QUEUE__URL=" in done.out
    wired = account.publishing.identities["example.com"], account.publishing.configuration_sets
    assert any((wired[0], wired[1]["main"])), "the other way was wired"
    again = run("provision", *NAMED, "--json")
    assert all("create" not in step["description"] for step in again.json["steps"])
    assert any(action.partition(":")[2] in text for text in again.json["undone"])


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
