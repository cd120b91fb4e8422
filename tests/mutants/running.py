"""Runs named tests in a scratch copy, and judges what came of them."""

import os
import re
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from mutants.changing import Mutant, changed
from mutants.scratch import make_copy

TEST_SECONDS = 240
"""Seconds of a test, after which pytest ends it with its fixtures."""
MUTANT_SECONDS = 400
"""Seconds of a mutant: a class, or a test with many parameters, is several tests."""
_BROKEN_CODE = re.compile(r"(ImportError|ModuleNotFoundError|SyntaxError|NameError)\b")


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    ERROR = "ERROR"


class Outcome(Struct, frozen=True):
    """A verdict, the output of the test, and how many seconds it took."""

    verdict: Verdict
    message: str
    seconds: float


class Case(Struct, frozen=True):
    """A test as pytest reports it."""

    name: str
    result: str
    """`passed`, `failure`, `error` or `skipped`."""
    message: str


def judge(mutant: Mutant) -> Outcome:
    """Make a copy with the mutant in it, and run its test there."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder, "tree")
        python = make_copy(copy)
        (copy / mutant.file).write_text(changed(mutant), encoding="utf-8")
        cases, output = run(python, copy, [mutant.test], MUTANT_SECONDS, "-x")
    verdict, output = _verdict(cases, output)
    return Outcome(verdict, output, time.monotonic() - began)


def _verdict(cases: Sequence[Case], expected: str) -> tuple[Verdict, str]:
    for case in cases:
        if case.result == "error":
            return Verdict.ERROR, f"{case.name} broke before it began: {case.message}"
        if case.result == "failure" and _BROKEN_CODE.match(case.message):
            return Verdict.ERROR, f"the mutant does not run: {case.message}"
        if case.result == "failure" and "from pytest-timeout" in case.message:
            return Verdict.ERROR, f"{case.name} took too long, which may be the machine's fault"
        if case.result == "failure":
            return Verdict.KILLED, f"{case.name}: {case.message}"
    if not cases:
        return Verdict.ERROR, f"no test ran: {expected}"
    if skipped := [case for case in cases if case.result == "skipped"]:
        return Verdict.ERROR, f"{skipped[0].name} was skipped: {skipped[0].message}"
    return Verdict.SURVIVED, f"{len(cases)} passed"


def run(
    python: Path, folder: Path, tests: Sequence[str], seconds: float, *options: str
) -> tuple[list[Case], str]:
    """Run tests; return what pytest reports of each, and the end of what it printed."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command: list[str | Path] = [
        *(python, "-m", "pytest", "-p", "no:cacheprovider", "--hypothesis-seed=0"),
        *("--hypothesis-profile=unshrunk", "-W", "ignore:Generating overly large repr"),
        *(f"--timeout={TEST_SECONDS}", f"--junitxml={report}", *options),
        *(f"tests/{test}" for test in tests),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    # Each pytest that starts closes its folder to other accounts, and PostgreSQL, which is one
    # where root runs the tests, must find its data in the folder of another that runs.
    folder.parent.chmod(0o711)
    environment["PYTEST_DEBUG_TEMPROOT"] = str(folder.parent)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return [], f"it took more than {seconds:g} s"
        finally:
            # A test that fails may leave a worker behind, a test that hangs leaves all it has started.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    output = " ".join(printed.split())[-600:]
    return (read_report(report) if report.exists() else []), output


def read_report(report: Path) -> list[Case]:
    """Read a report in JUnit's format."""
    cases = []
    for found in ET.parse(report).iter("testcase"):
        result, output = "passed", ""
        for child in found:
            if child.tag in {"failure", "error", "skipped"}:
                result, output = child.tag, " ".join(child.get("message", "").split())[:200]
        # A collection error names a file, and has no class.
        name = f"{found.get('classname', '')}::{found.get('name', '')}".lstrip(":")
        cases.append(Case(name, result, output))
    return cases
