"""Each use of the wall clock is known: it may be wrong, leap and go back."""

import re
from pathlib import Path

WORKER = Path(__file__).parents[2] / "worker"
ASKS = re.compile(r"datetime\.now\(|\btime\.time\(|\btime\.time_ns\(|\bclock\.wall\(")
USES = {
    "sqs/queue/__init__.py": "the time of receipt: SQS's where that is later (`as_received`)",
    "sqs/dead_letter_queue.py": "likewise",
    "sqs/client/skew.py": "compares it with SQS's",
    "app/signatures.py": "dates of certificates: by SQS's clock, once it has answered",
    "sqs/client/client.py": "signatures: SQS's where it refuses ours",
    "store/answers.py": "whether the pause of somebody forgotten is over; it can only seem longer or shorter",
    "store/sqlite/transaction.py": "outbox entries are due by the clock that claims go by",
    "store/sqlite/opened.py": "since when commits are lost, for people",
    "store/sqlite/saving.py": "how old a folder is, by the same clock; a leap ends the waiting",
    "store/levels.py": "SQLite's outbox and limits, on one machine; PostgreSQL has its own",
    "commands/dlq/replaying.py": "when a replay began: by SQS's clock where ours is plainly wrong",
    "cli/dlq/groups.py": "likewise",
    "commands/dlq/listing.py": "ages of dead letters, for people",
    "store/sample.py": "is rolled back",
    "service/figures_keeper.py": "which hours are over; an hour that is not is trimmed too early at worst",
    "store/migrations/versions/0011_figures.py": "since when all is counted, for people",
    "ses/suppression/remover.py": "when a removal was done, in its notice",
    "app/effects.py": "an outbox entry that is due now, or by PostgreSQL's clock",
    "cli/policy/diff.py": "who is paused now, for people",
    "cli/policy/rebuild.py": "likewise",
    "store/users.py": "how many of the new users are paused now, for people",
    "cli/selecting.py": "who is paused now, for people",
    "cli/users.py": "likewise",
    "cli/when.py": "how long ago something occurred, for people",
    "cli/events.py": "until when an export goes",
    "cli/user_table.py": "likewise",
    "cli/data_request.py": "when an answer about a person was made, for people",
    "commands/check/__init__.py": "the days of which it reads SES's figures, as a report does",
    "cli/report.py": "which days a report is about, for people",
    "cli/history_text.py": "likewise",
    "app/in_force.py": "how many pauses would be over, for people",
    "cli/effects.py": "for people",
    "cli/live.py": "how old the health file is, which the same machine wrote",
    "observability/health.py": "since when a problem is there, for people",
    "observability/log.py": "lines of the log",
    "observability/metrics.py": "timestamps for Prometheus, and ages that are never below 0",
    "observability/http/collector.py": "timestamps for Prometheus",
    "observability/http/measuring.py": "likewise; whether a figure is fresh is measured by the monotonic clock",
    "observability/health_file.py": "when it was written",
    "observability/http/server.py": "how old a connection is; a leap closes a connection, or lets it live longer",
}
"""And why a wrong clock does no harm there."""


def test_every_use_of_it_gives_the_reason_why_a_wrong_clock_does_no_harm():
    found = {
        str(path.relative_to(WORKER))
        for path in WORKER.rglob("*.py")
        if ASKS.search(path.read_text(encoding="utf-8"))
    }
    assert found == {*USES, "timing/clock.py"}
