"""Which lines of a target's code its corpus reaches: `python -m fuzz.lines NAME FOLDER…`."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Print how many lines there are, and how many of them run."""
    sys.path.insert(0, str(ROOT / "tests"))
    name, *folders = sys.argv[1:]
    from fuzz.targets import target

    found = target(name)
    files = set(_files(found.code))
    seen: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    inputs = [path.read_bytes() for folder in folders for path in sorted(Path(folder).iterdir())]
    sys.settrace(trace)
    for data in inputs:
        with suppress(AssertionError):
            found.check(data)
    sys.settrace(None)
    every = {(file, line) for file in files for line in _lines(file)}
    print(len(every), len(seen & every))  # noqa: T201 this is its result


def _files(code: tuple[str, ...]) -> Iterator[str]:
    for name in code:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        if spec.submodule_search_locations:
            yield from map(str, Path(spec.origin).parent.rglob("*.py"))
        else:
            yield spec.origin


def _lines(file: str) -> Iterator[int]:
    """Yield the lines of all functions: those of modules and classes run at their import."""
    pending = [compile(Path(file).read_text(encoding="utf-8"), file, "exec")]
    while pending:
        code = pending.pop()
        pending += (each for each in code.co_consts if isinstance(each, CodeType))
        if code.co_flags & 2:  # CO_NEWLOCALS: a function
            yield from (line for *_, line in code.co_lines() if line and line > code.co_firstlineno)


if __name__ == "__main__":
    main()
