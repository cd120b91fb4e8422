"""The reference of commands: from click."""

import inspect
import re
from collections.abc import Iterator

import click

from reference_pages.markdown import escaped, table
from worker.cli import main

HEAD = """# Commands

Made from the program: what `--help` says of each command. The exit statuses are explained in
[Running it](../running.md#exit-status). On a service's host
[`ses-worker`](../install/systemd.md#commands) runs a command as the service would.
"""


def commands_page() -> str:
    """Return the page."""
    parts = [HEAD]
    for context in walk(click.Context(main, info_name="ses-worker")):
        command = context.command
        depth = "##" if context.parent and not context.parent.parent else "###"
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        parts.append(f"{depth} {context.command_path}\n\n```text\n{usage}\n```\n")
        parts += _paragraphs(command.help or "")
        if rows := [_row(record) for record in _records(context)]:
            parts.append(table(["option", "meaning"], rows))
    return "\n".join(parts)


def walk(context: click.Context) -> Iterator[click.Context]:
    """Return the contexts of all commands below this, groups before their commands."""
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                below = click.Context(inner, info_name=name, parent=context)
                yield below
                yield from walk(below)


def _records(context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record and "--help" not in record[0]:
            yield record


def _row(record: tuple[str, str]) -> tuple[str, str]:
    return f"`{record[0]}`", escaped(record[1])


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            title, _, example = paragraph.removeprefix("\b\n").partition("\n")
            yield f"{title}\n\n```text\n{inspect.cleandoc(example)}\n```\n"
        else:
            yield f"{escaped(paragraph)}\n"
