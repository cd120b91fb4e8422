"""Values in a TOML text are set, and everything else stays."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.settings.editing import differing, edited

SHIPPED = (Path(__file__).parents[2] / "config" / "worker.toml").read_text(encoding="utf-8")
CHANGES = {
    "aws": {"region": "eu-west-1"},
    "queue": {"url": "https://sqs.eu-west-1.amazonaws.com/1/q"},
    "sns": {"topic_arns": ["arn:aws:sns:eu-west-1:1:t"]},
}


def comments(text):
    return [line for line in text.splitlines() if line.startswith("# ")]


def test_in_the_shipped_file_each_takes_the_place_of_its_example():
    result = edited(SHIPPED, CHANGES)
    assert comments(result) == comments(SHIPPED)
    assert len(result.splitlines()) == len(SHIPPED.splitlines())
    assert differing(result, CHANGES) == []
    assert edited(result, CHANGES) == result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'url = "x"'),
        ('[queue]\nurl = "old" # why\n', 'url = "x" # why'),
        ('queue.url = "old" # why\n', 'queue.url = "x" # why'),
        ('queue = {url = "old", pollers = 3}\n', 'url = "x"'),
        ("[queue]\n# url = the address of the queue\n", "# url = the address of the queue"),
        ('[queue]\n#url = "a"\n#url = "b"\n', '#url = "b"'),
        ('[slack]\n#url = "a"\n\n[queue]\npollers = 3\n', '#url = "a"'),
        ('[slack]\nusername = """\n[queue]\n#url = "a"\n"""\n', '#url = "a"'),
        ("[queue]\npollers = 3\n\n# about logs\n[log]\n", "# about logs"),
    ],
)
def test_every_shape_of_a_file_keeps_what_it_has(text, expected):
    changes = {"queue": {"url": "x"}}
    result = edited(text, changes)
    assert expected in result
    before, after = tomllib.loads(text), tomllib.loads(result)
    assert after["queue"].pop("url") == "x"
    before.get("queue", {}).pop("url", None)
    assert {k: v for k, v in after.items() if v} == {k: v for k, v in before.items() if v}


@given(st.text(alphabet="\\\"'\n\t{}[]#=aé\U0001f600", max_size=30))
def test_any_value_is_read_back_as_it_was(value):
    assert tomllib.loads(edited(SHIPPED, {"queue": {"url": value}}))["queue"]["url"] == value
