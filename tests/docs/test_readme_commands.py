"""Every command in the README is run here, or is one whose run is this suite's own."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line.partition("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]
TARGETS = [line.removeprefix("make ") for line in LINES if line.startswith("make ")]
WORKER = [
    line.removeprefix(".venv/bin/ses-worker ")
    for line in LINES
    if line.startswith(".venv/bin/ses-worker ")
]
EXPORTS = [line for line in LINES if line.startswith("export ")]


def test_no_command_is_of_a_kind_that_is_not_run_here():
    known = {
        *(f"make {t}" for t in TARGETS),
        *(f".venv/bin/ses-worker {w}" for w in WORKER),
        *EXPORTS,
    }
    assert set(LINES) == known
    assert TARGETS
    assert WORKER


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_the_target_and_it_runs_what_it_says(target):
    """`make demo` is `ses-worker demo`, run by acceptance/test_demo.py; `make test` is this run."""
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted = {"demo": "ses-worker demo", "test": "python -m pytest", "setup": "-m venv .venv"}
    assert wanted[target] in shown


@pytest.mark.parametrize("arguments", WORKER)
def test_a_worker_command_runs(run, start, twin, queue, tmp_path, arguments):
    (tmp_path / "users.csv").write_text("email\njane@example.com\n")
    if arguments == "run":
        process = start("run", SES_WORKER_QUEUE__WAIT_SECONDS="1")
        assert twin.wait_for(lambda: twin.long_polls)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    else:
        done = run(*arguments.split())
        assert (done.status, "Traceback" in done.err) == (0, False), done.err


@pytest.mark.parametrize("line", EXPORTS)
def test_a_variable_in_the_readme_is_a_setting(line):
    from worker.sources import load_settings

    name, _, value = line.removeprefix("export ").partition("=")
    load_settings({name: value})


def test_the_query_in_the_readme_answers_whom_to_mail(run, tmp_path):
    import sqlite3

    (query,) = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    run("users", "import", "-", input="email\njane@example.com\n")
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        assert connection.execute(query).fetchall() == [("jane@example.com",)]
        connection.execute("UPDATE users SET paused_until = '2999-01-01 00:00:00.000000'")
        assert connection.execute(query).fetchall() == []
        connection.execute("UPDATE users SET paused_until = '2020-01-01 00:00:00.000000'")
        assert connection.execute(query).fetchall() == [("jane@example.com",)]
        connection.execute("UPDATE users SET auto_block_spam = 1")
        assert connection.execute(query).fetchall() == []


def test_every_command_of_the_table_is_a_command(run):
    table = README[README.index("| command | what it does |") :]
    for cell in re.findall(r"^\| `ses-worker ([^`]+)`", table, re.MULTILINE):
        words, _, options = cell.partition(" [")
        group, _, verbs = words.partition(" ")
        for verb in verbs.split("\\|"):
            out = run(group, *filter(None, [verb]), "--help").out
            for option in re.findall(r"--[\w-]+", options):
                assert option in out
