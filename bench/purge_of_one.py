"""A purge of an address with very many events, such as a mailing list that bounces daily.

For each kind of address, with a tenth of the events and with all: how long the purge takes, its
longest commit, and the memory that it needs at most beside what the process had.

    .venv/bin/python -m bench.purge_of_one --events 100000
    .venv/bin/python -m bench.purge_of_one --events 100000 --store postgresql
"""

import argparse
import os
import time
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import text

from bench.old_events import AT_ONCE, DAY, NOW, digest, event_id
from bench.purge import opened
from worker.core.policy import Policy
from worker.core.retention import Retention
from worker.service.allocation import tune_memory
from worker.store import Store, ensure_schema
from worker.store.purging import Purge

WHO = "list@example.com"
_ROW = """
    INSERT INTO events (dedupe_key, route_key, kind, type, subtype, recipient,
        recipient_as_reported, user_match, action, reason, occurred_at, received_at, feedback_id,
        ses_message_id, diagnostic, status, route, fault, mentions_spam, out_of_office,
        permanent_status)
    VALUES (:dedupe, :route, :kind, :type, :subtype, :who, :who, :match, :action,
        :reason, :at, :at, :feedback, :mail, '', '', 'raw', 'recipient', :no, :no, :no)
"""
_BOUNCE = {"kind": "bounce", "type": "Permanent", "subtype": "General", "action": "hard_bounce",
           "reason": "permanent"}  # fmt: skip
_SOFT = _BOUNCE | {"type": "Transient", "action": "soft_bounce", "reason": "transient"}
_REFUSAL = _BOUNCE | {"subtype": "Suppressed"}
_COMPLAINT = {"kind": "complaint", "type": None, "subtype": None, "action": "auto_block_spam",
              "reason": "complaint"}  # fmt: skip
_WITH_MEMORY = Policy(soft_bounces_to_pause=3, repeat_pause=timedelta(days=30))

Make = Callable[[int], Mapping[str, Any]]
CASES: dict[str, tuple[bool, Policy, Make]] = {
    "a user that bounces": (True, Policy(), lambda _: _BOUNCE),
    "a user that complained first": (True, Policy(), lambda at: _BOUNCE if at else _COMPLAINT),
    "no user, that complained": (False, Policy(), lambda at: _BOUNCE if at % 7 else _COMPLAINT),
    "bounces, refusals, complaints": (
        False, Policy(), lambda at: (_BOUNCE, _REFUSAL, _REFUSAL, _COMPLAINT)[at % 4]
    ),
    "a user, by a policy with a memory": (
        True, _WITH_MEMORY, lambda at: (_SOFT, _SOFT, _BOUNCE, _REFUSAL)[at % 4]
    ),
}  # fmt: skip


def fill(store: Store, events: int, make: Make, *, is_user: bool) -> None:
    """Events of one address, from 300 days ago until now, and an event of somebody else."""
    is_sqlite = store.place.startswith("/")
    match = "found" if is_user else "missing"
    for start in range(0, events + 1, AT_ONCE):
        rows = []
        for number in range(start, min(events + 1, start + AT_ONCE)):
            at = NOW - 300 * DAY + timedelta(seconds=number * 300 * 86_400 / events)
            feedback, mail = event_id(at), event_id(at)
            rows.append({
                **make(number), "match": match, "feedback": feedback, "mail": mail, "no": False,
                "dedupe": f"{feedback}:{digest()}", "route": f"{mail}:{digest()}",
                "who": "other@example.com" if number == events else WHO,
                "at": at.strftime("%Y-%m-%d %H:%M:%S.%f") if is_sqlite else at,
            })  # fmt: skip
        with store.write_transaction() as connection:
            connection.execute(text(_ROW), rows)
    if is_user:
        with store.write_transaction() as connection:
            record = text("INSERT INTO users (email, email_key) VALUES (:who, :who)")
            connection.execute(record, {"who": WHO})


def measure(where: str | None, name: str, events: int) -> None:
    is_user, policy, make = CASES[name]
    with opened(where) as store:
        ensure_schema(store, migrate=True)
        store.keep_open()
        with store.write_transaction() as connection:
            for table in ("events", "users", "kept_keys", "imported_users", "progress"):
                connection.execute(text(f"DELETE FROM {table}"))
        fill(store, events, make, is_user=is_user)
        purge = Purge(store, Retention(), policy, NOW)
        purge.announce(at_once=True)
        began, bites = time.monotonic(), 0
        for _ in purge.bites():
            bites += 1
        seconds = time.monotonic() - began
        print(
            f"{name:34} {events:>9,} {seconds:>8.1f} {seconds / events * 1e6:>9.1f} {bites:>7,}"
            f" {purge.throttle.longest * 1e3:>9.1f} {purge.kept:>9,}"
            f" {needed(store, policy, events, make, is_user=is_user):>8.1f}",
            flush=True,
        )
        store.close()


def needed(store: Store, policy: Policy, events: int, make: Make, *, is_user: bool) -> float:
    """Return how many megabytes a purge of the same needs at most; measuring takes time."""
    with store.write_transaction() as connection:
        for table in ("events", "users", "kept_keys", "imported_users", "progress"):
            connection.execute(text(f"DELETE FROM {table}"))
    fill(store, events, make, is_user=is_user)
    purge = Purge(store, Retention(), policy, NOW)
    purge.announce(at_once=True)
    tracemalloc.start()
    for _ in purge.bites():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--store", help="postgresql; default: a new SQLite file")
    parser.add_argument("--only", help="cases with this in their names")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    tune_memory()
    print(f"load {os.getloadavg()}, {os.cpu_count()} cores")
    heads = ("events", "s", "µs/event", "bites", "most ms", "kept", "MB")
    widths = (9, 8, 9, 7, 9, 9, 8)
    shown = " ".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
    print(f"{'':34} {shown}")
    for name in CASES:
        if (arguments.only or "") in name:
            for events in (arguments.events // 10, arguments.events):
                measure(arguments.store, name, events)


if __name__ == "__main__":
    main()
