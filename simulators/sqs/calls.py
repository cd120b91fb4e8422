"""A request on its way through the emulator."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from simulators.sqs.parameters import Arguments


@dataclass(frozen=True, slots=True)
class Call:
    """What is requested, and by whom."""

    operation: str
    arguments: Arguments
    closing: Event
    """Set when the emulator closes: whoever waits, waits for this too."""
    caller_is_gone: Callable[[], bool] = lambda: False
    """Has the connection been closed? Then a long poll takes no message any more."""
    pretend: bool = False
    """Acknowledge deletes and do not carry them out; a scripted fault wants it so."""
    access_key: str = ""
    """Whose signature it is; the emulator checks none, a rule may."""

    @property
    def queue(self) -> str:
        """The name of the queue; empty when the operation is about none, or about several."""
        url = self.arguments.get("QueueUrl", "")
        return url.rpartition("/")[2] if isinstance(url, str) else ""

    def with_arguments(self, **changed: Any) -> "Call":
        """Make the same call with some arguments changed."""
        return replace(self, arguments=self.arguments | changed)
