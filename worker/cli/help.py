"""How help texts look: whole summaries of commands, and defaults without brackets."""

from functools import partial

import click
from click.types import OptionHelpExtra


class Option(click.Option):
    """An option whose default may be a word: `[default: off]`, where click writes `(off)`."""

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Return what follows the help text in brackets."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra


class Group(click.Group):
    """Commands with the whole first sentence of each, which click would cut with `...`."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        named = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, command.get_short_help_str(limit=1_000))
            for name, command in named
            if command and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


option = partial(click.option, cls=Option)
"""`click.option`, for options of this program."""
