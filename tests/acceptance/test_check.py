"""`ses-worker check`, against a path that is healthy and against paths that are not."""

import json
import os
import pty
import re
import socket
import sqlite3
import subprocess

import pytest
from support.running import COMMAND
from support.wiring import QUEUE_URL, REGION, TOPIC

from simulators.slack.faults import refused
from worker.store import ensure_schema, open_store
from worker.store.users import import_users

CHECKS = [
    "settings", "files", "database", "users", "forgotten", "sending", "retention", "queue", "clock", "dead letters", "queue policy", "permissions", "topic",
    "subscription", "feedback", "eventbridge", "encryption", "account", "slack",
]  # fmt: skip


@pytest.fixture
def healthy(wiring, slack, environment):
    """Everything is as it should be."""
    store = open_store(environment["SES_WORKER_STORE__URL"])
    ensure_schema(store, migrate=True)
    for _ in import_users(store, [{"email": "jane@example.com", "email_key": "jane@example.com"}]):
        pass
    return wiring


@pytest.fixture
def look(run):
    """Check, and return what stands out, by check."""

    def look(*arguments, status=None, **changes):
        done = run("check", "--json", *arguments, **changes)
        assert done.err == ""
        found = done.json
        assert done.status == (0 if found["healthy"] else 1)
        assert status in {None, done.status}
        return [item for item in found["checks"] if item["status"] not in {"ok", "skipped"}]

    return look


def only(findings, check, status="wrong"):
    """The one thing that stands out."""
    assert [(finding["check"], finding["status"]) for finding in findings] == [(check, status)], (
        findings
    )
    return findings[0]


def test_a_healthy_path_is_silent_but_for_what_was_found(run, healthy, slack):
    done = run("check")
    assert (done.status, done.err) == (0, "")
    assert re.findall(r"^ok {7}([a-z ]+): ", done.out, re.MULTILINE) == CHECKS
    assert "→" not in done.out
    assert slack.posts == []


def test_a_terminal_has_each_row_as_it_comes(healthy, environment):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silence = {"AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [COMMAND, "check"], env=environment | silence | {"TERM": "xterm"}, stdout=theirs
        ) as process:
            os.close(theirs)
            shown = b""
            while b"database" not in shown:
                shown += os.read(ours, 10_000)
            assert process.poll() is None, "it still waits for SQS"
            process.kill()
        os.close(ours)


def test_a_terminal_has_the_same_rows_and_mends(healthy, terminal):
    healthy.unsubscribe()
    done = terminal("check")
    rows = [line.split() for line in re.sub("\x1b\\[[0-9;]*m", "", done.out).splitlines()]
    assert ["ok", "settings:"] in [row[:2] for row in rows]
    assert ["wrong", "subscription:"] in [row[:2] for row in rows]
    assert "subscription → ses-worker provision" in done.out
    assert done.status == 1


class TestSixBrokenPaths:
    def test_no_subscription(self, healthy, look):
        healthy.unsubscribe()
        found = only(look(status=1), "subscription")
        assert TOPIC in found["message"]
        assert found["fix"] == "ses-worker provision --queue feedback --topic bounces"

    def test_policy_missing(self, healthy, look):
        healthy.set_queue(Policy="")
        found = only(look(status=1), "queue policy")
        assert f"does not admit {TOPIC}" in found["message"]
        assert found["fix"] == "ses-worker provision --queue feedback --topic bounces"

    def test_no_dead_letter_queue(self, healthy, look):
        healthy.set_queue(RedrivePolicy="")
        found = only(look(status=1), "dead letters")
        assert "no dead-letter queue" in found["message"]
        assert found["fix"] == "ses-worker provision --queue feedback --topic bounces"

    def test_wrong_region(self, healthy, look):
        found = only(look(status=1, AWS_REGION="us-east-2"), "settings")
        assert f"called in us-east-2, but {QUEUE_URL} is in {REGION}" in found["message"]
        assert f"aws.region to {REGION}" in found["fix"]

    def test_schema_old(self, healthy, look, tmp_path):
        with sqlite3.connect(tmp_path / "worker.db") as database:
            database.execute("UPDATE ses_worker_schema SET version_num = '0001'")
        found = only(look(status=1), "database")
        assert "schema 0001, this program also needs" in found["message"]
        assert found["fix"] == "ses-worker db upgrade"

    def test_slack_refused(self, healthy, look, slack):
        slack.always = refused(404, "no_service")
        found = only(look(status=1), "slack")
        assert "no_service" in found["message"]
        assert "make a new webhook" in found["fix"]
        assert slack.webhook_url not in json.dumps(found)


def test_without_users_it_names_both_ways_to_have_some(run, healthy, look):
    run("users", "remove", "jane@example.com")
    found = only(look(status=0), "users", "note")
    assert found["message"] == "0 users: nobody will be paused"
    assert "ses-worker users import" in found["fix"]
    assert 'policy.unknown_recipients = "create"' in found["fix"]
    assert look(status=0, SES_WORKER_POLICY__UNKNOWN_RECIPIENTS="create") == []


