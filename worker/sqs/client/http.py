"""As much of HTTP/1.1 as an answer of SQS needs, and of what stands before SQS.

https://www.rfc-editor.org/rfc/rfc9112
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress

from msgspec import Struct

LARGEST_HEAD_BYTES = 65_536
LARGEST_BODY_BYTES = 64 * 1_048_576
"""Ten messages of 1 MiB each, every character escaped as JSON may do it."""
MOST_INTERIM = 10
"""Answers in the 100s before the answer."""
_LONGEST_LINE = 1_024
"""Of a chunk's size, or a trailer."""

_LONGEST_EXPECTED_CHUNKS = 65_536
"""What comes in chunks does not say how long it will be: when it is longer than this, it may be as
long as any."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([^\r\n\0]*)")
_NUMBER = re.compile(r"\d{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class Damaged(Exception):
    """What came is no answer; the text says why."""


class Head(Struct, frozen=True):
    """What stands before the body."""

    status: int
    headers: Mapping[str, str]
    """By names in small letters; of several with one name, with commas between."""
    keeps: bool
    """The server keeps the connection open."""
    is_chunked: bool
    length: int | None
    """None: to the end of the connection, unless it is chunked."""


class Answer(Struct, frozen=True):
    """An answer to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray


class Stream:
    """Bytes as they come; `more` fetches some, and raises EOFError at the end of the connection."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        self._more = more
        self._data = bytearray()

    @property
    def is_empty(self) -> bool:
        """There are no unrequested bytes."""
        return not self._data

    def until(self, end: bytes, most: int) -> bytes:
        """Read up to and without `end`."""
        looked = 0
        while (found := self._data.find(end, looked)) < 0:
            looked = max(0, len(self._data) - len(end) + 1)
            if len(self._data) > most:
                raise Damaged("a line of it has no end")
            self._data += self._more()
        if found > most:
            raise Damaged("a line of it is too long")
        return self._cut(found, len(end))

    def exactly(self, length: int) -> bytes | bytearray:
        """Read so many bytes."""
        while len(self._data) < length:
            self._data += self._more()
        if len(self._data) == length:  # as it is: there may be megabytes of it
            taken, self._data = self._data, bytearray()
            return taken
        return self._cut(length, 0)

    def rest(self, expect: Callable[[int], None]) -> bytes:
        """Read to the end of the connection."""
        expect(LARGEST_BODY_BYTES)
        with suppress(EOFError):
            while len(self._data) <= LARGEST_BODY_BYTES:
                self._data += self._more()
            raise Damaged("it is too large")
        return self._cut(len(self._data), 0)

    def _cut(self, length: int, skipped: int) -> bytes:
        with memoryview(self._data) as view:
            taken = bytes(view[:length])
        del self._data[: length + skipped]
        return taken


def read_head(stream: Stream) -> Head:
    """Read the head of the answer, past those that only announce it.

    Raises:
        Damaged: it is none.

    """
    for _ in range(MOST_INTERIM):
        head = parse_head(stream.until(b"\r\n\r\n", LARGEST_HEAD_BYTES))
        if head.status >= 200:
            return head
        if head.status == 101:
            break  # an unrequested change of protocol
    raise Damaged("it never comes to the point")


def parse_head(block: bytes) -> Head:
    """Understand a head, without its empty line.

    Raises:
        Damaged: it is none.

    """
    first, *lines = block.split(b"\r\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise Damaged("it is no HTTP")
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise Damaged("a header of it is none")
        name, value = header[1].decode().lower(), header[2].decode("latin-1").rstrip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    status = int(status_line[2])
    coding = headers.get("transfer-encoding", "").lower()
    if coding not in {"", "chunked"} or headers.get("content-encoding", "identity") != "identity":
        raise Damaged("it has an unrequested encoding")
    options = {option.strip() for option in headers.get("connection", "").lower().split(",")}
    # With both, somebody on the way may see another end: read it, and have done with it.
    is_twofold = bool(coding) and "content-length" in headers
    return Head(
        status=status,
        headers=headers,
        keeps=status_line[1] == b"1" and "close" not in options and not is_twofold,
        is_chunked=bool(coding),
        length=_length(status, headers),
    )


def _length(status: int, headers: Mapping[str, str]) -> int | None:
    if status < 200 or status in {204, 304}:
        return 0
    value = headers.get("content-length")
    if value is None:
        return None
    values = {value.strip() for value in value.split(",")}  # the same twice is one
    number = values.pop()
    if values or not _NUMBER.fullmatch(number):
        raise Damaged("its length is none")
    if int(number) > LARGEST_BODY_BYTES:
        raise Damaged("it is too large")
    return int(number)


def read_answer(
    stream: Stream, expect: Callable[[int], None] = lambda _: None
) -> tuple[Answer, bool]:
    """Read an answer to its end; return also whether the connection can be reused.

    `expect` learns, before they are read, how many bytes there are, or may be.

    Raises:
        Damaged: it is none, or too large.
        EOFError: the connection has ended before it.

    """
    head = read_head(stream)
    body: bytes | bytearray
    if head.is_chunked:
        body, keeps = _read_chunks(stream, expect), head.keeps
    elif head.length is None:
        body, keeps = stream.rest(expect), False
    else:
        expect(head.length)
        body, keeps = stream.exactly(head.length), head.keeps
    return Answer(head.status, head.headers, body), keeps and stream.is_empty


def _read_chunks(stream: Stream, expect: Callable[[int], None]) -> bytearray:
    body = bytearray()
    expected = _LONGEST_EXPECTED_CHUNKS
    while True:
        size = _CHUNK.fullmatch(stream.until(b"\r\n", _LONGEST_LINE))
        if size is None:
            raise Damaged("a chunk of it is none")
        length = int(size[1], 16)
        if len(body) + length > LARGEST_BODY_BYTES:
            raise Damaged("it is too large")
        if not length:
            break
        if len(body) + length > expected:
            expected = LARGEST_BODY_BYTES
            expect(expected)
        body += stream.exactly(length)
        if stream.exactly(2) != b"\r\n":
            raise Damaged("a chunk of it has another length")
    for _ in range(100):
        if not stream.until(b"\r\n", _LONGEST_LINE):
            return body
    raise Damaged("its trailer has no end")
