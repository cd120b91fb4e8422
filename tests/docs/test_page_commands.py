"""Every command in every document is run here, or is a command whose run is this suite's own."""

import re
import shlex
import signal
import subprocess
import time

import pytest
from support import mail
from support.dead import fill, quarantined
from support.documents import ROOT, blocks, languages, names, text_of
from support.waiting import wait_until

from simulators.slack.faults import refused

README = text_of("README.md")
DATABASE = text_of("docs/database.md")
INSTALL, *_ = blocks(text_of("docs/install/systemd.md"), "sh")
ELSEWHERE = {
    *blocks(text_of("docs/install/systemd.md"), "sh"),
    *(block for block in blocks(DATABASE, "sh") if "/var/lib/ses-worker" in block),
    *blocks(text_of("docs/postgresql.md"), "sh"),
    *(block for block in blocks(text_of("docs/troubleshooting.md"), "sh") if "runuser" in block),
}
"""Run by service/test_installation.py, in a machine of its own, by test_postgresql_page.py, and by
test_mail_again.py."""
OF_THEIR_OWN = {
    "docs/backup.md": set(),
    "docs/connect.md": {"python", "javascript", "ruby", "toml"},
    "docs/forget.md": set(),
    "docs/install/timer.md": {"ini", "bash", "cron"},
    "docs/personal-data.md": set(),
    "docs/policies.md": {"toml"},
    "docs/prometheus.md": {"yaml"},
    "docs/regions.md": {"toml"},
    "docs/retention.md": {"toml"},
    "docs/signatures.md": {"toml"},
}
"""Pages whose blocks are all run or read by a test of the page, and their languages."""
BLOCKS = [
    block
    for name in names()
    if name not in OF_THEIR_OWN
    for block in blocks(text_of(name), "sh")
    if block not in ELSEWHERE
]
LINES = list(
    dict.fromkeys(
        line.partition("  #")[0].strip() for block in BLOCKS for line in block.splitlines()
    )
)
TARGETS = [line.removeprefix("make ") for line in LINES if line.startswith("make ")]
WORKER = list(
    dict.fromkeys(
        found[1] for line in LINES if (found := re.match(r"(?:\.venv/bin/)?ses-worker (.*)", line))
    )
)
ABOUT_EFFECTS = [line for line in WORKER if line.split()[0] in {"outbox", "suppression", "why"}]
ABOUT_DEAD_LETTERS = [line for line in WORKER if line.split()[0] == "dlq"]
ABOUT_THE_PATH = [
    line for line in WORKER if line.split()[0] in {"check", "provision"} and line != "check --live"
]
EXPORTS = [line for line in LINES if line.startswith("export ")]


def test_no_command_is_of_a_kind_that_is_not_run_here():
    known = {
        *(f"make {t}" for t in TARGETS),
        *(f"{path}ses-worker {w}" for path in ("", ".venv/bin/") for w in WORKER),
        *EXPORTS,
    }
    assert set(LINES) <= known
    assert TARGETS
    assert len(WORKER) > 20


def test_the_blocks_that_are_run_elsewhere_are_those_that_are_meant():
    assert len(ELSEWHERE) == 8 + 2 + 4 + 1
    assert INSTALL in blocks(README, "sh")


def test_only_the_document_on_containers_shows_commands_that_are_not_run():
    kinds = {name: languages(text_of(name)) - {"sh", "sql", "text"} for name in names()}
    others = {name: found for name, found in kinds.items() if found and name not in OF_THEIR_OWN}
    assert others == {
        "README.md": {""},  # a picture
        "docs/install/container.md": {"console"},
    }
    (picture,) = blocks(README, "")
    assert "SQS queue" in picture


