"""What is read at a scrape: figures that others keep anyway, so that they cost the path nothing."""

import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector as Base

from worker import __version__
from worker.core.effects import SUPPRESSION, EffectKind
from worker.core.model import Outcome
from worker.observability.health import Health
from worker.observability.http.measuring import Measuring
from worker.observability.metrics import Metrics
from worker.observability.stderr import OUT
from worker.settings import CHANNEL_SECTIONS
from worker.sqs.queue import Counts
from worker.store.figures import Figures

NOT_DONE = ("waiting", "claimed", "parked")
"""States of an undelivered effect."""
_LANES_AND_KINDS = [
    (SUPPRESSION if kind is EffectKind.REMOVAL else section, kind.value)
    for section in CHANNEL_SECTIONS
    for kind in EffectKind
]
"""Combinations that are exposed even where they have no effect."""


_Values = Mapping[Any, float]
"""By labels."""


class Counters(Protocol):
    """What became of how many messages."""

    def as_dict(self) -> Mapping[str, int]:
        """`received`, and each outcome by its name."""


class Work(Protocol):
    """A worker's loops, as far as they can be looked at."""

    @property
    def counters(self) -> Counters:
        """Kept by others."""

    @property
    def held(self) -> int:
        """Messages received and not settled."""

    @property
    def idle(self) -> bool:
        """The queue looked empty, and nothing is held."""

    @property
    def clock_skew_seconds(self) -> float | None:
        """Our clock minus SQS's, where that is known."""

    @property
    def delivered(self) -> int:
        """Effects delivered."""


class Process(ProcessCollector):
    """prometheus-client's figures of the process, where /proc shows processes only, too.

    It looks for the time of the boot in /proc/stat, which systemd's ProcSubset=pid hides, and would
    have no value then.
    """

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Collector(Base):
    """Everything that is not counted on the path."""

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
        """Learn whose figures to read."""
        self._queue, self._work = queue, work

    def collect(self) -> Iterator[Metric]:
        """Read all of them."""
        yield from self._about_the_process()
        yield from self._about_health()
        if self._work:
            yield from self._about_messages(self._work)
        yield from self._measured()

    def _about_the_process(self) -> Iterator[Metric]:
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("ses_worker_build", "What runs", value=build)
        name, text = "ses_worker_log_lines_lost", "Lines of the log that nobody has taken"
        yield CounterMetricFamily(name, text, value=OUT.lost)
        name, text = "ses_worker_start_time_seconds", "When it was started, since 1970"
        yield GaugeMetricFamily(name, text, value=self._started_at)

    def _about_health(self) -> Iterator[Metric]:
        report, met = self._health.report(), self._health.met
        now = {problem.what for problem in report.problems}
        name, text = "ses_worker_ready", "1: messages are worked on; as /readyz says"
        yield GaugeMetricFamily(name, text, value=report.ready)
        name, text = "ses_worker_loops_late", "Loops that should have got on by now"
        yield GaugeMetricFamily(name, text, value=len(report.late))
        name, text = "ses_worker_trouble", "1: service unavailable, refusing or blocked"
        yield _gauge(name, text, ["what"], {(what,): what in now for what in met})
        name, text = "ses_worker_troubles", "How often each problem was reported"
        yield _counter(name, text, ["what"], {(what,): count for what, count in met.items()})
        name, text = "ses_worker_poll_errors", "Receives that failed"
        yield CounterMetricFamily(name, text, value=met["queue"])

    def _about_messages(self, work: Work) -> Iterator[Metric]:
        counters = work.counters.as_dict()
        name, text = "ses_worker_messages", "Messages, by what became of them"
        yield _counter(
            name, text, ["outcome"], {(item.value,): counters[item.value] for item in Outcome}
        )
        name, text = "process_message_from_sqs", "Messages that were worked on"
        yield CounterMetricFamily(name, text, value=counters["received"])
        name, text = "message_from_sqs_error", "Messages that were deferred"
        yield CounterMetricFamily(name, text, value=counters[Outcome.DEFERRED.value])
        name, text = "ses_worker_held_messages", "Messages received and not settled"
        yield GaugeMetricFamily(name, text, value=work.held)
        if (skew := work.clock_skew_seconds) is not None:
            name, text = "ses_worker_clock_skew_seconds", "Our clock minus SQS's"
            yield GaugeMetricFamily(name, text, value=skew)
        name, text = "ses_worker_effects_delivered", "Notices and removals that were delivered"
        yield CounterMetricFamily(name, text, value=work.delivered)
        if (at := self._metrics.last_message_at) is not None:
            name, text = "ses_worker_last_message_timestamp_seconds", "The last message, since 1970"
            yield GaugeMetricFamily(name, text, value=at)
        age = self._metrics.ages.oldest(time.monotonic())
        if age is None and work.idle and "queue" not in {t.what for t in self._health.problems}:
            age = 0.0
        if age is not None:
            name = "ses_worker_oldest_received_age_seconds"
            text = "How old the oldest message was, of those received within a minute or two"
            yield GaugeMetricFamily(name, text, value=age)

    def _measured(self) -> Iterator[Metric]:
        measuring = self._measuring
        name, text = "ses_worker_measure_errors", "Measurements of remote services that failed"
        yield _counter(name, text, ["what"], {(w,): n for w, n in measuring.errors.copy().items()})
        name = "ses_worker_measured_timestamp_seconds"
        latest = measuring.latest.copy()
        first = self._started_at  # else who was never answered would be blind since 1970
        taken = {(w,): latest[w].at if w in latest else first for w in measuring.errors.copy()}
        text = "When they were had last, since 1970; before the first, when the process began"
        yield _gauge(name, text, ["what"], taken)
        if isinstance(counts := measuring.fresh("queue"), Counts):
            yield from _counts(self._queue, counts)
        match measuring.fresh("dead_letter_queue"):
            case (str(queue), Counts() as counts):
                name, text = "ses_worker_dead_letter_count", "Messages in the dead-letter queue"
                yield _gauge(name, text, ["queue"], {(queue,): counts.total})
        if isinstance(figures := measuring.fresh("store"), Figures):
            yield from _figures(figures)


def _counts(queue: str, counts: Counts) -> Iterator[Metric]:
    for name, text, value in (
        ("email_queue_count", "Messages that can be received", counts.visible),
        ("email_queue_count_delayed", "Messages that cannot yet", counts.delayed),
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
