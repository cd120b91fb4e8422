"""What people see on terminals of 80 to 144 columns: all of it, and no word in two."""

import itertools
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
    "is unavailable \U0001f4ea \u001b[31mcompletely\u202e and forever, wrote "
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
    """But for commands, which stay whole, to be pasted."""
    for line in lines_of(done):
        if line.startswith("  ses-worker "):
            continue
        assert cell_len(line) <= width, line
        assert line.isprintable(), line
        assert "\u2026" not in line, line


@pytest.fixture
def on_record(run, emulator, queue, slack):
    """Four people with a history; returns what it says of each, word for word."""
    users = f"email,account_id\n{LONG},acct-1\n{CJK},acct-2\njane@example.com,acct-3\n"
    assert run("users", "import", "-", input=users).status == 0
    detail = {"diagnosticCode": ANSWER, "status": "5.1.1", "action": "failed"}
    for address in (LONG, CJK, "jane@example.com", "unknown@example.net"):
        recipient = mail.recipient(address, **detail)
        emulator.send(queue, mail.bounce(recipient, message_id=MAIL))
        emulator.send(queue, mail.bounce(address, type="Transient", at="2026-11-19T08:00:00.000Z"))
    emulator.send(queue, mail.complaint("jane@example.com", at="2026-11-21T00:00:00.000Z"))
    assert run("drain").status == 0


@pytest.mark.parametrize("width", WIDTHS)
class TestWidths:
    @pytest.mark.parametrize("address", [LONG, CJK, "unknown@example.net"])
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
                (
                    "No mail may go to jane@example.com until somebody lifts it, because of a complaint on"
                    " 2026-11-21: the person marked the mail as spam (auto_block_spam). It is a user."
                ),
            ),
            (
                "over@example.net",
                (
                    "Mail may go to over@example.net now. It is no user, and none of its events stops"
                    " mail now."
                ),
            ),
            (
                "complained@example.net",
                (
                    "No mail may go to complained@example.net until somebody lifts it, because of a complaint"
                    " on 2026-11-20: the person marked the mail as spam (auto_block_spam). It is no"
                    " user."
                ),
            ),
            (
                "anna@example.com",
                "Mail may go to anna@example.com now. It is a user, and neither paused nor blocked.",
            ),
        ],
    )
    def test_it_is_the_first_sentence(self, run, on_record, emulator, queue, address, sentence):
        run("users", "import", "-", input="email\nanna@example.com\n")
        emulator.send(queue, mail.complaint("complained@example.net"))
        emulator.send(queue, mail.bounce("over@example.net", at="2026-01-01T00:00:00.000Z"))
        run("drain")
        out = run("why", address).out
        assert out.startswith(f"{address}\n")
        assert sentence in " ".join(out.split())
        verdict = run("may-send", address, "--json").json
        answer = run("why", address, "--json").json
        assert answer["verdict"] == {name: verdict[name] for name in verdict if name != "address"}
        assert answer["answer"] == sentence
        undo = f'ses-worker users reinstate {address} --reason "WHY"'
        assert answer["undo"] == (None if verdict["may_send"] else undo)
        assert out.count(undo) == (0 if verdict["may_send"] else 2)
        assert verdict["may_send"] or out.endswith(f"To lift it:\n  {undo}\n")

    def test_a_pause_has_its_end(self, run, emulator, queue):
        now = datetime.now(UTC)
        entry = mail.recipient("jane@example.com", status="5.1.1", diagnosticCode="550 5.1.1 no")
        emulator.send(queue, mail.bounce(entry, at=now.isoformat()))
        run("drain")
        until = (now + timedelta(days=30)).strftime("%Y-%m-%d %H:%M:%S UTC")
        assert (
            f"No mail may go to jane@example.com until {until}, because mail bounced on"
            f" {now:%Y-%m-%d}: there is no such mailbox (5.1.1, hard_bounce). It is no user."
        ) in " ".join(run("why", "jane@example.com").out.split())

    def test_who_is_on_the_suppression_list_is_taken_off_it_by_the_same_command(
        self, run, emulator, queue
    ):
        now = datetime.now(UTC).isoformat()
        listed = mail.bounce("jane@example.com", subtype="OnAccountSuppressionList", at=now)
        emulator.send(queue, listed)
        run("drain")
        answer = run("why", "jane@example.com", "--json").json
        assert "SES did not send" in answer["answer"]
        assert " --also-suppression-list " in answer["undo"]
        run("users", "import", "-", input="email\njane@example.com\n")
        assert answer["undo"] in run("users", "show", "jane@example.com").out

    def test_a_user_who_is_blocked_and_was_paused_is_both(self, run, on_record):
        lines = run("why", "jane@example.com").out.splitlines()
        (record,) = [line for line in lines if "On record: " in line]
        assert re.match("It (was|is also) paused until 2026-", record)
        assert record.endswith("On record: 1 hard bounce, 1 soft bounce, 1 complaint.")


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
    explained = " ".join(run("why", "unknown@example.net").out.split())
    because = "the address is not among the users; may-send goes by its events"
    assert f"Nothing changes (no_action): {because}" in explained
    assert "\u00b7" not in out


