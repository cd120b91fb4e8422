"""The name of the command, read before the command line is parsed."""

import pytest

from worker.service.early import command_of


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], ""),
        (["run"], "run"),
        (["--config", "run", "drain"], "drain"),
        (["--config=x", "run"], "run"),
        (["-h"], ""),
        (["--config"], ""),
        (["why", "run"], "why"),
    ],
)
def test_it_is_the_first_word_that_is_no_option_and_no_value_of_an_option(arguments, command):
    assert command_of(arguments) == command
