"""The search through what commands print finds addresses in every spelling that masking covers."""

import pytest
from support.private import ANSWERS, command_in, hear, hear_output, heard_addresses, whole_addresses

from worker.core.masking import mask_addresses

SPELLINGS = [
    "jane@example.com", "Jane.Doe+x@Example.COM", "jane @example.com", "jane @ example.com",
    "jane%40example.com", "jane%2540example.com", "jane=40example.com", "jane\uff20example.com",
    "jane\\u0040example.com", "jane\\\\u0040example.com", "jane\\x40example.com",
    "jane&#64;example.com", "jane&#x40;example.com", "jane&commat;example.com",
    "jane(at)example.com", "jane [at] example.com", "jane {AT} example.com", "jane[at]example[dot]com",
    "jane@mail.example.org", "jürgen@example.com", "'jane'@example.com", '"jane doe"@example.com',
]  # fmt: skip


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_whole_address_is_found_and_a_masked_address_is_not(text):
    assert whole_addresses(f"550 <{text}>: no such user")
    assert whole_addresses(mask_addresses(f"550 <{text}>: no such user")) == []


@pytest.mark.parametrize(
    "text",
    [
        "***@example.com",
        "@example.com",
        "ses-worker@eu.service",
        "u@db/app",
        "a@b.eu",
        "at example.com",
    ],
)
def test_what_is_no_address_of_a_test_is_not_found(text):
    assert whole_addresses(text) == []


def test_what_the_operator_has_typed_may_be_repeated():
    assert whole_addresses("nothing about jane@example.com", "why Jane@example.com".lower()) == []


def test_what_commands_print_in_a_test_is_searched_at_its_end():
    hear('{"error":"no jane@example.com"}')
    hear('{"error":"no joe@example.com"}', ["why", "Joe@Example.com"])
    assert heard_addresses() == ["jane@example.com"]
    assert heard_addresses() == []


def test_what_commands_print_is_searched_too_unless_people_ask_it_for_addresses():
    hear_output("drained jane@example.com", ["--config", "worker.toml", "drain", "--json"])
    hear_output("joe@example.com,blocked", ["users", "list"])
    hear_output("joe@example.com would be blocked", ["policy", "diff", "--set", "x=1"])
    hear_output("jim@example.com is gone", ["users", "forget", "jim@example.com"])
    hear_output("Example: users show jim@example.com", ["users", "show", "--help"])
    assert heard_addresses() == ["jane@example.com printed by drain"]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["/venv/bin/ses-worker", "users", "list", "--json"], "users list"),
        (["why", "jane@example.com"], "why"),
        (["--config", "/etc/worker.toml", "may-send", "-"], "may-send"),
        (
            ["/usr/bin/python3", "failing.py", "commit", "exit", "--", "dlq", "show", "x"],
            "dlq show",
        ),
        (["dlq", "list", None], "dlq list"),
        ([], ""),
    ],
)
def test_a_command_is_found_among_the_words_that_started_it(words, command):
    assert command_in(words) == command


def test_each_exception_is_a_command_and_has_a_reason():
    from worker.cli import main

    for name, reason in ANSWERS.items():
        command = main
        for word in name.split():
            command = command.get_command(None, word)
        assert command
        assert reason
