"""SES v2's account suppression list on loopback, in the wire format that boto3 speaks.

    with SesStandIn(per_second=1) as ses:
        ses.list_address("jane@example.com", after_seconds=30)
        ses.fail(Refuse(503), on="DeleteSuppressedDestination", times=2)
        os.environ |= ses.environment

Addresses are matched as AWS was measured to (floci-io/floci#1350): domain in lower case, local
part by its case, spaces trimmed.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from msgspec import Struct

from simulators.ses_faults import Cut, Fault, Faults, Perform
from simulators.ses_http import Server
from simulators.ses_list import Answer, Refusal, Request, SuppressedAddresses, read_question

_WAIT_SECONDS = 5
_EARLY_SECONDS = 0.05
"""A call may come so much too early: it left in time, and the network was quicker than before."""


class Call(Struct, frozen=True, kw_only=True):
    """A request and its answer."""

    at: float
    """By the stand-in's clock: `time.monotonic()`, if it got no other."""
    operation: str
    """Empty where SES has none of that path."""
    path: str
    """As it stood on the wire, escapes and all."""
    address: str
    status: int
    """0 where the connection was cut."""
    code: str
    access_key: str
    """Of the signer."""


class SesStandIn:
    """Listens on a free port of 127.0.0.1 from `start` to `stop`, or for a `with` block."""

    def __init__(
        self, *, per_second: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.calls: list[Call] = []
        self.failures: list[Exception] = []
        """Mistakes of the stand-in's own; each was answered with a 500."""
        self.closing = threading.Event()
        self._addresses = SuppressedAddresses(clock)
        self._clock = clock
        self._faults = Faults(self.closing)
        self._seconds_apart = 1 / per_second if per_second else 0.0
        self._answered_at = float("-inf")
        self._lock = threading.Lock()
        self._server = Server(self.answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.port: int = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {"AWS_ENDPOINT_URL_SESV2": self.endpoint}

    def list_address(
        self,
        address: str,
        reason: str = "BOUNCE",
        *,
        updated_at: float | None = None,
        after_seconds: float = 0,
        message_id: str = "",
        feedback_id: str = "",
    ) -> None:
        """Put an address on the list as SES does after a bounce; it shows `after_seconds` later.

        `updated_at` is in seconds since 1970; by default now.
        """
        self._addresses.put(
            address,
            reason,
            updated_at=time.time() if updated_at is None else updated_at,
            shows_at=self._clock() + after_seconds,
            attributes={"MessageId": message_id, "FeedbackId": feedback_id},
        )

    @property
    def listed(self) -> list[str]:
        """The addresses that the list shows now."""
        return [str(entry["EmailAddress"]) for entry in self._addresses.shown()]

    def fail(self, fault: Fault, *, on: str = "", times: int | None = None) -> None:
        """Let a fault strike the next `times` calls, or all, of an operation, or of all.

        Faults strike in the order in which they were added, one for a call.
        """
        self._faults.add(fault, on, times)

    def recover(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer nobody any more; faults that wait end at once."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join(_WAIT_SECONDS)
        self._server.server_close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Answer:
        """Do what is requested; it is among the calls before the client learns of it.

        Raises:
            Cut: the client is to be left without an answer.

        """
        at, request = self._clock(), Request("", "")
        try:
            request = read_question(method, path, body)
            answer = self._faults.strike(
                request.operation, self._performing(request, authorization)
            )
        except Refusal as refusal:
            answer = Answer(refusal.status, refusal.code, {"message": str(refusal)})
        except Cut:
            self._note(at, request, path, authorization, Answer(0, "", {}))
            raise
        except Exception as mistake:  # noqa: BLE001 of our own: say it, and go on
            self.failures.append(mistake)
            answer = Answer(500, "InternalFailure", {"message": repr(mistake)})
        self._note(at, request, path, authorization, answer)
        return answer

    def _performing(self, request: Request, authorization: str) -> Perform:
        def perform() -> Answer:
            if "/ses/aws4_request" not in authorization:
                raise Refusal(403, "MissingAuthenticationTokenException", "not signed for ses")
            self._await_no_other()
            return Answer(200, "", self._addresses.perform(request))

        return perform

    def _await_no_other(self) -> None:
        """Refuse what comes too soon after the last call that was let in."""
        with self._lock:
            now = self._clock()
            if now - self._answered_at < self._seconds_apart - _EARLY_SECONDS:
                raise Refusal(429, "TooManyRequestsException", "Too many requests")
            self._answered_at = now

    def _note(
        self, at: float, request: Request, path: str, authorization: str, answer: Answer
    ) -> None:
        call = Call(
            at=at,
            operation=request.operation,
            path=path,
            address=request.address,
            status=answer.status,
            code=answer.code,
            access_key=authorization.partition("Credential=")[2].partition("/")[0],
        )
        self.calls.append(call)
