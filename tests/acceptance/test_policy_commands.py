"""`ses-worker policy`: what another policy would do, and records computed anew."""

import csv
import io
import json
import os
import pty
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import pytest
from support import mail
from support.running import COMMAND

NOW = datetime.now(UTC)
PAUSE_OF_A_DAY = {"SES_WORKER_POLICY__HARD_BOUNCE_PAUSE_DAYS": "1"}
LONGER = {"SES_WORKER_POLICY__SHADOW": json.dumps({"soft_bounce_pause_days": 9})}


def ago(days):
    return (NOW - timedelta(days=days)).isoformat()


@pytest.fixture
def some_mail(run, emulator, queue):
    """Jane bounced hard ten days ago and softly yesterday, Joe softly two days ago; so did no user."""
    run("users", "import", "-", input="email\njane@example.com\njoe@example.com\nkim@example.com\n")
    for body in (
        mail.bounce("jane@example.com", at=ago(10)),
        mail.bounce("jane@example.com", at=ago(0.5), type="Transient"),
        mail.bounce("joe@example.com", at=ago(2), type="Transient"),
        mail.bounce("unknown@example.com", at=ago(2), type="Transient"),
        mail.complaint("kim@example.com", at=ago(40)),
    ):
        emulator.send(queue, body)
    run("drain")


@pytest.fixture
def write(environment):
    """Run a statement, as an operator with SQLite does."""

    def write(statement):
        path = environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return write


def users(run):
    return run("users", "list", "--json").json["users"]


