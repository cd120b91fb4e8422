"""The section of what `bench.rebuild` has measured."""

from collections.abc import Iterator
from pathlib import Path

from bench.answers_report import STORES
from bench.findings import Rebuilt
from bench.parts import Part, kept
from bench.report import heads, row
from bench.sections import put_section

TITLE = "Rebuilding all records from events"
EXPLANATION = """\
`python -m bench.rebuild`, and the same with `--store postgresql`: random mail by a random policy in
random order, with late imports and reinstatements; then the records are emptied and rebuilt, and
each row must be as it was. Refused, by the rebuild and not emptied: users whose deliveries were
never known, under a policy by which a delivery forgives. `policy diff` compares that policy with
another random policy. Seconds are by the clock; load: the system's, of which 2 would be two busy
cores.
"""


def write_rebuilds(folder: Path) -> None:
    """Write the section into RESULTS.md."""
    found = {store: part for store in STORES if (part := kept(f"rebuild-{store}", Rebuilt))}
    put_section(folder / "RESULTS.md", TITLE, _lines(found))


def _lines(found: dict[str, Part[Rebuilt]]) -> Iterator[str]:
    yield from EXPLANATION.splitlines()
    yield ""
    names = [name for part in found.values() for name in part.result.seconds]
    heading = [f"{name}, s" for name in dict.fromkeys(names)]
    yield from heads("", "events", "users", "rebuilt", "different", "refused", *heading, "load")
    for store, part in found.items():
        result = part.result
        counts = (result.events, result.users, result.changed, result.different, result.refused)
        seconds = [f"{taken:.1f}" for taken in result.seconds.values()]
        yield row([STORES[store], *(f"{n:,}" for n in counts), *seconds, f"{result.load:.1f}"])
    yield ""
    for store, part in found.items():
        result = part.result
        changes = ", ".join(f"{name} {count:,}" for name, count in sorted(result.changes.items()))
        yield f"- {STORES[store]}, {part.date}, seed {result.seed}: `policy diff` found {changes}"
