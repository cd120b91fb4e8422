"""Every payload through the installed command, against both databases and both ways of delivery."""

import json
from pathlib import Path

import pytest
from support import mail

PAYLOADS = Path(__file__).parents[1] / "payloads"
EXPECTED = json.loads((PAYLOADS / "expected.json").read_text(encoding="utf-8"))
DEAD = [row for row in EXPECTED if row["disposition"] == "dead"]
REPORTS = [
    row
    for row in EXPECTED
    if row["kind"] in {"bounce", "complaint"} and row["disposition"] == "ack"
]
EVERYBODY = sorted({address for row in EXPECTED for address in row["recipients"] if address})
TOKEN = json.loads((PAYLOADS / "sqsbody-subscription-confirmation.json").read_text())["Token"]
USERS = [address for number, address in enumerate(EVERYBODY) if number % 5 != 4]


def text_of(row):
    return (PAYLOADS / row["file"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("wrap", [str, mail.enveloped], ids=["raw", "enveloped"])
def test_all_payloads_mean_what_is_expected_and_once_more_nothing(
    run, emulator, queue, database, either_store, wrap
):
    run("users", "import", "-", input="email,account_id\n" + "".join(f"{a},acct\n" for a in USERS))
    bodies = [
        text_of(row) if row["file"].startswith("sqsbody") else wrap(text_of(row))
        for row in EXPECTED
    ]
    for body in bodies:
        emulator.send(queue, body)

    first = run("drain", "--json")
    assert first.status == 3, first.err
    assert first.json | {"elapsed_s": 0} == {
        "received": len(EXPECTED),
        "applied": len(REPORTS),
        "duplicate": 0,
        "ignored": len(EXPECTED) - len(REPORTS) - len(DEAD),
        "deferred": 0,
        "dead_lettered": len(DEAD),
        "remaining": 0,
        "remaining_visible": 0,
        "remaining_in_flight": 0,
        "remaining_delayed": 0,
        "effects_delivered": 0,
        "effects_waiting": 0,
        "effects_parked": 0,
        "elapsed_s": 0,
    }
    events = database.rows("SELECT * FROM events")
    for row in REPORTS:
        check(row, events)
    users = database.rows("SELECT * FROM users ORDER BY email_key")
    assert [user["email_key"] for user in users] == USERS

    for body in bodies:
        emulator.send(queue, body)
    again = run("drain", "--json")
    assert (again.json["applied"], again.json["duplicate"]) == (0, len(REPORTS))
    assert not [line for line in again.log if line["event"].endswith("_notification")]
    assert database.rows("SELECT * FROM users ORDER BY email_key") == users
    assert database.count("events") == len(events)

    dead_letters = emulator.messages("feedback-dlq")
    assert sorted(dead_letter.body for dead_letter in dead_letters) == sorted(
        body for body, row in zip(bodies, EXPECTED, strict=True) if row in DEAD for _ in "12"
    )
    for kind in ("bounce", "complaint"):
        lines = [line for line in first.log if line["event"] == f"{kind}_notification"]
        assert len(lines) == len([event for event in events if event["kind"] == kind]) > 0
    output = (first.err + again.err).lower()
    assert not [address for address in EVERYBODY if address in output]
    assert "subscription_confirmation" in output
    assert TOKEN not in output


def check(row, events):
    """One payload's rows, against the table beside it."""
    feedback_id = json.loads(text_of(row))[row["kind"]]["feedbackId"]
    found = {
        e["recipient"]: e
        for e in events
        if e["feedback_id"] == feedback_id and e["kind"] == row["kind"]
    }
    assert sorted(found) == sorted(address or "" for address in row["recipients"])
    for address, action in zip(row["recipients"], row["actions"], strict=False):
        event = found[address or ""]
        if address is None:
            assert event["user_match"] in {"no_address", "no_recipients"}
        else:
            assert event["user_match"] == ("found" if address in USERS else "missing")
            assert event["action"] == (action if address in USERS else "no_action")
