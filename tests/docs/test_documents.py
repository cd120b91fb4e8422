"""Documents and code agree."""

import json
import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from broken import WORKERS as BROKEN_WORKERS
from mutants.invariants import NODE, is_there
from pydantic import SecretStr

from worker.app.reload import LIVE
from worker.cli.exits import MEANINGS
from worker.core.policy import RULES
from worker.settings import Settings
from worker.settings.loading import all_keys, load_settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
UNIT = (ROOT / "systemd" / "ses-worker.service").read_text(encoding="utf-8")
SETTINGS_FILE = (ROOT / "config" / "worker.toml").read_text(encoding="utf-8")


def table(text, heading):
    """Rows of the first table below a heading, cells stripped of back-quotes."""
    below = text[text.index(heading) :]
    rows = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def plain(cell):
    return cell.replace("`", "").replace("\\|", "|")


def test_the_readme_has_every_setting_and_no_other():
    assert [plain(row[0]) for row in table(README, "## Settings")] == all_keys()


def test_the_readme_has_every_default():
    defaults = {
        f"{section}.{key}": value
        for section, values in Settings().model_dump(mode="json").items()
        for key, value in values.items()
    }
    for row in table(README, "## Settings"):
        name, output = plain(row[0]), plain(row[1])
        default = defaults[name]
        if default is None:
            assert output.startswith(("from ", "required", "none")), name
        elif name != "store.url":
            shown = f"{default:g}" if isinstance(default, float) else str(default)
            shown = shown.lower() if isinstance(default, bool) else shown
            assert output.split(" (")[0] == shown, name
    assert "`sqlite:///ses-worker.db`" in README


def test_the_settings_file_has_every_setting_once():
    keys, section = [], ""
    for line in SETTINGS_FILE.splitlines():
        if found := re.fullmatch(r"\[([\w.]+)\]", line):
            section = found[1]
            keys += [section] if "." in section else []
        elif found := re.fullmatch(r"#?(\w+) = .*", line):
            keys.append(f"{section}.{found[1]}")
    assert keys == all_keys()


def test_the_settings_file_as_it_stands_gives_the_defaults():
    given = load_settings({}, ROOT / "config" / "worker.toml")
    assert given.model_dump() == load_settings({}).model_dump()


