"""Answers as they come over the wire: in whatever pieces, whole, or damaged."""

import itertools
import json

import pytest
from botocore.parsers import create_parser
from hypothesis import example, given
from hypothesis import strategies as st

from worker.core.limits import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES
from worker.sqs.client import answers
from worker.sqs.client.http import (
    Answer,
    Damaged,
    Stream,
    read_answer,
)

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Amzn-RequestId: 7\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"2\r\nhe\r\n0003;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n"
)
ANNOUNCED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\nhello"


def stream(*pieces):
    left = list(pieces)

    def more():
        if not left:
            raise EOFError
        return left.pop(0)

    return Stream(more)


def in_pieces(whole, cuts):
    edges = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    return [whole[start:end] for start, end in itertools.pairwise(edges)]


@given(
    whole=st.sampled_from([PLAIN, CHUNKED, ANNOUNCED, TO_THE_END]),
    cuts=st.lists(st.integers(0, 400)),
)
@example(whole=CHUNKED, cuts=list(range(400)))
@example(whole=ANNOUNCED, cuts=list(range(400)))
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(whole, cuts):
    answer, keeps = read_answer(stream(*in_pieces(whole, cuts)))
    assert (answer.status, answer.body) == (200, b"hello")
    assert keeps == (whole is not TO_THE_END)


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        (PLAIN, [5]),
        (TO_THE_END, [LARGEST_BODY_BYTES]),
        (CHUNKED, []),  # a short answer says its length when it is over
        (
            CHUNKED.replace(b"2\r\nhe", b"10000\r\n%s\r\n2\r\nhe" % (b"x" * 0x10000)),
            [LARGEST_BODY_BYTES],
        ),
    ],
)
def test_before_a_body_is_read_its_length_is_passed_on(whole, expected):
    reported = []
    head, body = whole.split(b"\r\n\r\n", 1)
    pieces = iter([head + b"\r\n\r\n", body])
    read = []

    def more():
        for piece in pieces:
            read.append(piece)
            return piece
        raise EOFError

    def expect(length):
        reported.append((length, len(read)))

    read_answer(Stream(more), expect)
    assert [length for length, _ in reported] == expected
    if whole in {PLAIN, TO_THE_END}:
        assert reported[0][1] == 1  # the head alone


@given(whole=st.sampled_from([PLAIN, CHUNKED, ANNOUNCED]), length=st.integers(0, 400))
def test_half_an_answer_is_none(whole, length):
    with pytest.raises(EOFError):
        read_answer(stream(whole[: length % len(whole)]))


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda more: PLAIN[:17] + more))
def test_any_bytes_are_an_answer_or_damaged_or_not_whole(noise):
    try:
        answer, _ = read_answer(stream(noise))
    except (Damaged, EOFError):
        return
    assert 200 <= answer.status < 600


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0", True),
        (b"HTTP/1.1 200\r\ncontent-length:0", True),
        (b"HTTP/1.1 204 No Content", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0, 0", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0", False),
    ],
)
def test_a_connection_is_kept_unless_the_far_side_says_no(head, keeps):
    assert read_answer(stream(head + b"\r\n\r\n"))[1] == keeps


def test_unrequested_bytes_spoil_a_connection():
    answer, keeps = read_answer(stream(PLAIN + b"HTTP/1.1 200 OK"))
    assert (answer.body, keeps) == (b"hello", False)


def test_a_length_and_chunks_at_once_spoil_it_too():
    both = CHUNKED.replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1)
    answer, keeps = read_answer(stream(both))
    assert (answer.body, keeps) == (b"hello", False)


@pytest.mark.parametrize(
    "damaged",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + PLAIN,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 11 + PLAIN,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!!0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"x\r\n" * 200,
    ],
)
def test_what_is_no_answer_is_damaged(damaged):
    with pytest.raises(Damaged):
        read_answer(stream(damaged))


def for_ever(piece, first=b""):
    """A remote service that never ends, and what it got rid of."""
    reported = [0]

    def more():
        reported[0] += 1
        assert reported[0] * len(piece) < 2 * LARGEST_BODY_BYTES, "it is read for ever"
        return first if reported[0] == 1 and first else piece

    return Stream(more)


@pytest.mark.parametrize(
    "endless",
    [
        for_ever(b"x" * 8_192),
        for_ever(b"X-More: 1\r\n" * 100, b"HTTP/1.1 200 OK\r\n"),
        for_ever(b"y" * 1_048_576, TO_THE_END),
        for_ever(b"100000\r\n" + b"x" * 1_048_576 + b"\r\n", CHUNKED[:47]),
    ],
    ids=["noise", "head", "body", "chunks"],
)
def test_what_has_no_end_is_broken_off(endless):
    with pytest.raises(Damaged):
        read_answer(endless)


def test_what_says_it_is_too_large_is_not_even_begun():
    for head in (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (LARGEST_BODY_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * LARGEST_HEAD_BYTES + b"\r\n\r\n",
    ):
        with pytest.raises(Damaged):
            read_answer(stream(head))


def test_ten_of_the_largest_messages_with_every_character_escaped_are_read():
    escaped = b"\\u0041" * (10 * 1_048_576)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(escaped)
    assert len(read_answer(stream(head, escaped))[0].body) == len(escaped)


CODES = st.sampled_from(
    ["com.amazonaws.sqs#QueueDoesNotExist", "AccessDenied", "a:b#c", "ns#Code:http://x", "", "#"]
)
ERROR_BODIES = st.fixed_dictionaries(
    {}, optional={"__type": CODES, "message": st.text(), "Message": st.text(), "x": st.none()}
).map(lambda body: json.dumps(body).encode()) | st.sampled_from(
    [b"", b" ", b"<html>busy</html>", b"no JSON", b"{", b"\n<html>"]
)
OLDER_CODES = st.sampled_from(
    ["AWS.SimpleQueueService.NonExistentQueue;Sender", "X;", ";Sender", "one", "a;b;c", ""]
)


@given(
    status=st.sampled_from([301, 400, 403, 404, 408, 429, 500, 503]),
    body=ERROR_BODIES,
    older=st.none() | OLDER_CODES,
)
def test_a_refusal_is_read_as_boto3_reads_it(status, body, older):
    headers = {} if older is None else {"x-amzn-query-error": older}
    raw = {"status_code": status, "headers": headers, "body": body}
    theirs = create_parser("json").parse(raw, None)
    ours = answers.refusal(Answer(status, headers, body), "ReceiveMessage")
    assert ours.response["Error"]["Code"] == theirs["Error"]["Code"]
    assert ours.response["Error"]["Message"] == theirs["Error"]["Message"]
    assert ours.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert ours.operation_name == "ReceiveMessage"


@pytest.mark.parametrize("body", [b"[]", b"1", b'{"__type": 7}', b'{"message": {}}', b"\xff\xfe"])
def test_a_refusal_in_a_shape_of_its_own_is_a_refusal(body):
    """boto3 breaks on these."""
    error = answers.refusal(Answer(403, {}, body), "ReceiveMessage").response
    assert error["Error"]["Code"] == "403"
