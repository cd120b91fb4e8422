"""Whoever goes by the wall clock is known: it may be wrong, leap and go back."""

import re
from pathlib import Path

WORKER = Path(__file__).parents[2] / "worker"
ASKS = re.compile(r"datetime\.now\(|\btime\.time\(|\btime\.time_ns\(|\bclock\.wall\(")
USES = {
    "queue/__init__.py": "the time of receipt: SQS's where that is later (`as_received`)",
    "dead_letter_queue.py": "likewise",
    "sqs/skew.py": "compares it with SQS's",
    "sqs/client.py": "signatures: SQS's where it refuses ours",
    "store/sqlite/transaction.py": "outbox entries are due by the clock that claims go by",
    "store/sqlite/opened.py": "since when commits are lost, for people",
    "store/sqlite/saving.py": "how old a folder is, by the same clock; a leap ends the waiting",
    "store/levels.py": "SQLite's outbox and limits, on one machine; PostgreSQL has its own",
    "dead_letters/replaying.py": "when a replay began: by SQS's clock where ours is plainly wrong",
    "dead_letters/listing.py": "ages of dead letters, for people",
    "store/sample.py": "is rolled back",
    "suppression/remover.py": "when a removal was done, in its notice",
    "app/effects.py": "an outbox entry that is due now, or by PostgreSQL's clock",
    "cli/users.py": "who is paused now, for people",
    "cli/effects.py": "for people",
    "cli/live.py": "how old the health file is, which the same machine wrote",
    "health.py": "since when a problem is there, for people",
    "log.py": "lines of the log",
    "metrics.py": "timestamps for Prometheus, and ages that are never below 0",
    "outside/collector.py": "timestamps for Prometheus",
    "outside/measuring.py": "likewise; whether a figure is fresh is asked of the monotonic clock",
    "outside/health_file.py": "when it was written",
    "outside/server.py": "how old a connection is; a leap closes one, or lets it live longer",
}
"""And why a wrong one does no harm there."""


def test_whoever_goes_by_it_says_why_a_wrong_one_does_no_harm():
    found = {
        str(path.relative_to(WORKER))
        for path in WORKER.rglob("*.py")
        if ASKS.search(path.read_text(encoding="utf-8"))
    }
    assert {name for name in found if not name.startswith("demo/")} == {*USES, "clock.py"}
