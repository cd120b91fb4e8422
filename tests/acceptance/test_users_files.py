"""`users import` and `users export`: files that are odd, and commands that are interrupted."""

import signal
import sqlite3
import subprocess
import time

import pytest


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

    def test_an_exported_file_is_refused_with_the_columns_that_import_takes(self, run):
        run("users", "import", "-", input="email\na@b.c\n")
        done = run("users", "import", "-", input=run("users", "export").out)
        assert done.status == 1
        assert (
            "line 1 must be email[,account_id][,metrics_enabled], and is email,email_key"
            in done.err
        )

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


def count(database):
    try:
        return database.count("users")
    except sqlite3.OperationalError:
        return 0
