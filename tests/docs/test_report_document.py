"""docs/report.md: its output is what the command prints, and its lists are complete."""

import json
import random
import re
import sqlite3
from datetime import UTC, datetime

import pytest
from support.documents import ROOT, blocks, plain, table, text_of
from support.invented_mail import event, facts_of_day, write_facts

from worker.commands.report import ReportRequest, make_report
from worker.commands.report.figures import COLUMNS, as_figures
from worker.core.reporting.lines import BOUNCES, COMPLAINTS
from worker.core.reporting.report import By
from worker.core.reporting.sends import Source
from worker.store import ensure_schema, open_store

DOCUMENT = text_of("docs/report.md")
NOW = datetime(2026, 11, 30, 9, 12, tzinfo=UTC)


@pytest.fixture
def report(tmp_path):
    """A week of an application whose invitations go to an old list."""
    path = tmp_path / "worker.db"
    store = open_store(f"sqlite:///{path}")
    ensure_schema(store, migrate=True)
    rng = random.Random(3)
    with sqlite3.connect(path) as connection:
        for day in range(24, 31):
            at = NOW.replace(day=day)
            share = 0.06 if day > 27 else 0.012
            write_facts(connection, facts_of_day(rng, at, 1_200, share, is_today=day == 30))
        for number, subtype in enumerate(("General", "MailboxFull")):
            type_, status, action = (
                ("Permanent", "5.1.1", "hard_bounce"), ("Transient", "5.2.2", "soft_bounce"),
            )[number]  # fmt: skip
            event(connection, subtype, type=type_, subtype=subtype, status=status, action=action,
                  recipient=("jane@example.com", "joe@example.net")[number],
                  at=f"2026-11-30 09:0{number}:00.000000")  # fmt: skip
    connection.close()
    return make_report(store, ReportRequest(days=6, by=By.CONFIGURATION_SET, top=20), NOW)


def test_the_documented_output_is_what_is_printed(report, capsys):
    from worker.cli.report_text import show_report

    show_report(report)
    printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
    (shown,) = blocks(DOCUMENT, "text")
    assert shown == f"{printed}\n".lstrip("\n")


def test_the_documented_columns_and_keys_are_those_that_are_written(report):
    named = re.findall(r"`(\w+)`", " ".join(row[0] for row in table(DOCUMENT, "## CSV and JSON")))
    assert set(named) == set(COLUMNS)
    figures = as_figures(report)
    text = DOCUMENT[DOCUMENT.index("`--json` has:") :]
    rows = {row[0]: row[1] for row in table(text, "`--json` has:")}
    keys = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert keys == set(figures)
    judged = set(re.findall(r"`(\w+)`", rows["a judgement"]))
    for name in ("bounces", "complaints"):
        own = set(re.findall(r"`(\w+)`", rows[f"`{name}`"]))
        assert own | judged == set(figures[name])
    for name in ("reasons", "newest"):
        assert set(re.findall(r"`(\w+)`", rows[f"`{name}`"] if f"`{name}`" in rows else
                              rows["`reasons`, `statuses`"])) == set(figures[name][0])  # fmt: skip
    sources = set(re.findall(r"`(\w+)`", rows["`sends`"])) - {"count", "source", "since"}
    assert sources == set(Source)


def test_every_by_is_documented():
    named = re.findall(
        r"`([\w:-]+)`", " ".join(r[0] for r in table(DOCUMENT, "## What it is about"))
    )
    assert set(named) == {*By, "tag:NAME"}


def test_the_documented_lines_are_those_of_the_code():
    rows = [[plain(cell) for cell in row] for row in table(DOCUMENT, "## AWS's lines")]
    lines = {"bounces": BOUNCES, "complaints": COMPLAINTS}
    for name, review, pause in rows:
        written = [float(text.removesuffix(" %")) / 100 for text in (review, pause)]
        assert written == pytest.approx([float(lines[name].review), float(lines[name].pause)])


def test_the_policy_for_the_option_has_the_calls_that_are_made(run, ses, queue, environment):
    environment["AWS_ENDPOINT_URL_SES"] = ses.endpoint
    run("db", "upgrade")
    assert run("report", "--ses").status == 0
    (statement,) = json.loads((ROOT / "config" / "iam-report.json").read_text())["Statement"]
    assert statement["Action"] == [f"ses:{call.operation}" for call in ses.calls]
