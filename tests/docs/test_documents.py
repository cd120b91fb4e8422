"""Documents and code agree."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from itertools import pairwise

import pytest
from broken import WORKERS as BROKEN_WORKERS
from mutants.invariants import NODE, is_there
from pydantic import SecretStr
from reference_pages import PAGES
from reference_pages.log_events import events
from support.documents import ROOT, names, plain, table, text_of

from worker.app.reload import LIVE
from worker.cli.exits import MEANINGS
from worker.cli.run import run
from worker.core import effects, messages
from worker.core.model import Reason
from worker.core.policy import RULES
from worker.settings import Settings
from worker.settings.loading import all_keys, load_settings
from worker.store.schema import account_events, metadata, users
from worker.store.schema import events as events_table

README = text_of("README.md")
ARCHITECTURE = text_of("docs/development/architecture.md")
SETTINGS = PAGES["reference/settings.md"]()
LOG_EVENTS = PAGES["reference/log-events.md"]()
SYSTEMD = text_of("docs/install/systemd.md")
UNIT = text_of("systemd/ses-worker.service")
SETTINGS_FILE = text_of("config/worker.toml")
NO_EVENTS = {"users.csv"}
"""Texts and names that look like log events."""
COLUMNS = {str(column) for table_ in metadata.sorted_tables for column in table_.columns}
EXAMPLES = {"slack.ops"}
"""Sections that a page invents."""


def test_the_reference_has_every_setting_and_no_other():
    assert re.findall(r"^### (.*)$", SETTINGS, re.MULTILINE) == all_keys()


def test_the_reference_has_every_default():
    defaults = {
        f"{section}.{key}": value
        for section, values in Settings().model_dump(mode="json").items()
        for key, value in values.items()
    }
    shown = dict(re.findall(r"^### (.*)\n\nDefault: (.*?);", SETTINGS, re.MULTILINE))
    for name, default in defaults.items():
        if default is None:
            assert shown[name] == "none", name
        elif default == "":
            assert shown[name] == "empty", name
        elif name != "store.url":
            output = f"{default:g}" if isinstance(default, float) else str(default)
            output = output.lower() if isinstance(default, bool) else output
            assert plain(shown[name]) == output, name
    assert shown["store.url"] == "`sqlite:///ses-worker.db`"


def test_the_reference_says_of_each_setting_what_it_is_for():
    texts = re.findall(r"^### (.*)\n\n.*\n\n(.*)$", SETTINGS, re.MULTILINE)
    assert [name for name, _ in texts] == all_keys()
    assert [name for name, text in texts if len(text) < 15] == []


def test_every_setting_that_a_document_names_is_a_setting():
    sections = "|".join(Settings.model_fields)
    for name in names():
        named = re.findall(rf"`((?:{sections})\.[a-z_]+)\b(?!\.)[^`]*`", text_of(name))
        events = re.findall(r"^### (.*)$", LOG_EVENTS, re.MULTILINE)
        if name != "CHANGELOG.md":  # which speaks of former names
            assert set(named) <= {*all_keys(), *events, *EXAMPLES, "health.json"}, name


def test_the_five_settings_are_the_same_in_the_readme_and_in_the_pages():
    five = [row[0] for row in table(README, "## Settings")]
    assert five == [row[0] for row in table(text_of("docs/configuration.md"), "## The five")]
    for name, default, _ in table(README, "## Settings"):
        found = re.search(
            rf"^### {re.escape(plain(name))}\n\nDefault: (.*?);", SETTINGS, re.MULTILINE
        )
        assert default in {found[1], "required"}, name


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


def test_the_rules_in_the_pages_are_the_rules_in_the_code():
    assert table(text_of("docs/rules.md"), "## The rules") == [
        [rule.kind.value, f"`{rule.reason}`", rule.when, f"`{rule.action}`"] for rule in RULES
    ]


def test_the_exit_statuses_are_the_same_in_the_pages_and_in_the_code():
    assert table(text_of("docs/running.md"), "## Exit status") == [
        [str(int(status)), meaning] for status, meaning in MEANINGS.items()
    ]


@pytest.mark.parametrize(
    "file", ["docs/development/invariants.md", "tests/SEEDS.md", "tests/FAULTS.md"]
)
def test_every_test_that_a_document_names_exists(file):
    named = NODE.findall((ROOT / file).read_text(encoding="utf-8"))
    assert len([node for node in named if "::" in node]) > 10
    assert [node for node in named if not is_there(node)] == []


def test_every_test_that_is_named_anywhere_else_exists():
    files = [*ROOT.glob("*.md"), *ROOT.glob("config/*"), *(ROOT / "tests").glob("*.md")]
    files += (ROOT / "docs").rglob("*.md")
    for folder in ("tests", "worker", "bench", "docs", "demo", "simulators"):
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
        re.findall(r"`(\w+)/?`", "".join(row[1] for row in table(ARCHITECTURE, "## Packages")))
    )
    there = {
        path.stem
        for path in (ROOT / "worker").iterdir()
        if path.name not in {"__init__.py", "__main__.py", "__pycache__", "py.typed"}
    }
    assert named == there


def test_the_packages_in_the_architecture_are_in_the_order_of_their_layers():
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    order = {room: number for number, layer in enumerate(layers) for room in layer.split(" | ")}
    packages = [plain(row[1]).strip("/") for row in table(ARCHITECTURE, "## Packages")]
    assert sorted(packages, key=order.__getitem__) == packages


def test_the_pages_explain_every_statement_of_the_iam_policies():
    rows = table(text_of("docs/aws.md"), "| policy |")
    assert len(rows) == len([*(ROOT / "config").glob("iam-*.json")])
    for row in rows:
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
    assert all(f"`ses-worker.{name}`" in SYSTEMD for name, _ in loaded)


def test_every_line_of_the_unit_has_its_reason():
    lines = UNIT.partition("[Service]")[2].partition("[Install]")[0].splitlines()
    reasons = 0
    for before, line in pairwise(lines):
        reasons += line.startswith("#")
        if re.match(r"\w+=", line):
            assert before.startswith("#") or re.match(r"\w+=", before), line
    assert reasons > 35


def test_what_can_be_reloaded_is_what_is_documented():
    (output,) = re.findall(r"reads the settings file again\. (.*?) and (`\w+`)\s+change", SYSTEMD)
    assert set(re.findall(r"`(\w+)`", "".join(output))) == LIVE
    (output,) = re.findall(r"\*\*Reload\*\*: (.*?) can change", text_of("docs/configuration.md"))
    assert set(re.findall(r"`(\w+)`", output)) == LIVE
    help_text = " ".join(str(run.help).split())
    (output,) = re.findall(r"reads the settings again; (.*) take effect at once", help_text)
    assert set(re.findall(r"\w+", output.replace(" and ", " "))) == LIVE


def test_the_readme_and_the_architecture_are_short():
    assert len(README.splitlines()) <= 150
    assert len(ARCHITECTURE.splitlines()) <= 150


def test_every_reason_of_a_dead_letter_has_its_advice():
    rows = table(text_of("docs/dead-letters.md"), "| reason |")
    advised = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(advised) == sorted([*Reason, "max_receives"])


def test_every_column_that_applications_read_is_in_the_document_on_the_database():
    rows = dict(row[::2] for row in table(text_of("docs/database.md"), "## Tables"))
    for of in (users, events_table, account_events):
        shown = set(re.findall(r"`(\w+)`", rows[f"`{of.name}`"]))
        if of is events_table:
            for row in table(text_of("docs/database.md"), "## What SES says about the mail"):
                shown |= set(re.findall(r"`(\w+)`", row[0]))
        assert {column.name for column in of.columns} - {"id"} <= shown, of.name


def test_every_answer_and_disposition_in_the_architecture_is_in_the_code():
    for heading, module in (("| answer of", effects), ("| disposition |", messages)):
        for row in table(ARCHITECTURE, heading):
            assert hasattr(module, plain(row[0])), row[0]


def test_every_log_event_that_a_document_names_is_logged():
    logged = set(events(ROOT / "worker"))
    assert len(logged) > 60
    prefixes = "|".join({name.partition(".")[0] for name in logged if "." in name})
    for name in names():
        named = set(re.findall(rf"`((?:{prefixes})\.\w+_?\w*)`", text_of(name)))
        if name != "CHANGELOG.md":  # which speaks of former names
            assert named - set(all_keys()) - NO_EVENTS - COLUMNS - EXAMPLES <= logged, name


def test_every_event_that_is_logged_in_a_run_is_in_the_reference():
    """By other means than the page's own: every text of the source that looks like an event."""
    texts = {
        node.value
        for path in (ROOT / "worker").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    logged = set(events(ROOT / "worker"))
    families = {name.partition(".")[0] for name in logged}
    odd = {
        text
        for text in texts
        if re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", text) and text.partition(".")[0] in families
    }
    assert odd - logged - set(all_keys()) - NO_EVENTS == set()


def test_the_site_is_built_strictly_from_the_source_and_fetches_nothing(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    for file in pages:
        fetched = (
            r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=\"?((?:https?:)?//[^\s\">]*)"
        )
        assert re.findall(fetched, file.read_text(encoding="utf-8")) == [], file


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
