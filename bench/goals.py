"""The goals, and whether a run has reached them: pure, from what the parts have left."""

from collections.abc import Iterator, Sequence

from bench.figures import FLOOR, US, Comparison, Figure, Line
from bench.findings import Growth, Idle, Memory, Start
from bench.goal import Goal, Results
from worker.consumer.polling import GATHERED
from worker.queue import LARGEST_BATCH
from worker.settings import Settings

POLL_SECONDS = 20
SOAKED = 1_000_000
FLAT_MB = 4.0
"""What the allocator may still take: nothing is kept, but pages of memory are seldom all free."""
ENOUGH_ROUNDS = 5
ENOUGH_SECONDS = 100
"""Of idling: five long polls."""
ENOUGH_SINGLES = 20


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
    quick, slow = _line(found, 0, US), _line(found, 8, US)
    cpu, rate = quick.cpu_ratio if quick else None, slow.rate_ratio if slow else None
    what = "CPU of a message, one process, no latency"
    floor = "x floor1"
    few = _few(found, 0, US, FLOOR)
    yield Goal(number="1", what=what, symbol="<=", limit=0.6, unit=floor, figure=cpu, lacking=few)
    what, few = "messages a second at 8 ms", _few(found, 8, US, FLOOR)
    yield Goal(number="2", what=what, symbol=">=", limit=6, unit=floor, figure=rate, lacking=few)
    for other in ("aiobotocore", "sqs-consumer"):
        yield Goal(
            number="2",
            what=what,
            symbol=">",
            limit=1,
            unit=f"x {other}",
            figure=_against(found, US, other),
            lacking=_few(found, 8, US, other),
        )


def _processes(found: Comparison | None) -> Iterator[Goal]:
    for name, other, limit, what in (
        ("worker-sqlite-2", US, 1.5, "at 8 ms: two processes on SQLite"),
        ("worker-postgresql-1", US, 0.7, "at 8 ms: one on PostgreSQL"),
        ("worker-postgresql-2", "worker-postgresql-1", 1.4, "at 8 ms: two on PostgreSQL"),
    ):
        lines = [(one, _line(found, 8, one)) for one in (name, other)]
        full = ", ".join(f"{one} {line.full:.0%}" for one, line in lines if line)
        yield Goal(
            number="3",
            what=what,
            symbol=">=",
            limit=limit,
            unit=f"x {other}",
            figure=_against(found, name, other),
            note=f"all cores full: {full}" if full else "",
            lacking=_few(found, 8, name, other),
        )


def _growth(found: Growth | None) -> Iterator[Goal]:
    largest = found.points[-1] if found else None
    whole = largest is not None and largest.events >= 10_000_000
    few = _rounds(found.rounds) if found else ""
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
    most = _one(enough.most_mb) if enough else None
    grown = _one(enough.grown_mb) if enough else None
    what = "resident over 1,000,000 messages"
    yield Goal(number="5", what=what, symbol="<=", limit=150, unit="MB", digits=0, figure=most)
    yield Goal(
        number="5",
        what="its growth after the first 100,000",
        symbol="<=",
        limit=FLAT_MB,
        unit="MB",
        digits=1,
        figure=grown,
        note="none is the goal; the limit is what the allocator may still take",
    )


def _idle(found: Idle | None) -> Iterator[Goal]:
    expected = found.seconds / POLL_SECONDS if found else 1
    receives = _one(found.receives / expected) if found else None
    share = _one(found.cpu_share * 100) if found else None
    short = found is not None and found.seconds < ENOUGH_SECONDS
    lacking = f"{found.seconds:.0f} of {ENOUGH_SECONDS} s" if found and short else ""
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
        figure=_one(found.latency_ms.median) if found else None,
        note=f"{found.singles} messages, p95 {found.latency_p95_ms:.1f} ms" if found else "",
        lacking=f"{found.singles} of {ENOUGH_SINGLES} messages"
        if found and found.singles < ENOUGH_SINGLES
        else "",
    )


def _loaded(found: Comparison | None) -> Iterator[Goal]:
    for delay in (0, 8):
        line = _line(found, delay, US)
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
            lacking=_few(found, delay, US),
        )


def bound_ms(rate: float, delay: int) -> float:
    """What all pollers may hold, at that rate, and the calls that one poller makes for its share.

    A message waits for what is received with it, for commits that hold whatever the others have
    gathered, and for the deletes of its poller; nothing else is in front of it.
    """
    calls = 2 * GATHERED // LARGEST_BATCH
    return Settings().queue.pollers * GATHERED / rate * 1_000 + calls * delay


def _start(found: Start | None) -> Iterator[Goal]:
    few = _rounds(found.rounds) if found else ""
    what = "ses-worker --help"
    figure = found.help_seconds if found else None
    yield Goal(number="7", what=what, symbol="<=", limit=0.25, unit="s", figure=figure, lacking=few)
    what = "run, from exec to the first receive"
    figure = found.polling_seconds if found else None
    yield Goal(number="7", what=what, symbol="<=", limit=1, unit="s", figure=figure, lacking=few)


def _line(found: Comparison | None, delay: int, name: str) -> Line | None:
    lines: Sequence[Line] = found.tables.get(delay, ()) if found else ()
    return next((line for line in lines if line.name == name), None)


def _against(found: Comparison | None, name: str, other: str) -> Figure | None:
    rivals = found.against if found else ()
    mine = (one.rate for one in rivals if (one.delay, one.name, one.other) == (8, name, other))
    return next(mine, None)


def _few(found: Comparison | None, delay: int, *names: str) -> str:
    """Say how many rounds the one has finished that has finished fewest, if that is too few."""
    lines = [_line(found, delay, name) for name in names]
    return _rounds(min(line.runs if line else 0 for line in lines))


def _rounds(finished: int) -> str:
    return f"{finished} of {ENOUGH_ROUNDS} rounds" if finished < ENOUGH_ROUNDS else ""


def _one(value: float) -> Figure:
    return Figure(value, value, value)
