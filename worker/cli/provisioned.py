"""Carries out the plan of `ses-worker provision`, and prints what was done."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from worker.cli.outfile import written
from worker.core.errors import WorkerError
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.commands.provision import Provision
    from worker.commands.provision.settings_file import SettingsFile
    from worker.topology.plan.steps import Plan, Step


class Run:
    """The progress of a run."""

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.done: list[Step] = []
        self.unsupported: list[str] = []
        """Steps that the endpoint does not support."""
        self.failed: Step | None = None
        self.error = ""

    def take(self, provision: "Provision", step: "Step") -> bool:
        """Carry out a step, except in a dry run; return whether it was done."""
        from worker.aws import Unsupported

        if self.dry_run:
            return False
        try:
            provision.carry_out(step)
        except Unsupported as error:
            self.unsupported.append(f"{step.description}: {error}")
            return False
        except WorkerError as error:
            self.failed, self.error = step, str(error)
            return False
        self.done.append(step)
        return True


def print_line(text: str) -> None:
    """Print a line on standard error."""
    click.echo(printable(text), err=True)


def call_of(step: "Step") -> str:
    """Describe the call of a step, with a line for each argument."""
    lines = [f"  {step.service} {step.operation}"]
    queue = {"QueueUrl": step.queue} if step.queue else {}
    for name, value in (queue | dict(step.arguments)).items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        lines += [f"    {name}{f'.{key}' if key else ''} = {item}" for key, item in inner]
    return "\n".join(printable(line) for line in lines)


def in_json(provision: "Provision", plan: "Plan", run: Run) -> dict[str, Any]:
    """Return what `--json` prints."""
    import msgspec

    failed = run.failed and {"step": msgspec.to_builtins(run.failed), "error": run.error}
    return {
        "dry_run": run.dry_run,
        "steps": [msgspec.to_builtins(step) for step in plan.steps],
        "done": [msgspec.to_builtins(step) for step in run.done],
        "failed": failed,
        "left": plan.left,
        "undone": [*plan.undone, *run.unsupported],
        "settings": provision.settings(),
    }


def show(plan: "Plan", run: Run) -> None:
    """Print what was not done, and why."""
    if not plan.steps:
        print_line("nothing to do")
    for left in plan.left:
        print_line(f"not changed: {left}")
    if run.dry_run and plan.steps:
        print_line("nothing was changed: --dry-run")


def show_settings(provision: "Provision") -> None:
    """Print lines that a shell, and systemd's EnvironmentFile=, read as they are."""
    from worker.settings.environment import as_variables

    print_line("the settings, for the worker's environment (--write-settings FILE edits its file):")
    for name, value in as_variables(provision.settings()).items():
        click.echo(f"{name}={shlex.quote(value)}")


def write(file: "SettingsFile", provision: "Provision", *, dry_run: bool) -> list[str]:
    """Write the settings that the file does not have, and return their names."""
    settings = provision.settings()
    names = file.differing(settings)
    if names and not dry_run:
        with written(file.path) as out:
            out.write(file.with_settings(settings))
    return names


def show_written(file: "SettingsFile", names: Sequence[str], *, dry_run: bool) -> None:
    """Print which settings were written, or will be."""
    if not names:
        print_line(f"{file.path} has these settings already")
    elif dry_run:
        click.echo(printable(f"will set {', '.join(names)} in {file.path}"))
    else:
        print_line(f"set {', '.join(names)} in {file.path}")