def test_each_event_is_in_plain_words_with_the_record_before_and_after(run, on_record):
    out = run("why", "jane@example.com").out
    blocks = [" ".join(block.split()) for block in out.split("\n\n")]
    soft, hard, complaint = [block for block in blocks if "Decision" in block]
    assert "SES says SES tried until it gave up" in soft
    assert "Before neither paused nor blocked" in soft
    assert "After paused until 2026-11-20 08:00:00 (soft_bounce)" in soft
    assert "In words there is no such mailbox (5.1.1)" in hard
    assert "Whose fault the recipient's" in hard
    assert re.search(r"After paused until 2026-12-\d\d \S+ \(hard_bounce\)", hard)
    assert "Caused #" in hard
    assert "bounce_notice: delivered" in hard
    assert "SES says the person marked the mail as spam" in complaint
    assert "After blocked without an end (auto_block_spam), and paused until" in complaint

    answer = run("why", "jane@example.com", "--json").json
    states = [(event["before"], event["after"]) for event in answer["events"]]
    assert states[0][0] == {"auto_block_spam": False, "paused_until": None, "pause_reason": None}
    assert [after["auto_block_spam"] for _, after in states] == [False, False, True]
    assert all(after == before for (_, after), (before, _) in itertools.pairwise(states))
    user = answer["user"]
    assert states[-1][1] == {name: user[name] for name in states[-1][1]}
    assert answer["states_are_the_record"] is True
    assert answer["events"][1]["meaning"] == {
        "type": "the receiving side refused the mail for good",
        "status_code": "5.1.1",
        "status": "there is no such mailbox",
    }


def test_a_record_that_was_changed_by_hand_is_reported_to_differ(run, on_record, tmp_path):
    import sqlite3

    assert "differs" not in run("why", "jane@example.com").out
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        connection.execute("UPDATE users SET paused_until = '2030-01-01 00:00:00.000000'")
    connection.close()
    done = run("why", "jane@example.com")
    assert "The user's own record differs" in done.out


def test_a_mail_has_its_sender_configuration_set_tenant_and_tags(run, emulator, queue):
    body = json.loads(mail.bounce("jane@example.com"))
    body["mail"] |= {
        "source": "News <news@example.com>",
        "tags": {
            "ses:configuration-set": ["main"],
            "ses:tenant-name": ["acme"],
            "campaign": ["spring\x1b[31m"],
        },
    }
    emulator.send(queue, json.dumps(body))
    run("drain")
    out = " ".join(run("why", "jane@example.com").out.split())
    assert "by news@example.com; configuration set main; tenant acme" in out
    assert "Tags campaign=spring\\x1b[31m" in out


def test_a_user_is_shown_with_the_command_that_undoes(run, on_record):
    undo = 'ses-worker users reinstate jane@example.com --reason "WHY"'
    assert run("users", "show", "jane@example.com").out.endswith(f"to lift it:          {undo}\n")
    run("users", "import", "-", input="email\nanna@example.com\n")
    assert "lift" not in run("users", "show", "anna@example.com").out


def test_counts_of_zero_are_not_printed(run, emulator, queue):
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
    # A command stays whole, so that it can be pasted.
    lines = [line for line in out.splitlines() if not line.startswith("  ses-worker ")]
    assert 100 < max(map(cell_len, lines)) <= 120


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
        assert run("check").out.splitlines()[-1] == "18 ok, 1 note, no problems, 1 skipped"
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
