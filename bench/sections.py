"""What came out, in Markdown: a section for each part."""

from collections.abc import Iterator, Mapping, Sequence

from bench.figures import Comparison, Figure, Line, middle
from bench.findings import Growth, Idle, Profile, Start
from bench.goal import Goal

COLUMNS = (
    "contestant", "runs", "CPU-s / 10k", "x floor", "messages/s", "x floor",
    "own", "stub", "database", "others",
)  # fmt: skip


def title(delay: int) -> str:
    """Report which network is meant."""
    return f"{delay} ms added to every reply" if delay else "No added latency"


def goal_lines(goals: Sequence[Goal]) -> Iterator[str]:
    """The table that comes first."""
    yield row(("goal", "what", "limit", "figure [least-most]", "reached"))
    yield row(["---"] * 5)
    for goal in goals:
        figure = f"{_shown(goal.figure, goal.digits)} {goal.unit}" if goal.figure else "-"
        note = f" ({goal.note})" if goal.note else ""
        known = goal.figure is not None or goal.limit > 0
        limit = f"{goal.symbol} {goal.limit:,.{goal.digits}f} {goal.unit}" if known else "-"
        yield row((goal.number, goal.what, limit, figure + note, goal.reached))


def comparison_lines(found: Comparison) -> Iterator[str]:
    """A table for each delay."""
    for delay, lines in found.tables.items():
        slow = f"; {found.slow_messages:,} for who waits for each reply" if delay else ""
        yield from (f"## {title(delay)}", "", f"{found.messages:,} messages a run{slow}.", "")
        yield from heads(*COLUMNS)
        yield from (row(cells(line)) for line in lines)
        yield ""


def growth_lines(found: Growth) -> Iterator[str]:
    """The curve, duplicates, and telling Slack."""
    yield from heads(
        "users",
        "events",
        "file MB",
        "CPU us",
        "above the smallest store",
        "of it in the system",
        "wall us",
        "passed B",
        "written B",
        "read B",
    )
    for point in found.points:
        yield row((
            f"{point.users:,}", f"{point.events:,}", f"{point.megabytes:,.0f}",
            point.cpu_us.shown(0), point.more_us.shown(0), point.system_us.shown(0),
            point.wall_us.shown(0), point.passed.shown(0),
            point.disk_written.shown(0), point.disk_read.shown(0),
        ))  # fmt: skip
    yield ""
    yield (
        f"{found.rounds} rounds of {found.messages:,} messages. The same messages again, in store "
        f"of 100,000 users: {found.again_us.shown(0)} us of CPU each, where the first pass took "
        f"{found.first_us.shown(0)} us: {found.again_ratio.shown(2)} of it."
    )
    if found.reported:
        delivered, posts, seconds, cpu = (
            _shown(middle(values), digits)
            for values, digits in (
                ([point.delivered for point in found.reported], 0),
                ([point.posts for point in found.reported], 0),
                ([point.wall_seconds for point in found.reported], 0),
                ([point.cpu_seconds for point in found.reported], 2),
            )
        )
        yield (
            f"\nAfter {len(found.reported)} such drains: of {found.reported[0].notices:,} notices "
            f"{delivered} were told before `drain` left, in posts: {posts}, within {seconds} s, "
            f"for {cpu} s of CPU, its imports included. What is left stays in the outbox, and "
            "the next run tells it."
        )


def idle_lines(found: Idle) -> Iterator[str]:
    """An idle worker."""
    yield (
        f"`ses-worker run` with default settings, left alone for {found.seconds:.0f} s: "
        f"{found.receives} receives and {found.other_calls} other calls, {found.cpu_share:.3%} of "
        f"a core, {found.megabytes:.0f} MB resident. One poller polls on an idle queue, 20 s each "
        "time; the other calls are the queues' counts for /metrics, every half minute."
    )
    yield (
        f"\n{found.singles} single messages, 0.1 to 0.4 s between them: on record "
        f"{found.latency_ms.shown(1)} ms after they were sent, p95 {found.latency_p95_ms:.1f} ms; "
        f"the reader looks every {found.look_ms.median:.1f} ms."
    )


def start_lines(found: Start) -> Iterator[str]:
    """Starts."""
    yield (
        f"{found.rounds} starts each: `--help` {found.help_seconds.shown(2)} s "
        f"({found.help_cpu_seconds.shown(2)} s of CPU); `run` polls after "
        f"{found.polling_seconds.shown(2)} s ({found.polling_cpu_seconds.shown(2)} s of CPU) and "
        f"has {found.megabytes.shown(0)} MB two seconds later."
    )


def profile_lines(found: Profile) -> Iterator[str]:
    """Where a message's microseconds go."""
    yield from (f"{found.title}; CPU time of each thread, all of it in one process.", "")
    yield from heads("part", "calls", "us a message", "share")
    for item in found.rows:
        yield row((item.name, f"{item.calls:,}", f"{item.us:.1f}", f"{item.share:.1%}"))
    yield row(("all", "", f"{found.us:.1f}", ""))


def what_lines(what: Mapping[str, str]) -> Iterator[str]:
    """Who is who."""
    return (f"- **{name}**: {text}" for name, text in what.items())


def cells(line: Line) -> list[str]:
    """One contestant, in the order of `COLUMNS`."""
    shares = (line.own_share, line.stub_share, line.database_share, line.others_share)
    return [
        line.name,
        str(line.runs),
        line.cpu_per_10k.shown(2),
        _shown(line.cpu_ratio, 2),
        line.rate.shown(0),
        _shown(line.rate_ratio, 2),
        *(f"{share:.0%}" for share in shares),
    ]


def heads(*names: str) -> tuple[str, str]:
    """The first two lines of a table."""
    return row(names), row(["---", *["---:"] * (len(names) - 1)])


def row(values: Sequence[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(values)} |"


def _shown(figure: Figure | None, digits: int) -> str:
    if figure is None:
        return "-"
    alone = figure.least == figure.most
    return f"{figure.median:,.{digits}f}" if alone else figure.shown(digits)
