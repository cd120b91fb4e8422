"""`ses-worker run`: work until a signal."""

from functools import partial
from typing import TYPE_CHECKING

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
from worker.app.outside import make_outside, watch
from worker.bounds import Bounds, Over
from worker.consumer import Plan
from worker.health import Health, Phase
from worker.retries import while_away
from worker.settings import Settings
from worker.signals import caught

if TYPE_CHECKING:
    from worker.relay import Relay

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Work until a signal; return the exit status.

    Raises:
        Misconfigured: a restart will not help.

    """
    plan = Plan(wait_seconds=settings.queue.wait_seconds, pollers=settings.queue.pollers)
    with caught() as asked, make_outside(settings) as outside:
        health, metrics = outside.health, outside.metrics
        queue, store = make_queue(settings, plan), make_store(settings)
        bounds = Bounds(asked)
        try:
            again = while_away(bounds.sleep, partial(_tell, health))
            again(bounds.call, bring_schema_up, settings, store)
            # Or each start, on a disk that takes nothing, would cost messages a receive.
            again(bounds.call, store.probe)
            again(bounds.call, say_what_nobody_delivers, settings, store)
        except Over:
            return 0
        health.well("store")
        relay = make_relay(settings, store, health)
        consumer = make_consumer(
            settings, plan, queue, store, health=health, metrics=metrics, relay=relay
        )
        watch(outside, consumer, queue, store, relay)
        log.info("worker.started", queue=queue.name, store=store.place, pollers=plan.pollers)
        say_where_dead_letters_go(queue, asked.to_stop)
        consumer.start()
        if relay:
            relay.start()
        health.phase = Phase.WORKING
        while not (asked.to_stop.wait(0.5) or consumer.stopped.is_set() or _has_failed(relay)):
            consumer.look_after()
        health.phase = Phase.STOPPING
        asked.to_stop.set()  # whatever the reason, we are leaving: a signal is to change nothing
        if consumer.failure:
            asked.to_hurry.set()  # nobody is left to work on what a long poll would bring
        log.info("worker.stopping", held=consumer.held)
        if relay:
            relay.stop()
        finished = consumer.finish(asked.to_hurry)
        finished = (relay is None or relay.finish(asked.to_hurry)) and finished
        if finished:
            store.close()  # else whoever is left behind is in it, and it would wait
        log.info("worker.stopped", **consumer.tally.as_dict())
    if consumer.failure or _has_failed(relay):
        return 1
    return 0 if finished or asked.to_hurry.is_set() else 1


def _has_failed(relay: "Relay | None") -> bool:
    return relay is not None and relay.failure is not None


def _tell(health: Health, error: BaseException, seconds: float) -> None:
    health.trouble("store", error)
    log.warning("store.unavailable", error=str(error), next_try_seconds=round(seconds, 1))
