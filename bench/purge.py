"""What a purge costs the messages, and what kept keys cost.

Fills a database with old events, then works on messages at a steady rate, without a purge and with
one, in one process as the daemon does: the longest commit of the purge, and the delay of messages.
Then the size of kept keys, and the CPU time of a message that has to look for them.

    .venv/bin/python -m bench.purge --events 5000000 --rate 2000
    .venv/bin/python -m bench.purge --events 200000 --rate 300 --seconds 30 --store postgresql://…
"""

import argparse
import gc
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import text

from worker.core.keys import kept_key
from worker.core.messages import Received
from worker.core.policy import Policy
from worker.core.purged import mark_of
from worker.core.retention import Retention
from worker.process import process
from worker.service.purger import LEAST_PAUSE_SECONDS, SHARE
from worker.store import Store, ensure_schema, open_store
from worker.store.purging import Purge
from worker.store.purging.biting import keep_keys, keep_progress
from worker.store.purging.events import day_of

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
AT_ONCE = 20_000
MOST_IN_A_BATCH = 200
_NUMBERS = count()
_CHANCE = random.Random(17)


def event_id(at: datetime) -> str:
    """An id as SES makes them: a region, milliseconds, and chance."""
    return f"0100{int(at.timestamp() * 1000):012x}-{_CHANCE.getrandbits(128):032x}-000000"


def body(at: datetime, number: int) -> str:
    """A hard bounce of one of a million people."""
    time_ = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    who = f"person{number % 1_000_003}@example{number % 97}.com"
    return json.dumps({
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent", "bounceSubType": "General", "timestamp": time_,
            "feedbackId": event_id(at),
            "bouncedRecipients": [{"emailAddress": who, "status": "5.1.1", "action": "failed",
                                   "diagnosticCode": "smtp; 550 5.1.1 user unknown"}],
        },
        "mail": {"timestamp": time_, "source": "us@example.com", "messageId": event_id(at),
                 "destination": [who]},
    })  # fmt: skip


def received(at: datetime) -> Received:
    number = next(_NUMBERS)
    return Received(
        message_id=f"m{number}", body=body(at, number), receipt_handle="h", receive_count=1,
        received_at=datetime.now(UTC), lease_until=float("inf"),
    )  # fmt: skip


_ROW = """
    INSERT INTO events (dedupe_key, route_key, kind, type, subtype, recipient,
        recipient_as_reported, user_match, action, reason, occurred_at, received_at, feedback_id,
        ses_message_id, diagnostic, status, route, fault, mentions_spam, out_of_office,
        permanent_status)
    VALUES (:dedupe, :route, 'bounce', 'Permanent', 'General', :who, :who, :match, :action,
        :reason, :at, :at, :feedback, :mail, 'smtp; 550 5.1.1 user unknown', '5.1.1', 'raw',
        'recipient', :no, :no, :no)
"""


def fill(store: Store, events: int, users: int) -> None:
    """Old events, one a second, of as many people; some of them are users with a record."""
    is_sqlite = store.place.startswith("/")
    shown = time.monotonic()
    for start in range(0, events, AT_ONCE):
        rows = []
        for number in range(start, min(events, start + AT_ONCE)):
            at = NOW - 400 * DAY + timedelta(seconds=number * 300 * 86_400 / events)
            feedback, mail = event_id(at), event_id(at)
            written = at.strftime("%Y-%m-%d %H:%M:%S.%f") if is_sqlite else at
            is_user = number % 1_000 < users
            rows.append({
                "dedupe": f"{feedback}:{_CHANCE.getrandbits(96):024x}",
                "route": f"{mail}:{_CHANCE.getrandbits(96):024x}",
                "who": f"old{number}@example{number % 97}.com", "at": written,
                "feedback": feedback, "mail": mail, "no": False,
                "match": "found" if is_user else "missing",
                "action": "hard_bounce" if is_user else "no_action",
                "reason": "permanent" if is_user else "unknown_recipient",
                "is_user": is_user,
            })  # fmt: skip
        with store.writing() as connection:
            connection.execute(text(_ROW), rows)
            known = [row for row in rows if row["is_user"]]
            if known:
                connection.execute(text(
                    "INSERT INTO users (email, email_key, hard_bounce_count, last_hard_bounce)"
                    " VALUES (:who, :who, 1, :at)"
                ), known)  # fmt: skip
        if sys.stderr.isatty() and time.monotonic() - shown > 1:
            shown = time.monotonic()
            print(f"\rfilled {start + len(rows):,} of {events:,}", end="", file=sys.stderr)