def test_the_advised_commands_fix_it(run, healthy, look):
    healthy.unsubscribe()
    healthy.set_queue(RedrivePolicy="")
    found = look(status=1)
    assert {item["check"] for item in found} == {"dead letters", "subscription"}
    (fix,) = {item["fix"] for item in found}
    done = run(*fix.split()[1:])
    assert done.status == 0, done.err
    assert look(status=0) == []


def test_what_mends_it_reads_the_same_settings_file(run, healthy, tmp_path):
    file = tmp_path / "my worker.toml"
    file.write_text("")
    healthy.unsubscribe()
    done = run("--config", file, "check")
    assert f"\nses-worker --config '{file}' provision --queue " in done.out.replace("→ ", "→\n")


def test_a_topic_in_another_region_is_not_fixed_by_a_namesake(run, healthy, environment):
    topic = TOPIC.replace(REGION, "us-east-1")
    environment["SES_WORKER_SNS__TOPIC_ARNS"] = json.dumps([topic])
    found = run("check", "--json").json["checks"]
    mends = [item["fix"] for item in found if item["fix"]]
    assert any("aws sns create-topic --region us-east-1" in fix for fix in mends)
    assert not [fix for fix in mends if "ses-worker provision" in fix]


def test_what_mends_it_stands_below_the_table_unbroken(terminal, healthy):
    healthy.unsubscribe()
    done = terminal("check")
    assert done.status == 1
    fix = "subscription → ses-worker provision --queue feedback --topic bounces"
    assert fix in done.out.splitlines()


def test_what_may_not_be_read_is_reported_and_is_no_failure(healthy, proxy, look):
    proxy.denied |= {"sns:GetTopicAttributes", "ses:GetAccount"}
    found = look(status=0)
    assert [(item["check"], item["status"]) for item in found] == [
        ("topic", "unknown"),
        ("encryption", "unknown"),  # of the topic
        ("account", "unknown"),
    ]


def test_a_test_notice_is_posted_when_requested(run, healthy, slack):
    done = run("check", "--send")
    assert (done.status, done.err) == (0, "")
    (post,) = slack.posts
    assert "Test notice" in json.dumps(post)


def test_a_check_writes_nothing(run, wiring, proxy, tmp_path):
    assert run("check").status == 0
    assert list(tmp_path.iterdir()) == []
    assert all(a.partition(":")[2].startswith(("Get", "List", "Describe")) for a in proxy.actions)


def test_settings_that_are_wrong_are_78(run, proxy):
    done = run("check")
    assert (done.status, "queue.url is required" in done.err) == (78, True)


class TestSettingsAlone:
    @pytest.fixture
    def file(self, tmp_path, environment):
        environment.pop("SES_WORKER_QUEUE__URL", None)
        return tmp_path / "worker.toml"

    def test_settings_that_can_be_used_are_found_so_without_a_call(
        self, run, proxy, slack, file, environment, tmp_path
    ):
        file.write_text(f'[queue]\nurl = "{QUEUE_URL}"\n', encoding="utf-8")
        environment["SES_WORKER_STORE__URL"] = f"sqlite:///{tmp_path / 'none.db'}"
        done = run("--config", file, "check", "--settings")
        assert (done.status, done.err) == (0, "")
        assert done.out == f"the settings in {file} can be used\n"
        found = run("--config", file, "check", "--settings", "--json")
        assert (found.status, found.json["healthy"]) == (0, True)
        assert (proxy.requests, slack.posts) == ([], [])
        assert not (tmp_path / "none.db").exists()

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ("url = https://sqs", "a text is in quotes"),
            ('url = "https://sqs.x.amazonaws.com/1/q"\nwait_seconds = 21', "queue.wait_seconds"),
            ("wait_seconds = 20", "queue.url is required"),
            ('[store]\nurl = "postgresql://u:p@ss@host/x"', "queue.url is required"),
            (f'url = "{QUEUE_URL}"\n[store]\nurl = "postgresql://u:p@ss@h/x"', "PostgreSQL URL"),
        ],
    )
    def test_what_run_would_refuse_for_good_is_78(self, run, proxy, file, lines, expected):
        file.write_text(f"[queue]\n{lines}\n", encoding="utf-8")
        done = run("--config", file, "check", "--settings", SES_WORKER_STORE__URL=None)
        assert (done.status, done.out, expected in done.err) == (78, "", True), done.err
        assert proxy.requests == []

    def test_a_misspelt_sub_type_is_a_note_and_no_error(self, run, look, healthy, file):
        names = "\"Transient/MesageTooLarge\" = 'no_action'"
        text = f'[queue]\nurl = "{QUEUE_URL}"\n[policy.bounce_actions]\n{names}\n'
        file.write_text(text, encoding="utf-8")
        done = run("--config", file, "check", "--settings")
        assert (done.status, 'did you mean "Transient/MessageTooLarge"?' in done.err) == (0, True)
        note = only(look("--config", file, status=0), "settings", "note")
        assert 'did you mean "Transient/MessageTooLarge"?' in note["message"]

    def test_it_is_combined_with_nothing_that_calls(self, run, healthy):
        for option in ("--live", "--send", "--identity=x"):
            assert run("check", "--settings", option).status == 2
