"""The goals, and whether a run has reached them: pure, from what the parts have left."""

from collections.abc import Iterator

from bench.enough import against_of, line_of, too_few, too_few_rounds, too_few_singles, too_short
from bench.figures import FLOOR, US, Comparison, Figure
from bench.findings import Growth, Idle, Memory, Start
from bench.goal import Goal, Results
from worker.consumer.polling import GATHERED
from worker.settings import Settings
from worker.sqs.queue import LARGEST_BATCH

POLL_SECONDS = 20
SOAKED = 1_000_000
FLAT_MB = 4.0
"""What the allocator may still take: nothing is kept, but pages of memory are seldom all free."""


def goals(results: Results) -> list[Goal]:
    """Set every figure beside its limit."""
    return [
        *_floor(results.comparison),
        *_processes(results.comparison),
        *_growth(results.growth),
        *_memory(results.memory),
        *_idle(results.idle),
        *_loaded(results.comparison),
        *_start(results.start),
    ]


def _floor(found: Comparison | None) -> Iterator[Goal]:
    quick, slow = line_of(found, 0, US), line_of(found, 8, US)
    cpu, rate = quick.cpu_ratio if quick else None, slow.rate_ratio if slow else None
    what = "CPU of a message, one process, no latency"
    floor = "x floor1"
    few = too_few(found, 0, US, FLOOR)
    yield Goal(number="1", what=what, symbol="<=", limit=0.6, unit=floor, figure=cpu, lacking=few)
    what, few = "messages a second at 8 ms", too_few(found, 8, US, FLOOR)
    yield Goal(number="2", what=what, symbol=">=", limit=6, unit=floor, figure=rate, lacking=few)
    for other in ("aiobotocore", "sqs-consumer"):
        yield Goal(
            number="2",
            what=what,
            symbol=">",
            limit=1,
            unit=f"x {other}",
            figure=against_of(found, US, other),
            lacking=too_few(found, 8, US, other),
        )


def _processes(found: Comparison | None) -> Iterator[Goal]:
    for name, other, limit, what in (
        ("worker-sqlite-2", US, 1.5, "at 8 ms: two processes on SQLite"),
        ("worker-postgresql-1", US, 0.7, "at 8 ms: one on PostgreSQL"),
        ("worker-postgresql-2", "worker-postgresql-1", 1.4, "at 8 ms: two on PostgreSQL"),
    ):
        lines = [(text, line_of(found, 8, text)) for text in (name, other)]
        full = ", ".join(f"{text} {line.full:.0%}" for text, line in lines if line)
        yield Goal(
            number="3",
            what=what,
            symbol=">=",
            limit=limit,
            unit=f"x {other}",
            figure=against_of(found, name, other),
            note=f"all cores full: {full}" if full else "",
            lacking=too_few(found, 8, name, other),
        )


def _growth(found: Growth | None) -> Iterator[Goal]:
    largest = found.points[-1] if found else None
    whole = largest is not None and largest.events >= 10_000_000
    few = too_few_rounds(found.rounds) if found else ""
    yield Goal(
        number="4",
        what="more CPU of a message with 1,000,000 users and 10,000,000 events "
        "than with 1,000 and none",
        symbol="<=",
        limit=60,
        unit="us",
        digits=0,
        figure=largest.more_us if largest and whole else None,
        note=f"wall {largest.wall_us.shown(0)} us, passed to write {largest.passed.shown(0)} bytes"
        if largest and whole
        else "",
        lacking=few,
    )
    yield Goal(
        number="4",
        what="CPU of a pass in which all are duplicates",
        symbol="<=",
        limit=1,
        unit="x the first pass",
        figure=found.again_ratio if found else None,
        lacking=few,
    )


def _memory(found: Memory | None) -> Iterator[Goal]:
    enough = found if found and found.messages >= SOAKED else None
    most = _single(enough.most_mb) if enough else None
    grown = _single(enough.grown_mb) if enough else None
    how = ("run, Slack told" if enough.reported else "drain, Slack set") if enough else ""
    yield Goal(
        number="5",
        what="resident over 1,000,000 messages",
        symbol="<=",
        limit=150,
        unit="MB",
        digits=0,
        figure=most,
        note=how,
    )
    yield Goal(
        number="5",
        what="its growth after the first 100,000",
        symbol="<=",
        limit=FLAT_MB,
        unit="MB",
        digits=1,
        figure=grown,
        note=f"{how}; none is the goal, the limit is the allocator's" if how else "",
    )


def _idle(found: Idle | None) -> Iterator[Goal]:
    expected = found.seconds / POLL_SECONDS if found else 1
    receives = _single(found.receives / expected) if found else None
    share = _single(found.cpu_share * 100) if found else None
    lacking = too_short(found)
    what = "receives of an idle worker"
    yield Goal(
        number="6",
        what=what,
        symbol="<=",
        limit=1 + 1 / expected,
        unit="every 20 s",
        figure=receives,
        note="the limit allows for one more at the edge of the time that was watched",
        lacking=lacking,
    )
    what = "its CPU"
    yield Goal(
        number="6",
        what=what,
        symbol="<",
        limit=0.2,
        unit="% of a core",
        figure=share,
        lacking=lacking,
    )
    yield Goal(
        number="6",
        what="from sending to the committed record, idle: median",
        symbol="<",
        limit=15,
        unit="ms",
        digits=1,
        figure=_single(found.latency_ms.median) if found else None,
        note=f"{found.singles} messages, p95 {found.latency_p95_ms:.1f} ms" if found else "",
        lacking=too_few_singles(found),
    )


def _loaded(found: Comparison | None) -> Iterator[Goal]:
    for delay in (0, 8):
        line = line_of(found, delay, US)
        bound = bound_ms(line.rate.median, delay) if line else 0.0
        yield Goal(
            number="6",
            what=f"longest from handing out to delete, backlog, {delay} ms",
            symbol="<=",
            limit=bound,
            unit="ms",
            digits=0,
            figure=line.longest_ms if line else None,
            note=f"half of them within {line.held_ms.shown(0)} ms" if line else "",
            lacking=too_few(found, delay, US),
        )


def bound_ms(rate: float, delay: int) -> float:
    """What all pollers may hold, at that rate, and the calls that one poller makes for its share.

    A message waits for what is received with it, for commits that hold whatever the others have
    gathered, and for the deletes of its poller; nothing else is in front of it.
    """
    calls = 2 * GATHERED // LARGEST_BATCH
    return Settings().queue.pollers * GATHERED / rate * 1_000 + calls * delay


def _start(found: Start | None) -> Iterator[Goal]:
    few = too_few_rounds(found.rounds) if found else ""
    what = "ses-worker --help"
    figure = found.help_seconds if found else None
    yield Goal(number="7", what=what, symbol="<=", limit=0.25, unit="s", figure=figure, lacking=few)
    what = "run, from exec to the first receive"
    figure = found.polling_seconds if found else None
    yield Goal(number="7", what=what, symbol="<=", limit=1, unit="s", figure=figure, lacking=few)


def _single(value: float) -> Figure:
    return Figure(value, value, value)
