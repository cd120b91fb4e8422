"""The real command, with a named point at which it fails; nothing of this is in the program.

    python failing.py POINT[:NTH] ACTION -- drain --json

A point is a seam between two steps of a message's journey, patched by this script. At its NTH passing
(by default 1) the process kills itself (`kill`), the thread raises (`raise`), it stops for good
(`hang`), or the disk refuses every fsync from then on (`eio`). With WAIT_SECONDS in the
environment a step of a loop may take so long, where it may take a minute and more.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

from syncs import Syncs

from worker.app import parts
from worker.cli import main
from worker.commands import forget
from worker.commands.dlq import applying, in_quarantine
from worker.consumer import polling, settling, writing
from worker.consumer.leases import Leases
from worker.consumer.polling import Poller
from worker.consumer.settling import Settler
from worker.consumer.writing import Writer
from worker.notifiers.slack.client import SlackClient
from worker.relay import lane
from worker.ses.suppression import SuppressionList
from worker.sqs.dead_letter_queue import DeadLetterQueue, SourceQueue
from worker.sqs.queue import Queue
from worker.store import traces
from worker.store.outbox import Outbox
from worker.store.postgresql import PostgresqlStore
from worker.store.postgresql import connection as postgresql
from worker.store.postgresql.transaction import PostgresqlTransaction
from worker.store.removals import RemovalLog
from worker.store.sqlite import SqliteStore
from worker.store.sqlite.opened import Opened
from worker.store.sqlite.transaction import SqliteTransaction

BEFORE, AFTER = "before", "after"
FIRED = "a scripted failure has come\n"
POINTS: dict[str, list[tuple[Any, str, str]]] = {
    "received": [(Queue, "receive", AFTER)],
    "in-transaction": [
        (SqliteTransaction, "save", AFTER),
        (PostgresqlTransaction, "save", AFTER),
    ],
    "durable": [
        (Opened, "look_where_it_went", BEFORE),
        (postgresql, "_commit", AFTER),
    ],
    "enqueuing": [
        (SqliteTransaction, "enqueue", BEFORE),
        (PostgresqlTransaction, "enqueue", BEFORE),
    ],
    "committed": [(parts, "process", AFTER)],
    "deleting": [(Queue, "delete", BEFORE)],
    "deleted": [(Queue, "delete", AFTER)],
    "dead-letter-sent": [(Queue, "send_dead_letter", AFTER)],
    "set-aside": [(Settler, "_keep", AFTER)],
    "letters-looked-at": [(DeadLetterQueue, "look", AFTER)],
    "letters-committed": [(applying, "process", AFTER)],
    "letters-sent": [(SourceQueue, "send", AFTER)],
    "tombstones-left": [(forget, "leave_tombstones", AFTER)],
    "trace-looked-at": [(traces.Search, "_look_at", AFTER), (traces.Search, "_change", AFTER)],
    "removals-deleted": [(forget, "delete_removals", AFTER)],
    "kept-for-others": [(forget, "keep_without", AFTER)],
    "wiping": [(SqliteStore, "wipe", BEFORE), (PostgresqlStore, "wipe", BEFORE)],
    "rows-removed": [(in_quarantine, "remove_dead_letters", AFTER)],
    "polling": [(Poller, "_receive", BEFORE)],
    "writing": [(Writer, "_commit", BEFORE)],
    "settling": [(Settler, "settle", BEFORE)],
    "extending": [(Leases, "extend", BEFORE)],
    "claiming": [(Outbox, "claim", BEFORE)],
    "claimed": [(Outbox, "claim", AFTER)],
    "posting": [(SlackClient, "post", BEFORE)],
    "posted": [(SlackClient, "post", AFTER)],
    "marked": [(Outbox, "delivered", AFTER)],
    "looked-up": [(SuppressionList, "look_up", AFTER)],
    "entry-kept": [(RemovalLog, "begin", AFTER)],
    "taken-off": [(SuppressionList, "delete", AFTER)],
    "removal-finished": [(RemovalLog, "finish", AFTER)],
}


def plant(point: str, action: str) -> None:
    """Patch the seams of a point."""
    act = Syncs(Path(os.devnull)).refuse if action == "eio" else partial(fail, action)
    name, _, nth = point.partition(":")
    passings = iter(range(int(nth or 1) - 1, -1_000_000, -1))
    lock = threading.Lock()

    def pass_by() -> None:
        with lock:
            left = next(passings)
        if left == 0:
            act()

    for owner, method, when in POINTS[name]:
        setattr(owner, method, around(getattr(owner, method), when, pass_by))


def around(
    original: Callable[..., Any], when: str, pass_by: Callable[[], None]
) -> Callable[..., Any]:
    @wraps(original)
    def patched(*arguments: Any, **named: Any) -> Any:
        if when == BEFORE:
            pass_by()
        result = original(*arguments, **named)
        nothing_came = (original.__name__ in {"receive", "look"} and not result) or (
            original.__name__ == "claim" and not result.effects
        )
        if when == AFTER and not nothing_came:
            pass_by()
        return result

    return patched


def hasten(wait_budget: float) -> None:
    """Have loops be late after so many seconds."""
    polling.CALL_SECONDS = settling.STEP_SECONDS = writing.STUCK_SECONDS = wait_budget
    lane.MARK_SECONDS = wait_budget
    lane.longest_delivery = lambda _: wait_budget


def fail(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os.write(2, FIRED.encode())  # beside the log, which is the program's to write
    if action == "hang":
        time.sleep(3_600)
    raise RuntimeError("a scripted failure")


if __name__ == "__main__":
    separator = sys.argv.index("--")
    plant(*sys.argv[1:separator])
    if wait_budget := os.environ.get("WAIT_SECONDS"):
        hasten(float(wait_budget))
    sys.argv = ["ses-worker", *sys.argv[separator + 1 :]]
    main()
