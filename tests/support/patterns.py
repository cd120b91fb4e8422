"""Every regular expression of the package, and whether it could take more than linear time.

A pattern is read as Python's own compiler reads it. What is looked for is coarser than what is
slow: a flagged pattern that is never slow is written in another way, or excused with a reason.
"""

import ast
import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parents[2] / "worker"
ANCHORED = frozenset({"match", "fullmatch"})
"""Methods that try a text from its beginning only."""
_FUNCTIONS = ANCHORED | {"compile", "search", "sub", "subn", "split", "findall", "finditer"}
_MANY = 1_000
"""A repeat up to so many times counts as endless."""
_SAMPLE = [*map(chr, range(128)), *"\x85\xa0\u0301\u0660\u2028\u3000\uff20\u00e9\u0130\U0001f600"]
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)

Node = tuple[Any, Any]


class Pattern(NamedTuple):
    """A regular expression as it stands in the source."""

    where: str
    text: str | bytes
    flags: int
    searched: bool
    """Tried at each place of a text, and not only at the first."""


def patterns() -> Iterator[Pattern]:
    """All of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "import re\n" not in source:
            continue  # `mentions` counts what would be missed
        tree = ast.parse(source)
        methods = _methods(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _function(node.value) == "compile":
                name = ast.unparse(node.targets[0])
                searched = not methods.get(name, {"search"}) <= ANCHORED
                where = f"{path.relative_to(PACKAGE)}:{name}"
                yield _read(node.value, where, _value(path, name), searched=searched)
            elif isinstance(node, ast.Call) and (used := _function(node)) not in {"", "compile"}:
                where = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                yield _read(node, where, searched=used not in ANCHORED)


def mentions() -> int:
    """How many times the package calls `re`, to check that none was missed; `re.escape` counts
    not."""
    settings_loading = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    called = re.compile(rf"\bre\.(?:{'|'.join(_FUNCTIONS)})\(")
    return sum(len(called.findall(source)) for source in settings_loading)


def faults(text: str | bytes, flags: int = 0, *, searched: bool = True) -> list[str]:
    """What could make it slow."""
    tree = parser.parse(text, flags)
    found: list[str] = []
    for sequence in _sequences(tree):
        found += _in_sequence(sequence)
    if searched:
        found += _in_search(_flat(tree))
    return sorted(set(found))


def _in_sequence(sequence: Sequence[Node]) -> Iterator[str]:
    for at, (code, value) in enumerate(sequence):
        if not _is_endless((code, value)):
            continue
        if any(_is_endless(inner) for inner in _all(value[2])):
            yield "a repeat in a repeat"
        if code is codes.POSSESSIVE_REPEAT:
            continue
        chars = _chars(value[2])
        for node in sequence[at + 1 :]:
            if _is_endless(node) and chars & _chars([node]):
                yield "two repeats of the same characters"
            if not _may_be_empty([node]) and not chars & _chars([node]):
                break


def _in_search(sequence: Sequence[Node]) -> Iterator[str]:
    """A repeat that is tried anew from each place within what it ran over, and fails each time."""
    if sequence and sequence[0][0] is codes.AT and sequence[0][1] in {
        codes.AT_BEGINNING, codes.AT_BEGINNING_STRING,
    }:  # fmt: skip
        return
    for branch in _branches(sequence):
        begins = _first(branch)
        for at, node in enumerate(branch):
            if _is_endless(node) and begins & _chars([node]) and not _succeeds(branch[at + 1 :]):
                yield "a repeat that is tried from each of its characters"


def _succeeds(rest: Sequence[Node]) -> bool:
    """Nothing behind it can fail."""
    return all(node[0] in _REPEATS and node[1][0] == 0 for node in rest)


def _branches(sequence: Sequence[Node]) -> Iterator[Sequence[Node]]:
    """The alternatives at the top, each with what surrounds it."""
    for at, (code, value) in enumerate(sequence):
        if code is codes.BRANCH:
            for branch in value[1]:
                yield from _branches([*sequence[:at], *_flat(branch), *sequence[at + 1 :]])
            return
    yield sequence


def _flat(tree: Any) -> list[Node]:
    """The same without the parentheses of groups."""
    found: list[Node] = []
    for code, value in tree:
        if code is codes.SUBPATTERN:
            found += _flat(value[3])
        elif code is codes.ATOMIC_GROUP:
            found += _flat(value)
        else:
            found.append((code, value))
    return found


def _sequences(tree: Any) -> Iterator[Sequence[Node]]:
    """All sequences of items, at each level."""
    flat = _flat(tree)
    yield flat
    for code, value in flat:
        for inner in _inside(code, value):
            yield from _sequences(inner)


def _inside(code: Any, value: Any) -> list[Any]:
    if code in _REPEATS:
        return [value[2]]
    if code is codes.BRANCH:
        return list(value[1])
    if code in {codes.ASSERT, codes.ASSERT_NOT}:
        return [value[1]]
    return []


def _all(tree: Any) -> Iterator[Node]:
    for sequence in _sequences(tree):
        yield from sequence


def _is_endless(node: Node) -> bool:
    return node[0] in _REPEATS and node[1][1] > _MANY


def _may_be_empty(nodes: Sequence[Node]) -> bool:
    for code, value in nodes:
        if code in _REPEATS and value[0] == 0:
            continue
        if code in {codes.ASSERT, codes.ASSERT_NOT, codes.AT}:
            continue
        inner = _inside(code, value)
        if not inner or not any(_may_be_empty(_flat(part)) for part in inner):
            return False
    return True


def _first(nodes: Sequence[Node]) -> set[str]:
    """The characters with which it can begin."""
    found: set[str] = set()
    for code, value in nodes:
        if code in {codes.ASSERT, codes.ASSERT_NOT, codes.AT}:
            continue
        inner = _inside(code, value)
        for part in inner:
            found |= _first(_flat(part))
        if not inner:
            found |= _chars([(code, value)])
        if not _may_be_empty([(code, value)]):
            break
    return found


def _chars(tree: Any) -> set[str]:
    """The characters that it can run over; of what it looks at only, none."""
    found: set[str] = set()
    for code, value in _flat(tree):
        if code in {codes.ASSERT, codes.ASSERT_NOT, codes.AT}:
            continue
        for inner in _inside(code, value):
            found |= _chars(inner)
        found |= {item for item in _SAMPLE if _takes(code, value, item)}
    return found


def _takes(code: Any, value: Any, first: str) -> bool:
    match code:
        case codes.LITERAL:
            return first.lower() == chr(value).lower()
        case codes.NOT_LITERAL:
            return first != chr(value)
        case codes.ANY:
            return True
        case codes.RANGE:
            return any(
                value[0] <= ord(case) <= value[1] for case in {first.lower()[:1], first.upper()[:1]}
            )
        case codes.CATEGORY:
            return bool(re.match(_CATEGORIES[value], first))
        case codes.IN:
            negated = value[0][0] is codes.NEGATE
            return negated != any(_takes(*item, first) for item in value[negated:])
        case codes.GROUPREF:
            return True
    return False


_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s", codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w", codes.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip


def _methods(tree: ast.AST) -> dict[str, set[str]]:
    """By name: what is called on it in the module."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.setdefault(node.value.id, set()).add(node.attr)
    return found


def _function(node: ast.AST) -> str:
    """The function of `re` that is called; empty if none is."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return ""
    called = node.func
    is_re = isinstance(called.value, ast.Name) and called.value.id == "re"
    return called.attr if is_re and called.attr in _FUNCTIONS else ""


def _value(path: Path, name: str) -> re.Pattern[Any]:
    """What a module has compiled; a pattern may be put together of others."""
    module = ".".join(("worker", *path.relative_to(PACKAGE).with_suffix("").parts))
    found = getattr(importlib.import_module(module.removesuffix(".__init__")), name)
    assert isinstance(found, re.Pattern)
    return found


def _read(
    node: ast.AST, where: str, compiled: re.Pattern[Any] | None = None, *, searched: bool
) -> Pattern:
    if compiled:
        return Pattern(where, compiled.pattern, compiled.flags, searched)
    assert isinstance(node, ast.Call)
    return Pattern(where, ast.literal_eval(node.args[0]), 0, searched)