class TestDiff:
    def test_it_says_who_would_be_treated_differently_and_touches_nobody(
        self, run, either_store, some_mail
    ):
        before = users(run)
        longer = ("policy", "diff", "--set", "policy.soft_bounce_pause_days=5")
        done = run(*longer, "--json")
        assert done.status == 0, done.err
        figures = done.json
        assert (figures["people"], figures["no_users"], figures["events"]) == (4, 1, 5)
        changes = ("blocked", "paused", "freed", "longer", "shorter")
        assert [figures[name] for name in changes] == [0, 2, 0, 0, 0]
        assert figures["rules"] == [
            {"change": "paused", "before": "transient", "after": "transient", "people": 2}
        ]
        assert [(item["email_key"], item["user"]) for item in figures["sample"]] == [
            ("joe@example.com", True),
            ("unknown@example.com", False),
        ]
        assert figures["sample"][0]["reason_after"] == "soft_bounce"
        assert (figures["unknown"], figures["records_differ"]) == ({}, 0)
        shown = run(*longer)
        assert "Of 4 people with 5 events: 2 would be paused" in shown.out
        assert "joe@example.com" in shown.out
        assert shown.out.endswith("Nobody was touched.\n")
        assert users(run) == before

    def test_several_settings_and_entries_of_a_table_together(self, run, some_mail):
        done = run(
            "policy", "diff", "--json",
            "--set", "hard_bounce_pause_days = 5",
            "--set", 'bounce_actions."Transient/*"=auto_block_spam',
        )  # fmt: skip
        assert done.json["blocked"] == 3, done.err
        rules = [rule["after"] for rule in done.json["rules"]]
        assert rules == ["bounce_actions:Transient/*"] * len(rules)

    def test_only_the_last_days_are_decided_by_the_other_policy(self, run, some_mail):
        shorter = ("policy", "diff", "--json", "--set", "hard_bounce_pause_days=0")
        assert run(*shorter).json["shorter"] == 1
        done = run(*shorter, "--days", "5").json
        assert (done["days"], done["shorter"], done["people"]) == (5, 0, 3)

    def test_all_differences_go_to_a_file_and_a_spreadsheet_runs_none_of_them(
        self, run, some_mail, emulator, queue, tmp_path
    ):
        emulator.send(queue, mail.bounce("=cmd@example.com", at=ago(2), type="Transient"))
        run("drain")
        longer = ("policy", "diff", "--set", "soft_bounce_pause_days=5", "--limit", "0")
        done = run(*longer, "--csv", "out.csv")
        rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
        keys = ["'=cmd@example.com", "joe@example.com", "unknown@example.com"]
        assert [row["email_key"] for row in rows] == keys
        assert {row["change"] for row in rows} == {"paused"}
        assert "All are in out.csv." in done.out
        assert run(*longer, "--csv", "-").out == (tmp_path / "out.csv").read_text()

    def test_people_are_marked_for_whom_something_was_not_kept(self, run, some_mail, write):
        write("DELETE FROM events WHERE recipient = 'jane@example.com' AND type = 'Permanent'")
        write("UPDATE events SET fault = '' WHERE recipient = 'joe@example.com'")
        figures = run("policy", "diff", "--json", "--set", 'spare_faults=["sender"]').json
        assert figures["unknown"] == {"events": 1, "fault": 1}
        figures = run("policy", "diff", "--json", "--set", "soft_bounces_to_pause=1",
                      "--set", "soft_bounce_pause_days=9").json  # fmt: skip
        assert figures["records_differ"] == 1

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ((), "--set names what would be different"),
            (("--set", "hard_bounce_pause_days"), "must be KEY=VALUE"),
            (("--set", "=3"), "must be KEY=VALUE"),
            (("--set", "hard_bounce_pause=3"), "did you mean hard_bounce_pause_days?"),
            (("--set", "queue.url=3"), "--set queue.url: is no setting of a policy"),
            (("--set", "hard_bounce_pause_days=-1"), "policy.hard_bounce_pause_days: input should"),
            (("--set", "policy.spare_faults=['me']"), "policy.spare_faults: 'me' cannot be spared"),
            (("--set", "hard_bounce_pause_days.x=1"), "policy.hard_bounce_pause_days is no table"),
            (("--set", f"spare_faults={'[' * 3_000}"), "the value is nested too deeply"),
            (("--set", "unknown_recipients=create"), "decides who becomes a user"),
            (("--set", "shadow={}"), "policy.shadow: is itself such a policy"),
            (("--set", "hard_bounce_pause_days=30"), "that is the policy in force"),
            (("--set", "hard_bounce_pause_days=3", "--days", "0"), "0 is not in the range"),
            (("--shadow", "--days", "3"), "--shadow cannot be combined with --set or --days"),
            (("--set", "hard_bounce_pause_days=3", "--json", "--csv", "-"), "both write to"),
        ],
    )
    def test_what_cannot_be_tried_is_wrong_usage(self, run, arguments, reason):
        run("db", "upgrade")
        done = run("policy", "diff", *arguments)
        assert (done.status, done.out) == (2, ""), done.err
        assert reason in done.err

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("Transient/MailboxFul", "Transient/MailboxFull"),
            ("Tranisent/*", "Transient/*"),
            ("transient/messagetolarge", "Transient/MessageTooLarge"),
            ("Permanent/MailboxFull", "Transient/MailboxFull"),
        ],
    )
    def test_a_misspelt_bounce_is_a_warning_with_the_nearest_name(self, run, some_mail, name, near):
        """And no error: SES may add types."""
        done = run("policy", "diff", "--json", "--set", f'bounce_actions."{name}"=no_action')
        assert done.status == 0, done.err
        expected = f'SES documents no bounce "{name}"; did you mean "{near}"?'
        assert done.err == f"ses-worker: policy.bounce_actions: {expected}\n"
        shadow = json.dumps({"bounce_actions": {name: "no_action"}})
        checked = run("check", "--settings", SES_WORKER_POLICY__SHADOW=shadow)
        assert f"policy.shadow.bounce_actions: {expected}" in " ".join(checked.err.split())

    def test_a_file_that_cannot_be_written_and_a_database_that_is_not_there(self, run, some_mail):
        longer = ("policy", "diff", "--set", "soft_bounce_pause_days=5")
        done = run(*longer, "--csv", "nowhere/out.csv")
        assert (done.status, done.out) == (1, "")
        assert "cannot write nowhere/out.csv: No such file or directory" in done.err
        done = run(*longer, SES_WORKER_STORE__URL="sqlite:///gone.db")
        assert (done.status, "no database at" in done.err) == (1, True)