class Load:
    """Messages at a steady rate; what could not be begun in time waits, as it does in a queue."""

    def __init__(self, store: Store, rate: int) -> None:
        self._store, self._rate = store, rate
        self.delays: list[float] = []
        self.commits: list[float] = []

    def work(self, until: float | threading.Event) -> None:
        """Work for so many seconds, or until something has happened."""
        began, done = time.monotonic(), 0
        while True:
            now = time.monotonic() - began
            over = until.is_set() if isinstance(until, threading.Event) else now >= until
            if over:
                return
            due = min(int(now * self._rate) - done, MOST_IN_A_BATCH)
            if due <= 0:
                time.sleep(1 / self._rate)
                continue
            batch = [received(datetime.now(UTC)) for _ in range(due)]
            started = time.monotonic()
            process(batch, self._store, Policy())
            ended = time.monotonic()
            self.commits.append(ended - started)
            self.delays += [
                ended - began - (done + number) / self._rate for number in range(1, due + 1)
            ]
            done += due


def percentiles(values: list[float]) -> str:
    if not values:
        return "-"
    ordered = sorted(values)
    middle, most = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return f"{middle * 1000:>9.1f} {most * 1000:>9.1f} {ordered[-1] * 1000:>9.1f}"


def purge_in_thread(store: Store, ended: threading.Event, found: dict[str, Any]) -> None:
    purge = Purge(store, Retention(), Policy(), NOW)
    purge.announce(at_once=True)
    held: list[float] = []
    began = shown = time.monotonic()
    with closing(purge.bites()) as bites:
        for bite in bites:
            if bite.held_seconds:
                held.append(bite.held_seconds)
            if sys.stderr.isatty() and time.monotonic() - shown > 1:
                shown = time.monotonic()
                print(f"\rpurged {purge.removed['events']:,} events", end="", file=sys.stderr)
            if ended.wait(max(LEAST_PAUSE_SECONDS, SHARE * bite.held_seconds)):
                break
    found.update(
        seconds=time.monotonic() - began, held=held, events=purge.removed["events"],
        bites=len(held), kept=purge.kept,
    )  # fmt: skip
    ended.set()


def cost_of_a_message(store: Store, keys: int) -> None:
    """CPU time of a message: nothing was ever purged; newer than the purge; older, looked up."""
    begun = size(store)
    for start in range(0, keys, AT_ONCE):
        rows = []
        for number in range(start, min(keys, start + AT_ONCE)):
            at = NOW - 400 * DAY + timedelta(seconds=number * 400 * 86_400 / keys)
            rows.append(
                (kept_key(f"{event_id(at)}:{_CHANCE.getrandbits(96):024x}"), day_of(at) + 400)
            )
        with store.writing() as connection:
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
            with store.writing() as connection:
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
        with store.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            return int(pages - free) * 4096
    with store.reading() as connection:
        return int(connection.exec_driver_sql(
            "SELECT pg_total_relation_size('kept_keys')"
        ).scalar_one())  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=2_000, help="messages a second")
    parser.add_argument("--seconds", type=float, default=20, help="of the load without a purge")
    parser.add_argument("--most-seconds", type=float, default=3_600, help="of that with a purge")
    parser.add_argument("--keys", type=int, help="default: twice the events")
    parser.add_argument("--users", type=int, default=300, help="of a thousand people")
    parser.add_argument("--store", help="a URL of an empty database; default: a new SQLite file")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(arguments.store or f"sqlite:///{Path(folder, 'worker.db')}")
        ensure_schema(store, migrate=True)
        print(f"load {os.getloadavg()}, {os.cpu_count()} cores, {store.place}")
        fill(store, arguments.events, arguments.users)
        print(f"\n{arguments.events:,} old events, {arguments.rate:,} messages a second")
        print(f"{'delay of a message':24} {'p50 ms':>9} {'p99 ms':>9} {'max ms':>9}")
        alone = Load(store, arguments.rate)
        alone.work(arguments.seconds)
        print(f"{'without a purge':24} {percentiles(alone.delays)}")
        beside, ended = Load(store, arguments.rate), threading.Event()
        found: dict[str, Any] = {}
        thread = threading.Thread(target=purge_in_thread, args=(store, ended, found))
        timer = threading.Timer(arguments.most_seconds, ended.set)
        timer.start()
        thread.start()
        beside.work(ended)
        thread.join()
        timer.cancel()
        print(f"{'beside a purge':24} {percentiles(beside.delays)}")
        held = found["held"]
        print(f"{'commits of the purge':24} {percentiles(held)}")
        print(
            f"purged {found['events']:,} events in {found['seconds']:,.1f} s, "
            f"{found['bites']:,} bites; {len(beside.delays):,} messages beside"
        )
        cost_of_a_message(store, arguments.keys or 2 * arguments.events)
        print(f"load {os.getloadavg()}")
        store.close()


if __name__ == "__main__":
    main()
