"""What the consumer calls: the journey of a message, and what becomes of it afterwards."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from worker.consumer.settling import SetAside
from worker.core.effects import OutboxEntry
from worker.core.messages import Handled, Received


class Callbacks(Struct, frozen=True, kw_only=True):
    """What a consumer does with messages."""

    process: Callable[[Sequence[Received]], list[Handled]]
    """Writes messages; returns each message's disposition once the commit is durable."""
    settled: Callable[[Sequence[Handled]], None]
    """Called with messages that are settled, or handed over as dead letters: logs and counts them,
    and wakes the relay."""
    notices: Callable[[Sequence[SetAside]], Sequence[OutboxEntry]] = lambda _: ()
    """Returns the notices to enqueue for dead-lettered messages."""
    probe_certificates: Callable[[], None] = lambda: None
    """Tries to get a certificate that `process` missed; raises `NoCertificate`."""
