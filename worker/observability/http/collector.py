"""Metrics that are read at a scrape, from figures kept anyway: the message path pays nothing."""

import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector as Base

from worker import __version__
from worker.core.effects import ASKED_REMOVALS, SUPPRESSION
from worker.core.model import Outcome
from worker.core.payloads import EffectKind
from worker.observability.health import Health
from worker.observability.http.measuring import Measuring
from worker.observability.http.sending import by_tenant
from worker.observability.http.work import Work
from worker.observability.metrics import Metrics
from worker.observability.stderr import OUT
from worker.settings import CHANNEL_SECTIONS
from worker.sqs.queue import Counts
from worker.store.disk_space import DiskSpace
from worker.store.figures import Figures

NOT_DONE = ("waiting", "claimed", "parked")
"""States of an undelivered effect."""
_LANES_AND_KINDS = [
    (SUPPRESSION if kind is EffectKind.REMOVAL else section, kind.value)
    for section in CHANNEL_SECTIONS
    for kind in EffectKind
] + [(ASKED_REMOVALS, EffectKind.REMOVAL.value)]
"""Combinations that are exposed even where they have no effect."""


_Values = Mapping[Any, float]
"""Values by labels."""


class Process(ProcessCollector):
    """prometheus-client's metrics of the process, which also work without /proc/stat.

    The base class reads the boot time there; systemd's ProcSubset=pid hides that file.
    """

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Collector(Base):
    """All metrics that are not counted on the message path."""

    def __init__(self, health: Health, metrics: Metrics, measuring: Measuring) -> None:
        self._health = health
        self._metrics = metrics
        self._measuring = measuring
        self._started_at = time.time()
        self._work: Work | None = None
        self._queue = ""
        metrics.registry.register(self)
        if Path("/proc/self").is_dir():
            Process(registry=metrics.registry)

    def watch(self, work: Work, queue: str) -> None:
        """Read the figures of this worker from now on."""
        self._queue, self._work = queue, work

    def collect(self) -> Iterator[Metric]:
        """Read all metrics."""
        yield from self._about_the_process()
        yield from self._about_health()
        if self._work:
            yield from self._about_messages(self._work)
        yield from self._measured()

    def _about_the_process(self) -> Iterator[Metric]:
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily(
            "ses_worker_build", "Version of the worker and of Python", value=build
        )
        name, text = "ses_worker_log_lines_lost", "Lines of the log that could not be written"
        yield CounterMetricFamily(name, text, value=OUT.lost)
        name, text = (
            "ses_worker_start_time_seconds",
            "When the process was started, in seconds since 1970",
        )
        yield GaugeMetricFamily(name, text, value=self._started_at)

    def _about_health(self) -> Iterator[Metric]:
        report, met = self._health.report(), self._health.met
        now = {problem.what for problem in report.problems}
        name, text = "ses_worker_ready", "1: messages are processed, as /readyz reports"
        yield GaugeMetricFamily(name, text, value=report.ready)
        name, text = "ses_worker_loops_late", "Loops whose next step is overdue"
        yield GaugeMetricFamily(name, text, value=len(report.late))
        name, text = "ses_worker_trouble", "1: an active problem, as /readyz reports"
        yield _gauge(name, text, ["what"], {(what,): what in now for what in met})
        name, text = "ses_worker_troubles", "How often each problem was reported"
        yield _counter(name, text, ["what"], {(what,): count for what, count in met.items()})
        name, text = "ses_worker_poll_errors", "Receives that failed"
        yield CounterMetricFamily(name, text, value=met["queue"])

    def _about_messages(self, work: Work) -> Iterator[Metric]:
        counters = work.counters.as_dict()
        name, text = "ses_worker_messages", "Messages, by outcome"
        yield _counter(
            name, text, ["outcome"], {(item.value,): counters[item.value] for item in Outcome}
        )
        name, text = "process_message_from_sqs", "Messages that were processed"
        yield CounterMetricFamily(name, text, value=counters["received"])
        name, text = "message_from_sqs_error", "Messages that were deferred"
        yield CounterMetricFamily(name, text, value=counters[Outcome.DEFERRED.value])
        name, text = "ses_worker_held_messages", "Messages received and not settled"
        yield GaugeMetricFamily(name, text, value=work.held)
        if (skew := work.clock_skew_seconds) is not None:
            name, text = "ses_worker_clock_skew_seconds", "Our clock minus SQS's"
            yield GaugeMetricFamily(name, text, value=skew)
        if (statuses := work.sending) is not None:
            name = "ses_worker_sending_disabled"
            text = (
                "1: SES does not send, by the newest status that it has reported; account: the "
                "whole account, other: identities, configuration sets, tenants beyond a hundred"
            )
            disabled = {(label,): found for label, found in by_tenant(statuses).items()}
            yield _gauge(name, text, ["tenant"], disabled)
        name, text = "ses_worker_purged_rows", "Rows that were old and are removed, by table"
        yield _counter(name, text, ["table"], {(table,): n for table, n in work.purged.items()})
        if (at := work.purge_finished_at) is not None:
            name = "ses_worker_last_purge_timestamp_seconds"
            text = "When a purge was finished last, in seconds since 1970"
            yield GaugeMetricFamily(name, text, value=at)
        name, text = "ses_worker_effects_delivered", "Notices and removals that were delivered"
        yield CounterMetricFamily(name, text, value=work.delivered)
        if (at := self._metrics.last_message_at) is not None:
            name, text = (
                "ses_worker_last_message_timestamp_seconds",
                "When a message was processed last, in seconds since 1970",
            )
            yield GaugeMetricFamily(name, text, value=at)
        age = self._metrics.ages.oldest(time.monotonic())
        if age is None and work.idle and "queue" not in {t.what for t in self._health.problems}:
            age = 0.0
        if age is not None:
            name = "ses_worker_oldest_received_age_seconds"
            text = "Age of the oldest message of those received in the last one or two minutes"
            yield GaugeMetricFamily(name, text, value=age)

    def _measured(self) -> Iterator[Metric]:
        measuring = self._measuring
        name, text = "ses_worker_measure_errors", "Measurements of remote services that failed"
        yield _counter(name, text, ["what"], {(w,): n for w, n in measuring.errors.copy().items()})
        name = "ses_worker_measured_timestamp_seconds"
        latest = measuring.latest.copy()
        first = self._started_at  # so that a measurement that never succeeded is not as old as 1970
        taken = {(w,): latest[w].at if w in latest else first for w in measuring.errors.copy()}
        text = (
            "When it was measured last, in seconds since 1970; at first, the start of the process"
        )
        yield _gauge(name, text, ["what"], taken)
        if isinstance(counts := measuring.fresh("queue"), Counts):
            yield from _counts(self._queue, counts)
        match measuring.fresh("dead_letter_queue"):
            case (str(queue), Counts() as counts):
                name = "ses_worker_dead_letter_messages"
                text = "Messages in the dead-letter queue"
                yield _gauge(name, text, ["queue"], {(queue,): counts.total})
        if isinstance(space := measuring.fresh("disk"), DiskSpace):
            name, text = "ses_worker_disk_free_bytes", "Free space on the disk of the SQLite file"
            yield GaugeMetricFamily(name, text, value=space.free_bytes)
        if isinstance(figures := measuring.fresh("store"), Figures):
            yield from _figures(figures)


def _counts(queue: str, counts: Counts) -> Iterator[Metric]:
    for name, text, value in (
        ("email_queue_count", "Messages that can be received", counts.visible),
        ("email_queue_count_delayed", "Delayed messages", counts.delayed),
        ("email_queue_count_not_visible", "Messages in flight", counts.in_flight),
    ):
        yield _gauge(name, f"{text}, by SQS's count", ["queue"], {(queue,): value})


def _figures(figures: Figures) -> Iterator[Metric]:
    name, text = "ses_worker_quarantine_rows", "Messages in the table quarantine"
    yield GaugeMetricFamily(name, text, value=figures.quarantined)
    none = {(lane, kind, state): 0 for lane, kind in _LANES_AND_KINDS for state in NOT_DONE}
    name, text = "ses_worker_outbox_effects", "Effects in the outbox"
    yield _gauge(name, text, ["lane", "kind", "state"], none | dict(figures.effects))


def _gauge(name: str, text: str, labels: list[str], values: _Values) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def _counter(name: str, text: str, labels: list[str], values: _Values) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: _Values) -> Metric:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
