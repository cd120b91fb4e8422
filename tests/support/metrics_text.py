"""The text of all metrics, made in this process: each metric has at least a sample."""

from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import generate_latest

from support import mail
from worker.consumer.counters import Counters
from worker.core.decode import decode
from worker.core.messages import Received
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.observability.health import Health
from worker.observability.http.collector import Collector
from worker.observability.http.measuring import Measuring
from worker.observability.metrics import Metrics
from worker.sqs.queue import Counts
from worker.store.disk_space import DiskSpace
from worker.store.figures import Figures


class Work:
    """Loops that stand still."""

    def __init__(self, idle=True):
        self.counters = Counters()
        self.held = 0
        self.idle = idle
        self.delivered = 0
        self.clock_skew_seconds = 0.25
        self.purged = {"events": 3}
        self.purge_finished_at = 1_800_000_000.0
        self.sending = []


def full(work=None):
    """The parts of such a text, and a function that makes it."""
    health, metrics, measuring = Health(), Metrics(), Measuring()
    collector = Collector(health, metrics, measuring)
    collector.watch(work or Work(), "feedback")
    return health, metrics, measuring, lambda: generate_latest(metrics.registry).decode()


def everything():
    """Make such a text."""
    _, metrics, measuring, metrics_text = full()
    handled = []
    for body in (mail.bounce("nobody@example.com"), mail.complaint("nobody@example.com")):
        now = datetime.now(UTC)
        received = Received(
            message_id="m", body=body, receipt_handle="h", receive_count=1,
            received_at=now, lease_until=0, sent_at=now,
        )  # fmt: skip
        handled.append(UnitOfWork(Policy(), (), {}).decide_message(received, decode(body)))
        metrics.count(handled[-1].decisions)
    metrics.written(handled)
    with metrics.timing(_NoStore()):
        pass
    for what, figure in (
        ("queue", Counts()),
        ("dead_letter_queue", ("feedback-dlq", Counts())),
        ("store", Figures(quarantined=0, effects={})),
        ("disk", DiskSpace(Path("worker.db"), free_bytes=10**9, total_bytes=10**10)),
    ):
        measuring.errors[what] = 0
        measuring._take(what, lambda figure=figure: figure)
    return metrics_text()


class _NoStore:
    def transaction(self):
        from contextlib import nullcontext

        return nullcontext()
