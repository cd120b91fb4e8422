"""`ses-worker run`: work until a signal."""

import faulthandler
import os
from collections.abc import Callable
from functools import partial

import structlog

from worker.app import (
    bring_schema_up,
    make_consumer,
    make_queue,
    make_relay,
    make_store,
    say_what_nobody_delivers,
    say_where_dead_letters_go,
)
from worker.app.current import Current
from worker.app.outside import make_outside, watch
from worker.app.reload import reload
from worker.bounds import Bounds, Over
from worker.consumer import Plan
from worker.health import Health, Phase
from worker.leaving import leave_in_time, set_at_the_end
from worker.lost_lines import LostLines
from worker.retries import while_away
from worker.room import Room
from worker.settings import Settings
from worker.signals import Asked, caught
from worker.stderr import OUT
from worker.store import Store
from worker.systemd import Systemd
from worker.watchdog import Watchdog

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
    outside = make_outside(settings)
    health = outside.health
    watchdog = Watchdog(Systemd(os.environ, os.getpid()), health)
    with OUT.beside(), caught(reload=True) as asked, outside, set_at_the_end(asked.to_stop):
        leave_in_time(asked.to_stop, OUT.finish)
        room = Room()
        queue, store = make_queue(settings, plan, room), make_store(settings)
        current = Current(settings, make_relay(settings, store, health))
        reread = partial(reload, current, read_again, store, health, asked.to_stop)
        look = partial(_look, watchdog, asked, reread)
        try:
            _begin(Bounds(asked, look=look), watchdog, health, store, current)
        except Over:
            watchdog.stopping(held=0)
            return 0
        consumer = make_consumer(
            settings,
            plan,
            queue,
            store,
            health=health,
            metrics=outside.metrics,
            current=current,
            room=room,
        )
        watch(outside, consumer, queue, store, current)
        log.info("worker.started", queue=queue.name, store=store.place, pollers=plan.pollers)
        say_where_dead_letters_go(queue, asked.to_stop)
        consumer.start()
        current.start()
        watchdog.figures = lambda: (consumer.tally.as_dict(), consumer.held)
        health.phase = Phase.WORKING
        lines = LostLines(health)
        while not (asked.to_stop.wait(1) or consumer.stopped.is_set() or current.failure):
            consumer.look_after()
            if store.lost:  # a reader may have found it, on a queue that brings nothing to write
                consumer.fail(store.lost)
            lines.look()
            look()
        health.phase = Phase.STOPPING
        asked.to_stop.set()  # whatever the reason, we are leaving: a signal is to change nothing
        if consumer.failure:
            asked.to_hurry.set()  # nobody is left to work on what a long poll would bring
        log.info("worker.stopping", held=consumer.held)
        watchdog.stopping(consumer.held)
        current.stop()
        finished = consumer.finish(asked.to_hurry)
        finished = current.finish(asked.to_hurry) and finished
        if finished:
            store.close()  # else whoever is left behind is in it, and it would wait
        log.info("worker.stopped", **consumer.tally.as_dict())
    if consumer.failure or current.failure:
        return 1
    return 0 if finished or asked.to_hurry.is_set() else 1


def _begin(
    bounds: Bounds, watchdog: Watchdog, health: Health, store: Store, current: Current
) -> None:
    """Bring the schema up and see that the books take something; wait for them while they are away.

    Raises:
        Misconfigured: a restart will not help.
        Over: a signal came first.

    """
    again = while_away(bounds.sleep, partial(_tell, health))
    pulse = health.pulse("start")

    def step(call: Callable[[], None]) -> None:
        pulse.within(LONGEST_STEP_SECONDS)
        try:
            bounds.call(call)
        finally:
            pulse.rest()

    again(step, lambda: bring_schema_up(current.settings, store))
    watchdog.ready()
    # Or each start, on a disk that takes nothing, would cost messages a receive.
    again(step, store.probe)
    again(step, lambda: say_what_nobody_delivers(current.settings, store))
    health.well("store")


def _look(watchdog: Watchdog, asked: Asked, reread: Callable[[], str]) -> None:
    """Tell the service manager how it goes; read the settings again where that was asked for.

    Not before READY, which the end of a reload would say.
    """
    watchdog.look()
    if watchdog.is_ready and asked.to_reload.is_set():
        asked.to_reload.clear()  # before they are read: who asks meanwhile is heard again
        watchdog.reload(reread)


def _tell(health: Health, error: BaseException, seconds: float) -> None:
    health.trouble("store", error)
    log.warning("store.unavailable", error=str(error), next_try_seconds=round(seconds, 1))
