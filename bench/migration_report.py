"""The section of what `bench.migration` has measured."""

from collections.abc import Iterator
from pathlib import Path

from bench.answers_report import STORES
from bench.findings import Migrated
from bench.parts import Part, kept
from bench.report import heads, row
from bench.sections import put_section

TITLE = "Bringing up a grown database beside a running worker"
EXPLANATION = """\
`python -m bench.migration --before ../old`, with a checkout of the last version before the tables
of figures (0010): its daemon works on a thousand messages a second, `ses-worker db upgrade` applies
0011 to 0015 beside it, then the new daemon takes over. Nearly all of the time is the index of
events by time (0011), and in SQLite that by recipient (0015); messages wait for both. Waited: the
longest from a message's arrival on the queue to its delete; held: the longest from handing out to
delete.
"""


def write_migrations(folder: Path) -> None:
    """Write the section into RESULTS.md."""
    found = [part for store in STORES if (part := kept(f"migration-{store}", Migrated))]
    put_section(folder / "RESULTS.md", TITLE, _lines(found))


def _lines(found: list[Part[Migrated]]) -> Iterator[str]:
    yield from EXPLANATION.splitlines()
    yield ""
    yield from heads(
        "", "events", "MB", "upgrade, s", "waited before, s", "waited, s", "held, s",
        "MB more", "messages", "lost", "load", "date",
    )  # fmt: skip
    for part in found:
        result = part.result
        yield row(
            [
                STORES[result.store],
                f"{result.events:,}",
                f"{result.megabytes:,.0f}",
                f"{result.upgrade_seconds:.1f}",
                f"{result.waited_ms_before / 1_000:.1f}",
                f"{result.waited_ms / 1_000:.1f}",
                f"{result.held_ms / 1_000:.1f}",
                f"{result.megabytes_grown:,.0f}",
                f"{result.messages:,}",
                f"{result.lost:,}",
                f"{result.load:.1f}",
                part.date,
            ]
        )
