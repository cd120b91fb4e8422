"""How failures are told on stderr: in words, and harmless to a terminal."""

import subprocess
import sys

BUG = """
from worker.store.sqlite import SqliteStore

def bug(*_, **__):
    local_variable = "local@example.org"
    raise ValueError("Key (email)=(jane@example.com) is odd")

SqliteStore.revision = bug
from worker.cli import main
main()
"""


def test_a_bug_is_logged_without_addresses_and_exits_1(run, environment, tmp_path):
    run("users", "import", "-", input="email\njane@example.com\n")
    done = subprocess.run(
        [sys.executable, "-c", BUG, "users", "list"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "ValueError" in done.stderr
    assert "***@example.com" in done.stderr
    assert "jane" not in done.stderr
    assert "local@" not in done.stderr


def test_what_is_quoted_does_nothing_to_a_terminal(run):
    title, backwards, red = "\x1b]0;owned\x07", "\u202etxt", "\x1b[31m"
    done = run("users", "list", SES_WORKER_CONFIG=f"/nowhere/{title}{backwards}{red}.toml")
    assert done.status == 78
    assert done.err.startswith("ses-worker: cannot read the settings in /nowhere/")
    assert done.err.rstrip("\n").isprintable()
    assert "\\x1b]0;owned\\x07\\u202etxt" in done.err
