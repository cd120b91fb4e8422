"""The page on personal data names every column of the schema, and its statements delete a person."""

import csv
import io
import json
import re

import pytest
from support import mail
from support.dead import quarantined
from support.documents import ROOT, blocks, table, text_of

from worker.core.address import parse_address
from worker.settings import CHANNEL_SECTIONS, Settings
from worker.store.schema import metadata

DOCUMENT = text_of("docs/personal-data.md")
ROWS = table(DOCUMENT, "## In the database")
(DATA_REQUEST,) = blocks(DOCUMENT, "sh")
SECTIONS = {
    name: table(DOCUMENT, name) for name in ("## In files and logs", "## At other services")
}


def columns(cell):
    return set(re.findall(r"`(\w+)`", cell))


def test_every_table_and_every_column_is_documented_and_no_other():
    listed = {row[0].strip("`"): columns(row[1]) | columns(row[2]) for row in ROWS}
    schema = {name: set(found.columns.keys()) for name, found in metadata.tables.items()}
    assert listed == schema


def test_a_column_is_about_a_person_or_it_is_not():
    for row in ROWS:
        assert not columns(row[1]) & columns(row[2]), row[0]


def test_a_column_of_a_table_about_people_is_about_them_unless_this_test_knows_better():
    """A new column has to be listed here, too, if no person is in it."""
    assert {row[0].strip("`"): columns(row[2]) for row in ROWS if columns(row[1])} == NOBODY_IN_IT


NOBODY_IN_IT = {
    "users": {"id", "metrics_enabled"},
    "events": {"id", "configuration_set", "tenant", "sent_at", "account_id", "region", "route"},
    "outbox": {
        "id", "kind", "state", "attempts", "due_at", "created_at", "lane", "claim", "parked_by",
        "parked_reason", "finished_at",
    },
    "quarantine": {
        "id", "queue", "message_id", "reason", "sent_at", "received_at", "worker_version",
        "verified",
    },
    "removals": {"id", "outbox_id", "begun_at", "outcome", "restored_at", "tenant"},
    "shadow_users": set(),
    "imported_users": {"after_event"},
    "forgotten": {"key_id"},
}  # fmt: skip
MARKS = ("jane", "account-17", "moved-away", "spring-of-hers", "why-of-hers", "order-17")
"""Of a person: in the address, the account, a diagnostic, a tag, a reason, the subject of a mail."""


@pytest.fixture
def everywhere(run, emulator, queue, slack, ses, environment):
    """A person about whom there is something in every table that has anything about people."""
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["jane@example.com"]'
    environment["SES_WORKER_POLICY__SHADOW"] = '{"hard_bounce_pause_days": 3}'
    ses.list_address("jane@example.com")
    users = "email,account_id\njane@example.com,account-17\njoe@example.com,8\n"
    run("users", "import", "-", input=users)
    exported = list(csv.DictReader(io.StringIO(run("users", "export").out)))
    run("users", "remove", "jane@example.com")
    lines = [",".join(exported[0])]
    lines += [",".join((row | {"hard_bounce_count": "2"}).values()) for row in exported]
    run("users", "import", "-", input="\n".join(lines))  # with a first record of its own
    gone = mail.recipient("jane@example.com", status="5.1.1", diagnosticCode="550 moved-away")
    body = json.loads(mail.bounce(gone, event=True, feedback_id="1", message_id="m1"))
    body["mail"] |= {
        "tags": {"campaign": ["spring-of-hers"]}, "commonHeaders": {"subject": "order-17"},
    }  # fmt: skip
    emulator.send(queue, json.dumps(body))
    emulator.send(queue, mail.complaint("joe@example.com", feedback_id="2", message_id="m2"))
    run("drain")
    run("users", "reinstate", "jane@example.com", "--reason", "why-of-hers")
    emulator.send(queue, mail.bounce("jane@example.com", feedback_id="3", message_id="m3"))
    run("drain")
    quarantined(environment, ("not_json", "to jane@example.com, which is no JSON"))


@pytest.mark.usefixtures("either_store", "everywhere")
def test_every_column_with_something_of_a_person_is_documented_as_about_a_person(database):
    """By looking: the text of every row of every table is searched for what is hers."""
    about = {row[0].strip("`"): columns(row[1]) for row in ROWS}
    found = set()
    for name in metadata.tables:
        for row in database.rows(f"SELECT * FROM {name}"):
            for column, value in row.items():
                text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                if any(mark in text.lower() for mark in MARKS):
                    found.add((name, column))
    assert {(name, column) for name, column in found if column not in about[name]} == set()
    with_texts = {name for name, named in about.items() if named} - {"forgotten"}
    assert {name for name, _ in found} == with_texts, "a tombstone has a digest, and no text"


