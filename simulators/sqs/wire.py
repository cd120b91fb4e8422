"""HTTP/1.1 as SDKs use it with SQS: a POST with a length, an answer with a length."""

from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import BinaryIO, NamedTuple

_LONGEST_LINE = 65_536


class HttpRequest(NamedTuple):
    """A request."""

    method: str
    headers: Mapping[str, str]
    """By name, in lower case."""
    body: bytes


def read_request(stream: BinaryIO) -> HttpRequest | None:
    """Read the next request of a connection; None at its end.

    Raises:
        ValueError: it is not HTTP, or of a kind that no SDK sends.

    """
    line = stream.readline(_LONGEST_LINE)
    if not line:
        return None
    method, _, version = line.decode("latin-1").split()
    if version != "HTTP/1.1":
        raise ValueError(version)
    headers = {}
    while (line := stream.readline(_LONGEST_LINE)) not in {b"\r\n", b"\n"}:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise ValueError(f"not a header: {name!r}")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = stream.read(length)
    return HttpRequest(method, headers, body) if len(body) == length else None


def dated(body: bytes, seconds: float) -> bytes:
    """Return the answer with a `Date` header, to the second, as SQS sends it."""
    first, line, rest = body.partition(b"\r\n")
    return first + line + f"Date: {formatdate(seconds, usegmt=True)}\r\n".encode() + rest


def render_head(status: int, headers: Mapping[str, str], length: int) -> bytes:
    """Render the head of an answer."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Content-Type: application/x-amz-json-1.0", f"Content-Length: {length}", "", ""]
    return "\r\n".join(lines).encode("latin-1")
