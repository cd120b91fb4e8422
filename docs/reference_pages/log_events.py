"""The reference of log events: each call of a logger in the source, with its fields."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from reference_pages.markdown import code, escaped

ROOT = Path(__file__).parents[2]
MEANINGS = Path(__file__).with_name("log_events.toml")
LEVELS = ("debug", "info", "warning", "error", "critical")
METHODS = {**{level: level for level in LEVELS}, "exception": "error"}
HEAD = """# Log events

Made from the program: every event that the worker logs, with its levels and fields. Each line is
a JSON object with `timestamp`, `level` and `event`, then the fields; `exception` has a trace
where there is one. `hint` says what to do. Records of the libraries are `library.message`, with
`logger` and `message`. [Monitoring](../monitoring.md#logs) names the events that deserve an
alert. In systemd's journal: `journalctl -u ses-worker EVENT=store.unavailable`.
"""

Scope = ast.FunctionDef | ast.Module


@dataclass
class Event:
    """What the source says of an event."""

    levels: set[str] = field(default_factory=set)
    fields: dict[str, None] = field(default_factory=dict)
    """In the order of the source."""
    hints: dict[str, None] = field(default_factory=dict)


def log_events_page() -> str:
    """Return the page.

    Raises:
        ValueError: an event has no meaning in `log_events.toml`, or a meaning no event.

    """
    meanings = tomllib.loads(MEANINGS.read_text(encoding="utf-8"))
    found = events(ROOT / "worker")
    if odd := sorted(meanings.keys() ^ found.keys()):
        raise ValueError(f"{MEANINGS.name} and the source differ in {', '.join(odd)}")
    parts = [HEAD]
    family = ""
    for name in sorted(found, key=lambda name: (_family(name), name)):
        event = found[name]
        if _family(name) != family:
            family = _family(name)
            parts.append(f"## {family}\n")
        levels = ", ".join(level for level in LEVELS if level in event.levels)
        facts = f"**{levels}**" + (f"; {code(event.fields)}" if event.fields else "")
        parts.append(f"### {name}\n\n{facts}\n\n{meanings[name]}\n")
        parts += [f"> hint: {escaped(hint)}\n" for hint in event.hints]
    return "\n".join(parts)


def _family(name: str) -> str:
    """Return what an event speaks of: `store` of `store.slow`."""
    family, dot, _ = name.partition(".")
    return family if dot else "notification"


@cache
def events(folder: Path) -> dict[str, Event]:
    """Return every event that the sources below this folder log, by its name."""
    found: dict[str, Event] = defaultdict(Event)
    for path in sorted(folder.rglob("*.py")):
        for scope, call, level in _calls(path):
            names = _texts(call.args[0], scope, path)
            for number, name in enumerate(names):
                found[name].levels.add(level)
                side = number if len(names) > 1 else None
                _learn(found[name], call, scope, path, side)
    return dict(found)


def _calls(path: Path) -> Iterator[tuple[Scope, ast.Call, str]]:
    tree = _tree(path)
    nodes = list(ast.walk(tree))
    if not any(isinstance(node, ast.Attribute) and node.attr in METHODS for node in nodes):
        return  # most files, and to look at all their functions takes long
    scopes: list[Scope] = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    inner = {id(node) for scope in scopes for node in ast.walk(scope)}
    for scope in [*scopes, tree]:
        for node in ast.walk(scope):
            if scope is tree and id(node) in inner:
                continue
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                level = METHODS.get(node.func.attr)
                if level and node.args and _is_logger(node.func.value):
                    yield scope, node, level


def _is_logger(node: ast.expr) -> bool:
    return ast.unparse(node).rstrip("()").rpartition(".")[2].endswith(("log", "get_logger"))


def _learn(event: Event, call: ast.Call, scope: Scope, path: Path, side: int | None) -> None:
    """Add what a call says of an event; `side`: which side of a condition names this event."""
    logger = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    bound = [item for item in _assigned(logger, scope) if isinstance(item, ast.Call)]
    for keyword in (keyword for item in [*bound, call] for keyword in item.keywords):
        if keyword.arg is None:
            for table in _assigned(keyword.value, scope):
                event.hints.update(dict.fromkeys(_hints_of(_chosen(table, side), scope, path)))
        elif keyword.arg == "hint":
            event.hints.update(dict.fromkeys(_texts(keyword.value, scope, path)))
        elif keyword.arg != "exc_info":
            event.fields[keyword.arg] = None


def _chosen(node: ast.expr, side: int | None) -> ast.expr:
    if side is None or not isinstance(node, ast.IfExp):
        return node
    return (node.body, node.orelse)[side]


def _hints_of(node: ast.expr, scope: Scope, path: Path) -> Iterator[str]:
    for table in (item for item in ast.walk(node) if isinstance(item, ast.Dict)):
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "hint":
                yield from _texts(value, scope, path)


def _texts(node: ast.expr, scope: Scope, path: Path) -> list[str]:
    """Return what an expression may be; parts that only a run knows are shown as `…`."""
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.JoinedStr(values=values):
            return ["".join(_part(value, scope, path) for value in values)]
        case ast.IfExp(body=body, orelse=orelse):
            return _texts(body, scope, path) + _texts(orelse, scope, path)
        case ast.Subscript(value=ast.Name() as name):
            tables = [item for item in _named(name, scope, path) if isinstance(item, ast.Dict)]
            return [
                text
                for item in tables
                for value in item.values
                for text in _texts(value, scope, path)
            ]
        case ast.Name():
            return [
                text for item in _named(node, scope, path) for text in _texts(item, scope, path)
            ]
    return []


def _part(node: ast.expr, scope: Scope, path: Path) -> str:
    inner = node.value if isinstance(node, ast.FormattedValue) else node
    texts = _texts(inner, scope, path)
    return texts[0] if texts else "…"


def _named(name: ast.Name, scope: Scope, path: Path) -> list[ast.expr]:
    """Return the values of a name: of the function, the module, or the module it comes from."""
    tree = _tree(path)
    if values := _assigned(name, scope) or _assigned(name, tree):
        return values
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any(item.name == name.id for item in node.names):
            base = ROOT.joinpath(*(node.module or "").split("."))
            source = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
            return _assigned(name, _tree(source)) if source.exists() else []
    return []


def _assigned(node: ast.expr, scope: Scope) -> list[ast.expr]:
    if not isinstance(node, ast.Name):
        return []
    body = scope.body if isinstance(scope, ast.Module) else list(ast.walk(scope))
    return [
        item.value
        for item in body
        if isinstance(item, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == node.id for target in item.targets)
    ]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
