"""The table of invariants, and whether the tests that documents name are there."""

import ast
import re
from functools import cache

from mutants.changing import ROOT

FOLDERS = "unit|integration|contract|acceptance|docs|service"
INVARIANTS = ROOT / "docs" / "development" / "invariants.md"
NODE = re.compile(rf"\b(?:{FOLDERS})/test_\w+\.py(?:::\w+)*")
"""A pytest node id below `tests/`: a file, a class or a test."""


def invariants() -> dict[str, list[str]]:
    """The tests that each row names, by its invariant."""
    text = INVARIANTS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    return {invariant: NODE.findall(tests) for invariant, tests in rows if "`" in tests}


def is_there(node: str) -> bool:
    """Return whether pytest would find this node: each part must be defined within the one
    before."""
    path, *names = node.split("::")
    nodes = _definitions(path)
    if nodes is None:
        return False
    for name in names:
        found = next((item for item in nodes if getattr(item, "name", None) == name), None)
        if not isinstance(found, ast.ClassDef | ast.FunctionDef):
            return False
        nodes = found.body
    return True


@cache
def _definitions(path: str) -> list[ast.stmt] | None:
    try:
        return ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8")).body
    except OSError:
        return None