@pytest.mark.usefixtures("everywhere")
def test_the_documented_data_request_has_every_table_and_its_columns(run, database, tmp_path):
    (line,) = DATA_REQUEST.splitlines()
    assert run(*line.removeprefix("ses-worker ").split()).status == 0
    text = (tmp_path / "jane.txt").read_text()
    assert all(mark in text for mark in MARKS)
    assert "joe" not in text
    done = run(*line.removeprefix("ses-worker ").split()[:4], "--json").json
    for name, key in ANSWERED_IN.items():
        if name == "forgotten":  # she is not; see below
            continue
        rows = done[key] if isinstance(done[key], list) else [done[key]]
        about = next(columns(row[1]) for row in ROWS if row[0] == f"`{name}`")
        assert rows, name
        assert about <= set().union(*rows) | RENAMED, name


ANSWERED_IN = {
    "users": "user", "events": "events", "outbox": "effects", "quarantine": "quarantined",
    "removals": "removals", "shadow_users": "shadow", "imported_users": "imported",
    "forgotten": "forgotten",
}  # fmt: skip
"""The keys of the answer to a data request, by the tables that have something about people."""
RENAMED = {"detail", "queue"}


def test_of_somebody_who_was_forgotten_the_answer_has_the_tombstone_and_nothing_else(
    run, emulator, queue, environment
):
    environment["SES_WORKER_PRIVACY__KEY"] = "5Y3mZ8qVt1Lr0nXwK7cJdGhBsA2uPeFo"
    emulator.send(queue, mail.complaint("jane@example.com"))
    run("drain")
    assert run("users", "forget", "jane@example.com", "--yes").status in {0, 1}
    answer = run("users", "export", "jane@example.com", "--all", "--offline", "--json").json
    assert (answer["found"], answer["user"], answer["events"]) == (True, None, [])
    about = next(columns(row[1]) for row in ROWS if row[0] == "`forgotten`")
    assert set(answer["forgotten"]) == about - {"digest"}
    assert answer["forgotten"]["blocked"] is True
    assert answer["verdict"]["may_send"] is False
    unknown = run("users", "export", "joe@example.com", "--all", "--offline", "--json").json
    assert (unknown["found"], unknown["forgotten"]) == (False, None)


def test_every_table_about_people_is_in_the_answer_to_a_data_request():
    assert {row[0].strip("`") for row in ROWS if columns(row[1])} == set(ANSWERED_IN)


def test_the_files_with_something_of_a_person_are_the_documented_files(
    run, emulator, queue, daemon, environment, tmp_path
):
    """While a worker runs, and after it."""
    environment["SES_WORKER_HEALTH__FILE"] = str(tmp_path / "health")
    run("users", "import", "-", input="email\njane@example.com\n")
    worker = daemon()
    emulator.send(queue, mail.bounce("jane@example.com"))
    worker.wait_for("bounce_notification")
    run("policy", "rebuild", "--yes")
    run("db", "backup", tmp_path / "copy.db")
    files = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    having = {name for name, content in files.items() if b"jane@example" in content.lower()}
    assert having == {"worker.db", "worker.db-wal", "copy.db"}
    assert {"health", "worker.db.lock", "worker.db-shm"} <= set(files)
    assert worker.stop()[0] == 0
    assert not list(tmp_path.glob(".ses-worker-*"))
    row = next(row[0] for row in SECTIONS["## In files and logs"] if "health file" in row[0])
    assert "the health file" in row
    for words in ("one file and its `-wal`", "`-shm` and the `.lock`", "(`db backup`)"):
        assert words.replace("(`db backup`)", "[`db backup`]") in DOCUMENT


def test_the_modules_that_make_temporary_files_are_those_of_the_documented_commands():
    using = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "worker").rglob("*.py")
        if "tempfile." in path.read_text("utf-8")
    }
    assert using == {
        "worker/cli/backing_up.py", "worker/store/backup.py", "worker/store/rebuilding.py",
    }  # fmt: skip
    (row,) = (row for row in SECTIONS["## In files and logs"] if "temporary files" in row[0])
    assert {"db backup", "policy rebuild"} <= set(re.findall(r"`([a-z ]+)`", row[0]))


def test_every_service_that_the_worker_calls_is_among_the_other_services():
    called = set()
    for path in (ROOT / "worker").rglob("*.py"):
        text = path.read_text("utf-8")
        called |= set(re.findall(r"make_client\(\s*\"(\w+)\"", text))
        called |= set(re.findall(r"\.(?:ask|pages|call)\(\s*\"(\w+)\", ", text))
        called |= set(re.findall(r"partial\(make_client, \"(\w+)\"", text))
    named = " ".join(row[0] for row in SECTIONS["## At other services"])
    assert {NAMES[service] for service in called} == {
        name for name in NAMES.values() if name in named
    }
    channels = {name.title() for name in CHANNEL_SECTIONS}
    assert all(channel in named for channel in channels), channels


