"""What the parts of the benchmark leave behind for the report: a JSON file each, with its date."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from bench.places import OUT

T = TypeVar("T")
FOLDER = "BENCH_PARTS"
"""In the environment: a folder of bench/out for runs too small to be kept with the others."""


class Part(Struct, Generic[T], frozen=True):
    """One part's result, and when it was measured."""

    date: str
    result: T


def keep(name: str, result: Struct) -> None:
    """Leave a result in `bench/out/`."""
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    _place(name).parent.mkdir(parents=True, exist_ok=True)
    _place(name).write_bytes(msgspec.json.encode(Part(date, result)))


def kept(name: str, kind: type[T]) -> Part[T] | None:
    """Read what was left, if it was."""
    if not _place(name).exists():
        return None
    return msgspec.json.decode(_place(name).read_bytes(), type=Part[kind])  # type: ignore[valid-type]


def forget(name: str) -> None:
    """Remove what an earlier run has left."""
    _place(name).unlink(missing_ok=True)


def _place(name: str) -> Path:
    return OUT / os.environ.get(FOLDER, "parts") / f"{name}.json"
