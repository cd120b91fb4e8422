"""`make demo`: `python -m demo`."""

import json
import sys

import click

from demo.expected import faults
from demo.figures import figures
from demo.run import run
from demo.stage import Stage
from demo.tables import show_all, show_sample
from worker.cli.common import HELP_SETTINGS, json_option, reporting_failures
from worker.cli.exits import Exit
from worker.cli.help import option


@click.command(context_settings=HELP_SETTINGS)
@option(
    "--all",
    "whole",
    is_flag=True,
    show_default="off",
    help="Show the whole log, all decisions, all users, and what Slack received.",
)
@json_option
def demo(whole: bool, as_json: bool) -> None:
    """Show the worker at work on this machine alone, in a few seconds.

    SQS, SES and Slack are simulated on loopback. SES's messages of every kind are published, and
    the daemon processes them while its log is shown. Then: eight of its decisions, the dead
    letters, and what `ses-worker why` and `ses-worker check` print. With --all, everything.

    It needs no settings, no credentials and no network, and leaves nothing behind. The exit
    status is 1 if the result is not as expected.

    \b
    Example:
      make demo
      make demo ARGS=--all
    """
    stage = Stage(quiet=as_json, whole=whole)
    with reporting_failures():
        stage.opening()
        result = run(stage)
    counted = figures(result)
    wrong = faults(result, counted)
    (show_all if whole else show_sample)(stage.console, result)
    stage.closing(wrong)
    if as_json:
        verdict = {"ok": not wrong, "faults": wrong}
        elapsed = {"elapsed_s": round(stage.elapsed_seconds, 3)}
        click.echo(json.dumps(verdict | counted | elapsed))
    sys.exit(Exit.FAILED if wrong else Exit.DONE)


if __name__ == "__main__":
    demo(prog_name="python -m demo")
