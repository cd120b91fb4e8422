"""What the pollers of a consumer share."""

import threading
from collections.abc import Callable

from msgspec import Struct

from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.counters import Counters
from worker.consumer.hand_over import HandOver
from worker.consumer.leases import Leases
from worker.consumer.message_budget import MessageBudget
from worker.observability.health import Health
from worker.sqs.byte_budget import ByteBudget


class Shared(Struct, frozen=True, kw_only=True):
    """Each part is thread-safe."""

    wait_seconds: int
    """Length of a long poll."""
    counters: Counters
    autoscaler: PollerAutoscaler
    leases: Leases
    message_budget: MessageBudget
    byte_budget: ByteBudget
    health: Health
    stopping: threading.Event
    give_up: Callable[[BaseException], None] | None
    """Ends the run because a service is unavailable; None: the pollers wait for the service."""
    hand_over: HandOver | None = None
    """Takes their dead letters; None: each poller sets its own aside."""
