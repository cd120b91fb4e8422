"""Recommended commands begin as the program was called."""

import sys

import pytest

from worker.cli.called import as_called
from worker.settings.program import own_name


@pytest.mark.parametrize(
    ("environment", "argv", "whole", "name"),
    [
        ({}, ["/x/worker/__main__.py"], ["python3", "-m", "worker"], "python3 -m worker"),
        ({}, [".venv/bin/ses-worker"], ["python"], ".venv/bin/ses-worker"),
        ({}, ["/a b/ses-worker"], ["python"], "'/a b/ses-worker'"),
        ({}, ["pytest"], ["python"], "ses-worker"),
        (
            {"CALLED_AS": "ses-worker --instance eu"}, ["/opt/ses-worker/bin/ses-worker"], ["x"],
            "ses-worker --instance eu",
        ),
    ],
)  # fmt: skip
def test_the_name_is_what_was_typed(environment, argv, whole, name):
    assert own_name(environment, argv, whole) == name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/run/ses-worker", "ses-worker"),
        ("/run/ses-worker-eu:/run/more", "ses-worker --instance eu"),
        ("/run/other", "/opt/ses-worker/bin/ses-worker"),
        ("/run/ses-workers", "/opt/ses-worker/bin/ses-worker"),
    ],
)
def test_in_the_service_it_is_the_command_that_runs_as_the_service(
    folder, name, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    environment = {"RUNTIME_DIRECTORY": folder}
    assert own_name(environment, ["/opt/ses-worker/bin/ses-worker"], ["python"]) == name


def test_a_command_that_is_found_by_its_name_is_called_by_it(tmp_path, monkeypatch):
    command = tmp_path / "ses-worker"
    command.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_name({}, [str(command)], ["python"]) == "ses-worker"


def test_only_commands_are_replaced(monkeypatch):
    monkeypatch.setattr(sys, "argv", [".venv/bin/ses-worker"])
    monkeypatch.delenv("CALLED_AS", raising=False)
    assert as_called(
        "or: ses-worker provision --queue ses-worker --topic x (ses-worker check)"
    ) == (
        "or: .venv/bin/ses-worker provision --queue ses-worker --topic x (.venv/bin/ses-worker check)"
    )
    assert as_called("`ses-worker db upgrade`; no ses-worker: x") == (
        "`.venv/bin/ses-worker db upgrade`; no ses-worker: x"
    )


def test_every_rule_has_a_sentence():
    from worker.cli.words import decision_of
    from worker.core.policy import RULES

    for rule in RULES:
        event = {
            "kind": rule.kind.value, "reason": rule.reason, "action": rule.action.value,
            "user_match": "found",
        }  # fmt: skip
        assert f" (rule {rule.reason})." in decision_of(event)


def test_no_text_installs_a_distribution_that_is_in_no_registry():
    from support.documents import ROOT

    files = [*ROOT.glob("worker/**/*.py"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")]
    for file in files:
        assert "pip install 'ses-feedback-worker" not in file.read_text(encoding="utf-8"), file
        assert "pip install ses-feedback-worker" not in file.read_text(encoding="utf-8"), file


def test_each_command_is_ours_and_the_account_of_that_name_is_none(monkeypatch):
    from worker.cli import COMMANDS

    monkeypatch.setenv("CALLED_AS", "ses-worker --instance a")
    for name in COMMANDS:
        assert as_called(f"ses-worker {name} x") == f"ses-worker --instance a {name} x"
    for text in ("ses-worker may not write it", "chown ses-worker /x.db", "ses-worker users_id"):
        assert as_called(text) == text
