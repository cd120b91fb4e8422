"""What each part of the benchmark finds out."""

from msgspec import Struct

from bench.figures import Figure


class DrainResult(Struct, frozen=True, kw_only=True):
    """What delivering to Slack has cost, behind a drain that was left to its end."""

    notices: int
    delivered: int
    posts: int
    cpu_seconds: float
    wall_seconds: float


class Point(Struct, frozen=True, kw_only=True):
    """A message in store of one size."""

    users: int
    events: int
    megabytes: float
    cpu_us: Figure
    more_us: Figure
    """CPU, above the smallest store in the same round."""
    wall_us: Figure
    system_us: Figure
    """What the system had of the CPU."""
    passed: Figure
    """Bytes a message in all calls of write."""
    disk_written: Figure
    """Bytes a message as the system charges them; likewise the next."""
    disk_read: Figure


class Growth(Struct, frozen=True, kw_only=True):
    """The curve, the replay, and what telling Slack costs behind a drain."""

    rounds: int
    messages: int
    points: list[Point]
    first_us: Figure
    again_us: Figure
    again_ratio: Figure
    """CPU of a pass of duplicates, as a multiple of the first pass just before it."""
    reported: list[DrainResult]


class Idle(Struct, frozen=True, kw_only=True):
    """A worker that waits."""

    seconds: float
    cpu_share: float
    """Of one core."""
    receives: int
    other_calls: int
    megabytes: float
    singles: int
    latency_ms: Figure
    """From before the send to the row that a reader sees."""
    latency_p95_ms: float
    look_ms: Figure
    """What one look of the reader takes, its pause included: the figure is that coarse."""


class Start(Struct, frozen=True, kw_only=True):
    """Starts, and the memory behind one."""

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
        """All of them."""
        return sum(row.us for row in self.rows)


class Memory(Struct, frozen=True, kw_only=True):
    """What a long run has shown of the worker's memory."""

    messages: int
    reported: bool = False
    """By `run`, and Slack was told meanwhile; else by `drain`, which enqueues it the notices."""
    first: int
    """Messages after which growth counts."""
    most_mb: float
    grown_mb: float
    """The most after that, above what it was then."""
