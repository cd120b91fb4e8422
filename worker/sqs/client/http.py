"""Reads HTTP/1.1 answers of SQS and of proxies before it, within limits of size.

https://www.rfc-editor.org/rfc/rfc9112. With httptools (a C parser) the same limits took 105
lines in place of 141, at the same speed for ten messages: not worth a compiled dependency.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from msgspec import Struct

from worker.core.limits import (
    LARGEST_BODY_BYTES,
    LARGEST_HEAD_BYTES,
    LONGEST_LINE_BYTES,
    MOST_INTERIM,
    MOST_TRAILERS,
)

_LONGEST_EXPECTED_CHUNKS = 65_536
"""A chunked body does not announce its length. Beyond this many bytes `expect` is called with the
largest."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([^\r\n\0]*)")
_NUMBER = re.compile(r"\d{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class Damaged(Exception):
    """The answer is malformed or too large; the text says why."""

    headers: Mapping[str, str] = MappingProxyType({})
    """Of the answer; none if its head is malformed."""


class Head(Struct, frozen=True):
    """Status and headers of an answer."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case; repeated headers are joined with commas."""
    keeps: bool
    """The server keeps the connection open."""
    is_chunked: bool
    length: int | None
    """Bytes of the body; None: chunked, or up to the end of the connection."""


class Answer(Struct, frozen=True):
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray


class Stream:
    """A buffered stream; `more` receives bytes, and raises EOFError at the connection's end."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        self._more = more
        self._data = bytearray()

    @property
    def is_empty(self) -> bool:
        """No received byte is left."""
        return not self._data

    def until(self, end: bytes, most: int) -> bytes:
        """Read up to `end`, which is skipped; at most so many bytes."""
        looked = 0
        while (found := self._data.find(end, looked)) < 0:
            looked = max(0, len(self._data) - len(end) + 1)
            if len(self._data) > most:
                raise Damaged("a line is too long")
            self._data += self._more()
        if found > most:
            raise Damaged("a line is too long")
        return self._cut(found, len(end))

    def exactly(self, length: int) -> bytes | bytearray:
        """Read exactly so many bytes."""
        while len(self._data) < length:
            self._data += self._more()
        if len(self._data) == length:  # without a copy: it may be megabytes
            taken, self._data = self._data, bytearray()
            return taken
        return self._cut(length, 0)

    def rest(self, expect: Callable[[int], None]) -> bytes:
        """Read to the end of the connection."""
        expect(LARGEST_BODY_BYTES)
        with suppress(EOFError):
            while len(self._data) <= LARGEST_BODY_BYTES:
                self._data += self._more()
            raise Damaged("the body is too large")
        return self._cut(len(self._data), 0)

    def _cut(self, length: int, skipped: int) -> bytes:
        with memoryview(self._data) as view:
            taken = bytes(view[:length])
        del self._data[: length + skipped]
        return taken


def read_head(stream: Stream) -> Head:
    """Read the head of the answer, after 1xx responses.

    Raises:
        Damaged: it is malformed.

    """
    for _ in range(MOST_INTERIM):
        head = parse_head(stream.until(b"\r\n\r\n", LARGEST_HEAD_BYTES))
        if head.status >= 200:
            return head
        if head.status == 101:
            raise Damaged("an unrequested change of protocol")
    raise Damaged("too many 1xx responses")


def parse_head(block: bytes) -> Head:
    """Parse a head, without its empty line.

    Raises:
        Damaged: it is malformed.

    """
    first, *lines = block.split(b"\r\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise Damaged("not HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise Damaged("a header is malformed")
        name, value = header[1].decode().lower(), header[2].decode("latin-1").rstrip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    try:
        return _framed(status_line, headers)
    except Damaged as error:
        error.headers = headers
        raise


def _framed(status_line: re.Match[bytes], headers: Mapping[str, str]) -> Head:
    """Find where the body ends.

    Raises:
        Damaged: the headers do not state it, or the body is encoded or too large.

    """
    status = int(status_line[2])
    coding = headers.get("transfer-encoding", "").lower()
    if coding not in {"", "chunked"} or headers.get("content-encoding", "identity") != "identity":
        raise Damaged("an unrequested encoding")
    options = {option.strip() for option in headers.get("connection", "").lower().split(",")}
    # With both, a proxy may find another end of the body: read it, then close the connection.
    has_both = bool(coding) and "content-length" in headers
    return Head(
        status=status,
        headers=headers,
        keeps=status_line[1] == b"1" and "close" not in options and not has_both,
        is_chunked=bool(coding),
        length=_length(status, headers),
    )


def _length(status: int, headers: Mapping[str, str]) -> int | None:
    if status < 200 or status in {204, 304}:
        return 0
    value = headers.get("content-length")
    if value is None:
        return None
    values = {value.strip() for value in value.split(",")}  # equal duplicates are allowed
    number = values.pop()
    if values or not _NUMBER.fullmatch(number):
        raise Damaged("the Content-Length is malformed")
    if int(number) > LARGEST_BODY_BYTES:
        raise Damaged("the body is too large")
    return int(number)


def read_answer(
    stream: Stream, expect: Callable[[int], None] = lambda _: None
) -> tuple[Answer, bool]:
    """Read a complete answer; return also whether the connection can be reused.

    `expect` is called before the body is read, with its length or the largest possible length.

    Raises:
        Damaged: the answer is malformed or too large.
        EOFError: the connection ended before the answer did.

    """
    head = read_head(stream)
    try:
        body, keeps = _read_body(head, stream, expect)
    except Damaged as error:
        error.headers = head.headers
        raise
    return Answer(head.status, head.headers, body), keeps and stream.is_empty


def _read_body(
    head: Head, stream: Stream, expect: Callable[[int], None]
) -> tuple[bytes | bytearray, bool]:
    if head.is_chunked:
        return _read_chunks(stream, expect), head.keeps
    if head.length is None:
        return stream.rest(expect), False
    expect(head.length)
    return stream.exactly(head.length), head.keeps


def _read_chunks(stream: Stream, expect: Callable[[int], None]) -> bytearray:
    body = bytearray()
    expected = _LONGEST_EXPECTED_CHUNKS
    while True:
        size = _CHUNK.fullmatch(stream.until(b"\r\n", LONGEST_LINE_BYTES))
        if size is None:
            raise Damaged("a chunk size is malformed")
        length = int(size[1], 16)
        if len(body) + length > LARGEST_BODY_BYTES:
            raise Damaged("the body is too large")
        if not length:
            break
        if len(body) + length > expected:
            expected = LARGEST_BODY_BYTES
            expect(expected)
        body += stream.exactly(length)
        if stream.exactly(2) != b"\r\n":
            raise Damaged("a chunk is longer than its size")
    for _ in range(MOST_TRAILERS):
        if not stream.until(b"\r\n", LONGEST_LINE_BYTES):
            return body
    raise Damaged("too many trailers")
