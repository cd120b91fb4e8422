"""`users import` and `users export`: files that are odd, and commands that are interrupted."""

import csv
import io
import json
import signal
import sqlite3
import subprocess
import time

import pytest
from support import mail
from support.running import patched


@pytest.fixture
def many(run, tmp_path):
    """More users than can be exported in a moment."""
    run("db", "upgrade")
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
            " INSERT INTO users (email, email_key) SELECT 'u' || i || '@b.c', 'u' || i || '@b.c' FROM n"
        )


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class TestExport:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_leaves_the_file_as_it_was_and_nothing_beside_it(
        self, start, many, tmp_path, number
    ):
        (tmp_path / "out").mkdir()
        file = tmp_path / "out" / "users.csv"
        file.write_text("good\n")
        process = start("users", "export", file)
        wait_for(lambda: len(names(tmp_path / "out")) == 2)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err.splitlines()[-1]) == (1, "ses-worker: interrupted")
        assert file.read_text() == "good\n"
        assert names(tmp_path / "out") == ["users.csv"]

    def test_a_full_disk_likewise(self, run, many, small_disk):
        file = small_disk.path / "users.csv"
        file.write_text("good\n")
        small_disk.fill()
        done = run("users", "export", file)
        assert (done.status, done.out) == (1, "")
        assert (
            done.err.splitlines()[-1] == f"ses-worker: cannot write {file}: No space left on device"
        )
        assert file.read_text() == "good\n"
        assert names(small_disk.path) == ["ballast", "users.csv"]

    def test_a_directory_is_wrong_usage_and_nothing_is_written(self, run, tmp_path):
        run("db", "upgrade")
        (tmp_path / "here").mkdir()
        before = names(tmp_path)
        done = run("users", "export", tmp_path / "here")
        assert (done.status, "is a directory" in done.err) == (2, True)
        assert names(tmp_path) == before

    @pytest.mark.parametrize("file", ["-", "/dev/stdout", "/dev/fd/1"])
    def test_standard_output_has_many_names(self, run, file):
        run("users", "import", "-", input="email\na@b.c\n")
        assert run("users", "export", file).out.splitlines()[1].startswith("a@b.c,a@b.c,")

    def test_an_export_is_utf_8_whatever_the_locale(self, run):
        run("users", "import", "-", input="email\njörg@b.c\n")
        done = run("users", "export", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert (done.status, "jörg@b.c" in done.out) == (0, True)


class TestImport:
    @pytest.mark.parametrize(
        "email", [b"J\xf6rg <j@b.c>", b"J\x00 <j@b.c>", b"\x1b[31mJ <j@b.c>"], ids=repr
    )
    def test_a_row_that_is_no_plain_text_is_refused_and_reaches_no_terminal(
        self, run, database, tmp_path, email
    ):
        file = tmp_path / "users.csv"
        file.write_bytes(b"email\na@b.c\n" + email + b"\nd@e.f\n")
        done = run("users", "import", file)
        assert done.status == 1
        assert "ses-worker: line 3: email is not plain UTF-8 text\n" in done.err
        assert done.out == "2 created, 0 updated, 0 unchanged, 1 refused\n"
        assert [row["email"] for row in database.rows("SELECT email FROM users")] == [
            "a@b.c",
            "d@e.f",
        ]

    @pytest.mark.parametrize(
        "contents",
        ["email\na@b.c\n".encode("utf-16"), b"SQLite format 3\x00 and so on", b"e-m\xe4il\n"],
        ids=["utf-16", "binary", "latin-1"],
    )
    def test_a_file_that_is_no_text_is_called_so(self, run, tmp_path, contents):
        file = tmp_path / "users.csv"
        file.write_bytes(contents)
        done = run("users", "import", file)
        assert (done.status, done.err.splitlines()[-1]) == (1, "ses-worker: not UTF-8 text")

    def test_a_stray_quote_costs_its_own_line_and_no_other(self, run):
        rows = "".join(f"p{n}@b.c\n" for n in range(1_000))
        done = run("users", "import", "-", input=f'email\na@b.c\n"d@e.f\n{rows}')
        assert done.out == "1,001 created, 0 updated, 0 unchanged, 1 refused\n"
        assert "line 3: a quote is opened and not closed on this line" in done.err

    def test_the_first_refusals_are_listed_and_the_rest_counted(self, run):
        table = "email\n" + "nonsense\n" * 25
        done = run("users", "import", "-", input=table)
        reported = [line for line in done.err.splitlines() if "no usable address" in line]
        assert reported == [
            f"ses-worker: line {number}: email is no usable address" for number in range(2, 22)
        ]
        assert "ses-worker: and 5 more rows are refused; --json lists them all\n" in done.err
        done = run("users", "import", "-", "--json", input=table)
        assert (done.json["refused"], done.err.count("no usable address")) == (25, 25)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_an_interrupted_import_says_what_is_in(
        self, command, environment, database, tmp_path, number
    ):
        process = subprocess.Popen(
            [command, "users", "import", "-"],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdin.write("email\n" + "".join(f"p{n}@b.c\n" for n in range(30_000)))
        process.stdin.flush()
        wait_for(lambda: (tmp_path / "worker.db").exists() and count(database) == 25_000)
        time.sleep(0.3)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert err.splitlines()[-1] == (
            "ses-worker: interrupted; 25,000 rows are in, importing again is safe"
        )

    def test_it_names_the_store(self, run, tmp_path):
        done = run("users", "import", "-", input="email\na@b.c\n")
        assert f"ses-worker: importing into {tmp_path}/worker.db" in done.err


class TestRoundTrip:
    """What `export` writes, `import` takes."""

    @pytest.fixture
    def exported(self, run, tmp_path):
        run("users", "import", "-", input="email,account_id,metrics_enabled\n" + self.PEOPLE)
        with sqlite3.connect(tmp_path / "worker.db") as connection:
            connection.execute(self.BOUNCED)
            connection.execute(self.COMPLAINED)
        connection.close()
        return run("users", "export").out

    PEOPLE = (
        "Jane Doe <Jane@example.com>,=1+1,no\n"
        "=cmd|calc!A0@example.com,,yes\n"
        "+joe@example.com,-2,yes\n"
        "''=odd@example.com,'@x,yes\n"
        "jörg@bücher.example,acct,yes\n"
    )
    BOUNCED = """
        UPDATE users SET last_hard_bounce = '2026-11-01 01:02:03.456789', hard_bounce_count = 3,
            paused_until = '2026-12-01 01:02:03.456789', pause_reason = 'hard_bounce',
            hard_bounce_refused = 1 WHERE email_key = 'jane@example.com'
    """
    COMPLAINED = """
        UPDATE users SET auto_block_spam = 1, complaint_count = 1,
            last_complaint = '2026-11-01 00:00:00.000000' WHERE email_key LIKE 'j%rg@%'
    """

    def test_another_database_gets_the_same_records(
        self, run, environment, exported, either_store, tmp_path
    ):
        if either_store == "sqlite":
            environment["SES_WORKER_STORE__URL"] = f"sqlite:///{tmp_path / 'other.db'}"
        done = run("users", "import", "-", input=exported)
        assert (done.status, done.out) == (0, "5 created, 0 updated, 0 unchanged, 0 refused\n")
        assert run("users", "export").out == exported
        done = run("users", "import", "-", input=exported)
        assert done.out == "0 created, 0 updated, 5 unchanged, 0 refused\n"

    def test_an_existing_user_keeps_what_feedback_has_made_of_it(
        self, run, exported, database, tmp_path
    ):
        with sqlite3.connect(tmp_path / "worker.db") as connection:
            connection.execute("UPDATE users SET auto_block_spam = 1, account_id = 'other'")
        connection.close()
        done = run("users", "import", "-", input=exported)
        assert done.out == "0 created, 5 updated, 0 unchanged, 0 refused\n"
        rows = database.rows("SELECT auto_block_spam, account_id FROM users")
        assert {row["auto_block_spam"] for row in rows} == {1}
        assert {row["account_id"] for row in rows} == {None, "=1+1", "-2", "'@x", "acct"}

    def test_no_text_of_it_is_a_formula(self, exported):
        cells = [cell for row in csv.reader(io.StringIO(exported)) for cell in row]
        assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
        assert "'=cmd|calc!A0@example.com" in cells

    @pytest.mark.parametrize(
        ("column", "value", "reason"),
        [
            ("auto_block_spam", "", "auto_block_spam is neither true nor false"),
            ("hard_bounce_count", "-1", "hard_bounce_count is no count"),
            ("complaint_count", "9" * 30, "complaint_count is no count"),
            ("paused_until", "tomorrow", "paused_until is no time"),
            ("email_key", "joe@example.com", "email_key is not that of email"),
            (
                "pause_reason",
                "\x1b[31m",
                "pause_reason is not plain text of at most 500 characters",
            ),
        ],
    )
    def test_a_row_that_was_changed_to_nonsense_is_refused(
        self, run, exported, column, value, reason
    ):
        head, *rows = csv.reader(io.StringIO(exported))
        rows[0][head.index(column)] = value
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([head, *rows])
        done = run("users", "import", "-", input=text.getvalue())
        assert (done.status, f"ses-worker: line 2: {reason}\n" in done.err) == (1, True), done.err
        assert done.out == "0 created, 0 updated, 4 unchanged, 1 refused\n"

    def test_with_a_column_missing_it_is_refused_whole(self, run, exported):
        rows = [",".join(line.split(",")[:-3]) for line in exported.splitlines()]
        done = run("users", "import", "-", input="\n".join(rows))
        assert (
            "line 1 must be email[,account_id][,metrics_enabled], or the first line of an export"
            in (done.err)
        )


class TestEventsBeforeAnImport:
    PEOPLE = "email\nJane@example.com\njoe@example.com\nanna@example.com\n"

    @pytest.fixture
    def complaints(self, run, emulator, queue):
        """Jane, who is no user yet, and Joe, who is, have complained."""
        for address in ("jane@example.com", "jane@example.com", "joe@example.com"):
            emulator.send(queue, mail.complaint(address))
        run("users", "import", "-", input="email\njoe@example.com\n")
        run("drain")

    @pytest.mark.parametrize("few", [0, 500])
    def test_make_the_records_of_the_new_users(
        self, start, run, tmp_path, either_store, complaints, few
    ):
        (tmp_path / "people.csv").write_text(self.PEOPLE)
        program = patched(
            f"import worker.store.answers as a; a.FEW = {few};"
            f"import worker.store.recorded as b; b.FEW = {few};"
            f"import worker.store.on_record as c; c.FEW = {few}"
        )
        process = start("users", "import", "people.csv", "--json", program=program)
        out, err = process.communicate(timeout=60)
        figures = json.loads(out)
        assert figures["with_events"] == figures["folded"] == figures["folded_barred"] == 1, err
        assert "1 new user with bounces or complaints on record, from which their records" in err
        assert err.rstrip().endswith("(ses-worker why ADDRESS): jane@example.com")
        jane = run("users", "show", "jane@example.com", "--json").json
        assert (jane["auto_block_spam"], jane["complaint_count"]) == (True, 2)
        assert jane["email"] == "Jane@example.com"
        done = run("users", "import", "-", input=self.PEOPLE)
        assert "on record" not in done.err
        assert run("policy", "rebuild", "--dry-run", "--json").json["changed"] == 0

    def test_can_be_ignored_for_good(self, run, complaints):
        done = run("users", "import", "-", "--ignore-record", "--json", input=self.PEOPLE)
        figures = done.json
        assert (figures["with_events"], figures["folded"]) == (1, 0), done.err
        assert "which count for nothing now; look before you mail them" in done.err
        assert run("may-send", "jane@example.com").status == 0
        assert run("policy", "rebuild", "--dry-run", "--json").json["changed"] == 0
        assert run("may-send", "jane@example.com").status == 0

    def test_count_for_nothing_of_any_new_user_if_the_policy_says_so(
        self, run, either_store, emulator, queue, complaints
    ):
        empty = {
            "SES_WORKER_POLICY__BEGIN_WITH_RECORD": "false",
            "SES_WORKER_POLICY__UNKNOWN_RECIPIENTS": "create",
        }
        emulator.send(queue, mail.bounce("jane@example.com"))
        emulator.send(queue, mail.bounce("new@example.com"))
        assert "users.with_record" not in run("drain", **empty).err
        jane = run("users", "show", "jane@example.com", "--json").json
        assert (jane["hard_bounce_count"], jane["complaint_count"]) == (1, 0)
        assert run("policy", "rebuild", "--dry-run", "--json", **empty).json["changed"] == 0
        run("users", "remove", "jane@example.com")
        done = run("users", "import", "-", "--json", input=self.PEOPLE, **empty)
        assert (done.json["with_events"], done.json["folded"]) == (1, 0)

    def test_change_nothing_of_an_export(self, run, complaints):
        exported = run("users", "export").out
        emptied = exported.replace("joe@example.com", "jane@example.com").replace("true", "false")
        run("users", "import", "-", input=emptied)
        assert run("users", "show", "jane@example.com", "--json").json["complaint_count"] == 1
        assert run("policy", "rebuild", "--dry-run", "--json").json["changed"] == 0

    def test_make_the_record_of_a_user_who_is_created_by_feedback(
        self, run, either_store, emulator, queue, complaints
    ):
        emulator.send(queue, mail.bounce("Jane@example.com"))
        done = run("drain", SES_WORKER_POLICY__UNKNOWN_RECIPIENTS="create")
        assert "users.with_record" in done.err
        jane = run("users", "show", "jane@example.com", "--json").json
        assert (jane["auto_block_spam"], jane["complaint_count"]) == (True, 2)
        assert (jane["email"], jane["hard_bounce_count"]) == ("Jane@example.com", 1)


class TestRemove:
    def test_a_user_is_removed_and_the_events_stay(self, run, emulator, queue, database):
        run("users", "import", "-", input="email\njane@example.com\njoe@example.com\n")
        emulator.send(queue, mail.complaint("jane@example.com"))
        run("drain")
        done = run("users", "remove", "Jane <JANE@example.com>")
        assert (done.status, done.out) == (
            0,
            "1 removed, 0 unknown, 0 refused; events stay on record\n",
        )
        assert [row["email"] for row in database.rows("SELECT email FROM users")] == [
            "joe@example.com"
        ]
        assert database.count("events") == 1
        assert run("may-send", "jane@example.com").status == 3

    def test_an_address_that_is_no_user_is_named_and_the_others_are_removed(
        self, run, database, tmp_path, either_store
    ):
        run("users", "import", "-", input="email\n" + "".join(f"p{n}@b.c\n" for n in range(1_200)))
        lines = "\ufeffp0@b.c\n\nnobody@b.c\n  P0@b.c \nnonsense\n" + "".join(
            f"p{n}@b.c\r\n" for n in range(1, 1_199)
        )
        done = run("users", "remove", "-", "--json", input=lines)
        assert (done.status, done.json) == (1, {"removed": 1_199, "unknown": 1, "refused": 1})
        assert "ses-worker: nobody@b.c is not among the users in" in done.err
        assert "ses-worker: line 5 is no usable address\n" in done.err
        assert database.count("users") == 1
        assert run("users", "remove", "nobody@b.c").out == "0 removed, 1 unknown, 0 refused\n"
        assert run("users", "remove", "-", input="").out == "0 removed, 0 unknown, 0 refused\n"

    def test_what_is_no_address_is_wrong_usage(self, run):
        done = run("users", "remove", "nonsense")
        assert (done.status, "is no usable address" in done.err) == (2, True)

    def test_without_a_database_nothing_is_made(self, run, tmp_path):
        assert run("users", "remove", "a@b.c").status == 1
        assert not (tmp_path / "worker.db").exists()

    def test_a_user_to_whom_another_table_refers_stays(
        self, run, database, environment, either_store
    ):
        import psycopg

        run("users", "import", "-", input="email\njane@example.com\n")
        url = environment["SES_WORKER_STORE__URL"]
        key = "CREATE TABLE letters (who TEXT REFERENCES users (email_key))"
        insert = "INSERT INTO letters VALUES ('jane@example.com')"
        if either_store == "postgresql":
            with psycopg.connect(url) as connection:
                connection.execute(key)
                connection.execute(insert)
        else:
            with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
                connection.execute(key)
                connection.execute(insert)
            connection.close()
        done = run("users", "remove", "jane@example.com")
        assert (done.status, "foreign key" in done.err) == (1, True), done.err
        assert database.count("users") == 1


def count(database):
    try:
        return database.count("users")
    except sqlite3.OperationalError:
        return 0
