"""The threats in SECURITY.md: each row names a test that the gate runs."""

import ast

import pytest
from mutants.invariants import NODE, is_there
from support.documents import ROOT, table, text_of

ROWS = table(text_of("SECURITY.md"), "| who |")
PEOPLE = {
    "Publisher to the topic", "Receiving mail server", "SQS writer", "Local user",
    "Reader of the logs", "Reader of the database", "Slack member",
    "Client of the HTTP port", "Attacker on the network", "Publisher of a dependency",
}  # fmt: skip
NOT_RUN = {"skip", "skipif", "xfail"}


def test_everybody_who_can_do_something_has_a_row():
    assert {row[0].strip("*") for row in ROWS} == PEOPLE
    assert all(tries and stopped for _, tries, stopped, *_ in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[1][:40] for row in ROWS])
def test_each_row_names_tests_that_run(row):
    named = NODE.findall(row[3])
    assert named, row
    assert row[3].count("`") == 2 * len(named), "and nothing else, which would be misspelt"
    for node in named:
        assert is_there(node), node
        assert marks(node) & NOT_RUN == set(), node


def marks(node):
    """The marks of a test, its classes and its file."""
    path, *names = node.split("::")
    body = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8")).body
    found = {text for item in body if isinstance(item, ast.Assign) for text in words(item)}
    for name in names:
        (item,) = [node for node in body if getattr(node, "name", None) == name]
        found |= {text for mark in item.decorator_list for text in words(mark)}
        body = item.body
    return found


def words(tree):
    return {item.attr for item in ast.walk(tree) if isinstance(item, ast.Attribute)}
