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


class Answer(Struct, frozen=True, kw_only=True):
    """How long a question takes, in seconds."""

    wall: float
    least: float
    most: float
    cpu: float
    """The database server's included."""
    load: float
    """What the system reported while it was measured."""

    @property
    def shown(self) -> str:
        """`0.31 s [0.30-0.33], CPU 0.29 s, load 2.1`."""
        spread = f"[{_shown(self.least)}-{_shown(self.most)}]"
        return f"{_shown(self.wall)} {spread}, CPU {_shown(self.cpu)}, load {self.load:.1f}"


class AnswersAt(Struct, frozen=True, kw_only=True):
    """What was measured with a database of some size."""

    size: int
    """Users, and as many events."""
    megabytes: float
    answers: dict[str, Answer]
    path_cpu_us: float
    """Of a message, without the network; the database server's included."""
    path_load: float
    path_instructions: int | None
    """The same, counted exactly; None where another process does a part of it."""
    measured: str = ""
    """When."""


class Answers(Struct, frozen=True, kw_only=True):
    """How long answers take as a database grows."""

    store: str
    rounds: int
    machine: str
    points: list[AnswersAt]


class Rebuilt(Struct, frozen=True, kw_only=True):
    """Records that were emptied and rebuilt from events."""

    events: int
    seed: int
    users: int
    changed: int
    """Records that the rebuild has written."""
    different: int
    """Records that are not as live processing had left them."""
    refused: int
    """Users whose records could not be rebuilt."""
    seconds: dict[str, float]
    load: float
    changes: dict[str, int]
    """What another random policy would have changed, by `policy diff`."""


class Migrated(Struct, frozen=True, kw_only=True):
    """A grown database that was brought up beside a running worker."""

    store: str
    events: int
    upgrade_seconds: float
    """Of the command, its start included."""
    waited_ms_before: float
    """The longest that a message waited for its delete with the old daemon, before the upgrade."""
    waited_ms: float
    """The longest of all, with both daemons."""
    held_ms: float
    """The longest that a daemon held a message."""
    megabytes: float
    megabytes_grown: float
    """Of the file or database, from before the migration to the end."""
    wal_megabytes: float
    """The largest `-wal` of SQLite."""
    messages: int
    lost: int
    load: float


def _shown(seconds: float) -> str:
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
