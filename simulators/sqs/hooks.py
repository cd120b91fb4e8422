"""Callbacks at the moments that matter: before a delete, before a send, and after it.

They run in the thread of the request and outside every lock, so they may look at a database, ask
the emulator, or take their time. What they raise is kept, and raised where the test can see it.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from simulators.sqs.messages import Attributes

Moment = TypeVar("Moment")


class Deletion(NamedTuple):
    """A message that is about to be deleted."""

    message_id: str
    body: str
    receipt_handle: str
    queue: str
    stale: bool
    """The handle is not the latest, so the delete will be acknowledged and do nothing."""


class Sending(NamedTuple):
    """A message that is about to be sent, or that was."""

    message_id: str
    body: str
    queue: str
    attributes: Attributes


class Hooks:
    """Who wants to be told, and what went wrong when they were."""

    def __init__(self) -> None:
        self.on_delete: list[Callable[[Deletion], None]] = []
        self.on_send: list[Callable[[Sending], None]] = []
        self.on_sent: list[Callable[[Sending], None]] = []
        self.failures: list[BaseException] = []

    def deleting(self, deletion: Deletion) -> None:
        """Tell of a delete."""
        for hook in self.on_delete:
            self._run(hook, deletion)

    def sending(self, sending: Sending) -> None:
        """Tell of a send."""
        for hook in self.on_send:
            self._run(hook, sending)

    def sent(self, sending: Sending) -> None:
        """Tell of a message that is in its queue; its sender does not know yet."""
        for hook in self.on_sent:
            self._run(hook, sending)

    def _run(self, hook: Callable[[Moment], None], moment: Moment) -> None:
        try:
            hook(moment)
        except BaseException as failure:  # noqa: BLE001 pytest.fail raises no Exception
            self.failures.append(failure)
