"""The wrapper for services knows the options of the commands whose files it opens or refuses."""

import re

import click
from support.documents import text_of

from worker.cli import main

WRAPPER = text_of("systemd/ses-worker")


def command(*names):
    found = main
    for name in names:
        found = found.get_command(click.Context(found), name)
    return found


def commands(group=main):
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        yield found
        if isinstance(found, click.Group):
            yield from commands(found)


def test_it_knows_which_options_of_commands_with_a_file_have_a_value():
    (known,) = re.findall(r"^ +((?:--[\w-]+ \| )+--[\w-]+)\) skip=value", WRAPPER, re.MULTILINE)
    with_value = {
        option
        for names in (("users", "import"), ("users", "export"), ("db", "backup"))
        for parameter in command(*names).params
        if isinstance(parameter, click.Option) and not parameter.is_flag
        for option in parameter.opts
    }
    assert with_value - {"--config"} == set(known.split(" | "))


def test_it_refuses_every_option_by_which_a_command_writes_a_file():
    writing = {
        option
        for found in commands()
        for parameter in found.params
        if isinstance(parameter, click.Option) and isinstance(parameter.type, click.Path)
        for option in parameter.opts
    }
    assert "--jsonl" in writing
    assert {option for option in writing if f"{option}" not in WRAPPER} == set()
