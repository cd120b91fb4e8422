"""Builds the parts from the settings: the only module that knows all others."""

import gc
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from worker.app.current import Current
from worker.aws import region_for, region_in
from worker.consumer import Consumer, Plan
from worker.core.effects import Lane
from worker.core.errors import Misconfigured, Refused, Unavailable
from worker.core.model import Handled, Received
from worker.core.outbox import entries_for_dead_letters
from worker.observability.health import Health
from worker.observability.metrics import Metrics, Timed
from worker.observability.stderr import lines_together
from worker.observability.telemetry import Telemetry
from worker.process import process
from worker.service.allocation import give_large_blocks_back
from worker.settings import Migrate, Settings
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.queue import NoSuchQueue, Queue
from worker.sqs.redrive import read_redrive_policy
from worker.store import Store, ensure_schema, open_store, require_schema
from worker.store.revision import FIRST
from worker.timing.retries import a_few_times
from worker.topology.checks.dead_letters import contradicted, moved_early

if TYPE_CHECKING:
    from worker.relay import Relay

_WITHOUT_SENDER = (
    "they wait until slack.webhook_url or slack.token, or suppression.remove, is set again, "
    "or are given up: ses-worker outbox list, ses-worker outbox discard --waiting --parked"
)

_IN_QUARANTINE = "`ses-worker dlq list` shows it"

_NO_USERS = "there are no users yet: ses-worker users import"

log = structlog.get_logger()


def make_queue(settings: Settings, plan: Plan, byte_budget: ByteBudget | None = None) -> Queue:
    """Make the queue's client, which receives what there is room for; nothing is called yet.

    Raises:
        Misconfigured: no queue is set, or no region.

    """
    return Queue(
        queue_url(settings),
        region=region_of(settings),
        dead_letter_url=settings.queue.dead_letter_url,
        visibility_seconds=settings.queue.visibility_seconds,
        wait_seconds=plan.wait_seconds,
        connections=plan.pollers
        + 2,  # for the thread that extends leases and the thread that measures
        lean=settings.queue.is_lean,
        byte_budget=byte_budget,
    )


def queue_url(settings: Settings) -> str:
    """Return the queue's URL, and warn where it names another region than the one that is used.

    Raises:
        Misconfigured: no queue is set, or no region.

    """
    if settings.queue.url is None:
        raise Misconfigured(settings.lack_of_queue)
    region = region_of(settings)
    if region_in(settings.queue.url) not in {None, region}:
        by_variables = "AWS_REGION or AWS_DEFAULT_REGION is used; aws.region would overrule both"
        by_setting = "aws.region is used; fix it, or queue.url"
        hint = by_setting if settings.aws.region else by_variables
        log.warning("region.mismatched", region=region, queue_url=settings.queue.url, hint=hint)
    return settings.queue.url


def region_of(settings: Settings) -> str:
    """Return the region, as `worker.aws.region_for` does.

    Raises:
        Misconfigured: nothing says it.

    """
    return region_for(settings.aws.region, settings.queue.url or "", os.environ)


def make_store(settings: Settings) -> Store:
    """Choose the store; nothing is opened yet.

    Raises:
        Misconfigured: PostgreSQL's driver is not installed, or cannot read the URL.

    """
    return open_store(settings.store.url.get_secret_value())


def bring_schema_up(settings: Settings, store: Store) -> None:
    """Have the schema of this program, as `store.migrate` allows.

    Raises:
        Misconfigured: it is not a database of this program.
        Unavailable: it cannot be reached.

    """
    if FIRST in _bring_up(settings, store):
        log.warning("store.made", store=store.place, hint=_NO_USERS)


def _bring_up(settings: Settings, store: Store) -> tuple[str, ...]:
    applied = ensure_schema(store, migrate=settings.store.migrate is Migrate.AUTO)
    if applied:
        log.info("schema.upgraded", applied=applied)
    return applied


def open_existing_store(settings: Settings) -> Store:
    """Open an existing store with this program's schema, for a command that only reads.

    Raises:
        Misconfigured: its schema is newer than the program.
        Refused: there is none, or its schema is older.
        Unavailable: it cannot be reached.

    """
    store = make_store(settings)
    require_schema(store)
    return store


def open_ready_store(settings: Settings) -> Store:
    """Open the store and bring its schema up, for a command that writes.

    Raises:
        Misconfigured, Unavailable: as above.

    """
    store = make_store(settings)
    _bring_up(settings, store)
    return store


