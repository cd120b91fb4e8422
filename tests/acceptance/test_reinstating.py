"""`ses-worker users reinstate`: a pause or block is lifted, and the history says by whom and why."""

from datetime import UTC, datetime, timedelta

import pytest
from support import mail

NOW = datetime.now(UTC)
REASON = ("--reason", "her provider fixed its server")


def recent(hours):
    return (NOW - timedelta(hours=hours)).isoformat()


def drained(run, emulator, queue, *bodies):
    for body in bodies:
        emulator.send(queue, body)
    run("drain")


MAY_STILL_REFUSE = (
    "SES may still refuse mail: it lists hard bounces and complaints on its own, and "
    "--also-suppression-list takes an address off its suppression list, too"
)


def test_a_user_is_reinstated_and_only_a_newer_event_bars_her_again(
    run, emulator, queue, either_store
):
    run("users", "import", "-", input="email\njane@example.com\n")
    drained(run, emulator, queue, mail.bounce("jane@example.com", at=recent(2)))
    drained(run, emulator, queue, mail.complaint("jane@example.com", at=recent(1)))
    assert run("may-send", "jane@example.com").status == 3

    done = run("users", "reinstate", "Jane@Example.com", *REASON)
    assert (done.status, done.out) == (
        0,
        "1 reinstated (1 blocked, 0 paused), 0 neither paused nor blocked, 0 refused\n",
    )
    assert "jane@example.com was blocked (auto_block_spam)" in done.err
    assert MAY_STILL_REFUSE in " ".join(done.err.split())
    assert run("may-send", "jane@example.com").status == 0

    drained(run, emulator, queue, mail.complaint("jane@example.com", at=recent(3)))
    drained(run, emulator, queue, mail.bounce("jane@example.com", at=recent(3)))
    assert run("may-send", "jane@example.com").status == 0
    user = run("users", "show", "jane@example.com", "--json").json
    counts = ("hard_bounce_count", "complaint_count", "auto_block_spam", "paused_until")
    assert [user[name] for name in counts] == [2, 2, False, None]

    later = datetime.now(UTC) + timedelta(seconds=1)
    drained(run, emulator, queue, mail.bounce("jane@example.com", at=later.isoformat()))
    assert run("may-send", "jane@example.com").status == 3
    history = run("why", "jane@example.com", "--json").json["events"]
    reasons = [event["reason"] for event in history if event["kind"] != "reinstatement"]
    assert reasons.count("before_reinstatement") == 2
    (lifted,) = [event for event in history if event["kind"] == "reinstatement"]
    assert lifted["diagnostic"] == REASON[1]
    assert lifted["type"]
    shown = run("why", "jane@example.com").out
    assert f"lifted pause and block: {REASON[1]}" in " ".join(shown.split())


def test_an_address_that_is_no_user_becomes_a_user_and_is_free(run, emulator, queue, either_store):
    drained(run, emulator, queue, mail.complaint("unknown@example.com", at=recent(1)))
    assert run("may-send", "unknown@example.com").status == 3
    done = run("users", "reinstate", "unknown@example.com", *REASON, "--json")
    assert done.json == {
        "reinstated": 1,
        "blocked": 1,
        "paused": 0,
        "created": 1,
        "not_barred": 0,
        "refused": 0,
        "dry_run": False,
    }
    assert done.err == ""
    assert run("may-send", "unknown@example.com").status == 0


def test_many_are_reinstated_from_standard_input_and_a_dry_run_lifts_nothing(
    run, emulator, queue, either_store
):
    who = [f"user{number}@example.com" for number in range(30)]
    run("users", "import", "-", input="\n".join(["email", *who, "free@example.com"]))
    drained(run, emulator, queue, *(mail.complaint(address, at=recent(1)) for address in who))
    lines = "\n".join([*who, "", "free@example.com", "nonsense", "nobody@example.com"])
    for more, sentence in (
        (
            ("--dry-run",),
            "30 would be reinstated (30 blocked, 0 paused), 2 neither paused nor blocked, 1 refused\n",
        ),
        ((), "30 reinstated (30 blocked, 0 paused), 2 neither paused nor blocked, 1 refused\n"),
        ((), "0 reinstated, 32 neither paused nor blocked, 1 refused\n"),
    ):
        done = run("users", "reinstate", "-", *REASON, *more, input=lines)
        assert (done.status, done.out) == (1, sentence), done.err
        assert "line 33 is no usable address" in done.err
        assert ("user7@example.com is blocked (auto_block_spam)" in done.err) == bool(more)
        lifts = not sentence.startswith("0 ")
        assert (MAY_STILL_REFUSE in " ".join(done.err.split())) == lifts
    assert run("users", "list", "--blocked", "--json").json["total"] == 0
    assert run("users", "show", "nobody@example.com").status == 1


def test_the_history_names_who_called_through_sudo(run, emulator, queue):
    drained(run, emulator, queue, mail.complaint("jane@example.com", at=recent(1)))
    run("users", "reinstate", "jane@example.com", *REASON, SUDO_USER="ma\x1b[31mry")
    (_, lifted) = run("why", "jane@example.com", "--json").json["events"]
    assert lifted["type"] == "ma\\x1b[31mry"


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("two\nlines", "must be a line of at most 500 characters"),
        ("x" * 501, "must be a line of at most 500 characters"),
    ],
)
def test_a_reason_is_a_line(run, reason, wrong):
    done = run("users", "reinstate", "jane@example.com", "--reason", reason)
    assert done.status == 2
    assert wrong in done.err


def test_an_export_of_the_version_before_is_still_imported(run, tmp_path):
    run("users", "import", "-", input="email\njane@example.com\n")
    run("users", "export", str(tmp_path / "users.csv"))
    header, row = (tmp_path / "users.csv").read_text().splitlines()
    assert header.endswith(",reinstated_at,last_delivery")
    former = [line.rsplit(",", 2)[0] for line in (header, row)]
    run("users", "remove", "jane@example.com")
    done = run("users", "import", "-", input="\n".join(former))
    assert done.out == "1 created, 0 updated, 0 unchanged, 0 refused\n", done.err


def test_an_empty_reason_is_refused(run):
    for reason in ("", "  "):
        done = run("users", "reinstate", "jane@example.com", "--reason", reason)
        assert done.status == 2
        assert "is empty: give the reason, which the history keeps" in done.err
