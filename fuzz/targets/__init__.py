"""The targets: a module each with `check`, which raises if something is wrong, and `seeds`."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import NamedTuple


class Target(NamedTuple):
    """What is fuzzed."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    code: tuple[str, ...]
    """Packages and modules whose coverage counts."""


NAMES = (
    "decoding", "addresses", "wrappings", "faults", "slack", "signatures", "settings", "http",
    "both_clients",
)  # fmt: skip


def target(name: str) -> Target:
    """Load a target."""
    module = import_module(f"fuzz.targets.{name}")
    return Target(name, module.check, module.seeds, module.CODE)
