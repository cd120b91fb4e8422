"""Commands that need no queue: help, settings, schema, users."""

import csv
import io
import re
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from support.running import COMMAND, to_its_end

COMMANDS = [
    "run",
    "drain",
    "users",
    "users import",
    "users list",
    "users show",
    "users export",
    "users check",
    "users reinstate",
    "events export",
    "may-send",
    "why",
    "report",
    "policy diff",
    "policy rebuild",
    "db",
    "db backup",
    "db copy",
    "db upgrade",
    "db status",
]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_text_has_an_example_and_every_option_its_default(run, command):
    done = run(*command.split(), "--help")
    assert done.status == 0
    assert re.search(r"Example.*:\n +(\S+=\S+ \\\n +)?ses-worker ", done.out)
    options = re.findall(
        r"^  (?:-\w, )?(--[\w-]+)([^\n]*(?:\n {10,}[^\n]*)*)", done.out, re.MULTILINE
    )
    for name, text in options:
        if name not in {"--help", "--version", "--config"}:
            assert re.search(r"\[default: |\[required\]", " ".join(text.split())), name


def test_the_first_help_text_lists_the_exit_statuses(run):
    out = run("--help").out
    for status in (
        "0  done",
        "1  failed",
        "2  wrong usage",
        "3  finished, but",
        "4  messages remain",
        "78  misconfigured",
    ):
        assert status in out


def test_help_answers_at_once(environment, tmp_path):
    to_its_end([COMMAND, "--help"], environment, tmp_path)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    to_its_end([COMMAND, "--help"], environment, tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 0.5  # seconds of CPU; 0.1 is usual, and the libraries would take 0.6 more


def test_python_m_worker_is_the_same_command(run, environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "worker", "--help"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    own = done.stdout.replace("python -m worker", "ses-worker")
    assert own.split() == run("--help").out.split()


class TestWrongUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["nonsense"],
            ["drain", "--nonsense"],
            ["drain", "--max-messages", "0"],
            ["drain", "--max-seconds", "nan"],
            ["drain", "--max-seconds", "inf"],
            ["users", "show"],
            ["users", "show", "nobody"],
        ],
    )
    def test_leaves_with_2(self, run, arguments):
        done = run(*arguments)
        assert done.status == 2
        assert "Traceback" not in done.err


