"""A small change of a source file, found by its text."""

import ast
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]


class Mutant(Struct, frozen=True):
    """A change that breaks an invariant, and the test that must fail."""

    invariant: str
    """The first column of the architecture's table, word for word."""
    test: str
    """A pytest node id below `tests/` that the invariant's row names."""
    file: str
    """From the root of the tree."""
    function: str
    """`function` or `Class.method` that holds the text; empty: anywhere in the file."""
    old: str
    new: str

    def __str__(self) -> str:
        """Show the change in a line."""
        where = f"{self.file} {self.function}".strip()
        return f"{where}: {_shown(self.old)} -> {_shown(self.new) or 'nothing'}"


class Unfit(Exception):
    """The change does not fit the present source; the text says which file to look at."""


def changed(mutant: Mutant, root: Path = ROOT) -> str:
    """Return the text of the mutant's file with the change made.

    Raises:
        Unfit: there is no such file or function, or the old text is not there exactly once.

    """
    try:
        text = (root / mutant.file).read_text(encoding="utf-8")
    except OSError as error:
        raise Unfit(f"{mutant}: {error.strerror}. Was {mutant.file} renamed?") from error
    start, end = _span(mutant, text)
    if (count := text.count(mutant.old, start, end)) != 1:
        raise Unfit(
            f"{mutant}: the old text is there {count} times, not once; adapt tests/mutants/table.py"
            f" to what {mutant.file} says now"
        )
    after = text[:start] + text[start:end].replace(mutant.old, mutant.new) + text[end:]
    if mutant.file.endswith(".py"):
        try:
            compile(after, mutant.file, "exec")
        except SyntaxError as error:
            raise Unfit(f"{mutant}: the changed file is no Python: {error}") from error
    return after


def _span(mutant: Mutant, text: str) -> tuple[int, int]:
    """Find where the function begins and ends, as offsets into the text."""
    if not mutant.function:
        return 0, len(text)
    nodes: list[ast.stmt] = ast.parse(text).body
    found: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None = None
    for name in mutant.function.split("."):
        found = next(
            (
                node
                for node in nodes
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and node.name == name
            ),
            None,
        )
        if found is None:
            raise Unfit(
                f"{mutant}: {mutant.file} has no {mutant.function}; adapt tests/mutants/table.py"
            )
        nodes = found.body
    assert found is not None
    lines = text.splitlines(keepends=True)
    start = sum(map(len, lines[: found.lineno - 1]))
    return start, start + sum(map(len, lines[found.lineno - 1 : found.end_lineno]))


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
