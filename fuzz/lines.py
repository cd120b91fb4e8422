"""Which lines of a target's code its inputs reach, and which inputs reach all of them."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
Line = tuple[str, int]


def main() -> None:
    """`python -m fuzz.lines NAME FOLDER [KEPT]`: print how many lines there are, and run.

    In the folder KEPT are then the smallest inputs that reach all of them.
    """
    sys.path.insert(0, str(ROOT / "tests"))
    name, folder, *kept = sys.argv[1:]
    from fuzz.targets import target

    found = target(name)
    files = set(_files(found.code))
    reached: set[Line] = set()
    telling: list[bytes] = []
    of_seeds = {line for seed in found.seeds() for line in _reached(found.check, seed, files)}
    for data in sorted((path.read_bytes() for path in Path(folder).iterdir()), key=len):
        lines = _reached(found.check, data, files)
        if lines - reached - of_seeds:
            telling.append(data)
        reached |= lines
    for out in kept:
        for number, data in enumerate(telling):
            (Path(out) / f"{number:02}").write_bytes(data)
    every = {(file, line) for file in files for line in _lines(file)}
    print(len(every), len((reached | of_seeds) & every))  # noqa: T201 this is its result


def _reached(check: Callable[[bytes], None], data: bytes, files: set[str]) -> set[Line]:
    executed: set[Line] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            executed.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    with suppress(AssertionError):
        check(data)
    sys.settrace(None)
    return executed


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