@pytest.mark.parametrize("name", OF_THEIR_OWN)
def test_a_document_with_a_test_of_its_own_has_no_block_that_the_test_does_not_know(name):
    assert languages(text_of(name)) - {"sh", "sql"} == OF_THEIR_OWN[name]
    files = [*(ROOT / "tests" / "docs").glob("*.py"), *(ROOT / "tests" / "service").glob("*.py")]
    texts = [text for file in files if f'text_of("{name}")' in (text := file.read_text("utf-8"))]
    for language in languages(text_of(name)):
        # They are unpacked into as many names as there are blocks: one more is an error.
        assert any(f'"{language}")' in text for text in texts), language


def test_every_command_that_is_named_in_a_sentence_is_there_with_its_options():
    from click import Context, Group

    from worker.cli import main

    named = set()
    for name in set(names()) - {"CHANGELOG.md"}:  # which speaks of former names
        named |= set(re.findall(r"`(?:\.venv/bin/)?ses-worker ([a-z][^`]*)`", text_of(name)))
    assert len(named) > 20
    for words in named:
        command, rest = main, words.replace("\\|", "|").split()
        while isinstance(command, Group) and rest and "|" not in rest[0]:
            command = command.get_command(Context(command), rest.pop(0))
            assert command, words
        if isinstance(command, Group) and rest:
            assert set(rest.pop(0).split("|")) <= set(command.commands), words
        options = {option for item in getattr(command, "params", ()) for option in item.opts}
        assert set(re.findall(r"--[\w-]+", " ".join(rest))) <= options, words


def test_every_make_target_and_every_tool_that_is_named_is_there():
    targets = set(re.findall(r"^([\w-]+):", text_of("Makefile"), re.MULTILINE))
    for name in names():
        assert set(re.findall(r"`make ([\w-]+)", text_of(name))) <= targets, name
        for module in re.findall(r"`python -m ([\w.]+)", text_of(name)):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_the_target_and_it_runs_what_it_says(target):
    """`make demo` is `python -m demo`, run by acceptance/test_demo.py; `make test` is this run."""
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    expected = {
        "check": "lint-imports",
        "demo": "python -m demo",
        "docs": "mkdocs build --strict",
        "format": "ruff format",
        "setup": "-m venv .venv",
        "test": "python -m pytest",
    }
    assert expected[target] in shown


def test_a_long_installation_is_announced():
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.index('echo "Installing') < shown.index("pip install")


def test_the_demo_names_commands_as_the_quickstart_does():
    from demo.stage import NEXT

    assert {command.split()[0] for command, _ in NEXT} == {".venv/bin/ses-worker"}
    named = [command.partition(" --")[0].removeprefix(".venv/bin/") for command, _ in NEXT]
    for command in named:
        assert any(command in line for line in [*LINES, text_of("README.md")]), command


@pytest.fixture
def bounced(run, emulator, queue, slack, ses, environment):
    """Jane was notified of, and taken off the suppression list; Slack refuses the notice about Joe."""
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["jane@example.com"]'
    ses.list_address("jane@example.com")
    emulator.send(queue, mail.bounce("jane@example.com"))
    run("drain")
    slack.fail(*[refused(400, "invalid_blocks")] * 2)
    emulator.send(queue, mail.bounce("joe@example.com"))
    assert run("drain", "--json").json["effects_parked"] == 1


@pytest.mark.parametrize("arguments", ABOUT_EFFECTS)
def test_a_command_about_effects_runs(run, bounced, arguments):
    done = run(*arguments.split())
    assert (done.status, done.err if arguments.startswith("outbox") else "") == (0, ""), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("arguments", ABOUT_DEAD_LETTERS)
def test_a_command_about_dead_letters_runs(run, emulator, queue, environment, arguments):
    quarantined(environment, ("foreign_topic", mail.bounce("jane@example.com")))
    fill(emulator, "nonsense", reason="not_json")
    done = run(*arguments.split())
    assert (done.status, "Traceback" in done.err) == (0, False), done.err


@pytest.mark.parametrize("arguments", ABOUT_THE_PATH)
def test_a_command_about_the_path_runs(run, wiring, proxy, arguments):
    if arguments.startswith("provision"):
        proxy.publishing.identities["example.com"] = {}
        proxy.publishing.configuration_sets["main"] = {}
    elif "--eventbridge" in arguments:
        wiring.by_eventbridge()
    done = run(*arguments.split())
    assert (done.status, "Traceback" in done.err) == (0, False), done.err


