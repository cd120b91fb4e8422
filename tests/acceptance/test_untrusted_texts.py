"""An untrusted text never moves a cursor, hides a line or reverses its direction, whatever prints it."""

import json
import re
import sqlite3
import sys
import unicodedata

import pytest
from support import mail

JANE, UNKNOWN = "jane@example.com", "joe@example.com"
NASTY = "".join(
    character
    for character in map(chr, range(1, sys.maxunicode))
    if unicodedata.category(character) in {"Cc", "Zl", "Zp"}
    or (unicodedata.category(character) == "Cf" and character < "\U000e0042")
)
"""Every control character, and all that has a width of nothing or turns the direction."""
TEXT = f"A\x1b[2J\x1b]0;title\x07\r\u202e\u2066Z{NASTY}"
_NAMES = {
    "users": ("account_id", "pause_reason"),
    "events": (
        "type", "subtype", "recipient_as_reported", "diagnostic", "status", "configuration_set",
        "tenant", "sender", "account_id", "region", "feedback_id", "ses_message_id",
    ),
    "outbox": ("last_error", "result", "feedback_id", "ses_message_id"),
    "removals": ("address", "tenant"),
    "account_events": ("resource", "tenant", "cause", "finding", "impact", "account_id", "region"),
    "quarantine": ("detail", "message_id"),
}  # fmt: skip
"""Columns that hold untrusted texts."""


def _is_carried(character):
    """Whether SQS carries it as it is."""
    return character in "\t\n\r" or character >= " "


@pytest.fixture
def filled(run, emulator, queue, slack, environment, tmp_path):
    """A database whose every untrusted text is nasty, and such dead letters."""
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["@example.com"]'
    run("db", "upgrade")
    run("users", "import", "-", input=f"email\n{JANE}\n")
    entry = mail.recipient(JANE, diagnosticCode=TEXT, status=TEXT, action=TEXT)
    bodies = [
        mail.bounce(entry, mail.recipient(UNKNOWN, diagnosticCode=TEXT), subtype=TEXT),
        mail.bounce(mail.recipient(f"{TEXT} <{JANE}>"), type=TEXT, subtype=TEXT),
        mail.bounce(mail.recipient(TEXT, diagnosticCode=TEXT)),
        mail.complaint(JANE, feedback=TEXT, userAgent=TEXT),
        mail.in_eventbridge(mail.bounce(entry), region=TEXT, account=TEXT),
        mail.sending_status(detail={"data": {"record": {"cause": TEXT}}}, resources=[TEXT]),
        mail.finding(detail={"data": TEXT, "metadata": {"impact": TEXT, "type": TEXT}}),
        "no json " + "".join(filter(_is_carried, TEXT)),
        json.dumps({"notificationType": TEXT}),
        json.dumps({"Type": TEXT, "Message": TEXT}),
        json.dumps({"source": TEXT, "detail-type": TEXT, "detail": {}}),
        json.dumps({"AlarmName": TEXT, "NewStateValue": TEXT, "Region": TEXT}),
        json.dumps({"Type": "SubscriptionConfirmation", "TopicArn": TEXT, "Token": TEXT}),
    ]
    for body in bodies:
        emulator.send(queue, body, attributes={"x": {"DataType": "String", "StringValue": "y"}})
    done = run("drain", SES_WORKER_LOG__FORMAT="console")
    shown(done)
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        now = "2026-11-20 08:15:33.000000"
        connection.execute(
            "INSERT INTO removals (outbox_id, email_key, address, entry, begun_at, outcome, tenant)"
            " VALUES (999, ?, ?, ?, ?, 'removed', ?)",
            (JANE, TEXT, json.dumps({"Reason": TEXT, "LastUpdateTime": TEXT}), now, TEXT),
        )
        connection.execute(
            "INSERT INTO quarantine (queue, message_id, reason, detail, body, attributes,"
            " received_at, worker_version) VALUES (?, ?, 'not_json', ?, ?, '{}', ?, '0')",
            (queue, "m", TEXT, TEXT.encode(), now),
        )
        for table, columns in _NAMES.items():
            for column in columns:
                connection.execute(f"UPDATE {table} SET {column} = ? || id", (TEXT,))
        tags = json.dumps({TEXT: [TEXT]}, ensure_ascii=False)
        connection.execute("UPDATE events SET tags = ?", (tags,))
        connection.execute(
            "UPDATE users SET auto_block_spam = 1, paused_until = '2099-01-01 00:00:00.000000'"
        )
    connection.close()
    return run


def shown(done, what=""):
    """All that a command printed; nothing of it has an effect."""
    text = done.out + done.err
    bad = {c for c in text if not c.isprintable() and c != "\n"}
    lines = [line[:300] for line in text.split("\n") if not line.isprintable()]
    assert not bad, f"{what}: {bad!r} in {lines[:3]!r}"
    return text


COMMANDS = [
    ("users", "list"),
    ("users", "list", "--everybody"),
    ("users", "show", JANE),
    ("users", "check", JANE, UNKNOWN),
    ("may-send", JANE),
    ("may-send", UNKNOWN),
    ("why", JANE),
    ("why", JANE, "--messages"),
    ("why", UNKNOWN, "--messages"),
    ("outbox", "list"),
    ("outbox", "list", "--state", "delivered"),
    ("dlq", "list"),
    ("dlq", "show", "m"),
    ("dlq", "replay", "--dry-run"),
    ("report", "--days", "90"),
    ("report", "--days", "90", "--by", "configuration-set"),
    ("report", "--days", "90", "--by", "tenant"),
    ("report", "--days", "90", "--by", f"tag:{TEXT}"),
    ("policy", "diff", "--set", "policy.hard_bounce_pause_days=3"),
    ("policy", "rebuild", "--dry-run"),
    ("db", "status"),
    ("check",),
    ("users", "reinstate", JANE, "--reason", "x", "--dry-run"),
    ("users", "remove", JANE, "--dry-run"),
]


FILES = [
    ("users", "export", "-"),
    ("users", "list", "--csv", "-"),
    ("users", "check", JANE, "--csv", "-"),
    ("events", "export", "--csv", "-"),
    ("events", "export", "--jsonl", "-"),
    ("report", "--days", "90", "--by", "tenant", "--csv", "-"),
    ("policy", "diff", "--set", "policy.hard_bounce_pause_days=3", "--csv", "-"),
]


def test_no_command_prints_what_has_an_effect(filled):
    for arguments in COMMANDS:
        assert shown(filled(*arguments), arguments), arguments
    listed = filled("dlq", "list", "--json").json
    names = re.findall(r'"message_id": "([^"]{36})"', json.dumps(listed))
    assert names, listed
    for name in names:
        shown(filled("dlq", "show", name))


def test_nor_does_a_file_that_is_written_to_a_terminal(filled, terminal):
    for arguments in FILES:
        done = terminal(*arguments, TERM="dumb", NO_COLOR="1", columns=200)
        text = done.out if hasattr(done, "out") else done[1]
        bad = {c for c in text.replace("\r\n", "\n") if not c.isprintable() and c != "\n"}
        assert not bad, f"{arguments}: {bad!r}"


def test_an_address_of_a_person_who_wrote_the_command_is_escaped(run):
    run("db", "upgrade")
    for arguments in (("why", TEXT), ("users", "show", TEXT), ("users", "check", "-")):
        shown(run(*arguments, input=f"{TEXT}\n"))
