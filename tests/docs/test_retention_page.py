"""The page on retention shows the defaults, and its commands are run."""

import shlex
import tomllib

from support.documents import blocks, table, text_of

from worker.settings import Settings
from worker.store.schema import metadata

DOCUMENT = text_of("docs/retention.md")


def test_the_example_has_the_defaults():
    (example,) = blocks(DOCUMENT, "toml")
    assert tomllib.loads(example)["retention"] == Settings().retention.model_dump()


def test_each_command_is_run(run):
    run("db", "upgrade")
    lines = [line for block in blocks(DOCUMENT, "sh") for line in block.splitlines()]
    assert len(lines) == 3
    for line in lines:
        done = run(*shlex.split(line)[1:])
        assert done.status == 0, (line, done.err)


def test_each_table_that_grows_with_feedback_is_named():
    named = " ".join(row[0] for row in table(DOCUMENT, "## What goes, and what stays"))
    for name in ("outbox", "removals", "kept_keys", "users", "account_events", "quarantine"):
        assert name in metadata.tables
        assert f"`{name}`" in named or f"`{name}." in named, name