class TestRebuild:
    def test_it_says_what_would_change_and_then_changes_it(self, run, either_store, some_mail):
        before = users(run)
        dry = run("policy", "rebuild", "--dry-run", "--json", **PAUSE_OF_A_DAY).json
        assert (dry["users"], dry["changed"], dry["unchanged"]) == (3, 1, 2)
        assert (dry["shorter"], dry["refused"], dry["dry_run"]) == (1, {}, True)
        assert users(run) == before
        shown = run("policy", "rebuild", "--dry-run", **PAUSE_OF_A_DAY)
        assert "Of 3 users with events on record 1 would change; 2 are right." in shown.out
        assert "nothing was changed" in shown.err

        done = run("policy", "rebuild", "--yes", **PAUSE_OF_A_DAY)
        assert done.out.endswith("1 record changed\n")
        jane = run("users", "show", "jane@example.com", "--json").json
        assert jane["pause_reason"] == "soft_bounce"
        again = run("policy", "rebuild", "--yes", "--json", **PAUSE_OF_A_DAY).json
        assert (again["changed"], again["unchanged"]) == (0, 3)

    def test_it_warns_if_the_workers_have_another_policy(self, run, either_store, some_mail):
        warning = (
            "the workers have another policy than the settings that this command reads "
            "(hard_bounce_pause_seconds): reload all workers first, then rebuild"
        )
        assert "another policy" not in run("policy", "rebuild", "--dry-run").err
        assert warning in run("policy", "rebuild", "--dry-run", **PAUSE_OF_A_DAY).err.replace(
            "\n", " "
        )
        done = run("policy", "rebuild", "--yes", "--json", **PAUSE_OF_A_DAY)
        assert (done.status, done.json["changed"]) == (0, 1)
        assert warning in done.err.replace("\n", " ")
        run("drain", **PAUSE_OF_A_DAY)  # a worker with the new policy has begun
        assert "another policy" not in run("policy", "rebuild", "--dry-run", **PAUSE_OF_A_DAY).err

    def test_it_says_first_whom_mail_reaches_otherwise_and_then_how_many_change_only_in_counts(
        self, run, some_mail, write, tmp_path
    ):
        write("UPDATE users SET soft_bounce_count = 7 WHERE email_key = 'kim@example.com'")
        write("UPDATE users SET hard_bounce_count = 7 WHERE email_key = 'joe@example.com'")
        write("DELETE FROM imported_users")
        done = run("policy", "rebuild", "--dry-run", "--csv", "changes.csv", **PAUSE_OF_A_DAY)
        assert done.status == 0, done.err
        headline = done.out.replace("\n", " ")
        assert headline.startswith("1 would be paused for less long. Of 3 users with events")
        rows = list(csv.DictReader(io.StringIO((tmp_path / "changes.csv").read_text())))
        changed = [row["change"] for row in rows]
        assert (
            len(changed)
            == run("policy", "rebuild", "--dry-run", "--json", **PAUSE_OF_A_DAY).json["changed"]
        )
        assert changed.count("shorter") == 1
        assert done.out.index("jane@example.com") < done.out.find("joe@example.com", 0) or (
            "joe@example.com" not in done.out
        )
        assert "All are in changes.csv." in done.out
        piped = run("policy", "rebuild", "--dry-run", "--csv", "-", **PAUSE_OF_A_DAY)
        assert piped.out == (tmp_path / "changes.csv").read_text()
        assert "1 would be paused for less long" in piped.err

    def test_an_answer_that_is_no_changes_nothing_and_says_so(self, terminal, some_mail, run):
        before = users(run)
        for answer in ("n\n", "\x04"):
            done = terminal("policy", "rebuild", answer=answer, **PAUSE_OF_A_DAY)
            assert done.status == 1
            assert "not confirmed; nothing was changed" in done.out
            assert "Aborted" not in done.out
        assert users(run) == before

    def test_ctrl_c_at_the_question_changes_nothing_and_says_so(self, environment, some_mail, run):
        before = users(run)
        ours, theirs = pty.openpty()
        command = [COMMAND, "policy", "rebuild"]
        with subprocess.Popen(
            command, env=environment | PAUSE_OF_A_DAY, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            shown = b""
            while b"[y/N]" not in shown:
                shown += os.read(ours, 1_000)
            process.send_signal(signal.SIGINT)
            with suppress(OSError):
                while chunk := os.read(ours, 1_000):
                    shown += chunk
        os.close(ours)
        assert process.returncode == 1
        assert b"\nses-worker: not confirmed; nothing was changed" in shown.replace(b"\r", b"")
        assert b"Aborted" not in shown
        assert users(run) == before

    def test_it_asks(self, run, some_mail):
        before = users(run)
        done = run("policy", "rebuild", **PAUSE_OF_A_DAY)
        assert (done.status, "use --yes" in done.err) == (2, True)
        assert users(run) == before

    def test_who_is_left_alone_is_counted(self, run, some_mail, write):
        write("DELETE FROM events WHERE recipient <> 'joe@example.com'")
        done = run("policy", "rebuild", "--dry-run", **PAUSE_OF_A_DAY)
        assert "2 users with a record, and without events on record, left alone" in done.out


class TestShadow:
    def test_it_says_what_a_second_policy_would_have_done_since_it_was_set(
        self, run, either_store, some_mail, emulator, queue
    ):
        run("drain", **LONGER)
        emulator.send(queue, mail.bounce("joe@example.com", at=ago(1.5), type="Transient"))
        emulator.send(queue, mail.bounce("jane@example.com", at=ago(1), type="Transient"))
        done = run("drain", **LONGER)
        assert "shadow.begun" not in done.err
        figures = run("policy", "diff", "--shadow", "--json", **LONGER).json
        assert (figures["users"], figures["paused"], figures["longer"]) == (2, 1, 0)
        assert figures["sample"][0]["email_key"] == "joe@example.com"
        assert figures["since"] >= NOW.isoformat()[:19]
        shown = run("policy", "diff", "--shadow", **LONGER).out
        assert "UTC policy.shadow has decided about 2 users: 1 would be paused" in shown
        assert run("may-send", "joe@example.com").status == 0

        other = {"SES_WORKER_POLICY__SHADOW": json.dumps({"soft_bounce_pause_days": 8})}
        assert "shadow.begun" in run("drain", **other).err
        assert run("policy", "diff", "--shadow", "--json", **other).json["users"] == 0
        assert "shadow.ended" in run("drain").err

    def test_without_a_shadow_or_before_a_worker_has_begun_there_is_no_answer(self, run, some_mail):
        done = run("policy", "diff", "--shadow")
        assert (done.status, "policy.shadow is not set" in done.err) == (78, True)
        done = run("policy", "diff", "--shadow", **LONGER)
        assert (done.status, "no worker was started with it" in done.err) == (1, True)

    @pytest.mark.parametrize(
        ("shadow", "reason"),
        [
            ({"hard_bounce_pause_days": 30}, "policy.shadow is the policy in force"),
            ({"hard_bounce_pause_day": 3}, "policy.shadow.hard_bounce_pause_day: is none of the"),
            ({"hard_bounce_pause_days": "x"}, "policy.shadow.hard_bounce_pause_days: input should"),
            ({"shadow": {}}, "policy.shadow.shadow: is itself such a policy"),
            ({"track_deliveries": True}, "policy.shadow.track_deliveries: decides nothing about"),
            ({"count_events": True}, "policy.shadow.count_events: decides nothing about"),
            ({"unknown_recipients": "create"}, "policy.shadow.unknown_recipients: decides who"),
            (
                {"soft_bounces_to_pause": 3},
                "policy.shadow.soft_bounces_to_pause: 3 needs policy.track_deliveries = true",
            ),
            (
                {"soft_bounce_window_days": 3},
                "policy.shadow.soft_bounce_window_days: has no effect while each soft bounce",
            ),
        ],
    )
    def test_a_second_policy_that_is_wrong_is_misconfigured(self, run, shadow, reason):
        done = run("check", "--settings", SES_WORKER_POLICY__SHADOW=json.dumps(shadow))
        assert (done.status, reason in done.err) == (78, True), done.err
