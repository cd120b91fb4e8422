"""`ses-worker check`: checks the path from SES to the database, and prints the findings."""

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from worker.cli.common import (
    HELP_SETTINGS,
    json_option,
    print_message,
    with_settings,
)
from worker.cli.exits import Exit
from worker.cli.help import option

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.topology.checks.findings import Finding


@click.command(context_settings=HELP_SETTINGS)
@option(
    "--identity", "identities", multiple=True, metavar="NAME",
    help="Check that bounces and complaints of this verified identity arrive; may be repeated. "
    "Without it, any identity will do.",
)  # fmt: skip
@option(
    "--configuration-set", "configuration_sets", multiple=True, metavar="NAME",
    help="Check this configuration set; may be repeated. Without it, the first 20 are checked.",
)  # fmt: skip
@option(
    "--live", is_flag=True, show_default="off",
    help="Only report the health of the worker on this machine; the exit status is 0 if it is "
    "alive, ready or not.",
)  # fmt: skip
@option(
    "--settings", "only_settings", is_flag=True, show_default="off",
    help="Only check the settings, without a call to any service; the exit status is 0 if they can "
    "be used, else 78.",
)  # fmt: skip
@option(
    "--eventbridge", is_flag=True, show_default="off",
    help="Check that EventBridge feeds the queue. Without it, that is checked if a rule does.",
)  # fmt: skip
@option(
    "--certificate", metavar="URL", default="", show_default="none",
    help="Fetch and check this certificate of SNS: the SigningCertURL of any message of the topic.",
)  # fmt: skip
@option(
    "--report", is_flag=True, show_default="off",
    help="Also check whether `report --ses` may ask SES how much was sent.",
)  # fmt: skip
@option("--send", is_flag=True, show_default="off", help="Post a test notice to each channel.")
@json_option
@with_settings
def check(
    settings: "Settings",
    *,
    identities: tuple[str, ...],
    configuration_sets: tuple[str, ...],
    live: bool,
    only_settings: bool,
    eventbridge: bool,
    certificate: str,
    report: bool,
    send: bool,
    as_json: bool,
) -> None:
    """Check the whole path from SES to the database; report what is wrong, and how to fix it.

    The check changes nothing, and posts nothing without --send. The exit status is 0 if nothing is
    wrong, else 1. What the credentials may not read is reported as unknown.

    \b
    Example:
      ses-worker check
      ses-worker check --live
      ses-worker check --settings
    """
    is_more = identities or configuration_sets or eventbridge or certificate or report or send
    if live:
        from worker.cli.live import live as ask

        if is_more or only_settings:
            raise click.UsageError("--live can be combined with --json only")
        sys.exit(ask(settings, as_json=as_json))

    if only_settings:
        if is_more:
            raise click.UsageError("--settings can be combined with --json only")
        sys.exit(_look_at_settings(settings, as_json=as_json))

    from worker.cli.findings import conclude, shown
    from worker.commands.check import CheckOptions, look
    from worker.topology.checks.findings import is_healthy

    options = CheckOptions(identities, configuration_sets, send, eventbridge, certificate, report)
    found = map(_with_own_options, look(settings, options))
    # It takes a minute if services do not answer, so each finding is shown as it is made.
    findings = list(found if as_json else shown(found))
    if as_json:
        click.echo(json.dumps(_as_json(findings)))
    else:
        conclude(findings)
    sys.exit(Exit.DONE if is_healthy(findings) else Exit.FAILED)


def _look_at_settings(settings: "Settings", *, as_json: bool) -> Exit:
    from worker.commands.check import look_at_settings
    from worker.observability.journal import ends_in_journal

    findings = list(map(_with_own_options, look_at_settings(settings)))
    if as_json:
        click.echo(json.dumps(_as_json(findings)))
    elif not ends_in_journal(sys.stdout, os.environ):  # where a reload would add a line each time
        file = settings.file or "the environment"
        click.echo(f"the settings in {file} can be used")
        for finding in findings:
            if finding.status != "ok":
                print_message(f"{finding.message}; {finding.fix}".removesuffix("; "))
    return Exit.DONE


def _with_own_options(finding: "Finding") -> "Finding":
    from msgspec.structs import replace

    from worker.cli.called import as_called

    return replace(finding, fix=as_called(finding.fix), message=as_called(finding.message))


def _as_json(findings: Sequence["Finding"]) -> dict[str, object]:
    import msgspec

    from worker.topology.checks.findings import Status, is_healthy

    counts = {status.value: 0 for status in Status}
    for finding in findings:
        counts[finding.status] += 1
    reported = [msgspec.to_builtins(finding) for finding in findings]
    return {"healthy": is_healthy(findings), **counts, "checks": reported}
