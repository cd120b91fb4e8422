"""The SES simulator, as a test or the demo uses it."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from msgspec import Struct

from simulators.ses.account import OPERATIONS, Account, read_account_request
from simulators.ses.faults import Cut, Fault, Faults, Perform
from simulators.ses.http import Server
from simulators.ses.sent import OPERATIONS as ABOUT_SENT
from simulators.ses.sent import Sent, in_xml, read_sent_request
from simulators.ses.suppression_list import (
    Answer,
    Refusal,
    Request,
    SuppressedAddresses,
    read_request,
)

_WAIT_SECONDS = 5
_EARLY_SECONDS = 0.05
"""Tolerance for a call that left in time and travelled faster than the call before."""


class Call(Struct, frozen=True, kw_only=True):
    """A request and its answer."""

    at: float
    """By the simulator's clock, which is `time.monotonic` unless given."""
    operation: str
    """Empty for a path that SES does not have."""
    path: str
    """As sent, with its escapes."""
    address: str
    tenant: str
    """Empty: the list is the account's."""
    status: int
    """0 where the connection was cut."""
    code: str
    access_key: str
    """The signer's."""


class SesSimulator:
    """Listens on a free port of 127.0.0.1 from `start` to `stop`, or for a `with` block."""

    def __init__(
        self, *, per_second: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.calls: list[Call] = []
        self.failures: list[Exception] = []
        """Errors of the simulator itself; each was answered with a 500."""
        self.closing = threading.Event()
        self.account = Account()
        """Who may send."""
        self.sent = Sent()
        """What was sent."""
        self._lists = {"": SuppressedAddresses(clock)}
        """By the tenant's name; the account's has none."""
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
        tenant: str = "",
    ) -> None:
        """Put an address on a list as SES does after a bounce; visible `after_seconds` later.

        A tenant's list is made with its first address.

        `updated_at` is in seconds since 1970; by default now.
        """
        listed = self._lists.setdefault(tenant, SuppressedAddresses(self._clock))
        listed.put(
            address,
            reason,
            updated_at=time.time() if updated_at is None else updated_at,
            shows_at=self._clock() + after_seconds,
            attributes={"MessageId": message_id, "FeedbackId": feedback_id},
        )

    @property
    def listed(self) -> list[str]:
        """The addresses that are on the account's list now."""
        return self.listed_for("")

    def listed_for(self, tenant: str) -> list[str]:
        """The addresses that are on a tenant's list now."""
        return [str(entry["EmailAddress"]) for entry in self._lists[tenant].shown()]

    def fail(self, fault: Fault, *, on: str = "", times: int | None = None) -> None:
        """Have the next `times` calls fail (None: all) of an operation, or of all operations.

        Faults apply in the order in which they were added, at most one to a call.
        """
        self._faults.add(fault, on, times)

    def recover(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def start(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop; calls that a fault delays end at once."""
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
        """Handle a request; it is in `calls` before the client has the answer.

        Raises:
            Cut: the client is to be left without an answer.

        """
        at, request = self._clock(), Request("", "")
        try:
            request = (
                read_account_request(method, path, body)
                or read_sent_request(method, path, body)
                or read_request(method, path, body)
            )
            answer = self._faults.strike(
                request.operation, self._performing(request, authorization)
            )
        except Refusal as refusal:
            xml = in_xml(refusal) if request.operation == "GetSendStatistics" else ""
            answer = Answer(refusal.status, refusal.code, {"message": str(refusal)}, xml)
        except Cut:
            self._record(at, request, path, authorization, Answer(0, "", {}))
            raise
        except Exception as error:  # noqa: BLE001 the simulator's own; kept for the test
            self.failures.append(error)
            answer = Answer(500, "InternalFailure", {"message": repr(error)})
        self._record(at, request, path, authorization, answer)
        return answer

    def _performing(self, request: Request, authorization: str) -> Perform:
        def perform() -> Answer:
            if "/ses/aws4_request" not in authorization:
                raise Refusal(403, "MissingAuthenticationTokenException", "not signed for ses")
            self._limit_rate()
            if request.operation in OPERATIONS:
                return Answer(200, "", self.account.perform(request))
            if request.operation in ABOUT_SENT:
                return self.sent.perform(request)
            if request.tenant not in self._lists:
                text = f"Tenant {request.tenant} does not exist."
                raise Refusal(404, "NotFoundException", text)
            return Answer(200, "", self._lists[request.tenant].perform(request))

        return perform

    def _limit_rate(self) -> None:
        """Refuse a call that comes too soon after the last accepted call."""
        with self._lock:
            now = self._clock()
            if now - self._answered_at < self._seconds_apart - _EARLY_SECONDS:
                raise Refusal(429, "TooManyRequestsException", "Too many requests")
            self._answered_at = now

    def _record(
        self, at: float, request: Request, path: str, authorization: str, answer: Answer
    ) -> None:
        call = Call(
            at=at,
            operation=request.operation,
            path=path,
            address=request.address,
            tenant=request.tenant,
            status=answer.status,
            code=answer.code,
            access_key=authorization.partition("Credential=")[2].partition("/")[0],
        )
        self.calls.append(call)
