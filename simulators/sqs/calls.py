"""A parsed request."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from simulators.sqs.parameters import Arguments


@dataclass(frozen=True, slots=True)
class Call:
    """An operation, its arguments and its caller."""

    operation: str
    arguments: Arguments
    closing: Event
    """Set when the simulator closes; every wait ends then."""
    caller_is_gone: Callable[[], bool] = lambda: False
    """Whether the connection was closed; a long poll then receives no message."""
    pretend: bool = False
    """Acknowledge deletes without performing them; set by a scripted fault."""
    access_key: str = ""
    """The signer's; the simulator checks no signature, a rule may."""

    @property
    def queue(self) -> str:
        """The name of the queue; empty for an operation on no queue, or on several."""
        url = self.arguments.get("QueueUrl", "")
        return url.rpartition("/")[2] if isinstance(url, str) else ""

    def with_arguments(self, **changed: Any) -> "Call":
        """Make the same call with some arguments changed."""
        return replace(self, arguments=self.arguments | changed)
