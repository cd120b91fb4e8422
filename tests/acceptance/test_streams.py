"""Standard streams that are full, closed, or read by nobody."""

import shlex
import subprocess

import pytest

COMMANDS = ["--help", "--version", "users list --help", "db upgrade", "users list --json"]
FULL = "ses-worker: cannot write to standard output: No space left on device\n"
CLOSED = "ses-worker: cannot write to standard output: Bad file descriptor\n"


@pytest.fixture
def shell(command, environment, run, tmp_path):
    """Run the command with the shell's redirections behind it."""
    run("db", "upgrade")

    def shell(words, **changes):
        return subprocess.run(
            f"{shlex.quote(str(command))} {words}",
            shell=True,
            executable="/bin/bash",
            env=environment | changes,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return shell


@pytest.mark.parametrize("command_line", COMMANDS)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_or_closed_standard_output_prints_a_single_sentence_and_exits_1(
    shell, command_line, unbuffered
):
    for redirection, output in ((">/dev/full", FULL), (">&-", CLOSED)):
        done = shell(f"{command_line} {redirection}", PYTHONUNBUFFERED=unbuffered)
        assert (done.returncode, done.stderr) == (1, output)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&- <&-"])
def test_a_standard_error_that_cannot_be_written_changes_nothing_else(shell, redirection):
    done = shell(f"db upgrade {redirection}")
    assert (done.returncode, "nothing to do" in done.stdout) == (0, True)
    assert shell(f"users nonsense {redirection}").returncode == 2
    assert shell(f"drain {redirection}").returncode == 78


def test_a_reader_who_closes_the_pipe_gets_no_error(shell):
    done = shell("--help | true; exit ${PIPESTATUS[0]}")
    assert (done.returncode in {0, 1}, done.stderr) == (True, "")


def test_no_file_takes_the_place_of_a_closed_stream(shell, tmp_path):
    """A file opened as descriptor 2 would be written into by whatever speaks on stderr."""
    done = shell("users import /dev/stdin --json 2>&- <<< $'email\\na@b.c'")
    assert (done.returncode, '"created": 1' in done.stdout) == (0, True)
    assert (tmp_path / "worker.db").stat().st_size > 0
