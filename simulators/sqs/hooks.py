"""Callbacks before a delete, before a send, and after a send.

They run in the thread of the request and without a lock, so they may query a database, call
the simulator, or block. Their exceptions are kept, and raised by `SqsSimulator.check`.
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
    """The handle is not the latest: the delete will be acknowledged and delete nothing."""


class Sending(NamedTuple):
    """A message that is about to be sent, or was just sent."""

    message_id: str
    body: str
    queue: str
    attributes: Attributes


class Hooks:
    """The callbacks, and the exceptions that they raised."""

    def __init__(self) -> None:
        self.on_delete: list[Callable[[Deletion], None]] = []
        self.on_send: list[Callable[[Sending], None]] = []
        self.on_sent: list[Callable[[Sending], None]] = []
        self.failures: list[BaseException] = []

    def deleting(self, deletion: Deletion) -> None:
        """Call the hooks of deletes."""
        for hook in self.on_delete:
            self._run(hook, deletion)

    def sending(self, sending: Sending) -> None:
        """Call the hooks of sends."""
        for hook in self.on_send:
            self._run(hook, sending)

    def sent(self, sending: Sending) -> None:
        """Call the hooks of sent messages; the sender has no answer yet."""
        for hook in self.on_sent:
            self._run(hook, sending)

    def _run(self, hook: Callable[[Moment], None], moment: Moment) -> None:
        try:
            hook(moment)
        except BaseException as failure:  # noqa: BLE001 pytest.fail raises no Exception
            self.failures.append(failure)
