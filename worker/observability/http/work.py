"""The figures of a worker that metrics show, as protocols."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from worker.observability.http.sending import Status


class Counters(Protocol):
    """How many messages had which outcome."""

    def as_dict(self) -> Mapping[str, int]:
        """`received`, and each outcome by its name."""


class Work(Protocol):
    """The figures of a worker's loops."""

    @property
    def counters(self) -> Counters:
        """The counters of messages."""

    @property
    def held(self) -> int:
        """Messages received and not settled."""

    @property
    def idle(self) -> bool:
        """The last receives were empty, and no message is held."""

    @property
    def clock_skew_seconds(self) -> float | None:
        """Our clock minus SQS's; None: unknown."""

    @property
    def sending(self) -> Sequence[Status] | None:
        """The newest sending statuses that SES has reported; None: not known yet."""

    @property
    def purged(self) -> Mapping[str, int]:
        """Rows that this process has purged, by table."""

    @property
    def purge_finished_at(self) -> float | None:
        """When a purge was finished last, in seconds since 1970; None: not known."""

    @property
    def delivered(self) -> int:
        """Effects delivered."""
