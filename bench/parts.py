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


class Row(Struct, frozen=True, kw_only=True):
    """One part of a message's way."""

    name: str
    calls: int
    us: float
    """Microseconds of CPU a message."""
    share: float


class Profile(Struct, frozen=True, kw_only=True):
    """Where a message's microseconds go."""

    title: str
    rows: list[Row]

    @property
    def us(self) -> float:
        """All of them."""
        return sum(row.us for row in self.rows)


class Memory(Struct, frozen=True, kw_only=True):
    """What a long run has shown of the worker's memory."""

    messages: int
    first: int
    """Messages after which growth counts."""
    most_mb: float
    grown_mb: float
    """The most after that, above what it was then."""


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
    """Take away what an earlier run has left."""
    _place(name).unlink(missing_ok=True)


def _place(name: str) -> Path:
    return OUT / os.environ.get(FOLDER, "parts") / f"{name}.json"
