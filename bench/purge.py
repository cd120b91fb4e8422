"""What a purge costs the messages, and what kept keys cost.

Fills a database with old events, then works on messages at a steady rate, in one process as the
daemon does: first without a purge, while a row is written at the rhythm of a purge (so long a
commit takes on this machine, whatever is in it), then with a purge. Then the size of kept keys,
and the CPU time of a message that has to look for them.

    .venv/bin/python -m bench.purge --events 5000000 --rate 2000
    .venv/bin/python -m bench.purge --events 200000 --rate 300 --seconds 30 --store postgresql
"""

import argparse
import gc
import os
import statistics
import tempfile
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Connection, text

from bench.old_events import AT_ONCE, DAY, NOW, digest, event_id, fill, progress, received
from bench.places import OUT
from bench.postgresql import running_server
from worker.core.keys import kept_key
from worker.core.policy import Policy
from worker.core.purged import mark_of
from worker.core.retention import Retention
from worker.process import process
from worker.service.allocation import tune_memory
from worker.service.purger import LEAST_PAUSE_SECONDS, SHARE
from worker.store import Store, ensure_schema, open_store
from worker.store.purging import Purge, Throttle
from worker.store.purging.biting import quick_switches
from worker.store.purging.limits import day_of
from worker.store.purging.statements import keep_keys, keep_progress

MOST_IN_A_BATCH = 200
LONGEST_SHOWN = 5


class Load:
    """Messages at a steady rate; what could not be begun in time waits, as it does in a queue."""

    def __init__(self, store: Store, rate: int) -> None:
        self._store, self._rate = store, rate
        self.delays = array("d")
        self.batches = array("d")

    def work(self, ended: threading.Event) -> None:
        """Work until something has happened."""
        began, done = time.monotonic(), 0
        while not ended.is_set():
            now = time.monotonic() - began
            due = min(int(now * self._rate) - done, MOST_IN_A_BATCH)
            if due <= 0:
                time.sleep(1 / self._rate)
                continue
            batch = [received(datetime.now(UTC)) for _ in range(due)]
            started = time.monotonic()
            process(batch, self._store, Policy())
            finished = time.monotonic()
            self.batches.append(finished - started)
            self.delays.extend(
                finished - began - (done + number) / self._rate for number in range(1, due + 1)
            )
            done += due


class Noted(Throttle):
    """Notes each bite: how long its statements took, how long all of it, how many rows it had."""

    def __init__(self) -> None:
        super().__init__()
        self.bites: list[tuple[float, float, int]] = []
        self.copies = array("d")

    def _note(self, rows: int, executing: float, seconds: float) -> None:
        self.bites.append((seconds, executing, rows))
        super()._note(rows, executing, seconds)

    @contextmanager
    def bite(self, store: Store, rows: int) -> Iterator[Connection]:
        with super().bite(store, rows) as connection:
            yield connection
        if copying := self.held - self.bites[-1][0]:
            self.copies.append(copying)


def purge_in_thread(store: Store, events: int, ended: threading.Event, throttle: Noted) -> Purge:
    """Purge as the daemon does, with its pauses."""
    purge = Purge(store, Retention(), Policy(), NOW)
    purge.throttle = throttle
    purge.announce(at_once=True)
    show = progress("purged", events)
    with closing(purge.bites()) as bites:
        for bite in bites:
            show(purge.removed["events"])
            if ended.wait(max(LEAST_PAUSE_SECONDS, SHARE * bite.held_seconds)):
                break
    ended.set()
    return purge


def write_rows(store: Store, seconds: float, ended: threading.Event, throttle: Noted) -> None:
    """Write a row now and then, as often as a purge writes: a bite without a purge."""
    until = time.monotonic() + seconds
    with quick_switches():
        while time.monotonic() < until:
            with throttle.bite(store, 1) as connection:
                keep_progress(connection, "bench", str(time.time()))
            ended.wait(max(LEAST_PAUSE_SECONDS, SHARE * throttle.held))
    ended.set()


def percentiles(values: Sequence[float]) -> str:
    if not values:
        return f"{'-':>9}"
    ordered = sorted(values)
    shown = [ordered[int(len(ordered) * part)] for part in (0.5, 0.99, 0.999)]
    return " ".join(f"{each * 1000:>9.1f}" for each in (*shown, ordered[-1]))


