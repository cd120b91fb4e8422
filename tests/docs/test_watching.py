"""Alerts, dashboard and container: they name what there is, and what can be checked is right."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from reference_pages.metrics import metrics_page
from support import metrics_text, promql
from support.documents import ROOT, table, text_of

MONITORING = text_of("docs/monitoring.md")
REFERENCE = metrics_page()
ALERTS = ROOT / "config" / "prometheus-alerts.yml"
RULES = [
    rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "config" / "grafana-dashboard.json").read_text(encoding="utf-8"))
PANELS = DASHBOARD["panels"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LADEN = {"job", "instance"}
"""Labels that Prometheus adds."""


@pytest.fixture(scope="module")
def families():
    return list(text_string_to_metric_families(metrics_text.everything()))


@pytest.fixture(scope="module")
def exported(families):
    return {sample.name for family in families for sample in family.samples} | {"up"}


@pytest.fixture(scope="module")
def labels(families):
    found = {"up": LADEN}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels, LADEN)
    return found


class TestAlerts:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
    def test_every_metric_and_every_label_of_an_alert_is_exported(self, rule, exported, labels):
        named = promql.names(rule["expr"])
        assert named
        assert named <= exported
        matched = set(re.findall(r"[{,]\s*(\w+)=~?\"", rule["expr"]))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        assert matched | grouped <= set().union(*(labels[name] for name in named))

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
    def test_an_alert_says_how_urgent_it_is_and_what_to_do(self, rule):
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "action"}
        assert len(rule["annotations"]["action"]) > 40
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}

    def test_every_command_that_an_alert_advises_is_there(self):
        from worker.cli import COMMANDS

        advised = re.findall(r"ses-worker (\w+)", ALERTS.read_text(encoding="utf-8"))
        assert {"check", "dlq", "outbox"} <= set(advised) <= set(COMMANDS)

    def test_every_event_that_an_alert_names_is_logged(self):
        source = "".join(path.read_text("utf-8") for path in (ROOT / "worker").rglob("*.py"))
        events = re.findall(r"event (\w+\.\w+)", ALERTS.read_text(encoding="utf-8"))
        assert len(events) > 2
        assert [event for event in events if f'"{event}"' not in source] == []

    def test_the_document_on_monitoring_lists_every_alert(self):
        below = MONITORING[MONITORING.index("| alert |") :]
        listed = re.findall(r"^\| `(Ses\w+)`", below, re.MULTILINE)
        assert listed == [rule["alert"] for rule in RULES]

    def test_each_has_its_case_among_promtools_tests(self):
        cases = yaml.safe_load(Path(__file__).with_name("prometheus-alerts.test.yml").read_text())
        found = dict.fromkeys(case["name"].partition(",")[0] for case in cases["tests"])
        assert list(found) == [rule["alert"] for rule in RULES]

    @pytest.mark.parametrize(
        "arguments",
        [("check", "rules", ALERTS), ("test", "rules", "tests/docs/prometheus-alerts.test.yml")],
        ids=["rules", "tests"],
    )
    def test_promtool_finds_nothing_wrong(self, arguments):
        promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
        if not promtool:
            pytest.skip("promtool is not here: Debian's package prometheus has it")
        done = subprocess.run(
            [promtool, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


class TestDashboard:
    def test_every_metric_of_the_dashboard_is_exported(self, exported):
        for panel in PANELS:
            for target in panel["targets"]:
                named = promql.names(target["expr"]) - {"le"}
                assert named, target
                assert named <= exported, target

    def test_what_has_an_alert_on_the_disk_has_a_panel_too(self):
        shown = [target["expr"] for panel in PANELS for target in panel["targets"]]
        assert any("ses_worker_disk_free_bytes" in expression for expression in shown)

    def test_every_label_that_a_legend_shows_is_kept_by_its_expression(self):
        for panel in PANELS:
            for target in panel["targets"]:
                for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                    assert re.search(rf"by \([^)]*\b{label}\b", target["expr"]), target

    def test_no_panel_lies_on_another_and_each_says_what_it_shows(self):
        taken = set()
        for panel in PANELS:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            assert max(x for x, _ in cells) < 24
            taken |= cells
            assert panel["title"]
            assert panel["description"].endswith(".")
        assert len({panel["id"] for panel in PANELS}) == len(PANELS)

    def test_it_names_no_data_source_of_somebodys(self):
        settings_loading = {panel["datasource"]["uid"] for panel in PANELS}
        assert settings_loading == {"${datasource}"}
        assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"


class TestMetricsTable:
    def test_the_reference_has_every_metric_with_its_labels_and_no_other(self, families):
        rows = re.findall(r"^\| `(\w+)` \| ([^|]*)\|", REFERENCE, re.MULTILINE)
        listed = {name: re.findall(r"`(\w+)`", cell) for name, cell in rows}
        there = {}
        for family in families:
            name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
            if name.startswith("process_") and name != "process_message_from_sqs_total":
                continue
            (first, *_) = family.samples
            there[name] = set(first.labels) - {"le"}
        assert {name: set(shown) for name, shown in listed.items()} == there

    def test_pinned_labels_stand_in_the_pinned_order(self):
        rows = dict(re.findall(r"^\| `(email_\w+_total)` \| ([^|]*) \|", REFERENCE, re.MULTILINE))
        assert re.findall(r"`(\w+)`", rows["email_bounce_total"]) == [
            "bounce_type", "bounce_subtype", "user_match", "relay_action",
        ]  # fmt: skip
        assert re.findall(r"`(\w+)`", rows["email_complaint_total"]) == [
            "complaint_subtype", "complaint_feedback", "user_match", "relay_action",
        ]  # fmt: skip

    def test_every_metric_that_the_document_on_monitoring_names_is_in_the_reference(self):
        named = set(
            re.findall(r"`((?:email|ses_worker|process_message|message_from)\w+)`", MONITORING)
        )
        listed = {row[0].strip("`") for row in table(REFERENCE, "| metric |")}
        assert len(named) > 15
        assert {name for name in named if f"{name}_total" not in listed} <= listed


class TestContainer:
    def test_it_copies_only_what_is_there_and_what_is_not_ignored(self):
        ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        kept = {line[1:] for line in ignored if line.startswith("!")}
        assert "*" in ignored
        copied = [
            source
            for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
            for source in line.split()[:-1]
        ]
        assert set(copied) == kept
        assert all((ROOT / source).exists() for source in copied)

    def test_it_runs_as_somebody_by_number_and_asks_the_worker_how_it_is(self):
        last = DOCKERFILE.rpartition("\nFROM ")[2]
        user = re.search(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
        assert user
        assert "0" not in user.groups()
        assert f"--uid {user[1]}" in last
        assert json.loads(re.search(r"HEALTHCHECK[^[]*CMD (\[.*\])", last)[1]) == [
            "ses-worker", "check", "--live",
        ]  # fmt: skip
        assert json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", last, re.MULTILINE)[1]) == [
            "ses-worker"
        ]

    def test_both_stages_stand_on_the_same_base_and_name_no_registry(self):
        bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        assert len(bases) == 2
        assert len(set(bases)) == 1
        assert "/" not in bases[0]
        assert "http" not in DOCKERFILE

    def test_its_python_is_supported_by_the_project(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        least = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))
        minor = re.search(r"FROM python:(\d+)\.(\d+)", DOCKERFILE)
        assert tuple(map(int, minor.groups())) >= least

    def test_what_it_installs_is_what_the_worker_needs_and_nothing_else(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        expected = project["dependencies"] + project["optional-dependencies"]["postgresql"]
        text = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
        pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
        assert {re.match(r"[\w-]+", item)[0] for item in expected} <= set(pinned)
        assert not {"pytest", "moto", "mypy", "ruff"} & set(pinned)
        everything = (ROOT / "requirements" / "all.txt").read_text(encoding="utf-8")
        assert set(pinned.items()) <= set(
            re.findall(r"^([\w.-]+)==(\S+)", everything, re.MULTILINE)
        )
        assert all(f"{name}=={pinned[name]}" in everything for name in pinned)
        # Each with its hash, or pip would take none of them.
        assert len(re.findall(r"==\S+.* \\\n +--hash=sha256:", text)) == len(pinned)
