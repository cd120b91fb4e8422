"""`ses-worker events export`: rows of events, for other programs."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from support import mail

from worker.store.rows import EVENT_COLUMNS


def ago(**span):
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


@pytest.fixture
def some(run, emulator, queue, either_store):
    evil = mail.recipient("evil@example.org", diagnosticCode='=HYPERLINK("http://x")\r\n2')
    for body in (
        mail.complaint("jane@example.com", at=ago(hours=5)),
        mail.bounce("joe@example.com", at=ago(days=30)),
        mail.bounce(evil, at=ago(days=2)),
    ):
        emulator.send(queue, body)
    assert run("drain").status == 0


def test_each_event_is_a_row_with_all_its_columns(run, some, tmp_path):
    done = run("events", "export", "--since", "7d", "--csv", "events.csv")
    assert (done.status, done.out) == (0, "")
    assert "2 events exported" in done.err
    file = tmp_path / "events.csv"
    assert file.stat().st_mode & 0o777 == 0o600
    evil, jane = csv.DictReader(io.StringIO(file.read_text(), newline=""))
    assert tuple(jane) == ("id", *EVENT_COLUMNS)
    assert (jane["kind"], jane["recipient"], jane["action"]) == (
        "complaint", "jane@example.com", "no_action",
    )  # fmt: skip
    assert datetime.fromisoformat(jane["occurred_at"]).tzinfo
    assert evil["diagnostic"].startswith("'=HYPERLINK")


def test_without_options_all_are_printed_as_csv(run, some):
    rows = list(csv.DictReader(io.StringIO(run("events", "export").out, newline="")))
    assert [row["recipient"].partition("@")[0] for row in rows] == ["joe", "evil", "jane"]


@pytest.mark.parametrize(
    ("options", "who"),
    [
        ("--until 7d", ["joe"]),
        ("--kind complaint", ["jane"]),
        ("--kind complaint --kind bounce --domain example.com", ["joe", "jane"]),
        ("--recipient JOE@example.com", ["joe"]),
        ("--recipient nobody@example.com", []),
    ],
)
def test_conditions_select_and_lines_of_json_have_tags_as_an_object(run, some, options, who):
    done = run("events", "export", *options.split(), "--jsonl", "-")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["recipient"].partition("@")[0] for row in rows] == who
    assert all(row["tags"] == {} for row in rows)


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        ("--since 0d", 2, "longer ago than nothing"),
        ("--since 1d --until 2d", 2, "--since must be before --until"),
        ("--recipient jane", 2, "is no usable address"),
        ("--domain a@b", 2, "is no domain"),
        ("--kind bounces", 2, "'bounces' is not one of"),
        ("--csv - --jsonl -", 2, "exclude each other"),
        ("--csv nowhere/x.csv", 1, "cannot write nowhere/x.csv"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(run, options, status, sentence):
    run("db", "upgrade")
    done = run("events", "export", *options.split())
    assert (done.status, done.out, "Traceback" in done.err) == (status, "", False)
    assert sentence in done.err


def test_without_a_database_none_is_made(run, tmp_path):
    done = run("events", "export", "--csv", "events.csv")
    assert (done.status, "no database" in done.err) == (1, True)
    assert [*tmp_path.iterdir()] == []
