"""An answer over HTTP is the same in any pieces, within the bounds, or refused as damaged."""

from collections.abc import Iterator

from fuzz.texts import BETWEEN
from worker.core.limits import LARGEST_BODY_BYTES
from worker.sqs.client import answers
from worker.sqs.client.http import Answer, Damaged, Stream, read_answer

CODE = ("worker.sqs.client.http", "worker.sqs.client.answers")
MESSAGE = b'{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":"b","Attributes":{"x":"1"}}]}'


def seeds() -> Iterator[bytes]:
    """Yield answers of SQS and of proxies."""
    length = b"Content-Length: %d\r\n" % len(MESSAGE)
    yield b"\0HTTP/1.1 200 OK\r\n" + length + b"\r\n" + MESSAGE
    yield b"\1HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"
    yield b"\3HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200\r\nConnection: close\r\n\r\n{}"
    yield b"\2HTTP/1.1 403 No\r\nx-amzn-query-error: A.B;Sender\r\nContent-Length: 2\r\n\r\n{}"
    yield b"\7HTTP/1.1 204 No\r\nContent-Length: 3, 3\r\n\r\n"
    for body in (MESSAGE, b"", b"{}", b'{"Messages":[{"MessageId":7},{"Body":"\xff"}]}', b"[]"):
        yield b"\xff" + body
    yield b"\xff" + MESSAGE.replace(b"[", b'[{"MessageId":7},')
    yield b'\xff{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","Code":"x","SenderFault":true}]}'
    yield b'\xff{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}' + BETWEEN


def check(data: bytes) -> None:
    """Read an answer whole and in pieces; or, after 0xff, a body alone."""
    if data[:1] == b"\xff":
        _check_body(data[1:])
        return
    step = 1 + data[0] % 16 if data else 1
    written = data[1:]
    assert _outcome([written]) == _outcome(
        [written[at : at + step] for at in range(0, len(written), step)]
    ), "it depends on the pieces"


def _outcome(pieces: list[bytes]) -> tuple[object, ...]:
    left = iter(pieces)

    def more() -> bytes:
        piece = next(left, b"")
        if not piece:
            raise EOFError
        return piece

    expected: list[int] = []
    try:
        answer, _ = read_answer(Stream(more), expected.append)
    except (Damaged, EOFError) as error:
        return type(error), str(error)
    assert max(expected, default=0) <= LARGEST_BODY_BYTES
    assert 200 <= answer.status <= 599
    return answer.status, dict(answer.headers), bytes(answer.body)


def _check_body(body: bytes) -> None:
    for read in (answers.messages, answers.batch):
        try:
            found = read(body)
        except answers.UNREADABLE:
            continue
        for message in found.get("Messages") or ():
            assert isinstance(message["MessageId"], str)
    error = answers.refusal(Answer(400, {}, body), "ReceiveMessage")
    assert isinstance(error.response["Error"]["Code"], str)
    assert isinstance(error.response["Error"]["Message"], str)
