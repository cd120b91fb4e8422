"""The processes that `run` forks are like those that the installed command starts."""

import sqlite3
import subprocess

import pytest
from support.fork_server import LIBRARIES
from support.running import COMMAND, to_its_end


@pytest.fixture
def forked(fork_server):
    if fork_server is None:
        pytest.skip("each command is started as installed")
    return fork_server


def test_output_errors_and_status_are_those_of_the_installed_command(forked, environment, tmp_path):
    for arguments in (["--version"], ["users", "show", "jane@example.com"], ["nonsense"]):
        started = to_its_end([COMMAND, *arguments], environment, tmp_path)
        output = forked.run(arguments, environment, tmp_path, None, 60)
        assert output == (started.status, started.out, started.err)


def test_standard_input_folder_and_environment_are_its_own(forked, environment, tmp_path):
    environment["SES_WORKER_STORE__URL"] = "sqlite:///here.db"
    environment["TZ"] = "Asia/Tokyo"
    people = "email\n" + "".join(f"user{number}@example.com\n" for number in range(5_000))
    arguments = ["users", "import", "-"]
    status, _, errors = forked.run(arguments, environment, tmp_path, people, 60)
    assert status == 0, errors
    with sqlite3.connect(tmp_path / "here.db") as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (5_000,)


def test_a_command_that_takes_too_long_is_killed(forked, environment, emulator, queue, tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):  # raised when its streams are closed
        forked.run(["run"], environment, tmp_path, None, 2)


def test_variables_that_only_a_start_reads_are_not_for_a_fork(forked, environment):
    assert forked.fits(environment | {"TZ": "Asia/Tokyo"})
    for name in ("PYTHONUTF8", "LC_ALL", "LD_PRELOAD"):
        assert not forked.fits(environment | {name: "1"})


def test_no_module_of_the_worker_is_imported_before():
    assert [name for name in LIBRARIES if name.partition(".")[0] == "worker"] == []
