"""`ses-worker users list` and `export`: who is in, and which figure stands in which column."""

import csv
import io
import re
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from support import mail


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


@pytest.fixture
def grown(run, emulator, queue, either_store):
    """Users and an address that is none, with events of today, of a week ago, and of long ago."""
    users = ("hard@a.example.com", "soft@example.com", "old@example.com", "spam@example.org",
             "never@example.com", "both@example.org")  # fmt: skip
    run("users", "import", "-", input="email\n" + "\n".join(users))

    def ago(**span):
        return (datetime.now(UTC) - timedelta(**span)).isoformat()

    spam = mail.recipient("spam@example.org", diagnosticCode="550 this is spam")
    for body in (
        mail.bounce("hard@a.example.com", at=ago(days=8)),
        mail.bounce("soft@example.com", type="Transient", at=ago(hours=2)),
        mail.bounce("old@example.com", at=ago(days=100)),
        mail.bounce(spam, at=ago(hours=3)),
        mail.bounce("both@example.org", at=ago(days=9)),
        mail.complaint("both@example.org", at=ago(days=9)),
        mail.complaint("unknown@example.com", at=ago(hours=1)),
        mail.bounce("over@example.com", at=ago(days=50)),
    ):
        emulator.send(queue, body)
    assert run("drain").status == 0


SELECTED = [
    ("--domain example.com", "never old soft"),
    ("--domain .EXAMPLE.com", "hard never old soft"),
    ("--domain @example.org", "both spam"),
    ("--since 1d", "soft spam"),
    ("--since 10d", "both hard soft spam"),
    ("--since 2020-01-01", "both hard old soft spam"),
    ("--since 10d --blocked", "both spam"),
    ("--since 10d --paused", "both hard soft"),
    ("--reason hard_bounce", "hard"),
    ("--reason soft_bounce", "soft"),
    ("--reason auto_block_spam", "both spam"),
    ("--reason auto_block_spam --domain example.org --since 4h", "spam"),
    ("--reason hard_bounce --blocked", ""),
    ("--reason of_its_own", ""),
    ("--everybody", "both hard soft spam unknown"),
    ("--everybody --domain example.com", "soft unknown"),
    ("--everybody --since 2h", "unknown"),
    ("--everybody --blocked", "both spam unknown"),
    ("--everybody --paused", "hard soft"),
    ("--everybody --reason hard_bounce", "hard"),
]


@pytest.mark.parametrize("part", range(4))
def test_conditions_select_people_and_all_of_them_must_be_true(run, grown, part):
    for options, who in SELECTED[part::4]:
        found = run("users", "list", *options.split(), "--json").json
        rows = found["do_not_mail" if "--everybody" in options else "users"]
        names = sorted(row["email"].partition("@")[0] for row in rows)
        assert (names, found["total"]) == (who.split(), len(who.split())), options


@pytest.mark.parametrize("options", ["--since 10d --blocked", "--domain .example.com"])
def test_a_csv_file_and_an_export_have_those_whom_the_list_has(run, grown, options):
    listed = run("users", "list", *options.split(), "--json").json["users"]
    out = run("users", "list", *options.split(), "--csv", "-").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["email"] for row in rows] == [row["email"] for row in listed]
    assert run("users", "export", *options.split()).out == out


def test_everybody_is_the_view(run, grown, tmp_path):
    rows = run("users", "list", "--everybody", "--json").json["do_not_mail"]
    for row in rows:
        verdict = run("may-send", row["email_key"], "--json").json
        expected = {name: verdict[name] for name in ("user", "reason", "until")}
        assert {name: row[name] for name in expected} == expected
    shown = run("users", "list", "--everybody", "--limit", 2).out
    assert "unknown@" not in shown
    assert "2 of 5 people in " in shown
    assert "no end" in shown


def test_a_csv_file_has_all_of_them_and_belongs_to_its_owner(run, tmp_path):
    names = "".join(f"person{n}@example.com\n" for n in range(60))
    run("users", "import", "-", input=f"email\n{names}")
    assert run("users", "list", "--csv", "all.csv").status == 0
    file = tmp_path / "all.csv"
    assert len(file.read_text().splitlines()) == 61
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("users", "import", "all.csv").status == 0
    assert len(run("users", "list", "--csv", "-", "--limit", 5).out.splitlines()) == 6


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--since 0d", "must be longer ago than nothing"),
        ("--since tomorrow", "must be a date (2026-11-30)"),
        ("--domain jane@example.com", "is no domain"),
        ("--domain .", "is no domain"),
        ("--reason \x1b", "must be a word"),
        ("--json --csv -", "exclude each other"),
    ],
)
def test_wrong_conditions_are_refused_in_a_sentence(run, options, sentence):
    run("db", "upgrade")
    done = run("users", "list", *options.split(" "))
    assert (done.status, done.out, sentence in done.err) == (2, "", True), done.err


def test_a_file_that_cannot_be_written_is_an_error_of_a_sentence(run):
    run("db", "upgrade")
    for command in (["users", "list"], ["users", "check", "a@b.c"]):
        done = run(*command, "--csv", "nowhere/x.csv")
        assert (done.status, "cannot write nowhere/x.csv" in done.err) == (1, True), done.err
        assert "Traceback" not in done.err


def test_a_reason_that_nobody_has_names_the_usual_ones(run):
    run("db", "upgrade")
    done = run("users", "list", "--reason", "hardbounce")
    assert "no such users" in done.out
    assert "hard_bounce" in done.err


def test_a_list_of_the_last_week_reads_the_index_of_times(tmp_path):
    from sqlalchemy import Engine, event

    from worker.store import ensure_schema, open_store
    from worker.store.selecting import UserFilter, all_users

    store = open_store(f"sqlite:///{tmp_path / 'worker.db'}")
    ensure_schema(store, migrate=True)
    statements = []
    event.listen(
        Engine, "before_cursor_execute", hear := lambda *given: statements.append(given[2:4])
    )
    list(all_users(store, UserFilter(since=datetime.now(UTC))))
    event.remove(Engine, "before_cursor_execute", hear)
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        steps = [
            step
            for query, values in statements
            if query.startswith("SELECT")
            for (*_, step) in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
        ]
    connection.close()
    assert "SEARCH events USING INDEX events_occurred (occurred_at>?)" in steps, steps
    assert not [step for step in steps if step.startswith(("SCAN users", "SCAN events"))], steps


def test_a_reason_that_nobody_has_gets_the_reasons_that_there_are(run, four):
    done = run("users", "list", "--reason", "hard_bounces")
    assert (done.status, "no such users" in done.out) == (0, True)
    error = " ".join(done.err.split())
    assert "nobody has the reason hard_bounces; reasons are auto_block_spam, hard_bounce" in error
    assert error.endswith("did you mean hard_bounce?")