def calm_garbage_collector() -> None:
    """Have Python look for cycles rarely: the loops make none, and what is imported stays.

    At its usual pace the collector takes a twelfth of what `process` costs.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def make_consumer(
    settings: Settings,
    plan: Plan,
    queue: Queue,
    store: Store,
    *,
    health: Health,
    metrics: Metrics | None = None,
    current: Current | None = None,
    byte_budget: ByteBudget | None = None,
) -> Consumer:
    """Build the consumer; wake the relay when effects were enqueued.

    `byte_budget` is what the queue was made with.

    `current` may be replaced at any time; each batch is decided by a single policy.
    """
    calm_garbage_collector()
    give_large_blocks_back()
    counted, now = metrics or Metrics(), current or Current(settings)
    telemetry, timed = Telemetry(counted), Timed(store, counted)

    def write(batch: Sequence[Received]) -> list[Handled]:
        handled = process(batch, timed, now.policy)
        counted.written(handled)
        return handled

    def report(batch: Sequence[Handled]) -> None:
        with lines_together():
            telemetry.report(batch)
        if any(handled.decisions for handled in batch) and (relay := now.relay):
            relay.wake()

    return Consumer(
        plan,
        queue=queue,
        store=store,
        process=write,
        report=report,
        probe=store.probe,
        health=health,
        break_off=store.break_off,
        who_holds=store.who_holds,
        byte_budget=byte_budget,
        notices=lambda set_aside: entries_for_dead_letters(set_aside) if now.policy.notify else (),
    )


def make_relay(settings: Settings, store: Store, health: Health) -> "Relay | None":
    """Make the relay; None where no sender is configured: then no effect is enqueued.

    Raises:
        Misconfigured: AWS's own settings are wrong.

    """
    if not (settings.slack.enabled or settings.suppression.remove):
        return None
    # Only here: Slack's and SQLAlchemy's libraries take 0.3 s and 20 MB.
    from worker.app import effects

    return effects.make_relay(settings, store, health)


def warn_of_effects_without_sender(settings: Settings, store: Store) -> None:
    """Warn of effects in the outbox whose sender is no longer configured.

    Raises:
        Unavailable: the store is unavailable.

    """
    senders = {Lane.SLACK: settings.slack.enabled, Lane.SUPPRESSION: settings.suppression.remove}
    without_sender = [lane for lane, enabled in senders.items() if not enabled]
    unfinished = store.unfinished() if without_sender else ()
    for lane in without_sender:
        if count := sum(
            counts.waiting + counts.parked for counts in unfinished if counts.lane == lane
        ):
            log.warning("outbox.no_sender", lane=lane.value, effects=count, hint=_WITHOUT_SENDER)


def log_where_dead_letters_go(queue: Queue, stop: threading.Event) -> None:
    """Look it up early and aside, for the operator's sake; the settlers ask again if need be."""
    threading.Thread(target=_look_for_dead_letters, args=(queue, stop), daemon=True).start()


def _look_for_dead_letters(queue: Queue, stop: threading.Event) -> None:
    def pause(seconds: float) -> None:
        stop.wait(seconds)

    try:
        again = a_few_times(pause)
        policy, found = again(queue.redrive_policy), again(queue.find_dead_letter_queue)
    except (Unavailable, Refused) as error:
        log.warning("dead_letter_queue.unknown", queue=queue.name, error=str(error))
        return
    try:
        again(queue.dead_letter_counts)
    except NoSuchQueue as gone:
        log.warning(
            "dead_letter_queue.missing",
            queue=queue.name,
            dead_letter_queue=found and found.rpartition("/")[2],
            error=str(gone),
            hint=_IN_QUARANTINE,
        )
        return
    except (Refused, Unavailable):
        pass  # who may not ask for its counts may well send
    if found is None:
        log.warning(
            "dead_letter_queue.missing",
            queue=queue.name,
            hint="what can never be processed is kept in the table quarantine instead; "
            f"{_IN_QUARANTINE}",
        )
        return
    redrive = read_redrive_policy(policy)
    faults = [moved_early(redrive), contradicted(redrive, found)] if redrive else []
    if any(faults):
        log.warning(
            "redrive_policy.misconfigured",
            queue=queue.name,
            error="; ".join(filter(None, faults)),
            hint="ses-worker check says what fixes it",
        )