class TestMisconfigured:
    @pytest.mark.parametrize(
        ("arguments", "changes", "expected"),
        [
            (["run"], {}, "queue.url is required"),
            (["drain"], {}, "queue.url is required"),
            (
                ["drain"],
                {"SES_WORKER_QUEUE__URL": "http://127.0.0.1:9/1/q", "AWS_REGION": None},
                "no AWS region",
            ),
            (["drain"], {"SES_WORKER_TYPO": "1"}, "typo is not a setting (in SES_WORKER_TYPO)"),
            (
                ["users", "list"],
                {"SES_WORKER_WEBHOOK__URL": "https://example.com"},
                "webhook belongs to a feature",
            ),
            (["users", "list"], {"SES_WORKER_STORE__URL": "sqlite:////"}, "is a directory"),
            (
                ["db", "status"],
                {"SES_WORKER_CONFIG": "/nowhere/worker.toml"},
                "cannot read the settings",
            ),
            (
                ["users", "import", "/dev/null"],
                {"SES_WORKER_STORE__MIGRATE": "manual"},
                "run `ses-worker db upgrade`",
            ),
            (
                ["users", "list"],
                {"SES_WORKER_STORE__URL": "postgresql://h/d?nonsense=1"},
                "store.url is not a valid PostgreSQL URL",
            ),
            (["users", "list", "--config", "/nowhere/x.toml"], {}, "cannot read the settings"),
            (["--config", "/", "users", "list"], {}, "settings in /: Is a directory"),
            (
                ["drain"],
                {"SES_WORKER_QUEUE__URL": "http://127.0.0.1:9/1/q", "AWS_REGION": "eu west"},
                "'eu west' is no AWS region",
            ),
        ],
    )
    def test_exits_with_78_and_a_single_sentence(self, run, arguments, changes, expected):
        done = run(*arguments, **changes)
        assert (done.status, done.out) == (78, "")
        assert expected in done.err
        assert "Traceback" not in done.err
        assert len(done.err.splitlines()) == 1

    def test_a_store_that_is_no_database(self, run, tmp_path):
        (tmp_path / "worker.db").write_text(
            "a dead letter to my aunt, long enough to be taken for a header " * 9
        )
        for arguments in (["users", "list"], ["db", "upgrade"], ["drain"]):
            done = run(*arguments, SES_WORKER_QUEUE__URL="http://127.0.0.1:9/1/q")
            assert (done.status, "is not a SQLite database" in done.err) == (78, True)

    def test_a_schema_that_is_newer(self, run, tmp_path):
        run("db", "upgrade")
        with sqlite3.connect(tmp_path / "worker.db") as connection:
            connection.execute("UPDATE ses_worker_schema SET version_num = '9999'")
        for arguments in (["users", "list"], ["drain"], ["run"]):
            done = run(*arguments, SES_WORKER_QUEUE__URL="http://127.0.0.1:9/1/q")
            assert (done.status, "has schema 9999" in done.err) == (78, True)

    @pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
    def test_a_database_that_cannot_hold_every_text(self, run, postgresql_server, encoding):
        """Else messages would fail one by one."""
        with psycopg.connect(postgresql_server, autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS narrow")
            admin.execute(
                f"CREATE DATABASE narrow ENCODING '{encoding}' TEMPLATE template0"
                " LC_COLLATE 'C' LC_CTYPE 'C'"
            )
        changes = {
            "SES_WORKER_STORE__URL": postgresql_server.replace("/postgres?", "/narrow?"),
            "SES_WORKER_QUEUE__URL": "http://127.0.0.1:9/1/q",
            "PGCLIENTENCODING": "LATIN1",
        }
        output = f"narrow has the encoding {encoding}, which cannot hold every text"
        for arguments in (["run"], ["drain"], ["db", "upgrade"], ["db", "status"]):
            done = run(*arguments, **changes)
            assert (done.status, output in done.err) == (78, True)
            assert (
                "CREATE DATABASE ses ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
                in done.err
            )
        checked = run("check", "--json", **changes)
        assert (checked.status, output in checked.out) == (1, True)


class TestOutagesOfDrainLikeCommands:
    @pytest.mark.parametrize(
        ("arguments", "changes", "expected"),
        [
            (
                ["users", "list"],
                {"SES_WORKER_STORE__URL": "sqlite:////nowhere/at/all/worker.db"},
                "store.url: the directory /nowhere/at/all does not exist",
            ),
            (
                ["users", "import", "/dev/null"],
                {"SES_WORKER_STORE__URL": "sqlite:////nowhere/at/all/worker.db"},
                "store.url: the directory /nowhere/at/all does not exist",
            ),
            (
                ["users", "list"],
                {"SES_WORKER_STORE__URL": "postgresql://127.0.0.1:9/app"},
                "PostgreSQL: ",
            ),
        ],
    )
    def test_exits_with_1_and_a_single_sentence(self, run, arguments, changes, expected):
        done = run(*arguments, **changes)
        assert (done.status, done.out) == (1, "")
        assert expected in done.err
        assert len(done.err.splitlines()) == 1

    def test_no_password_is_printed(self, run):
        done = run("users", "list", SES_WORKER_STORE__URL="postgresql://me:s3cret@127.0.0.1:9/app")
        assert done.status == 1
        assert "s3cret" not in done.err


def test_config_can_be_named_before_and_after_the_command(run, tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/other.db"\n')
    for arguments in (["--config", file, "db", "status"], ["db", "status", "--config", file]):
        done = run(*arguments, SES_WORKER_STORE__URL=None)
        assert (done.status, "other.db" in done.out) == (1, True)


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class TestLooking:
    @pytest.mark.parametrize(
        "arguments", ["users list", "users show a@b.c", "users export", "db status"]
    )
    def test_makes_no_database(self, run, tmp_path, arguments):
        done = run(*arguments.split())
        assert done.status == 1
        assert done.err == (
            f"ses-worker: no database at {tmp_path}/worker.db (store.url); a relative store.url"
            " is resolved from the working directory\n"
        )
        assert contents(tmp_path) == {}

    def test_makes_no_tables(self, run, postgresql_url):
        done = run("users", "list", SES_WORKER_STORE__URL=postgresql_url)
        assert (done.status, done.out) == (1, "")
        assert "has no tables of the worker" in done.err
        assert run("db", "status", SES_WORKER_STORE__URL=postgresql_url).status == 1

    def test_leaves_an_empty_file_empty(self, run, tmp_path):
        (tmp_path / "worker.db").touch()
        assert run("db", "status", "--json").json["pending"][0] == "0001"
        assert run("users", "list").status == 1
        assert contents(tmp_path) == {"worker.db": b""}

    def test_leaves_another_programs_file_as_it_is(self, run, tmp_path):
        connection = sqlite3.connect(tmp_path / "worker.db")
        connection.execute("CREATE TABLE users (id INTEGER)")
        connection.close()
        before = contents(tmp_path)
        for arguments in ("db status", "users list", "users import /dev/null"):
            done = run(*arguments.split())
            assert (done.status, "made by another program" in done.err) == (78, True)
        assert contents(tmp_path) == before

    def test_status_leaves_nothing_beside_the_file(self, run, tmp_path):
        run("db", "upgrade")
        before = contents(tmp_path)
        assert run("db", "status").status == 0
        after = contents(tmp_path)
        assert after.keys() == before.keys()
        # In the -shm, which is no data, SQLite has every reader leave a mark.
        assert all(after[name] == before[name] for name in after if not name.endswith("-shm"))

    def test_needs_no_right_to_write(self, run, small_disk):
        import subprocess

        url = {"SES_WORKER_STORE__URL": f"sqlite:///{small_disk.path / 'worker.db'}"}
        run("users", "import", "-", input="email\na@b.c\n", **url)
        subprocess.run(["mount", "-o", "remount,ro", small_disk.path], check=True)
        for arguments in ("db status", "users list", "users show a@b.c", "users export"):
            assert run(*arguments.split(), **url).status == 0
        assert run("users", "import", "-", input="email\nd@e.f\n", **url).status == 1

    def test_sees_what_a_worker_has_committed_a_moment_ago(self, run, tmp_path):
        run("db", "upgrade")
        with closing(sqlite3.connect(tmp_path / "worker.db")) as worker:
            worker.execute("INSERT INTO users (email, email_key) VALUES ('a@b.c', 'a@b.c')")
            worker.commit()
            assert "a@b.c" in run("users", "list").out
            assert run("db", "status").status == 0

    @pytest.mark.parametrize("revision", ["0000", "9999"])
    def test_refuses_another_schema_and_leaves_it(self, run, tmp_path, revision):
        run("db", "upgrade")
        with closing(sqlite3.connect(tmp_path / "worker.db")) as connection:
            connection.execute("UPDATE ses_worker_schema SET version_num = ?", [revision])
            connection.commit()
        for arguments in ("users list", "db status"):
            done = run(*arguments.split())
            assert (done.status, revision in done.out + done.err) == (78, True)

    def test_names_the_store(self, run, tmp_path):
        run("users", "import", "-", input="email\na@b.c\n")
        place = f"{tmp_path}/worker.db"
        assert run("users", "list").out.endswith(f"\n1 user in {place}\n")
        assert run("users", "show", "a@b.c").err == f"ses-worker: reading {place}\n"
        assert run("users", "export").err == f"ses-worker: exporting from {place}\n"


class TestDb:
    def test_status_shows_missing_migrations_and_changes_nothing(self, run, tmp_path):
        done = run("db", "status", "--json")
        assert (done.status, done.json["pending"], done.json["revision"]) == (
            1,
            [
                "0001",
                "0002",
                "0003",
                "0004",
                "0005",
                "0006",
                "0007",
                "0008",
                "0009",
                "0010",
                "0011",
                "0012",
                "0013",
                "0014",
                "0015",
            ],
            None,
        )
        assert not (tmp_path / "worker.db").exists()

    def test_upgrade_brings_it_up_once(self, run):
        assert "applied 0001, 0002, 0003, 0004, 0005" in run("db", "upgrade").out
        assert "nothing to do" in run("db", "upgrade").out
        assert run("db", "status", "--json").json["pending"] == []
        assert "up to date" in run("db", "status").out

    def test_with_manual_migration_upgrade_still_works(self, run):
        assert run("db", "upgrade", SES_WORKER_STORE__MIGRATE="manual").status == 0
        assert run("users", "list", SES_WORKER_STORE__MIGRATE="manual").status == 0


class TestUsers:
    @pytest.fixture
    def file(self, tmp_path):
        file = tmp_path / "users.csv"
        file.write_text(
            "\ufeffemail,account_id,metrics_enabled\nJane@Example.com,a-1,yes\njoan@example.com,,no\n"
        )
        return file

    def test_import_says_what_it_did_and_again_that_nothing_changed(self, run, file):
        assert run("users", "import", file).out == "2 created, 0 updated, 0 unchanged, 0 refused\n"
        assert run("users", "import", file, "--json").json == {
            "created": 0,
            "updated": 0,
            "unchanged": 2,
            "refused": 0,
            "with_events": 0,
            "folded": 0,
            "folded_barred": 0,
            "forgotten_before": 0,
        }

    def test_import_reads_standard_input(self, run):
        assert run("users", "import", "-", input="email\na@b.c\n").out.startswith("1 created")

    def test_refused_rows_are_reported_with_line_and_reason_and_the_others_are_imported(self, run):
        done = run("users", "import", "-", input="email\na@b.c\nnonsense\nd@e.f\n")
        assert done.status == 1
        assert done.out == "2 created, 0 updated, 0 unchanged, 1 refused\n"
        assert "line 3: email is no usable address\n" in done.err

    def test_a_file_with_another_header_changes_nothing(self, run, file, database):
        run("users", "import", file)
        before = database.rows("SELECT * FROM users ORDER BY id")
        done = run("users", "import", "-", input="email,name\nnew@example.com,Jane\n")
        assert (done.status, done.out) == (1, "")
        assert "line 1 must be email" in done.err
        assert len(before) == 2
        assert database.rows("SELECT * FROM users ORDER BY id") == before

    def test_list_show_and_export(self, run, file):
        run("users", "import", file)
        assert "Jane@Example.com" in run("users", "list").out
        listed = run("users", "list", "--limit", 1, "--json").json
        assert (listed["total"], [user["email_key"] for user in listed["users"]]) == (
            2,
            ["jane@example.com"],
        )
        shown = run("users", "show", '"Doe, Jane" <JANE@example.com>', "--json").json
        assert (shown["account_id"], shown["metrics_enabled"], shown["paused_until"]) == (
            "a-1",
            True,
            None,
        )
        assert "account_id:          a-1" in run("users", "show", "jane@example.com").out
        exported = list(csv.DictReader(io.StringIO(run("users", "export").out)))
        assert [row["email"] for row in exported] == ["Jane@Example.com", "joan@example.com"]

    def test_export_to_a_file_filters_who_is_paused_now(self, run, file, tmp_path):
        run("users", "import", file)
        later = (
            (datetime.now(UTC) + timedelta(days=1))
            .replace(tzinfo=None)
            .isoformat(" ", "microseconds")
        )
        with sqlite3.connect(tmp_path / "worker.db") as connection:
            connection.execute(
                "UPDATE users SET paused_until = ? WHERE email_key LIKE 'jane%'", (later,)
            )
        assert run("users", "export", tmp_path / "out.csv", "--paused").status == 0
        (row,) = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))
        assert (row["email_key"], row["paused_until"][:19]) == (
            "jane@example.com",
            later[:19].replace(" ", "T"),
        )

    def test_somebody_who_is_no_user(self, run):
        run("db", "upgrade")
        done = run("users", "show", "nobody@example.com")
        assert (done.status, "is not among the users" in done.err) == (1, True)


def test_five_times_the_rows_take_no_more_memory(environment, tmp_path):
    """It streams; the figures for 1,000,000 rows are in bench."""
    measuring = (
        "import resource, sys\n"
        "from worker.cli import main\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )

    def imported(rows):
        """Import so many; return the most memory that it took, in kB."""
        lines = (f"person{n}@example.com,{'x' * 400}\n" for n in range(rows))
        (tmp_path / "many.csv").write_text("email,account_id\n" + "".join(lines))
        done = subprocess.run(
            [sys.executable, "-c", measuring, "users", "import", "many.csv"],
            env=environment | {"SES_WORKER_STORE__URL": f"sqlite:///{tmp_path}/{rows}.db"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith(f"{rows:,} created")
        return int(done.stderr.splitlines()[-1])

    assert imported(125_000) - imported(25_000) < 100_000 * 400 / 1024 / 2
