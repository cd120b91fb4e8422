"""`ses-worker run`: work until a signal."""

import faulthandler
import os
from collections.abc import Callable
from functools import partial

import structlog

from worker.app import (
    bring_schema_up,
    log_where_dead_letters_go,
    make_consumer,
    make_queue,
    make_relay,
    make_store,
    warn_of_effects_without_sender,
)
from worker.app.current import Current
from worker.app.observability import make_observability, watch
from worker.app.reload import reload
from worker.consumer import Plan
from worker.observability.health import Health, Phase
from worker.observability.lost_lines import LostLines
from worker.observability.stderr import OUT
from worker.service.bounded_call import Deadline, Over
from worker.service.shutdown import leave_in_time, set_at_the_end
from worker.service.signals import SignalEvents, caught
from worker.service.systemd import Systemd
from worker.service.watchdog import Watchdog
from worker.settings import Settings
from worker.sqs.byte_budget import ByteBudget
from worker.store import Store
from worker.timing.retries import while_unreachable

log = structlog.get_logger()

LONGEST_STEP_SECONDS = 600.0
"""Of the start: bringing a schema up may rewrite a large table. What takes longer hangs."""


def run(settings: Settings, read_again: Callable[[], Settings]) -> int:
    """Work until a signal; return the exit status.

    `read_again` reads the settings when SIGHUP asks for it.

    Raises:
        Misconfigured: a restart will not help.

    """
    faulthandler.enable()  # the watchdog's SIGABRT leaves a line for each thread: where it hangs
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
        byte_budget = ByteBudget()
        queue, store = make_queue(settings, plan, byte_budget), make_store(settings)
        current = Current(settings, make_relay(settings, store, health))
        reread = partial(reload, current, read_again, store, health, signals.to_stop)
        look = partial(_look, watchdog, signals, reread)
        try:
            _begin(Deadline(signals, look=look), watchdog, health, store, current)
        except Over:
            watchdog.stopping(held=0)
            return 0
        consumer = make_consumer(
            settings,
            plan,
            queue,
            store,
            health=health,
            metrics=observability.metrics,
            current=current,
            byte_budget=byte_budget,
        )
        watch(observability, consumer, queue, store, current)
        log.info("worker.started", queue=queue.name, store=store.place, pollers=plan.pollers)
        log_where_dead_letters_go(queue, signals.to_stop)
        consumer.start()
        current.start()
        watchdog.figures = lambda: (consumer.counters.as_dict(), consumer.held)
        health.phase = Phase.WORKING
        lines = LostLines(health)
        while not (signals.to_stop.wait(1) or consumer.stopped.is_set() or current.failure):
            consumer.look_after()
            if store.lost:  # a reader may have found it, on a queue that brings nothing to write
                consumer.fail(store.lost)
            lines.look()
            look()
        health.phase = Phase.STOPPING
        signals.to_stop.set()  # whatever the reason, we are leaving: a signal is to change nothing
        if consumer.failure:
            signals.to_hurry.set()  # nobody is left to work on what a long poll would bring
        log.info("worker.stopping", held=consumer.held)
        watchdog.stopping(consumer.held)
        current.stop()
        finished = consumer.finish(signals.to_hurry)
        finished = current.finish(signals.to_hurry) and finished
        if finished:
            store.close()  # else an abandoned thread uses it, and close would wait
        log.info("worker.stopped", **consumer.counters.as_dict())
    if consumer.failure or current.failure:
        return 1
    return 0 if finished or signals.to_hurry.is_set() else 1


def _begin(
    deadline: Deadline, watchdog: Watchdog, health: Health, store: Store, current: Current
) -> None:
    """Bring the schema up and probe the store; wait while it is unavailable.

    Raises:
        Misconfigured: a restart will not help.
        Over: a signal came first.

    """
    again = while_unreachable(deadline.sleep, partial(_report, health))
    pulse = health.pulse("start")

    def step(call: Callable[[], None]) -> None:
        pulse.within(LONGEST_STEP_SECONDS)
        try:
            deadline.call(call)
        finally:
            pulse.rest()

    again(step, lambda: bring_schema_up(current.settings, store))
    watchdog.ready()
    # Or each start, on a disk that takes nothing, would cost messages a receive.
    again(step, store.probe)
    again(step, lambda: warn_of_effects_without_sender(current.settings, store))
    health.resolve("store")


def _look(watchdog: Watchdog, signals: SignalEvents, reread: Callable[[], str]) -> None:
    """Notify the service manager; reload the settings if requested.

    Not before READY, which the end of a reload would announce.
    """
    watchdog.look()
    if watchdog.is_ready and signals.to_reload.is_set():
        signals.to_reload.clear()  # before they are read: who asks meanwhile is heard again
        watchdog.reload(reread)


def _report(health: Health, error: BaseException, seconds: float) -> None:
    health.report_problem("store", error)
    log.warning("store.unavailable", error=str(error), next_try_seconds=round(seconds, 1))
