"""What takes long to make, and is made once for all processes of pytest-xdist."""

import fcntl
import json
import os
from collections.abc import Callable
from typing import Any

import pytest


def shared(
    factory: pytest.TempPathFactory,
    name: str,
    make: Callable[[], dict[str, Any]],
    good: Callable[[dict[str, Any]], bool],
) -> dict[str, Any]:
    """Make a value, or read what another process of this run has made, as JSON.

    A value that is not good is not kept: a test that is run again makes it anew.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make()
    folder = factory.getbasetemp().parent
    file = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return kept
        made = make()
        if good(made):
            file.write_text(json.dumps(made), encoding="utf-8")
        return made
