"""The page on timers: systemd accepts its units, and its script speaks only when somebody has to look."""

import os
import re
import shutil
import subprocess

import pytest
from support.documents import blocks, table, text_of
from support.running import COMMAND

from worker.cli.exits import MEANINGS

DOCUMENT = text_of("docs/install/timer.md")
SERVICE, TIMER = blocks(DOCUMENT, "ini")
(SCRIPT,) = blocks(DOCUMENT, "bash")
(LINE,) = blocks(DOCUMENT, "cron")


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    wrapper = tmp_path / "ses-worker"
    wrapper.write_text("#!/bin/sh\n")
    wrapper.chmod(0o755)
    units = {"ses-worker-drain.service": SERVICE, "ses-worker-drain.timer": TIMER}
    for name, text in units.items():
        path = re.search(rf"^`(/etc/systemd/system/{re.escape(name)})`:$", DOCUMENT, re.MULTILINE)
        assert path, name
        (tmp_path / name).write_text(text.replace("/usr/local/bin/ses-worker", str(wrapper)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_timer_comes_every_five_minutes():
    (calendar,) = re.findall(r"^OnCalendar=(.*)$", TIMER, re.MULTILINE)
    done = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=2", calendar],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "*:00/5" in done.stdout
    assert LINE.split()[:5] == ["*/5", "*", "*", "*", "*"]


def test_a_run_ends_before_the_next_is_due():
    for text in (SERVICE, SCRIPT):
        seconds = int(re.search(r"drain --max-seconds (\d+)", text)[1])
        assert seconds + 30 < 300


@pytest.fixture
def script(tmp_path, environment):
    """The script, and the worker on the path as cron's would be."""
    file = tmp_path / "ses-worker-drain"
    file.write_text(SCRIPT)
    file.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{COMMAND.parent}:{os.environ['PATH']}"}
    return lambda: subprocess.run(
        [file], cwd=tmp_path, env=environment | path, capture_output=True, text=True, check=False
    )


def test_the_script_is_silent_about_a_queue_that_is_empty(script, queue):
    done = script()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_script_names_the_command_that_shows_dead_letters(script, queue, emulator):
    emulator.send(queue, "no JSON")
    done = script()
    assert done.returncode == 3
    assert done.stdout.startswith(
        "Some messages were deferred or dead-lettered: ses-worker dlq list"
    )
    assert len(done.stdout.splitlines()) > 1


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [(4, 0, ""), (1, 1, "the worker's words\n"), (78, 78, "The settings are wrong")],
)
def test_the_script_passes_on_what_no_later_run_mends(script, tmp_path, status, expected, words):
    stand_in = tmp_path / "ses-worker"
    stand_in.write_text(f'#!/bin/sh\necho "the worker\'s words" >&2\nexit {status}\n')
    stand_in.chmod(0o755)
    done = script()
    assert done.returncode == expected
    assert done.stdout.startswith(words)
    assert bool(done.stdout) == bool(words)


def test_dash_reads_the_script_too():
    if dash := shutil.which("dash"):
        subprocess.run([dash, "-n"], input=SCRIPT, text=True, check=True, capture_output=True)
    assert SCRIPT.startswith("#!/bin/sh\n")


def test_what_to_do_is_documented_for_every_exit_status_but_wrong_usage():
    rows = table(DOCUMENT, "| exit status |")
    assert {int(row[0]) for row in rows} == set(map(int, MEANINGS)) - {2}