def measure(store: Store, arguments: argparse.Namespace) -> None:
    """Messages without a purge, and with a purge."""
    print(f"{'':36} {'p50 ms':>9} {'p99 ms':>9} {'p99.9':>9} {'most ms':>9}")
    alone, row, ended = Load(store, arguments.rate), Noted(), threading.Event()
    thread = threading.Thread(target=write_rows, args=(store, arguments.seconds, ended, row))
    thread.start()
    alone.work(ended)
    thread.join()
    print(f"{'a message, without a purge':36} {percentiles(alone.delays)}")
    print(f"{'  a commit of a row beside them':36} {percentiles([each[0] for each in row.bites])}")
    beside, throttle, ended = Load(store, arguments.rate), Noted(), threading.Event()
    purges: list[Purge] = []
    began = time.monotonic()
    thread = threading.Thread(
        target=lambda: purges.append(purge_in_thread(store, arguments.events, ended, throttle))
    )
    timer = threading.Timer(arguments.most_seconds, ended.set)
    timer.start()
    thread.start()
    beside.work(ended)
    thread.join()
    timer.cancel()
    seconds = time.monotonic() - began
    print(f"{'a message, beside a purge':36} {percentiles(beside.delays)}")
    print(f"{'  commits of the purge':36} {percentiles([each[0] for each in throttle.bites])}")
    print(f"{'  of these the statements':36} {percentiles([each[1] for each in throttle.bites])}")
    print(f"{'  copies of the -wal after them':36} {percentiles(throttle.copies)}")
    over = sum(each[0] > 0.05 for each in throttle.bites) + sum(
        each > 0.05 for each in throttle.copies
    )
    print(
        f"longer than 50 ms: {over} of {len(throttle.bites) + len(throttle.copies):,}; the longest:"
    )
    for whole, executing, rows in sorted(throttle.bites, reverse=True)[:LONGEST_SHOWN]:
        print(f"  {whole * 1e3:.1f} ms, statements {executing * 1e3:.1f}, {rows} rows")
    for purge in purges:
        print(
            f"purged {purge.removed['events']:,} events in {seconds:,.1f} s, "
            f"{purge.removed['events'] / seconds:,.0f} a second, {len(throttle.bites):,} bites; "
            f"{len(beside.delays):,} messages beside, {len(beside.delays) / seconds:,.0f} a second"
        )


def cost_of_a_message(store: Store, keys: int) -> None:
    """CPU time of a message: nothing was ever purged; newer than the purge; older, looked up."""
    begun = size(store)
    for start in range(0, keys, AT_ONCE):
        rows = []
        for number in range(start, min(keys, start + AT_ONCE)):
            at = NOW - 400 * DAY + timedelta(seconds=number * 400 * 86_400 / keys)
            rows.append((kept_key(f"{event_id(at)}:{digest()}"), day_of(at) + 400))
        with store.write_transaction() as connection:
            keep_keys(connection, rows)
    grown = size(store) - begun
    print(f"\n{keys:,} kept keys: {grown / 1e6:,.1f} MB, {grown / keys:,.0f} bytes each")
    sorts = {
        "nothing was ever purged": (None, timedelta(0)),
        "newer than all that was purged": (NOW - 80 * DAY, timedelta(0)),
        "older: its keys are looked up": (NOW - 80 * DAY, 90 * DAY),
    }
    costs: dict[str, list[float]] = {name: [] for name in sorts}
    for _ in range(40):
        for name, (mark, age) in sorts.items():
            with store.write_transaction() as connection:
                connection.execute(text("DELETE FROM progress WHERE name = 'purged_until'"))
                if mark:
                    keep_progress(connection, "purged_until", mark_of(mark))
            batch = [received(NOW - age) for _ in range(MOST_IN_A_BATCH)]
            gc.collect()
            before = time.process_time()
            process(batch, store, Policy())
            costs[name].append((time.process_time() - before) / len(batch))
    first = statistics.median(costs["nothing was ever purged"])
    print(f"{'CPU time of a message':40} {'µs':>8} {'ratio':>7}")
    for name, values in costs.items():
        middle = statistics.median(values)
        print(f"{name:40} {middle * 1e6:>8.1f} {middle / first:>7.3f}")


def size(store: Store) -> int:
    if store.place.startswith("/"):
        with store.read_transaction() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            return int(pages - free) * 4096
    with store.read_transaction() as connection:
        return int(connection.exec_driver_sql(
            "SELECT pg_total_relation_size('kept_keys')"
        ).scalar_one())  # fmt: skip


@contextmanager
def opened(where: str | None) -> Iterator[Store]:
    """Open an empty database: a SQLite file, an embedded server's, or the named database."""
    if where == "postgresql":
        OUT.mkdir(exist_ok=True)
        with running_server() as server:
            yield open_store(str(server.get_uri("postgres")))
        return
    with tempfile.TemporaryDirectory() as folder:
        yield open_store(where or f"sqlite:///{Path(folder, 'worker.db')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=2_000, help="messages a second")
    parser.add_argument("--seconds", type=float, default=20, help="of the load without a purge")
    parser.add_argument("--most-seconds", type=float, default=3_600, help="of that with a purge")
    parser.add_argument("--keys", type=int, help="default: twice the events")
    parser.add_argument("--users", type=int, default=300, help="of a thousand people")
    parser.add_argument(
        "--store", help="postgresql, or a URL of an empty database; default: a new SQLite file"
    )
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with opened(arguments.store) as store:
        ensure_schema(store, migrate=True)
        store.keep_open()
        print(f"load {os.getloadavg()}, {os.cpu_count()} cores, {store.place}")
        fill(store, arguments.events, arguments.users)
        tune_memory()
        print(f"{arguments.events:,} old events, {arguments.rate:,} messages a second", flush=True)
        measure(store, arguments)
        if arguments.keys != 0:
            cost_of_a_message(store, arguments.keys or 2 * arguments.events)
        print(f"load {os.getloadavg()}")
        store.close()


if __name__ == "__main__":
    main()
