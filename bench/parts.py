"""What the parts of the benchmark leave behind for the report: a JSON file each, with its date."""

from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from bench.places import OUT

T = TypeVar("T")


class Part(Struct, Generic[T], frozen=True):
    """One part's result, and when it was measured."""

    date: str
    result: T


def keep(name: str, result: Struct) -> None:
    """Leave a result in `bench/out/`."""
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    OUT.mkdir(exist_ok=True)
    OUT.joinpath(f"part-{name}.json").write_bytes(msgspec.json.encode(Part(date, result)))


def kept(name: str, kind: type[T]) -> Part[T] | None:
    """Read what was left, if it was."""
    path = OUT / f"part-{name}.json"
    if not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=Part[kind])  # type: ignore[valid-type]
