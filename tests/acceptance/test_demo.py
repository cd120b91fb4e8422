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
WHOLE = (*COMMAND, "--all")
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
}
"""Variables that would mislead the worker or boto3, if these saw them."""

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
    """The output of a demo, its exit status, and what it left behind."""

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
    """All of it."""
    return observed_once(tmp_path_factory, "demo", *WHOLE)


@pytest.fixture(scope="module")
def first_look(tmp_path_factory):
    return observed_once(tmp_path_factory, "first_look")


def test_a_first_look_is_a_hundred_lines_and_ends_with_the_workers_own_words(first_look):
    lines = [line.rstrip() for line in first_look.out.splitlines()]
    assert (first_look.status, first_look.err) == (0, "")
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 100
    titles = [found[1] for line in lines if (found := re.match(r" (\d)  \S", line))]
    assert titles == list("1234"), "numbered once"
    decided = first_look.out.partition("1  Eight decisions")[2].partition("2  What was")[0]
    assert {*re.findall(r"\(rule (\w+)\)", decided)} <= {*RULES}
    assert decided.count("(rule ") == 8
    assert "…" not in decided
    explained, _, checked = first_look.out.partition("4  ses-worker check")
    assert (
        "Mail pauses (hard_bounce): SES reports a permanent bounce (rule permanent)." in explained
    )
    assert re.search(r"^\d+ ok, 1 note, no problems", checked, re.MULTILINE)
    commands = checked.partition(" Next")[2].split("\n")
    assert next(line for line in commands if "ses-worker" in line).split()[1] == "provision"


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """With --json, in an environment full of misleading variables."""
    observed = observed_once(tmp_path_factory, "figures", *COMMAND, "--json", **NOT_OURS)
    assert observed.files == []
    return observed


def test_the_demo_succeeds_and_soon(demo):
    assert (demo.status, demo.err) == (0, "")
    assert demo.seconds < SECONDS
    assert demo.line("everything came out as expected")


def test_it_says_first_what_will_happen(demo):
    assert "simulated on loopback" in "\n".join(demo.out.splitlines()[:8])


def test_the_daemon_is_followed_while_it_works(demo):
    live, _, tables = demo.out.partition("1  What came")
    assert "hard_bounce      @example.org  Permanent/General" in live
    assert "dead-lettered not_json" in live
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


def test_dead_letters_are_shown_with_their_reason_and_without_the_token(demo):
    aside = demo.out.partition("4  What was dead-lettered")[2]
    assert all(reason in aside for reason in ("not_json", "no_object", "foreign_event"))
    assert "subscription_confirmation" in aside
    assert "5d6b0f" not in demo.out


def test_what_came_again_changed_nothing(demo):
    again = " ".join(demo.out.partition("5  What came again")[2].split())
    assert "5 messages were published again" in again
    assert "Events added: 0. Users changed: 0." in again


@pytest.fixture(scope="module")
def slack(demo):
    """The chapter on Slack."""
    return demo.out.partition("6  What Slack received")[2].partition("7  The SES suppression")[0]


def frames(slack):
    """The messages shown in full, each a list of lines without its frame."""
    found = []
    for line in slack.splitlines():
        if line.startswith(" ╭─"):
            found.append([])
        elif found and line.startswith(" │ "):
            found[-1].append(line.strip()[2:-2].rstrip())
    return found


def test_all_messages_to_slack_are_listed(slack):
    listed = re.findall(r"^ (\d)  ([A-Z ]+: .*?) *$", slack, re.MULTILINE)
    assert [number for number, _ in listed] == list("12345678")
    texts = [text for _, text in listed]
    for text in (
        "BOUNCE: dev.patel@example.com", "COMPLAINT: raj.mehta@example.net",
        "DELETE: leon.maas@example.com", "NOT DELETED: yara.haddad@example.com",
    ):  # fmt: skip
        assert text in texts
    assert re.fullmatch(r"DIGEST: \d+ bounces, [67] complaints, [34] dead letters", texts[-1])
    output = " ".join(slack.split())
    assert re.search(r"7 notices, and 3[5-7] in a digest", output), "SQS chooses which comes first"
    assert "none is about probe@example.org (notify.ignore)" in output
    assert "the real Slack gets one post a second" in output


def test_a_notice_is_shown_in_full(slack):
    notice = frames(slack)[0]
    assert notice[0] == "Bounce notification"
    assert ["*Mail:", "*", "`dev.patel@example.com`"] in [line.split() for line in notice]
    assert any("550 5.1.1 no such user here" in line for line in notice)
    assert any(re.match(r"… \d+ more lines", line) for line in notice)
    assert notice[-2:] == ["outbox #1", "`ses-worker why dev.patel@example.com`"]


