"""Messages as the queue hands them over, without a queue."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from worker.core.messages import Received

LEASE_SECONDS = 3_600
"""Longer than a measurement, also under valgrind."""


def received(bodies: Sequence[str]) -> list[Received]:
    """Wrap bodies as if they had just been received."""
    now, lease_until = datetime.now(UTC), time.monotonic() + LEASE_SECONDS
    return [
        Received(
            message_id=f"message-{number}",
            body=body,
            receipt_handle="handle",
            receive_count=1,
            received_at=now,
            lease_until=lease_until,
        )
        for number, body in enumerate(bodies)
    ]
