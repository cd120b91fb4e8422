"""`ses-worker users list` and `export`: who is in, and which figure stands in which column."""

import csv
import io
import re
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def four(run, tmp_path):
    """One paused, one blocked, one both, one neither but once paused."""
    names = ("paused", "blocked", "both", "neither")
    run("users", "import", "-", input="email\n" + "".join(f"{n}@example.com\n" for n in names))
    now = datetime.now(UTC).replace(tzinfo=None)
    later, before = ((now + timedelta(days=days)).isoformat(" ") for days in (1, -1))
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        connection.executemany(
            "UPDATE users SET paused_until = ?, auto_block_spam = ? WHERE email_key = ?",
            [
                (later, 0, "paused@example.com"),
                (None, 1, "blocked@example.com"),
                (later, 1, "both@example.com"),
                (before, 0, "neither@example.com"),
            ],
        )
        connection.execute(
            "UPDATE users SET hard_bounce_count = 3, soft_bounce_count = 7, complaint_count = 9,"
            " account_id = 'acct', pause_reason = 'hard_bounce' WHERE email_key LIKE 'both%'"
        )
    connection.close()


WHO = [
    ([], ["blocked", "both", "neither", "paused"]),
    (["--paused"], ["both", "paused"]),
    (["--blocked"], ["blocked", "both"]),
    (["--paused", "--blocked"], ["both"]),
]


@pytest.mark.parametrize(("options", "who"), WHO)
def test_a_listing_has_the_matching_users_and_their_total(run, four, options, who):
    everybody = run("users", "list", *options, "--json").json
    assert [user["email"].partition("@")[0] for user in everybody["users"]] == who
    assert everybody["total"] == len(who)
    first = run("users", "list", *options, "--limit", 1, "--json").json
    assert (first["total"], len(first["users"])) == (len(who), 1)


@pytest.mark.parametrize(("options", "who"), WHO)
def test_an_export_has_the_same(run, four, options, who):
    out = run("users", "export", *options).out
    assert [row["email"].partition("@")[0] for row in csv.DictReader(io.StringIO(out))] == who


def test_every_figure_stands_under_its_heading(run, four):
    lines = [re.split(r"[┃│]", line)[1:-1] for line in run("users", "list").out.splitlines()]
    heads, *rows = [[cell.strip() for cell in line] for line in lines if line]
    (both,) = [dict(zip(heads, row, strict=True)) for row in rows if row[0] == "both@example.com"]
    assert (both["account"], both["blocked"]) == ("acct", "yes")
    assert (both["hard"], both["soft"], both["compl."]) == ("3", "7", "9")