def test_the_health_of_a_running_worker_is_requested(run, start, queue, environment, tmp_path):
    environment["SES_WORKER_HEALTH__FILE"] = str(tmp_path / "health.json")
    start("run", SES_WORKER_QUEUE__WAIT_SECONDS="1")
    wait_until((tmp_path / "health.json").exists)
    assert "check --live" in WORKER
    done = run("check", "--live")
    assert (done.status, "Traceback" in done.err) == (0, False), done.err


SPECIAL = [*ABOUT_EFFECTS, *ABOUT_DEAD_LETTERS, *ABOUT_THE_PATH, "check --live"]


@pytest.mark.parametrize("arguments", [line for line in WORKER if line not in SPECIAL])
def test_a_worker_command_runs(run, start, emulator, queue, ses, tmp_path, arguments):
    (tmp_path / "users.csv").write_text("email\njane@example.com\n")
    if not arguments.startswith("users import"):
        run("users", "import", "users.csv")
    if arguments == "run":
        process = start("run", SES_WORKER_QUEUE__WAIT_SECONDS="1")
        assert emulator.wait_for(lambda: emulator.long_polls)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    else:
        done = run(*shlex.split(arguments))
        assert (done.status, "Traceback" in done.err) == (0, False), done.err


@pytest.mark.parametrize("line", EXPORTS)
def test_a_variable_that_is_exported_is_a_setting(line):
    from worker.settings.loading import load_settings

    name, _, value = line.removeprefix("export ").partition("=")
    load_settings({name: value})


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_first_queries_have_a_row_for_whom_not_to_mail(run, emulator, queue, tmp_path, number):
    import sqlite3

    query = [*blocks(README, "sql"), *blocks(DATABASE, "sql")[:2]][number]
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        run("users", "import", "-", input="email\nJane@example.com\n")
        assert connection.execute(query).fetchall() == []
        until = "2999-01-01 00:00:00.000000"
        paused = "UPDATE users SET pause_reason = 'soft_bounce', paused_until = ?"
        connection.execute(paused, (until,))
        assert connection.execute(query).fetchall() == [("soft_bounce", until)]
        connection.execute(paused, ("2020-01-01 00:00:00.000000",))
        assert connection.execute(query).fetchall() == []
        connection.execute("UPDATE users SET auto_block_spam = 1")
        assert connection.execute(query).fetchall() == [("auto_block_spam", None)]
        connection.execute("DELETE FROM users")
        connection.commit()
        assert connection.execute(query).fetchall() == []
        emulator.send(queue, mail.complaint("jane@example.com"))
        run("drain")
        assert connection.execute(query).fetchall() == [("auto_block_spam", None)]
    connection.close()


def test_the_last_query_finds_events_of_an_address_by_the_index(run, emulator, queue, tmp_path):
    import sqlite3

    *_, query = blocks(DATABASE, "sql")
    for address in ("jane@example.com", "joe@example.com"):
        emulator.send(queue, mail.bounce(address, feedback_id=address, message_id=address))
    run("drain")
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        connection.row_factory = sqlite3.Row
        assert [row["recipient"] for row in connection.execute(query)] == ["jane@example.com"]
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert "SEARCH events USING INDEX events_bucket (<expr>=? AND recipient=?)" in plan
    assert not [step for step in plan if step.startswith("SCAN events")]


def test_every_command_of_the_table_is_a_command(run):
    table = README[README.index("| command | what it does |") :]
    for cell in re.findall(r"^\| `ses-worker ([^`]+)`", table, re.MULTILINE):
        words, _, options = cell.partition(" [")
        group, _, verbs = words.partition(" ")
        for verb in verbs.split("\\|"):
            out = run(group, *filter(None, [verb]), "--help").out
            for option in re.findall(r"--[\w-]+", options):
                assert option in out
