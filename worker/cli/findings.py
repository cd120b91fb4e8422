"""Prints the findings of `ses-worker check`: a paragraph each, then the fixes, then a summary."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from worker.cli.common import counted
from worker.cli.screen import put, put_whole, screen
from worker.core.masking import printable
from worker.topology.checks.findings import Finding, Status

_COLOURS = {"ok": "green", "note": "cyan", "wrong": "red", "unknown": "yellow", "skipped": "yellow"}
_INDENT = max(map(len, Status)) + 2
_COMMAND = re.compile(r"aws |\S*ses-worker |\S+ -m worker ")
"""The start of a fix that is pasted into a shell, and therefore not wrapped."""


def shown(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Print findings as they come, and yield them."""
    out = screen()
    for finding in findings:
        text = Text.assemble((finding.check, "bold"), ": ", printable(finding.message))
        put(out, text, head=Text(finding.status, style=_COLOURS[finding.status]), indent=_INDENT)
        yield finding


def conclude(findings: Sequence[Finding]) -> None:
    """Print each fix once, with the checks that it is for, and how many findings of a kind."""
    out, fixes = screen(), dict[str, list[str]]()
    for finding in findings:
        if finding.fix:
            fixes.setdefault(finding.fix, []).append(finding.check)
    if fixes:
        put(out, "")
    for fix, checks in fixes.items():
        names, text = ", ".join(dict.fromkeys(checks)), printable(fix)
        line = f"{names} → {text}"
        if len(line) <= out.width:
            put(out, line)
        elif _COMMAND.match(text):
            put(out, f"{names} →")
            put_whole(out, text)
        else:
            put(out, line)
    put(out, f"\n{summary(findings)}")


def summary(findings: Iterable[Finding]) -> str:
    """`10 ok, 1 note, no problems`, and how much is unknown or was skipped."""
    counts = Counter(finding.status for finding in findings)
    texts = [f"{counts[Status.OK]:,} ok"]
    for status, noun in ((Status.NOTE, "note"), (Status.WRONG, "problem")):
        texts.append(counted(counts[status], noun) if counts[status] else f"no {noun}s")
    texts += [f"{counts[s]:,} {s}" for s in (Status.UNKNOWN, Status.SKIPPED) if counts[s]]
    return ", ".join(texts)
