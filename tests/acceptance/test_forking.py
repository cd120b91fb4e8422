"""The processes that `run` forks are like those that the installed command starts."""

import ast
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support.fork_server import LIBRARIES
from support.running import COMMAND, to_its_end

import worker
from worker.cli import COMMANDS


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


ALONE = """
import os, sys
from importlib import import_module
libraries, modules = (words.split() for words in sys.argv[1:])
for library in libraries:
    import_module(library)
assert not [name for name in sys.modules if name.startswith("worker")]
for module in modules:
    if not os.fork():
        import_module(module)
        os._exit(0)
    assert os.wait()[1] == 0, module
"""


def imported_in_functions():
    """Modules of the worker that are imported when they are needed."""
    for path in Path(worker.__file__).parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.ImportFrom) and node.module.startswith("worker"):
                        yield node.module


def test_whatever_is_imported_late_imports_what_it_needs_by_itself(tmp_path):
    """In a forked process all has been imported before, so that nothing else would show it."""
    commands = (place.partition(":")[0] for place in COMMANDS.values())
    late = sorted({*commands, *imported_in_functions()})
    assert len(late) > 50
    words = [" ".join(LIBRARIES), " ".join(late)]
    done = to_its_end([sys.executable, "-c", ALONE, *words], {**os.environ}, tmp_path)
    assert done.status == 0, done.err
