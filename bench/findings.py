"""What each part of the benchmark leaves for the report, except the comparison."""

from msgspec import Struct

from bench.figures import Figure


class Point(Struct, frozen=True, kw_only=True):
    """What a message costs with a store of some size."""

    users: int
    events: int
    megabytes: float
    cpu_us: Figure
    more_us: Figure
    """CPU above that with the smallest store in the same round."""
    wall_us: Figure


class Growth(Struct, frozen=True, kw_only=True):
    """What a message costs as the store grows, and what a duplicate costs."""

    rounds: int
    messages: int
    points: list[Point]
    again_ratio: Figure
    """CPU of a pass of duplicates, as a multiple of the first pass just before it."""


class Idle(Struct, frozen=True, kw_only=True):
    """A worker that waits."""

    seconds: float
    cpu_share: float
    """The share of a core."""
    receives: int
    other_calls: int
    megabytes: float
    singles: int
    latency_ms: Figure
    """From before the send until another program reads the row."""
    latency_p95_ms: float
    look_ms: Figure
    """Between two looks of that program: latency is known no better than this."""


class Start(Struct, frozen=True, kw_only=True):
    """Starts, and the memory after a start."""

    rounds: int
    help_seconds: Figure
    help_cpu_seconds: Figure
    polling_seconds: Figure
    """From exec to the first receive, as the stub saw it."""
    polling_cpu_seconds: Figure
    megabytes: Figure
    """Resident, two seconds after that."""


class Row(Struct, frozen=True, kw_only=True):
    """One part of a message's way."""

    name: str
    calls: int
    us: float
    """Microseconds of CPU a message."""
    share: float


class Profile(Struct, frozen=True, kw_only=True):
    """Where a message's microseconds go."""

    title: str
    rows: list[Row]

    @property
    def us(self) -> float:
        """The sum."""
        return sum(row.us for row in self.rows)


class Memory(Struct, frozen=True, kw_only=True):
    """The worker's memory over a long run."""

    messages: int
    command: str
    """`drain`, which leaves the notices in the outbox, or `run`, which delivers them meanwhile."""
    most_mb: float
    grown_mb: float
    """The most after the first tenth of the messages, above what it was then."""
