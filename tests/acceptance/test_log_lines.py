"""How failures are reported on stderr: in words, and sanitized for a terminal."""

import re
import subprocess
import sys
from pathlib import Path

from support import mail

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


PRIVACY_KEY = "0123456789abcdef0123456789abcdef"
HASHED = {"SES_WORKER_LOG__ADDRESSES": "hashed"}


def test_without_the_key_hashed_addresses_are_a_wrong_setting(run):
    done = run("drain", **HASHED)
    assert (done.status, done.out) == (78, "")
    (line,) = done.err.splitlines()
    assert 'log.addresses = "hashed" needs privacy.key' in line


def test_the_lines_of_a_person_are_joined_by_a_hash_that_why_prints(run, emulator, queue):
    keyed = HASHED | {"SES_WORKER_PRIVACY__KEY": PRIVACY_KEY}
    for name in ("jane", "joe"):
        emulator.send(queue, mail.bounce(f"{name}@example.com"))
    done = run("drain", **keyed)
    hashes = {line["address_hash"] for line in done.log if line["event"] == "bounce_notification"}
    assert len(hashes) == 2
    assert run("why", "jane@example.com", "--json", **keyed).json["address_hash"] in hashes
    assert "address_hash" not in run("why", "jane@example.com", "--json").json


def test_a_worker_that_crashes_leaves_no_memory_in_a_core_dump(daemon):
    worker = daemon()
    worker.wait_for("worker.started")
    process = Path("/proc", str(worker.process.pid))
    assert int((process / "coredump_filter").read_text(), 16) == 0
    (line,) = re.findall(
        r"^Max core file size +(\S+)", (process / "limits").read_text(), re.MULTILINE
    )
    assert line == "0"
