"""The command line: parse, call a command, print, exit. A file for each group of commands.

Heavy modules are imported within functions, so that `--help` answers at once.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from worker import __version__
from worker.cli.common import HELP_SETTINGS, config_option, reporting_failures
from worker.cli.exits import MEANINGS, Exit
from worker.cli.help import Group
from worker.cli.streams import guarded_streams

COMMANDS = {
    "provision": "worker.cli.provision:provision",
    "check": "worker.cli.check:check",
    "config": "worker.cli.config:config",
    "run": "worker.cli.run:run",
    "drain": "worker.cli.drain:drain",
    "dlq": "worker.cli.dlq:dlq",
    "users": "worker.cli.users:users",
    "events": "worker.cli.events:events",
    "may-send": "worker.cli.may_send:may_send",
    "why": "worker.cli.why:why",
    "policy": "worker.cli.policy:policy",
    "report": "worker.cli.report:report",
    "outbox": "worker.cli.outbox:outbox",
    "suppression": "worker.cli.suppression:suppression",
    "subscription": "worker.cli.subscription:subscription",
    "db": "worker.cli.db:db",
}
"""Modules that are imported when their command is called."""


class _Commands(Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; report an unwritable standard output, also for help texts."""
        try:
            with reporting_failures(), guarded_streams():
                return super().main(*args, **kwargs)
        except BrokenPipeError:
            sys.exit(Exit.FAILED)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


def _exit_statuses() -> str:
    lines = (f"  {status:>2}  {meaning}" for status, meaning in MEANINGS.items())
    return "\b\nExit status:\n" + "\n".join(lines)


@click.group(cls=_Commands, context_settings=HELP_SETTINGS, epilog=_exit_statuses())
@config_option
@click.version_option(__version__, prog_name="ses-worker")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Turn Amazon SES bounces and complaints into durable user records.

    \b
    Example:
      ses-worker check
    """
    ctx.obj = config
