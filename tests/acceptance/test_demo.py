"""`make demo`, as a newcomer meets it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from support.shared import shared

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "demo")
SECONDS = 15

NOT_OURS = {
    "AWS_PROFILE": "nobody",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_REGION": "moon-1",
    "AWS_CA_BUNDLE": "/nowhere",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "SES_WORKER_CONFIG": "/nowhere/worker.toml",
    "SES_WORKER_STORE__URL": "sqlite:////nowhere/worker.db",
    "SES_WORKER_NOSUCH__KEY": "1",
    "INITIAL_NO_AUTH_ACTION_COUNT": "0",
    "TEST_SERVER_MODE": "true",
}
"""What would lead astray whoever listened to it: worker, boto3 or moto."""

KINDS = [
    "Bounce", "Complaint", "Delivery", "Send", "Open", "Click", "Reject", "Rendering Failure",
    "DeliveryDelay", "Subscription", "Archived", "control text", "truncated JSON",
    "SubscriptionConfirmation",
]  # fmt: skip
RULES = [
    "permanent", "transient", "other_bounce", "spam_diagnostic", "refused_by_ses", "no_address",
    "no_recipients", "unknown_recipient", "complaint", "blocked_already", "not_spam",
]  # fmt: skip


@dataclass
class DemoRun:
    """What a demo showed, how it ended, and what it left."""

    status: int
    out: str
    err: str
    seconds: float
    files: list
    processes: list

    def line(self, *words):
        """The first line that holds all the words."""
        return next(line for line in self.out.splitlines() if all(word in line for word in words))


def processes_of(folder):
    shown = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True)
    return [line for line in shown.stdout.splitlines() if str(folder) in line]


def files_of(folder):
    return [path.name for path in folder.iterdir()]


def start(folder, *command, **changes):
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    return subprocess.Popen(
        command or COMMAND,
        env=environment | {"TMPDIR": str(folder)} | changes,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def see(process, folder):
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    seconds = time.monotonic() - began
    return DemoRun(process.returncode, out, err, seconds, files_of(folder), processes_of(folder))


def observed_once(factory, name, *command, **changes):
    """Run a demo that ends by itself, once for all tests of it."""

    def observe():
        folder = factory.mktemp(name)
        changed = {"HOME": str(folder), **changes} if changes else {}
        return asdict(see(start(folder, *command, **changed), folder))

    def good(run):
        return (run["status"], run["err"], run["seconds"] < SECONDS) == (0, "", True)

    return DemoRun(**shared(factory, name, observe, good))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return observed_once(tmp_path_factory, "demo")


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """With --json, in an environment that means harm."""
    observed = observed_once(tmp_path_factory, "figures", *COMMAND, "--json", **NOT_OURS)
    assert observed.files == []
    return observed


def test_the_demo_succeeds_and_soon(demo):
    assert (demo.status, demo.err) == (0, "")
    assert demo.seconds < SECONDS
    assert demo.line("everything is as the mails meant it")


def test_it_says_first_what_will_happen(demo):
    assert "An AWS starts on loopback" in "\n".join(demo.out.splitlines()[:8])


def test_the_daemon_is_followed_while_it_works(demo):
    live, _, tables = demo.out.partition("1  What came")
    assert "hard_bounce      @example.org  Permanent/General" in live
    assert "dead-lettered  not_json" in live
    assert "nora.field" not in live
    assert "nora.field@example.org" in tables


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_message_is_in_the_tables(demo, kind):
    came = demo.out.partition("1  What came")[2].partition("2  What was decided")[0]
    assert any(line.strip().startswith(kind) for line in came.splitlines())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_fires_at_least_once(demo, rule):
    decided = demo.out.partition("2  What was decided")[2].partition("3  Who is paused")[0]
    assert any(line.endswith(rule) for line in map(str.rstrip, decided.splitlines()))


def test_who_is_paused_and_who_is_blocked_can_be_read_off(demo):
    people = demo.out.partition("3  Who is paused")[2].partition("4  What was dead-lettered")[0]
    (nora,) = [line for line in people.splitlines() if "nora.field@example.org" in line]
    assert nora.split()[3:6] == ["in", "28", "d"]
    (ada,) = [line for line in people.splitlines() if "ada.ferro@example.com" in line]
    assert "ended" in ada
    (grace,) = [line for line in people.splitlines() if "grace.lim@example.com" in line]
    assert grace.split()[1:] == ["spam_diagnostic"]
    assert "omar.aziz" not in people


def test_what_was_set_aside_stands_there_with_its_reason_and_without_the_token(demo):
    aside = demo.out.partition("4  What was dead-lettered")[2]
    assert all(reason in aside for reason in ("not_json", "no_object", "eventbridge_wrapper"))
    assert "subscription_confirmation" in aside
    assert "5d6b0f" not in demo.out


def test_what_came_again_changed_nothing(demo):
    again = " ".join(demo.out.partition("5  What came again")[2].split())
    assert "5 messages were published again" in again
    assert "Events added: 0. Users changed: 0." in again


@pytest.fixture(scope="module")
def reported(demo):
    """The chapter on Slack."""
    return demo.out.partition("6  What Slack was told")[2].partition("7  The SES suppression")[0]


def frames(reported):
    """The messages in it, each a list of lines without its frame."""
    found = []
    for line in reported.splitlines():
        if line.startswith(" ╭─ SES Notice  APP "):
            found.append([])
        elif found and line.startswith(" │ "):
            found[-1].append(line.strip()[2:-2].rstrip())
    return found


def test_a_single_line_says_how_much_became_how_many_messages(reported):
    output = " ".join(reported.split())
    assert output.startswith(
        "38 recipients, 4 dead-lettered messages and 2 removals became 8 messages"
    )
    assert re.search(r"7 notices and a digest of 3[5-7]\.", output), (
        "which came first is SQS's choice"
    )
    assert "None is about probe@example.org (notify.ignore)." in output
    assert "Real Slack gets one a second" in output


def test_a_notice_is_shown_as_in_slack(reported):
    notice = frames(reported)[0]
    assert notice[0] == "Bounce notification"
    assert set(notice[1]) == {"─"}
    assert ["Mail:", "dev.patel@example.com"] in [line.split() for line in notice]
    assert any("550 5.1.1 no such user here" in line for line in notice)
    assert any("… 26 more lines" in line for line in notice)
    assert notice[-1].split() == ["outbox", "#1", "ses-worker", "why", "dev.patel@example.com"]


def test_the_digest_is_shown_and_names_nobody(reported):
    digest = frames(reported)[1]
    assert re.fullmatch(r"SES feedback: \d+ bounces, [67] complaints, [34] dead letters", digest[0])
    assert any(re.match(r"• \d Permanent/General at example.com", line) for line in digest)
    addresses = [word for line in digest for word in line.split() if "@" in word]
    assert addresses
    assert all(address.startswith("***@") for address in addresses)


def test_a_removal_is_shown_with_the_entry_as_it_was(reported):
    removal = frames(reported)[2]
    assert removal[0] == "Delete notification"
    assert ["Response:", "Deleted!"] in [line.split() for line in removal]
    assert any('"Reason": "BOUNCE"' in line for line in removal)
    assert len(frames(reported)) == 3


def test_who_is_ignored_is_in_no_message_and_on_record(demo, reported):
    assert "probe@example.org" not in str(frames(reported))
    assert "hard_bounce" in demo.line("probe@example.org")


def test_what_became_of_the_suppression_list_can_be_read_off(demo):
    listed = demo.out.partition("7  The SES suppression list")[2]
    (leon,) = [line for line in listed.splitlines() if "leon.maas@example.com" in line]
    assert leon.split() == ["leon.maas@example.com", "BOUNCE", "off", "the", "list", "Deleted!"]
    (yara,) = [line for line in listed.splitlines() if "yara.haddad@example.com" in line]
    assert yara.split()[1:4] == ["COMPLAINT", "listed", "Kept:"]
    assert "ses-worker suppression restore" in listed
    assert "ses-worker why" in listed


def test_deliveries_are_followed_while_they_happen(demo):
    live = demo.out.partition("1  What came")[0]
    first, _, rest = live.partition("― a month of mail")
    assert first.count("told       Slack: bounce_notice") == 3
    assert first.count("told       Slack: removal_notice") == 2
    assert first.count("asked      SES, about its suppression list") == 2
    assert "told       Slack: 32 in one digest" in rest.partition("― Slack answers again")[2]


def test_a_hundred_columns_are_wide_enough(demo):
    assert max(map(len, demo.out.splitlines())) <= 100


def test_nothing_is_left_of_it(demo):
    assert (demo.files, demo.processes) == ([], [])


def test_the_figures_are_a_single_json_object_and_add_up(figures):
    assert figures.err == ""
    found = json.loads(figures.out)
    outcomes = ("applied", "duplicate", "ignored", "deferred", "dead_lettered")
    assert found["received"] == found["published"] == sum(found[name] for name in outcomes)
    assert sum(found["kinds"].values()) == sum(found["shapes"].values()) == found["published"]
    for what in ("actions", "rules", "user_matches"):
        assert sum(found[what].values()) == found["events"]
    assert sum(found["dead_letters"].values()) == found["dead_lettered"] > 0
    assert found["duplicate"] == 5
    assert found["events_added_by_repeats"] == found["remaining"] == found["deferred"] == 0
    assert 0 < found["users_paused"] < found["users"]
    assert set(found["effects"]) == {"delivered"}
    assert 35 <= sum(found["folded"].values()) <= 37
    assert (found["slack_messages"], found["slack_digests"]) == (8, 1)
    assert found["recipients_ignored"] == 1
    assert found["suppression_listed"] == found["suppression_listed_before"][1:]


def test_nothing_of_the_callers_environment_leaks_in(figures):
    assert figures.status == 0
    assert json.loads(figures.out)["ok"]
    assert figures.processes == []


def test_a_demo_run_that_goes_wrong_is_reported_and_fails(tmp_path):
    tampered = (
        "import datetime, demo.audit as audit; "
        "audit.PAUSES['hard_bounce'] = datetime.timedelta(days=31); "
        "from demo.__main__ import demo; demo([])"
    )
    observed = see(start(tmp_path, sys.executable, "-c", tampered), tmp_path)
    assert observed.status == 1
    assert "✗" in observed.line("nora.field@example.org: paused_until is ")
    assert observed.line("the story did not come out as it should")
    assert (observed.files, observed.processes) == ([], [])


def test_a_notice_about_an_ignored_address_is_a_fault(tmp_path):
    """The settings ignore nobody: the audit says so, from what Slack has heard."""
    tampered = (
        "import demo.installing as installing; "
        "installing._SETTINGS = installing._SETTINGS.replace('ignore = {ignore}', ''); "
        "from demo.__main__ import demo; demo([])"
    )
    observed = see(start(tmp_path, sys.executable, "-c", tampered), tmp_path)
    assert observed.status == 1
    assert observed.line("Slack was notified of nothing that came: BOUNCE: probe@example.org")
    assert observed.line("Slack was told about probe@example.org, who is ignored")


@pytest.mark.parametrize("chapter", ["― a few of today", "― a month of mail"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_early_leaves_nothing(tmp_path, number, chapter):
    process = start(tmp_path)
    for line in process.stdout:
        if chapter in line:
            break
    assert any("worker run" in line for line in processes_of(tmp_path))
    process.send_signal(number)
    observed = see(process, tmp_path)
    assert observed.status != 0
    deadline = time.monotonic() + 5  # after SIGKILL its guard still has to notice
    while (files_of(tmp_path) or processes_of(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (files_of(tmp_path), processes_of(tmp_path)) == ([], [])


def test_on_a_terminal_the_log_moves_in_a_frame(tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "80"},
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:  # Linux's way to say that the other end is closed
        pass
    finally:
        os.close(ours)
        complained = process.communicate(timeout=60)[1]
    assert (process.returncode, complained) == (0, b"")
    assert "the daemon's log, as it is written" in shown.decode()
    assert "\x1b[?25h" in shown.decode(), "the cursor is back"


def test_without_moto_it_says_what_to_install(tmp_path):
    without = (
        "import sys; sys.modules['moto.server'] = None; "
        "from demo.__main__ import demo; demo(['--json'])"
    )
    observed = see(start(tmp_path, sys.executable, "-c", without), tmp_path)
    assert (observed.status, observed.out) == (78, "")
    assert "make setup" in observed.err
