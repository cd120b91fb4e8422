"""`make demo`: `python -m demo`."""

import json
import sys

import click

from worker.cli.common import HELP_SETTINGS, json_option, reporting_failures
from worker.cli.exits import Exit


@click.command(context_settings=HELP_SETTINGS)
@json_option
def demo(as_json: bool) -> None:
    """Show the whole journey on this machine alone, in a few seconds.

    An AWS of its own (moto) starts on loopback. SES's messages of every kind are published to a
    topic, and the daemon works on them while its log is shown. Then come the tables: what came,
    what was decided and why, who is paused until when, the dead letters; and what a Slack and
    an SES on loopback received: notices, a digest, an address off the suppression list.

    It needs no settings, no credentials and no network, and leaves nothing behind. The exit
    status is 1 if the story did not come out as it should.

    \b
    Example:
      make demo
    """
    from demo.environment import apart

    with reporting_failures(), apart():
        from demo.stage import Stage
        from worker.observability.log import configure_logging

        configure_logging("warning", json=False)
        stage = Stage(quiet=as_json)
        stage.opening()
        # moto and boto3 take a second to import: people have something to read meanwhile, and
        # moto reads the environment while it is imported.
        from demo.audit import faults
        from demo.figures import figures
        from demo.story import play
        from demo.tables import show_tables

        findings = play(stage)
        wrong = faults(findings)
        show_tables(stage.console, findings)
        stage.closing(wrong)
    if as_json:
        click.echo(json.dumps(figures(findings, wrong, stage.elapsed_seconds)))
    sys.exit(Exit.FAILED if wrong else Exit.DONE)


if __name__ == "__main__":
    demo(prog_name="python -m demo")
