"""The HTTP server: a thread for each connection, which stays open between requests."""

import itertools
import socket
import struct
import threading
import time
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from simulators.sqs.calls import Call
from simulators.sqs.clock import Clock
from simulators.sqs.errors import SqsError
from simulators.sqs.faults import ConnectionCut
from simulators.sqs.journal import Journal, Request
from simulators.sqs.parameters import Answer
from simulators.sqs.protocol import Question, read_question, render_answer, render_error
from simulators.sqs.script import Faults
from simulators.sqs.service import Service
from simulators.sqs.wire import HttpRequest, dated, read_request

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: unsent bytes are discarded, and the peer gets a reset."""
_WAIT_SECONDS = 5


class _Outcome(NamedTuple):
    """The outcome of a request, and the bytes to send."""

    status: int
    code: str
    answer: Answer | None
    body: bytes

    @property
    def is_cut(self) -> bool:
        return self.status == 0


class Server:
    """Listens on a free port of the loopback interface."""

    def __init__(self, service: Service, *, faults: Faults, journal: Journal, clock: Clock) -> None:
        self.failures: list[Exception] = []
        """Errors of the simulator itself or of a rule's predicate; each was answered with a 500."""
        self.date_ahead: float | None = 0.0
        """Seconds by which `Date` is ahead of the real time; None: answers have none."""
        self._service = service
        self._faults = faults
        self._journal = journal
        self._clock = clock
        self._numbers = itertools.count(1)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, name="sqs-simulator", daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        """Stop; long polls and delays end at once."""
        self._closing.set()
        self._service.wake()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(_WAIT_SECONDS)
        self._listener.close()
        with self._lock:
            connections = dict(self._open)
        for connection, thread in connections.items():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_WAIT_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                self._open[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # A peer that resets, or does not speak HTTP, ends its own connection only.
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as stream:
            while (request := read_request(stream)) and not self._closing.is_set():
                outcome = self._handle(request, connection)
                body = outcome.body
                if body and self.date_ahead is not None:
                    body = dated(body, time.time() + self.date_ahead)
                connection.sendall(body)
                if outcome.is_cut:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                    break
        with self._lock:
            self._open.pop(connection, None)

    def _handle(self, request: HttpRequest, connection: socket.socket) -> _Outcome:
        """Handle a request; it is in the journal before the client has the answer."""
        number, at = next(self._numbers), self._clock.now()
        question, queue = Question("", {}), ""
        struck: tuple[str, ...] = ()
        try:
            question = read_question(request)
            call = Call(
                question.operation,
                question.arguments,
                self._closing,
                partial(_is_closed, connection),
                access_key=question.access_key,
            )
            queue = call.queue
            perform, struck = self._faults.around(call, self._service.perform)
            outcome = _done(perform(call), number)
        except SqsError as error:
            outcome = _refused(error, number)
        except ConnectionCut as cut:
            outcome = _cut(cut, number)
        except Exception as error:  # noqa: BLE001 in the simulator, or in a test's predicate
            self.failures.append(error)
            outcome = _refused(SqsError("InternalFailure", repr(error), status=500), number)
        self._journal.note(
            Request(
                number=number,
                at=at,
                until=self._clock.now(),
                operation=question.operation,
                queue=queue,
                arguments=question.arguments,
                status=outcome.status,
                code=outcome.code,
                answer=outcome.answer,
                faults=struck,
                client=question.access_key,
                clock=time.monotonic(),
            )
        )
        return outcome


def _done(answer: Answer, number: int) -> _Outcome:
    return _Outcome(200, "", answer, b"".join(render_answer(answer, number)))


def _refused(error: SqsError, number: int) -> _Outcome:
    return _Outcome(error.status, error.code, None, b"".join(render_error(error, number)))


def _cut(cut: ConnectionCut, number: int) -> _Outcome:
    sent = b""
    if cut.part:
        head, body = render_answer(cut.answer or {}, number)
        sent = head + body[: int(len(body) * cut.part)]
    return _Outcome(0, "", cut.answer, sent)


def _is_closed(connection: socket.socket) -> bool:
    """Return whether the peer has closed: it waits for an answer, so it sends nothing."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
