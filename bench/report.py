"""What came out, for people: a table on the terminal, RESULTS.md."""

from collections.abc import Mapping, Sequence

from rich.console import Console, JustifyMethod
from rich.table import Table

from bench.figures import Figure, Line

COLUMNS = (
    "contestant", "runs", "CPU-s / 10k", "x floor", "messages/s", "x floor",
    "own", "stub", "database", "others",
)  # fmt: skip
NARROWEST = 160
"""Characters; figures that are cut off are none."""

Tables = Mapping[int, Sequence[Line]]
"""Lines by the delay in milliseconds."""


def title(delay: int) -> str:
    """Say which network is meant."""
    return f"{delay} ms added to every reply" if delay else "No added latency"


def show(tables: Tables) -> None:
    """Print a table for each delay."""
    console = Console(width=max(NARROWEST, Console().width))
    for delay, lines in tables.items():
        table = Table(title=title(delay))
        for name in COLUMNS:
            side: JustifyMethod = "left" if name == COLUMNS[0] else "right"
            table.add_column(name, justify=side, no_wrap=True)
        for line in lines:
            table.add_row(*_cells(line))
        console.print(table)


def markdown(
    tables: Tables,
    versions: Mapping[str, str],
    what: Mapping[str, str],
    messages: Mapping[int, int],
) -> str:
    """Write RESULTS.md."""
    parts = [_HEAD]
    parts += [f"- {name}: {value}" for name, value in versions.items()]
    parts += ["", "![CPU and messages a second beside the floor](results.svg)", ""]
    for delay, lines in tables.items():
        parts += [f"## {title(delay)}", "", f"{messages[delay]:,} messages a run.", ""]
        parts += [_row(COLUMNS), _row(["---", *["---:"] * (len(COLUMNS) - 1)])]
        parts += [_row(_cells(line)) for line in lines]
        parts.append("")
    parts += ["## Who is who", ""]
    parts += [f"- **{name}**: {text}" for name, text in what.items()]
    parts += ["", _HOW]
    return "\n".join(parts)


def _cells(line: Line) -> list[str]:
    shares = (line.own_share, line.stub_share, line.database_share, line.others_share)
    return [
        line.name,
        str(line.runs),
        line.cpu_per_10k.shown(2),
        _ratio(line.cpu_ratio),
        line.rate.shown(0),
        _ratio(line.rate_ratio),
        *(f"{share:.0%}" for share in shares),
    ]


def _ratio(figure: Figure | None) -> str:
    return figure.shown(2) if figure else "-"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_HEAD = """\
# What a message costs

Written by `make bench`; every figure is a median [least-most]. The ratios are taken inside each
round and only then brought to their median, since the speed of a shared machine drifts by half
between minutes: read them first.
"""

_HOW = """\
## How it is measured

- An SQS stub in memory (`stubsqs.mjs`) serves all contestants over plain HTTP on loopback. What
  TLS, AWS's own latency and its throttling cost is in none of these figures.
- Messages are SNS envelopes of about 3 KB, each about another one of 100,000 users; of twenty one
  is a complaint and one a soft bounce.
- Contestants take turns in an order that is shuffled in each round. After each run the queue must
  be empty and the books must hold exactly one event and one count for each message.
- **CPU** is user and system time of the contestant's processes, children included. The worker is
  the installed command with default settings, its JSON log in a file; what its start-up costs is
  measured in the same round, on 10 messages, and subtracted. Scripts measure their own loop.
- The floor and the peers do less than the worker: they write no log, decide nothing and know a
  duplicate by one key. (They keep each message whole, which the worker does not.)
- **messages/s** is from the first receive to the last delete, as the stub saw them.
- **own, stub, database, others**: CPU of the contestant, the stub, the database server and of all
  programs that have no part in this, as shares of all cores. A contestant of one process that
  has one core for itself shows 50 % on two.

## How to repeat it

    make bench                                     # two delays, five rounds, about five minutes
    make bench ARGS="--peers"                      # with aiobotocore and sqs-consumer
    make bench ARGS="--rounds 1 --variants floor1,worker-sqlite-1 --delay 0"

It needs Linux, Node 20 or newer on PATH, and nothing that listens anywhere but on loopback. Only a
whole run writes this file; any run leaves its raw results in `bench/out/`. `python -m
bench.profile` tells where a message's time goes, `python -m bench.micro` what the parts cost alone.
"""
