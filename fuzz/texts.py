"""Makes texts and parts of the bytes that a fuzzer draws."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BETWEEN = b"\0\xff"
"""Between parts of an input: no text has it."""


def text_of(data: bytes) -> str:
    """Read bytes as a text, and keep what is no UTF-8 as half a surrogate pair, as JSON may."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def parts_of(data: bytes, count: int) -> list[str]:
    """Cut bytes into so many texts; missing ones are empty."""
    parts = data.split(BETWEEN, count - 1)
    return [text_of(part) for part in parts + [b""] * (count - len(parts))]


def joined(*texts: str) -> bytes:
    """Write parts as `parts_of` reads them."""
    return BETWEEN.join(text.encode("utf-8", "surrogatepass") for text in texts)


def payloads() -> Iterator[bytes]:
    """Yield the SES messages of the tests."""
    for folder in ("payloads", "reports"):
        for path in sorted((ROOT / "tests" / folder).iterdir()):
            if path.suffix in {".json", ".txt"} and path.name != "expected.json":
                yield path.read_bytes()
