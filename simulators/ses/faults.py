"""Scripted faults: what goes wrong between a client and SES, on which call and how often."""

import threading
from collections.abc import Callable

from msgspec import Struct

from simulators.ses.suppression_list import Answer, Refusal

Perform = Callable[[], Answer]


class Cut(Exception):
    """The connection is reset in place of an answer."""


class Fault(Struct, frozen=True):
    """The base of all faults; changes nothing."""

    def strike(self, perform: Perform, closing: threading.Event) -> Answer:
        """Perform the call."""
        return perform()


class Refuse(Fault, frozen=True):
    """SES refuses the call, and does not perform it."""

    status: int
    code: str = "InternalFailure"
    text: str = "A scripted fault."

    def strike(self, perform: Perform, closing: threading.Event) -> Answer:
        """Raise the refusal."""
        raise Refusal(self.status, self.code, self.text)


BAD_REQUEST = Refuse(400, "BadRequestException", "Bad request")
ACCESS_DENIED = Refuse(403, "AccessDeniedException", "User is not authorized to perform this")
EXPIRED_TOKEN = Refuse(403, "ExpiredTokenException", "The security token is expired")
TOO_MANY_REQUESTS = Refuse(429, "TooManyRequestsException", "Too many requests")
SERVICE_UNAVAILABLE = Refuse(503, "ServiceUnavailableException", "Service unavailable")


class ForeignHtml(Fault, frozen=True):
    """A proxy answers with HTML; the call is not performed."""

    status: int = 404
    html: str = "<html><body>Nothing here</body></html>"

    def strike(self, perform: Perform, closing: threading.Event) -> Answer:
        """Answer with the HTML."""
        return Answer(self.status, "", {}, self.html)


class Reset(Fault, frozen=True):
    """The connection is reset; with `done` after SES has performed the call."""

    done: bool = False

    def strike(self, perform: Perform, closing: threading.Event) -> Answer:
        """Perform the call if `done`, then reset."""
        if self.done:
            perform()
        raise Cut


class Hang(Fault, frozen=True):
    """No answer for so many seconds, then a reset; `done` as in `Reset`."""

    seconds: float
    done: bool = False

    def strike(self, perform: Perform, closing: threading.Event) -> Answer:
        """Perform the call if `done`, wait, then reset."""
        if self.done:
            perform()
        closing.wait(self.seconds)
        raise Cut


class Forget(Fault, frozen=True):
    """SES answers 200 and does not perform the call."""

    def strike(self, perform: Perform, closing: threading.Event) -> Answer:
        """Answer 200."""
        return Answer(200, "", {})


class _Rule(Struct):
    fault: Fault
    on: str
    left: float


class Faults:
    """The scripted faults. Thread-safe."""

    def __init__(self, closing: threading.Event) -> None:
        self._closing = closing
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault, on: str = "", times: int | None = None) -> None:
        """Add a fault for so many calls (None: all) of an operation, or of all operations."""
        with self._lock:
            self._rules.append(_Rule(fault, on, float("inf") if times is None else times))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._rules.clear()

    def strike(self, operation: str, perform: Perform) -> Answer:
        """Perform a call through the first fault that fits it, if any."""
        fault = self._next(operation)
        return fault.strike(perform, self._closing) if fault else perform()

    def _next(self, operation: str) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.left > 0 and rule.on in {"", operation}:
                    rule.left -= 1
                    return rule.fault
        return None