def test_every_example_in_the_settings_file_is_accepted(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text(re.sub(r"^#(?=[\w\"].* = )", "", SETTINGS_FILE, flags=re.MULTILINE))
    given = load_settings({}, file)
    assert given.queue.url.endswith("/ses-feedback")
    assert len(given.policy.bounce_actions) == 3


def test_every_line_of_why_stands_before_its_key():
    lines = SETTINGS_FILE.splitlines()
    for number, line in enumerate(lines):
        if re.fullmatch(r"#?\w+ = .*", line):
            assert lines[number - 1].startswith("# "), line


def test_the_rules_in_the_architecture_are_the_rules_in_the_code():
    assert table(ARCHITECTURE, "## The rules") == [
        [rule.kind.value, f"`{rule.reason}`", rule.when, f"`{rule.action}`"] for rule in RULES
    ]


def test_the_exit_statuses_are_the_same_in_the_readme_and_in_the_code():
    assert table(README, "### Exit status") == [
        [str(int(status)), meaning] for status, meaning in MEANINGS.items()
    ]


@pytest.mark.parametrize("file", ["ARCHITECTURE.md", "tests/SEEDS.md", "tests/FAULTS.md"])
def test_every_test_that_a_document_names_exists(file):
    named = NODE.findall((ROOT / file).read_text(encoding="utf-8"))
    assert len([node for node in named if "::" in node]) > 10
    assert [node for node in named if not is_there(node)] == []


def test_every_test_that_is_named_anywhere_else_exists():
    files = [*ROOT.glob("*.md"), *ROOT.glob("config/*"), *(ROOT / "tests").glob("*.md")]
    for folder in ("tests", "worker", "bench"):
        files += (ROOT / folder).rglob("*.py")
    assert len(files) > 200
    for file in files:
        named = NODE.findall(file.read_text(encoding="utf-8"))
        assert [node for node in named if not is_there(node)] == [], file


def test_every_fault_has_its_row_and_a_test():
    rows = table((ROOT / "tests" / "FAULTS.md").read_text(encoding="utf-8"), "| fault |")
    names = [row[0].partition(" ")[0] for row in rows]
    assert names == [f"F{number}" for number in range(1, 36)]
    assert [row[0] for row in rows if not NODE.search(row[2])] == []


def test_the_broken_workers_are_those_that_are_listed():
    listed = table((ROOT / "tests" / "BROKEN.md").read_text(encoding="utf-8"), "# Workers")
    assert listed == [
        [name, broken_worker.what, broken_worker.caught_by, broken_worker.schedule]
        for name, broken_worker in BROKEN_WORKERS.items()
    ]


def test_every_oracle_that_is_listed_is_where_the_list_says():
    listed = table((ROOT / "tests" / "BROKEN.md").read_text(encoding="utf-8"), "## The oracles")
    for oracle, _, where in listed:
        source = (ROOT / "tests" / where).read_text(encoding="utf-8")
        assert f'Finding("{oracle}"' in source, oracle
    assert {broken_worker.caught_by for broken_worker in BROKEN_WORKERS.values()} <= {
        row[0] for row in listed
    }


def test_every_room_in_the_architecture_is_there_and_every_room_is_in_the_architecture():
    named = set(
        re.findall(r"`(\w+)/?`", "".join(row[1] for row in table(ARCHITECTURE, "## The rooms")))
    )
    there = {
        path.stem
        for path in (ROOT / "worker").iterdir()
        if path.name not in {"__init__.py", "__main__.py", "__pycache__"}
    }
    assert named == there


def test_the_readme_explains_every_statement_of_the_iam_policies():
    for row in table(README, "| policy |"):
        (name,) = re.findall(r"config/[\w.-]+", row[0])
        statements = json.loads((ROOT / name).read_text(encoding="utf-8"))["Statement"]
        sids = [statement["Sid"] for statement in statements]
        assert re.findall(r"`([A-Z]\w+)`", row[1]) == sids, row[0]


@pytest.mark.parametrize("name", ["ses-worker.service", "ses-worker@.service"])
def test_a_unit_file_says_nothing_that_systemd_does_not_know(name):
    unit = ROOT / "systemd" / name
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert complaints == []


def test_the_unit_grants_more_time_to_stop_than_the_worker_takes():
    from worker.service.shutdown import LONGEST_SECONDS

    assert int(re.search(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)[1]) > LONGEST_SECONDS
    assert "RestartPreventExitStatus=78" in UNIT
    assert "StartLimitIntervalSec=0" in UNIT.partition("[Service]")[0]


def test_the_template_is_the_unit_but_for_its_names():
    template = (ROOT / "systemd" / "ses-worker@.service").read_text(encoding="utf-8")
    names = [
        ("worker %i", "worker"),
        ("ses-worker/%i.toml", "ses-worker/worker.toml"),
        ("ses-worker/%i.environment", "ses-worker/environment"),
        ("ses-worker-%i", "ses-worker"),
        ("ses-worker.%i.", "ses-worker."),
    ]
    for in_the_template, in_the_unit in names:
        assert in_the_template in template
        template = template.replace(in_the_template, in_the_unit)
    assert "%i" not in template
    assert template.splitlines()[2:] == UNIT.splitlines()[2:]


def test_every_credential_of_the_worker_is_in_the_unit_file():
    from worker.settings.inputs import CREDENTIALS

    loaded = re.findall(r"^LoadCredential=(\w+):ses-worker\.(\w+)$", UNIT, re.MULTILINE)
    assert {name for name, _ in loaded} == {*CREDENTIALS, "aws_credentials"}
    assert all(name == file for name, file in loaded)
    assert all(f"`ses-worker.{name}`" in README for name, _ in loaded)


def test_every_line_of_the_unit_has_its_reason():
    lines = UNIT.partition("[Service]")[2].partition("[Install]")[0].splitlines()
    reasons = 0
    for before, line in pairwise(lines):
        reasons += line.startswith("#")
        if re.match(r"\w+=", line):
            assert before.startswith("#") or re.match(r"\w+=", before), line
    assert reasons > 35


def test_what_can_be_reloaded_is_what_the_readme_says():
    (output,) = re.findall(r"reads the settings file again\. (.*?) and (`\w+`)\s+change", README)
    assert set(re.findall(r"`(\w+)`", "".join(output))) == LIVE


def test_nothing_that_is_committed_names_a_registry_or_a_path_of_some_machine():
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if files.returncode:
        pytest.skip("not a git checkout")
    words = "|".join(
        ["/wor" + "k/", "/roo" + "t/", "pyp" + r"i\.org", "pythonhost" + "ed", "npm" + r"js\."]
    )
    for name in filter(None, files.stdout.split("\0")):
        text = (ROOT / name).read_bytes().decode("utf-8", "replace")
        assert not re.search(words, text), name


def test_the_project_has_a_single_version():
    from worker import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "worker.__version__"}
    assert f"## {__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_secrets_are_secret():
    assert isinstance(Settings().store.url, SecretStr)