def test_the_digest_is_shown_and_holds_no_whole_address(slack):
    digest = frames(slack)[1]
    assert re.fullmatch(r"SES feedback: \d+ bounces, [67] complaints, [34] dead letters", digest[0])
    assert any(re.match(r"• \*\d\* `Permanent/General` at `example.com`", line) for line in digest)
    assert any(re.match(r"Whose fault: the recipient's \d+, ", line) for line in digest)
    addresses = re.findall(r"[^\s`]+@[^\s`]+", " ".join(digest))
    assert addresses
    assert all(address.startswith("***@") for address in addresses)


def test_a_removal_is_shown_with_the_entry_as_it_was(slack):
    removal = frames(slack)[2]
    assert removal[0] == "Delete notification"
    assert ["*Response:*", "*Deleted!*"] in [line.split() for line in removal]
    assert any('"Reason": "BOUNCE"' in line for line in removal)
    assert len(frames(slack)) == 3


def test_an_ignored_address_is_in_no_message_and_on_record(demo, slack):
    assert "probe@example.org" not in str(frames(slack))
    assert "hard_bounce" in demo.line("probe@example.org")


def test_what_became_of_the_suppression_list_can_be_read_off(demo):
    listed = demo.out.partition("7  The SES suppression list")[2]
    (leon,) = [line for line in listed.splitlines() if "DELETE: leon.maas" in line]
    assert leon.split()[:5] == ["leon.maas@example.com", "BOUNCE", "off", "the", "list"]
    (yara,) = [line for line in listed.splitlines() if "NOT DELETED: yara.haddad" in line]
    assert yara.split()[:3] == ["yara.haddad@example.com", "COMPLAINT", "listed"]


def test_deliveries_are_followed_while_they_happen(demo):
    live = demo.out.partition("1  What came")[0]
    first, _, rest = live.partition("― a month of mail")
    assert first.count("notified      Slack: bounce_notice") == 3
    assert first.count("notified      Slack: removal_notice") == 2
    assert first.count("called        SES's suppression list") == 2
    assert "notified      Slack: 32 in one digest" in rest.partition("― Slack answers again")[2]


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
    assert found["suppression_listed"] == found["suppression_listed_before"][1:]


def test_nothing_of_the_callers_environment_leaks_in(figures):
    assert figures.status == 0
    assert json.loads(figures.out)["ok"]
    assert figures.processes == []


TAMPERED = {
    "demo.expected as it; it.PAUSED_HOURS['nora.field@example.org'] += 24": (
        "nora.field@example.org is paused until "
    ),
    "demo.installing as it; it.SETTINGS = it.SETTINGS.replace('ignore = {ignore}', '')": (
        "a notice about probe@example.org, whom notify.ignore names"
    ),
    "demo.installing as it; it.SETTINGS = it.SETTINGS.replace('remove = {remove}', '')": (
        "suppression_listed is ['leon.maas@example.com', 'yara.haddad@example.com'], not"
    ),
    "demo.installing as it; it.SETTINGS += '\\n[policy]\\nbounce_actions = "
    '{{"Transient/MailboxFull" = "hard_bounce"}}\\n\'': (
        "no such decision: sara.blom@example.net found soft_bounce transient"
    ),
}


@pytest.mark.parametrize("change", TAMPERED)
def test_an_unexpected_result_is_reported_and_fails(tmp_path, change):
    tampered = f"import {change}; from demo.__main__ import demo; demo([])"
    observed = see(start(tmp_path, sys.executable, "-c", tampered), tmp_path)
    assert observed.status == 1
    assert "✗" in observed.line(TAMPERED[change])
    assert observed.line("the result is not as expected")
    assert (observed.files, observed.processes) == ([], [])


def interrupted(folder, chapter, number):
    """Run the demo up to a chapter, and send it a signal."""
    process = start(folder, *WHOLE)
    for line in process.stdout:
        if chapter in line:
            break
    assert any("run --config" in line for line in processes_of(folder))
    process.send_signal(number)
    observed = see(process, folder)
    assert observed.status != 0
    return observed


@pytest.mark.parametrize("chapter", ["― a few of today", "― a month of mail"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(tmp_path, number, chapter):
    observed = interrupted(tmp_path, chapter, number)
    assert (observed.files, observed.processes) == ([], [])


def test_a_kill_ends_the_daemon_too(tmp_path):
    interrupted(tmp_path, "― a month of mail", signal.SIGKILL)
    deadline = time.monotonic() + 5
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(tmp_path) == []


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
    except OSError:  # as Linux reports that the other end is closed
        pass
    finally:
        os.close(ours)
        complained = process.communicate(timeout=60)[1]
    assert (process.returncode, complained) == (0, b"")
    assert "the daemon's log, as it is written" in shown.decode()
    assert "\x1b[?25h" in shown.decode(), "the cursor is back"
