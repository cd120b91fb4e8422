"""`ses-worker provision`: creates or completes the path from SES to the queue."""

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import (
    HELP_SETTINGS,
    json_option,
    print_message,
    settings_file,
    with_settings,
)
from worker.cli.exits import Exit
from worker.cli.help import option
from worker.core.errors import WorkerError
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.commands.provision import Provision
    from worker.settings import Settings
    from worker.topology.plan.steps import Plan, Step


class _Name(click.ParamType[str]):
    """A name that SQS and SNS accept; without `.fifo`, which SES cannot publish to."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", value):
            self.fail("takes up to 80 letters, digits, hyphens and underscores", param, ctx)
        return str(value)


@click.command(context_settings=HELP_SETTINGS)
@option(
    "--topic", type=_Name(), show_default="the topic in sns.topic_arns, else ses-feedback",
    help="The SNS topic.",
)  # fmt: skip
@option(
    "--queue",
    type=_Name(),
    show_default="the queue in queue.url, else ses-feedback",
    help="The SQS queue.",
)
@option(
    "--dead-letter-queue", type=_Name(), show_default="the queue's own, else QUEUE-dlq",
    help="The queue for messages that can never be processed.",
)  # fmt: skip
@option(
    "--kms-key", metavar="KEY", show_default="SQS's own encryption",
    help="Encrypt both queues with this KMS key, whose policy must allow SNS to use it.",
)  # fmt: skip
@option(
    "--identity", "identities", multiple=True, metavar="NAME",
    help="Send this verified identity's bounces and complaints to the topic; may be repeated.",
)  # fmt: skip
@option(
    "--configuration-set", "configuration_sets", multiple=True, metavar="NAME",
    help="Send this configuration set's bounces and complaints to the topic; may be repeated.",
)  # fmt: skip
@option("--dry-run", is_flag=True, show_default="off", help="Only print what would be done.")
@json_option
@with_settings
def provision(
    settings: "Settings",
    *,
    topic: str | None,
    queue: str | None,
    dead_letter_queue: str | None,
    kms_key: str | None,
    identities: tuple[str, ...],
    configuration_sets: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create topic, queue, dead-letter queue, policies and subscription, if they are missing.

    What an existing resource lacks is added; settings that differ are reported, and not changed. A
    second run does nothing. The exit status is 1 if a resource named by an option is configured
    differently. At the end, the command prints the settings that the worker needs.

    \b
    Example:
      ses-worker provision --identity example.com --dry-run
    """
    from worker.commands.provision import Provision
    from worker.commands.provision.naming import ProvisionOptions

    options = ProvisionOptions(
        topic=topic or "",
        queue=queue or "",
        dead_letter_queue=dead_letter_queue or "",
        key=kms_key or "",
        identities=identities,
        configuration_sets=configuration_sets,
    )
    provision = Provision(settings, options)
    plan = provision.plan()
    run = _Run(dry_run=dry_run)
    for step in plan.steps:
        if not run.take(provision, step):
            break
        if not as_json:
            click.echo(printable(f"{'would ' if dry_run else ''}{step.description}"))
            if dry_run:
                click.echo(_call(step))
    if as_json:
        click.echo(json.dumps(_as_json(provision, plan, run)))
    else:
        _show(provision, plan, run)
    for undone in plan.undone:
        print_message(f"not done: {undone}")
    if run.failed:
        print_message(
            f"failed: {run.failed.description}: {run.error}; fix this, then run the command again"
        )
    sys.exit(Exit.FAILED if plan.undone or run.failed else Exit.DONE)


class _Run:
    """The progress of a run."""

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.done: list[Step] = []
        self.failed: Step | None = None
        self.error = ""

    def take(self, provision: "Provision", step: "Step") -> bool:
        """Carry out a step, except in a dry run; return whether the next step may follow."""
        if self.dry_run:
            return True
        try:
            provision.carry_out(step)
        except WorkerError as error:
            self.failed, self.error = step, str(error)
            return False
        self.done.append(step)
        return True


def _call(step: "Step") -> str:
    """Describe the call of a step, with a line for each argument."""
    lines = [f"  {step.service} {step.operation}"]
    queue = {"QueueUrl": step.queue} if step.queue else {}
    for name, value in (queue | dict(step.arguments)).items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        lines += [f"    {name}{f'.{key}' if key else ''} = {item}" for key, item in inner]
    return "\n".join(printable(line) for line in lines)


def _as_json(provision: "Provision", plan: "Plan", run: _Run) -> dict[str, Any]:
    import msgspec

    failed = run.failed and {"step": msgspec.to_builtins(run.failed), "error": run.error}
    return {
        "dry_run": run.dry_run,
        "steps": [msgspec.to_builtins(step) for step in plan.steps],
        "done": [msgspec.to_builtins(step) for step in run.done],
        "failed": failed,
        "left": plan.left,
        "undone": plan.undone,
        "settings": provision.settings(),
    }


def _show(provision: "Provision", plan: "Plan", run: _Run) -> None:
    if not plan.steps:
        click.echo("nothing to do")
    for left in plan.left:
        click.echo(printable(f"not changed: {left}"))
    if run.failed:
        return  # the settings are useful only when all steps succeeded
    file = settings_file() or "/etc/ses-worker/worker.toml"
    click.echo("\n" + printable(f"# The settings, for {file}"))
    for section, values in provision.settings().items():
        click.echo(f"[{section}]")
        for key, value in values.items():
            click.echo(f"{key} = {json.dumps(value)}")
