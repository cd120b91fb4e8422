"""`ses-worker provision`: creates or completes the path from SES to the queue."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import (
    HELP_SETTINGS,
    json_option,
    print_message,
    with_settings,
)
from worker.cli.exits import Exit
from worker.cli.help import option
from worker.cli.provisioned import (
    Run,
    call_of,
    in_json,
    print_line,
    show,
    show_settings,
    show_written,
    write,
)
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.commands.provision import Provision
    from worker.commands.provision.settings_file import SettingsFile
    from worker.settings import Settings


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
@option(
    "--eventbridge", is_flag=True, show_default="off",
    help="Have EventBridge bring events to the queue, by a rule of the default event bus. "
    "Configuration sets then send to the bus, and no topic is made without --topic or --identity.",
)  # fmt: skip
@option(
    "--write-settings", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    show_default="they are printed",
    help="Write the settings that the worker needs into this TOML file; its comments stay.",
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
    eventbridge: bool,
    write_settings: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create topic, queue, dead-letter queue, policies and subscription, if they are missing.

    What an existing resource lacks is added; settings that differ are reported, and not changed. A
    second run does nothing. The exit status is 1 if a resource named by an option is configured
    differently, or if the endpoint does not support a call.

    SES publishes to the topic what --identity and --configuration-set name. Without both, the
    command reports whether SES publishes anything to it.

    What was done is reported on standard error. Standard output has the settings that the worker
    needs, as lines for its environment; --write-settings puts them into a settings file instead.

    \b
    Example:
      ses-worker provision --identity example.com --dry-run
    """
    from worker.commands.provision import Provision
    from worker.commands.provision.naming import ProvisionOptions
    from worker.commands.provision.settings_file import SettingsFile

    options = ProvisionOptions(
        topic=topic or "",
        queue=queue or "",
        dead_letter_queue=dead_letter_queue or "",
        key=kms_key or "",
        identities=identities,
        configuration_sets=configuration_sets,
        eventbridge=eventbridge,
    )
    file = SettingsFile(write_settings) if write_settings else None
    provision = Provision(settings, options)
    plan = provision.plan()
    run = Run(dry_run=dry_run)
    for step in plan.steps:
        is_done = run.take(provision, step)
        if run.failed:
            break
        if dry_run and not as_json:
            click.echo(printable(f"will {step.description}") + f"\n{call_of(step)}")
        elif is_done and not as_json:
            print_line(step.result)
    names = [] if run.failed or file is None else write(file, provision, dry_run=dry_run)
    remark = "" if run.failed else provision.remark()
    if as_json:
        more = {"settings_written": names, "remark": remark or None}
        click.echo(json.dumps(in_json(provision, plan, run) | more))
    else:
        show(plan, run)
        if not run.failed:
            _show_settings(provision, file, names, dry_run=dry_run)
        if remark:
            print_line(remark)
    undone = [*plan.undone, *run.unsupported]
    for text in undone:
        print_message(f"not done: {text}")
    if run.failed:
        print_message(
            f"failed: {run.failed.description}: {run.error}; fix this, then run the command again"
        )
    sys.exit(Exit.FAILED if undone or run.failed else Exit.DONE)


def _show_settings(
    provision: "Provision", file: "SettingsFile | None", names: Sequence[str], *, dry_run: bool
) -> None:
    if file:
        show_written(file, names, dry_run=dry_run)
    elif not dry_run:
        show_settings(provision)
