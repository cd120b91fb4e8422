"""The page on personal data names every column of the schema, and its statements delete a person."""

import re

import psycopg
import pytest
from support import mail
from support.documents import blocks, page, table

from worker.core.address import parse_address
from worker.settings import Settings
from worker.store.schema import metadata

PAGE = page("docs/personal-data.md")
ROWS = table(PAGE, "## In the database")
DELETE_A_PERSON, DELETE_WHAT_IS_OLD = blocks(PAGE, "sql")
SECTIONS = {name: table(PAGE, name) for name in ("## In files and logs", "## At other services")}


def columns(cell):
    return set(re.findall(r"`(\w+)`", cell))


def test_every_table_and_every_column_is_in_the_page_and_no_other():
    listed = {row[0].strip("`"): columns(row[1]) | columns(row[2]) for row in ROWS}
    schema = {name: set(found.columns.keys()) for name, found in metadata.tables.items()}
    assert listed == schema


def test_a_column_is_about_a_person_or_it_is_not():
    for row in ROWS:
        assert not columns(row[1]) & columns(row[2]), row[0]


def test_every_column_that_holds_an_address_after_a_bounce_is_named_as_one_about_a_person(
    run, emulator, queue, slack, database, environment
):
    """By looking: bounces of a person, then every text of every row is searched for the address."""
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["jane@example.com"]'
    run("users", "import", "-", input="email\njane@example.com\n")
    emulator.send(queue, mail.bounce("jane@example.com"))
    emulator.send(queue, "to jane@example.com, which is no JSON")
    run("drain")
    about = {row[0].strip("`"): columns(row[1]) for row in ROWS}
    found = set()
    for name in metadata.tables:
        for row in database.rows(f"SELECT * FROM {name}"):
            for column, value in row.items():
                text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                if "jane" in text.lower():
                    found.add((name, column))
    assert len(found) > 5
    assert {column for name, column in found if column not in about[name]} == set()


@pytest.mark.usefixtures("either_store")
def test_the_statements_delete_whatever_is_on_record_about_a_person(
    run, emulator, queue, slack, database, environment
):
    run("users", "import", "-", input="email\njane@example.com\njoe@example.com\n")
    for name in ("jane", "joe"):
        address = f"{name}@example.com"
        emulator.send(queue, mail.bounce(address, feedback_id=name, message_id=name))
    run("drain")
    assert database.count("outbox") == 2
    execute(environment["SES_WORKER_STORE__URL"], DELETE_A_PERSON)
    for name in ("users", "events", "outbox"):
        (row,) = database.rows(f"SELECT * FROM {name}")
        assert "jane" not in str(row), name
        assert "joe" in str(row), name


@pytest.mark.usefixtures("either_store")
def test_what_is_old_goes_and_what_says_no_about_a_stranger_stays(
    run, emulator, queue, slack, database, environment
):
    is_sqlite = environment["SES_WORKER_STORE__URL"].startswith("sqlite")
    run("users", "import", "-", input="email\njane@example.com\n")
    for name in ("jane", "stranger"):
        address = f"{name}@example.com"
        emulator.send(queue, mail.bounce(address, feedback_id=name, message_id=name))
    run("drain")
    statements = DELETE_WHAT_IS_OLD
    if not is_sqlite:
        statements = re.sub(
            r"strftime\([^)]*'-(\d+) days'\)", r"now() - interval '\1 days'", statements
        )
    execute(environment["SES_WORKER_STORE__URL"], statements)
    assert (database.count("events"), database.count("outbox")) == (2, 2)
    for name, column in (("events", "received_at"), ("outbox", "finished_at")):
        execute(
            environment["SES_WORKER_STORE__URL"],
            f"UPDATE {name} SET {column} = '2020-01-01 00:00:00.000000'",
        )
    execute(environment["SES_WORKER_STORE__URL"], statements)
    assert [row["recipient"] for row in database.rows("SELECT recipient FROM events")] == [
        "stranger@example.com"
    ]
    assert database.count("outbox") == 0


def execute(url, statements):
    """As an administrator does."""
    if url.startswith("sqlite"):
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(statements)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(re.sub(r"^--.*$", "", statements, flags=re.MULTILINE))


def test_the_commands_that_print_whole_addresses_are_those_that_the_page_names(
    run, emulator, queue, slack, environment
):
    """And lists of effects and dead letters for people are not among them."""
    from support.dead import fill

    run("users", "import", "-", input="email\njane@example.com\n")
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["jane@example.com"]'
    emulator.send(queue, mail.bounce("jane@example.com"))
    run("drain", "--max-seconds", "2")
    (dead,) = fill(emulator, mail.bounce("jane@example.com"), reason="processing_failed")
    row = next(row for row in SECTIONS["## In files and logs"] if "`why`" in row[0])
    named = set(re.findall(r"`(?:ses-worker )?([a-z -]+)`", row[0]))
    commands = {
        "users list": [], "users check": ["jane@example.com"], "users show": ["jane@example.com"],
        "users export": [], "events export": [], "may-send": ["jane@example.com"],
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


def test_the_fields_of_the_log_that_the_page_names_are_logged(run, emulator, queue):
    named = columns(SECTIONS["## In files and logs"][0][1]) - {
        "account_id", "metrics_enabled",
    }  # fmt: skip
    run("users", "import", "-", input="email,account_id\njane@example.com,42\n")
    emulator.send(queue, mail.bounce("jane@example.com"))
    emulator.send(queue, mail.complaint("jane@example.com"))
    done = run("drain")
    logged = {name for line in done.log for name in line}
    assert named <= logged
    assert "jane@example.com" not in done.err
    assert parse_address("jane@example.com").key.partition("@")[2] in done.err


def test_the_times_that_sqs_keeps_messages_are_those_of_provision():
    from worker.topology.plan.desired import DEAD_LETTER_RETENTION_SECONDS, RETENTION_SECONDS

    queue, dead, *_ = SECTIONS["## At other services"]
    assert f"retention: {RETENTION_SECONDS // 86400} days" in queue[2]
    assert f"retention: {DEAD_LETTER_RETENTION_SECONDS // 86400} days" in dead[2]
    assert Settings().slack.addresses == "full"