NAMES = {
    "sqs": "SQS", "sns": "SNS", "ses": "SES", "sesv2": "SES", "events": "EventBridge", "kms": "KMS",
    "sts": "STS",
}  # fmt: skip


@pytest.mark.usefixtures("either_store")
def test_the_command_deletes_whatever_is_on_record_about_a_person(
    run, emulator, queue, slack, database, environment
):
    assert "`ses-worker users forget ADDRESS`" in DOCUMENT
    environment["SES_WORKER_PRIVACY__KEY"] = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"
    run("users", "import", "-", input="email\njane@example.com\njoe@example.com\n")
    for name in ("jane", "joe"):
        address = f"{name}@example.com"
        emulator.send(queue, mail.bounce(address, feedback_id=name, message_id=name))
    run("drain")
    assert database.count("outbox") == 2
    assert run("users", "forget", "jane@example.com", "--yes").status == 0
    for name in ("users", "events", "outbox"):
        (row,) = database.rows(f"SELECT * FROM {name}")
        assert "jane" not in str(row), name
        assert "joe" in str(row), name


def test_the_commands_that_print_whole_addresses_are_the_documented_commands(
    run, emulator, queue, slack, environment
):
    """And lists of effects and dead letters for people are not among them."""
    from support.dead import fill

    run("users", "import", "-", input="email\njane@example.com\n")
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["jane@example.com"]'
    environment["SES_WORKER_PRIVACY__KEY"] = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"
    emulator.send(queue, mail.bounce("jane@example.com"))
    run("drain", "--max-seconds", "2")
    (dead,) = fill(emulator, mail.bounce("jane@example.com"), reason="processing_failed")
    row = next(row for row in SECTIONS["## In files and logs"] if "`why`" in row[0])
    named = set(re.findall(r"`(?:ses-worker )?([a-z -]+)`", row[0]))
    commands = {
        "users list": [], "users check": ["jane@example.com"], "users show": ["jane@example.com"],
        "users forget": ["jane@example.com", "--dry-run"], "users export": [], "events export": [], "may-send": ["jane@example.com"],
        "why": ["jane@example.com"], "report": ["--days", "3660"], "dlq show": [dead],
        "outbox list": ["--state", "waiting", "--state", "parked", "--state", "delivered"],
        "policy diff": ["--set", "hard_bounce_pause_days=60"],
        "dlq list": [], "check": [], "db status": [],
    }  # fmt: skip
    whole = set()
    for words, arguments in commands.items():
        for name, more in ((words, []), (f"{words} --json", ["--json"])):
            done = run(*words.split(), *arguments, *more)
            if words not in whole and "jane@example.com" in done.out + done.err:
                whole.add(name)
    assert whole | {"users import", "policy rebuild"} == named
    masked = SECTIONS["## In files and logs"][0][0]
    assert {"outbox list", "dlq list"} <= set(re.findall(r"`(?:ses-worker )?([a-z -]+)`", masked))


def test_the_documented_fields_of_the_log_are_logged(run, emulator, queue):
    named = columns(SECTIONS["## In files and logs"][0][1]) - {
        "account_id", "metrics_enabled",
    }  # fmt: skip
    run("users", "import", "-", input="email,account_id\njane@example.com,42\n")
    emulator.send(queue, mail.complaint("jane@example.com"))
    key = "5Y3mZ8qVt1Lr0nXwK7cJdGhBsA2uPeFo"
    hashed = run("drain", SES_WORKER_LOG__ADDRESSES="hashed", SES_WORKER_PRIVACY__KEY=key)
    emulator.send(queue, mail.bounce("jane@example.com"))
    done = run("drain")
    logged = {name for line in (*hashed.log, *done.log) for name in line}
    assert named <= logged
    assert "jane@example.com" not in done.err
    assert parse_address("jane@example.com").key.partition("@")[2] in done.err


def test_the_times_that_sqs_keeps_messages_are_those_of_provision():
    from worker.topology.plan.desired import DEAD_LETTER_RETENTION_SECONDS, RETENTION_SECONDS

    queue, _, dead, *_ = SECTIONS["## At other services"]
    assert f"retention: {RETENTION_SECONDS // 86400} days" in queue[2]
    assert f"retention: {DEAD_LETTER_RETENTION_SECONDS // 86400} days" in dead[2]
    assert Settings().slack.addresses == "full"
