"""`ses-worker run`: work until a signal."""

import faulthandler
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from worker.app import bring_schema_up
from worker.app.asked_removals import AskedRemovals
from worker.app.in_force import keep_policy
from worker.app.observability import make_observability, watch
from worker.app.parts import Parts, build
from worker.app.reload import reload
from worker.consumer import Plan
from worker.observability.health import Health, Phase
from worker.observability.lost_lines import LostLines
from worker.observability.stderr import OUT
from worker.service.allocation import tune_memory
from worker.service.bounded_call import Deadline, Over
from worker.service.disk_watch import begin_disk_watch
from worker.service.figures_keeper import begin_keeping_figures
from worker.service.no_users import NoUsers
from worker.service.purger import Purger, begin_purging
from worker.service.sending_watch import SendingWatch
from worker.service.shutdown import leave_in_time, set_at_the_end
from worker.service.signals import SignalEvents, caught
from worker.service.startup_checks import (
    begin_dead_letter_queue_check,
    warn_of_effects_without_sender,
)
from worker.service.systemd import Systemd
from worker.service.watchdog import Watchdog
from worker.settings import Settings
from worker.store.tombstones import require_known_key
from worker.timing.retries import while_unreachable

log = structlog.get_logger()

LONGEST_STEP_SECONDS = 600.0
"""A step of the start that takes longer hangs; a schema upgrade may rewrite a large table."""
BITE_ENDS_SECONDS = 3.0
"""So long a stop waits for what is written in bites beside the messages: figures, and a purge."""


def run(settings: Settings, read_again: Callable[[], Settings]) -> int:
    """Work until a signal; return the exit status.

    `read_again` reads the settings again, for a reload by SIGHUP.

    Raises:
        Misconfigured: a restart will not help.

    """
    faulthandler.enable()  # the watchdog's SIGABRT prints a trace of each thread: where it hangs
    plan = Plan(wait_seconds=settings.queue.wait_seconds, pollers=settings.queue.pollers)
    observability = make_observability(settings)
    health = observability.health
    watchdog = Watchdog(Systemd(os.environ, os.getpid()), health)
    with (
        OUT.beside(),
        caught(reload=True) as signals,
        observability,
        set_at_the_end(signals.to_stop),
    ):
        leave_in_time(signals.to_stop, OUT.finish)
        parts = build(settings, plan, health=health, metrics=observability.metrics, delivers=True)
        reread = partial(
            reload,
            parts.current,
            read_again,
            parts.store,
            health,
            signals.to_stop,
            verifier=parts.verifier,
        )
        look = partial(_look, watchdog, signals, reread)
        no_users = NoUsers(parts.store, lambda: parts.current.policy)
        sending = SendingWatch(parts.store)
        purger = Purger(parts.store, parts.current.purging, health)
        asked_removals = AskedRemovals(parts.store, parts.current, health)
        watchdog.remark = lambda: "; ".join(filter(None, [sending.remark, no_users.remark]))
        begin_disk_watch(parts.store, health, signals.to_stop)
        try:
            begin = Deadline(signals, look=look)
            _begin(begin, watchdog, health, parts, [no_users.look, sending.look])
        except Over:
            watchdog.stopping(held=0)
            return 0
        tune_memory()
        watch(observability, parts, sending, purger)
        log.info(
            "worker.started",
            queue=parts.queue.name,
            store=parts.store.place,
            pollers=plan.pollers,
        )
        begin_dead_letter_queue_check(parts.queue, signals.to_stop)
        no_users.begin(signals.to_stop)
        sending.begin(signals.to_stop)
        writers = [
            begin_keeping_figures(parts.store, health, signals.to_stop),
            begin_purging(purger, signals.to_stop),
        ]
        asked_removals.begin(signals.to_stop)
        parts.consumer.start()
        parts.current.start()
        watchdog.figures = lambda: (parts.consumer.counters.as_dict(), parts.consumer.held)
        _work(parts, health, signals, [look, partial(asked_removals.serve, signals.to_stop)])
        finished = _stop(parts, health, signals, watchdog, writers)
    if parts.consumer.failure or parts.current.failure:
        return 1
    return 0 if finished or signals.to_hurry.is_set() else 1


def _begin(
    deadline: Deadline,
    watchdog: Watchdog,
    health: Health,
    parts: Parts,
    looks: Sequence[Callable[[], None]],
) -> None:
    """Bring the schema up, probe the store and look at it; wait while it is unavailable.

    Raises:
        Misconfigured: a restart will not help.
        Over: a signal came first.

    """
    again = while_unreachable(deadline.sleep, partial(_report, health))
    pulse = health.pulse("start")
    store, current = parts.store, parts.current

    def step(call: Callable[[], None]) -> None:
        pulse.within(LONGEST_STEP_SECONDS)
        try:
            deadline.call(call)
        finally:
            pulse.rest()

    again(step, lambda: bring_schema_up(current.settings, store))
    watchdog.ready()
    # Else each start would cost messages a receive while the disk takes nothing.
    again(step, store.probe)
    again(step, lambda: require_known_key(store, current.policy.privacy_key))
    again(step, lambda: keep_policy(store, current.policy))
    for read in looks:
        again(step, read)
    lanes, keys_of = current.settings.lanes, current.settings.keys_of
    again(step, lambda: warn_of_effects_without_sender(store, lanes, keys_of))
    if (seconds := health.resolve("store")) is not None:
        log.info("store.available", outage_seconds=round(seconds, 1))


def _work(
    parts: Parts, health: Health, signals: SignalEvents, looks: Sequence[Callable[[], None]]
) -> None:
    """Wait for a signal or a failure; look after the threads each second."""
    health.phase = Phase.WORKING
    lines, consumer = LostLines(health), parts.consumer
    while not (signals.to_stop.wait(1) or consumer.stopped.is_set() or parts.current.failure):
        consumer.look_after()
        if parts.store.lost:  # another reader may notice it while there is nothing to write
            consumer.fail(parts.store.lost)
        lines.look()
        parts.verifier.certificates.look()
        for look in looks:
            look()


def _stop(
    parts: Parts,
    health: Health,
    signals: SignalEvents,
    watchdog: Watchdog,
    writers: Sequence[threading.Thread],
) -> bool:
    """Stop all threads; return whether they ended in time."""
    consumer, current = parts.consumer, parts.current
    health.phase = Phase.STOPPING
    signals.to_stop.set()  # after a failure, too: from now on a signal means to hurry
    if consumer.failure:
        signals.to_hurry.set()  # no thread would process the messages of a long poll
    log.info("worker.stopping", held=consumer.held)
    watchdog.stopping(consumer.held)
    current.stop()
    finished = consumer.finish(signals.to_hurry)
    finished = current.finish(signals.to_hurry) and finished
    for thread in writers:
        thread.join(BITE_ENDS_SECONDS)
    if finished and not any(thread.is_alive() for thread in writers):
        parts.store.close()  # otherwise an abandoned thread uses it, and closing would wait
    log.info("worker.stopped", **consumer.counters.as_dict())
    return finished


def _look(watchdog: Watchdog, signals: SignalEvents, reread: Callable[[], str]) -> None:
    """Notify the service manager; reload the settings if requested.

    No reload before READY, because the end of a reload is announced as READY.
    """
    watchdog.look()
    if watchdog.is_ready and signals.to_reload.is_set():
        signals.to_reload.clear()  # before reading: a signal meanwhile asks for another reload
        watchdog.reload(reread)


def _report(health: Health, error: BaseException, seconds: float) -> None:
    health.report_problem("store", error)
    log.warning("store.unavailable", error=str(error), next_try_seconds=round(seconds, 1))
