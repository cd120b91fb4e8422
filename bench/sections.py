"""Sections of RESULTS.md that commands of their own write, and that `make bench` keeps."""

import re
from collections.abc import Iterable
from pathlib import Path

HEADING = "# Other measurements\n\nEach section is written by the command that it names.\n"
_SECTION = re.compile(r"^(?=## )", re.MULTILINE)


def kept_sections(text: str) -> str:
    """Return what stands in a report from `HEADING` on; empty: nothing."""
    _, heading, sections = text.partition(HEADING)
    return heading + sections


def put_section(path: Path, title: str, lines: Iterable[str]) -> None:
    """Write a section at the end of a report, or in place of the section with this title."""
    text = path.read_text() if path.exists() else ""
    before, _, sections = text.partition(HEADING)
    written = "\n".join([f"## {title}", "", *lines, ""])
    all_sections = [
        section.strip("\n") + "\n" for section in _SECTION.split(sections) if section.strip()
    ]
    places = [n for n, section in enumerate(all_sections) if section.startswith(f"## {title}\n")]
    if places:
        all_sections[places[0]] = written
    else:
        all_sections.append(written)
    path.write_text(before.rstrip("\n") + "\n\n" + HEADING + "\n" + "\n".join(all_sections))
