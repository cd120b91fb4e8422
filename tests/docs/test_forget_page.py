"""The page about forgetting a person: its commands run, in their order, and do what it says."""

import shlex
import subprocess

from support import mail
from support.documents import blocks, text_of

DOCUMENT = text_of("docs/forget.md")
MAKE_A_KEY, FOR_A_REQUEST, UNBLOCK = blocks(DOCUMENT, "sh")
(START_ANEW,) = blocks(DOCUMENT, "sql")
JANE = "jane@example.com"


def test_the_commands_of_the_page_forget_a_person(
    run, emulator, queue, ses, environment, database, tmp_path
):
    subprocess.run(["sh", "-c", MAKE_A_KEY], cwd=tmp_path, check=True)
    environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    run("users", "import", "-", input=f"email\n{JANE}\n")
    emulator.send(queue, mail.complaint(JANE))
    run("drain")
    for line in FOR_A_REQUEST.splitlines():
        words = shlex.split(line)
        assert words[0] == "ses-worker"
        done = run(*words[1:])
        assert done.status == 0, done.err
    assert database.count("users") + database.count("events") == 0
    assert run("may-send", JANE).status == 3
    assert run(*shlex.split(UNBLOCK)[1:]).status == 0
    assert run("may-send", JANE).status == 0


def test_without_the_tombstones_a_new_key_is_accepted(run, emulator, queue, environment, tmp_path):
    import sqlite3

    key = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"
    run("db", "upgrade")
    run("users", "forget", JANE, "--yes", SES_WORKER_PRIVACY__KEY=key)
    assert run("drain", SES_WORKER_PRIVACY__KEY=key[::-1]).status == 78
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        connection.execute(START_ANEW)
    connection.close()
    assert run("drain", SES_WORKER_PRIVACY__KEY=key[::-1]).status == 0
