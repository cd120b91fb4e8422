"""What people see on terminals of 80 to 144 columns: all of it, and no word in two."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from support import mail
from support.dead import fill, quarantined

from simulators.slack.faults import rate_limited, refused

FIRST_SEEN = (datetime.now(UTC) - timedelta(days=3, hours=4)).isoformat()
WIDTHS = [80, 100, 120, 144]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONG = "a.rather.long.local.part-of+somebody@mail.of-a-rather-long-domain.example.com"
CJK = "\u5c71\u7530\u592a\u90ce@example.jp"
EMOJI = "\U0001f600\U0001f468\u200d\U0001f469@example.org"
MAIL = "010001936a1b2c3d-9f8e7d6c-5b4a-3928-1706-f5e4d3c2b1a0-000000"
ANSWER = (
    "smtp; 550-5.1.1 [red]the[/red] mailbox \u6771\u4eac\u306e\u90f5\u4fbf\u53d7\u3051 "
    "is unavailable \U0001f4ea \u001b[31mcompletely\u202e and forever, said "
    "mx-01.of-a-rather-long-domain.example.com"
)


def lines_of(done):
    """The lines; the path of the database, which is never broken, is as short as in a service."""
    text = re.sub(r"\S*/worker\.db", "/var/lib/ses-worker.db", ESCAPES.sub("", done.out))
    return [line.rstrip() for line in text.splitlines()]


def words_of(done):
    """All words, wherever a line ends."""
    return " ".join(line.strip() for line in lines_of(done)).split()


def assert_fits(done, width):
    for line in lines_of(done):
        assert cell_len(line) <= width, line
        assert line.isprintable(), line
        assert "\u2026" not in line, line


@pytest.fixture
def on_record(run, emulator, queue, slack):
    """Four people with a history; returns what it says of each, word for word."""
    users = f"email,account_id\n{LONG},acct-1\n{CJK},acct-2\njane@example.com,acct-3\n"
    assert run("users", "import", "-", input=users).status == 0
    detail = {"diagnosticCode": ANSWER, "status": "5.1.1", "action": "failed"}
    for address in (LONG, CJK, "jane@example.com", "stranger@example.net"):
        recipient = mail.recipient(address, **detail)
        emulator.send(queue, mail.bounce(recipient, message_id=MAIL))
        emulator.send(queue, mail.bounce(address, type="Transient", at="2026-11-19T08:00:00.000Z"))
    emulator.send(queue, mail.complaint("jane@example.com", at="2026-11-21T00:00:00.000Z"))
    assert run("drain").status == 0


@pytest.mark.parametrize("width", WIDTHS)
class TestWidths:
    @pytest.mark.parametrize("address", [LONG, CJK, "stranger@example.net"])
    def test_of_a_history(self, terminal, on_record, width, address):
        done = terminal("why", address, columns=width)
        assert_fits(done, width)
        words = words_of(done)
        for whole in (address, MAIL, "mx-01.of-a-rather-long-domain.example.com", "hard_bounce"):
            assert whole in words or f"({whole}):" in words or whole == "hard_bounce", whole
        assert "[red]the[/red]" in words
        assert "\\x1b[31mcompletely\\u202e" in words

    def test_of_effects(self, terminal, on_record, slack, width):
        done = terminal("outbox", "list", "--state", "delivered", columns=width)
        assert_fits(done, width)
        assert "bounce_notice:" in words_of(done)
        assert any("jane" not in line and "***@example.com" in line for line in lines_of(done))

    def test_of_users(self, terminal, on_record, width):
        done = terminal("users", "list", columns=width)
        assert_fits(done, width)
        for whole in (LONG, CJK, "jane@example.com"):
            assert whole in words_of(done)

    def test_of_dead_letters(self, terminal, run, emulator, queue, environment, width):
        quarantined(environment, ("processing_failed", "\u009b31m"))
        (sent,) = fill(emulator, "nonsense", reason="subscription_confirmation")
        fill(emulator, mail.bounce(LONG), reason="somebody-elses_reason_with_a_long_name [red]")
        done = terminal("dlq", "list", columns=width)
        assert_fits(done, width)
        words = words_of(done)
        assert {"subscription_confirmation", sent, "quarantine"} <= {*words}
        assert "[red]," in words

    def test_of_ages_of_dead_letters(self, terminal, run, emulator, queue, width):
        """The time is there at every width: as a time, or as how long ago and how long yet."""
        run("db", "upgrade")
        fill(emulator, "nonsense", reason="subscription_confirmation", first_seen=FIRST_SEEN)
        fill(emulator, "nonsense", reason="not_json", first_seen=FIRST_SEEN)
        done = terminal("dlq", "list", columns=width)
        assert_fits(done, width)
        row = next(line for line in lines_of(done) if "not_json" in line and "queue" in line)
        times = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d|in \d+ d \d+ h|\d+ d \d+ h", row)
        assert len(times) >= 2, row
        assert not re.search(r"\d{4}-\d\d-\d\d(?! \d\d:)", row), row

    def test_of_a_reason_that_fits_into_no_table(self, terminal, run, emulator, queue, width):
        reason = f"somebody-elses_reason_{'x' * 30}_end"
        run("db", "upgrade")
        fill(emulator, "nonsense", reason=reason)
        done = terminal("dlq", "list", columns=width)
        assert_fits(done, width)
        assert any(reason in line for line in lines_of(done))

    def test_of_a_check(self, terminal, wiring, slack, environment, width):
        wiring.unsubscribe()
        wiring.set_queue(RedrivePolicy="")
        done = terminal("check", columns=width)
        fixes = [line for line in lines_of(done) if " provision " in line]
        assert len(fixes) == 1, "the same fix twice"
        assert_fits(done, width)
        found = json.loads(terminal("check", "--json").out)["checks"]
        words = words_of(done)
        for item in found:
            if item["check"] != "clock":  # it says another second
                named = {word for word in item["message"].split() if not word.startswith("/")}
                assert named <= {*words}


class TestTheVerdict:
    """`why` begins with what may-send says, user or not."""

    @pytest.mark.parametrize(
        ("address", "sentence"),
        [
            (
                "jane@example.com",
                "May be mailed now: no. It is a user, and blocked without an end (auto_block_spam).",
            ),
            (
                "over@example.net",
                "May be mailed now: yes. It is no user, and none of its events stops mail now.",
            ),
            (
                "complained@example.net",
                "May be mailed now: no. It is no user, and blocked without an end (auto_block_spam).",
            ),
            (
                "anna@example.com",
                "May be mailed now: yes. It is a user, and neither paused nor blocked.",
            ),
        ],
    )
    def test_it_is_the_first_sentence(self, run, on_record, emulator, queue, address, sentence):
        run("users", "import", "-", input="email\nanna@example.com\n")
        emulator.send(queue, mail.complaint("complained@example.net"))
        emulator.send(queue, mail.bounce("over@example.net", at="2026-01-01T00:00:00.000Z"))
        run("drain")
        lines = run("why", address).out.splitlines()
        assert lines[:2] == [address, sentence]
        verdict = run("may-send", address, "--json").json
        told = run("why", address, "--json").json["verdict"]
        assert told == {name: value for name, value in verdict.items() if name != "address"}

    def test_a_pause_has_its_end(self, run, emulator, queue):
        now = datetime.now(UTC)
        emulator.send(queue, mail.bounce("jane@example.com", at=now.isoformat()))
        run("drain")
        until = (now + timedelta(days=30)).strftime("%Y-%m-%d %H:%M:%S UTC")
        assert run("why", "jane@example.com").out.splitlines()[1] == (
            f"May be mailed now: no. It is no user, and paused until {until} (hard_bounce)."
        )

    def test_a_user_who_is_blocked_and_was_paused_is_both(self, run, on_record):
        second = run("why", "jane@example.com").out.splitlines()[2]
        assert re.match("It (was|is also) paused until 2026-", second)
        assert second.endswith("On record: 1 hard bounce, 1 soft bounce, 1 complaint.")


def test_what_is_parked_is_listed_with_how_to_retry_it(run, terminal, emulator, queue, slack):
    slack.fail(*[refused(403, "no_service")] * 9)
    emulator.send(queue, mail.bounce("jane@example.com"))
    run("drain", "--max-seconds", "1")
    assert run("outbox", "list", "--json").json["effects"][0]["state"] == "parked"
    out = run("outbox", "list").out
    assert "  ses-worker outbox retry --parked\n" in out
    assert "retry" not in run("outbox", "list", "--state", "waiting").out


def test_events_are_in_the_order_of_occurrence(run, on_record):
    shown = run("why", "jane@example.com")
    days = re.findall(r"^2026-11-(\d\d) \d\d:\d\d:\d\d  ", shown.out, re.MULTILINE)
    assert days == ["19", "20", "21"]
    events = run("why", "jane@example.com", "--json").json["events"]
    assert [event["occurred_at"][8:10] for event in events] == days


def test_decisions_are_sentences(run, on_record):
    out = " ".join(run("why", "jane@example.com").out.split())
    assert "Mail pauses (hard_bounce): SES reports a permanent bounce (rule permanent)." in out
    assert "Mail pauses (soft_bounce): SES reports a transient bounce (rule transient)." in out
    assert "The user is blocked (auto_block_spam): the person complained (rule complaint)." in out
    assert "1 hard bounce, 1 soft bounce, 1 complaint" in out
    stranger = " ".join(run("why", "stranger@example.net").out.split())
    because = "the address is not among the users; may-send goes by its events"
    assert f"Nothing changes (no_action): {because}" in stranger
    assert "\u00b7" not in out


def test_of_what_there_is_none_nothing_is_said(run, emulator, queue):
    run("users", "import", "-", input="email\njane@example.com\n")
    emulator.send(queue, mail.complaint("jane@example.com"))
    run("drain")
    out = run("why", "jane@example.com").out
    assert "On record: 1 complaint." in out
    assert "0 " not in out.replace("2026-", "").partition("\n\n")[0]


def test_what_is_written_to_a_pipe_does_not_depend_on_the_terminal(run, on_record):
    outs = {
        run("why", LONG, COLUMNS=columns, TERM=term, LINES="3").out
        for columns, term in (("40", "xterm"), ("200", "dumb"), ("", ""))
    }
    (out,) = outs
    assert 100 < max(map(cell_len, out.splitlines())) <= 120


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("users list", "no users in "),
        ("users list --paused", "no such users in "),
        ("outbox list", "No effect is waiting or claimed or parked."),
        ("outbox list --state delivered", "No effect is delivered."),
        ("dlq list", "no dead letters."),
    ],
)
def test_an_empty_list_says_so(run, emulator, queue, command, sentence):
    run("db", "upgrade")
    done = run(*command.split())
    assert done.status == 0
    assert done.out.startswith(sentence)
    assert "\u2501" not in done.out


class TestCheck:
    def test_it_ends_with_a_summary(self, run, wiring, environment):
        run("db", "upgrade")
        assert run("check").out.splitlines()[-1] == "13 ok, 1 note, no problems"
        wiring.unsubscribe()
        wiring.set_queue(RedrivePolicy="")
        out = run("check").out.splitlines()
        assert re.fullmatch(r"\d+ ok, 1 note, 2 problems(, .*)?", out[-1])
        assert (
            "dead letters, subscription \u2192 ses-worker provision --queue feedback "
            in " ".join(out)
        )

    def test_a_busy_slack_is_a_note(self, run, wiring, slack):
        run("db", "upgrade")
        slack.always = rate_limited("30")
        done = run("check", "--json")
        (found,) = [item for item in done.json["checks"] if item["check"] == "slack"]
        assert (found["status"], found["fix"]) == ("note", "try again later")
        assert done.status == 0


def test_progress_of_an_unknown_total_names_none(terminal, tmp_path):
    file = tmp_path / "users.csv"
    file.write_text("email\njane@example.com\n")
    shown = ESCAPES.sub("", terminal("users", "import", file).out)
    assert "of 1 byte" not in shown
    assert "23 of 23 bytes" in shown


@pytest.mark.parametrize("command", ["", "dlq", "users", "outbox", "db", "suppression"])
def test_summaries_of_commands_are_whole_and_defaults_are_words(run, command):
    out = run(*command.split(), "--help").out
    assert "..." not in out.partition("Commands:")[2]
    assert "(off)" not in out


def test_no_default_stands_in_brackets_of_its_own(run):
    from click import Context
    from reference_pages.commands import walk

    from worker.cli import main

    for context in walk(Context(main, info_name="ses-worker")):
        assert "[default: (" not in " ".join(context.command.get_help(context).split())
