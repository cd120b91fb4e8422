"""Builds a worker: its parts, from top to bottom, for `run` and `drain`."""

from collections.abc import Sequence

from msgspec import Struct

from worker.app import make_relay, make_store, queue_url, region_of
from worker.app.current import Current
from worker.app.own_faults import OwnFaultWatch
from worker.app.signatures import make_verifier, warn_if_unverified
from worker.consumer import Callbacks, Consumer, Plan
from worker.consumer.settling import SetAside
from worker.core.acceptance import Verify
from worker.core.effects import OutboxEntry
from worker.core.floods import Floods
from worker.core.messages import Handled, Received
from worker.core.outbox.others import entries_for_dead_letters
from worker.observability.health import Health
from worker.observability.metrics import Metrics, Timed
from worker.observability.stderr import lines_together
from worker.observability.telemetry import Telemetry
from worker.process import process
from worker.service.startup_checks import warn_of_doubts
from worker.settings import Settings
from worker.signatures.verifying import Verifier
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.queue import ClientOptions, Queue
from worker.store import Store

OTHER_CONNECTIONS = 2
"""Connections to SQS beside the pollers': to extend leases, and to measure."""


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of a worker."""

    queue: Queue
    store: Store
    current: Current
    """What a reload may replace: settings, policy, relay."""
    consumer: Consumer
    verifier: Verifier


def build(
    settings: Settings, plan: Plan, *, health: Health, metrics: Metrics, delivers: bool
) -> Parts:
    """Build the parts; nothing is called, opened or started yet.

    Without `delivers` effects are enqueued, and there is no relay that delivers them.

    Raises:
        Misconfigured: a restart will not help.

    """
    warn_of_doubts(settings.doubts)
    byte_budget = ByteBudget()
    queue = Queue(
        queue_url(settings),
        region=region_of(settings),
        dead_letter_url=settings.queue.dead_letter_url,
        visibility_seconds=settings.queue.visibility_seconds,
        client=ClientOptions(
            lean=settings.queue.is_lean,
            wait_seconds=plan.wait_seconds,
            connections=plan.pollers + OTHER_CONNECTIONS,
            byte_budget=byte_budget,
        ),
    )
    store = make_store(settings)
    relay = make_relay(settings, store, health) if delivers else None
    current = Current(settings, relay)
    verifier = make_verifier(settings, health, queue.clock_skew)
    warn_if_unverified(verifier, current.policy.acceptance)
    consumer = Consumer(
        plan,
        queue=queue,
        store=store,
        callbacks=_callbacks(store, current, metrics, verifier),
        health=health,
        byte_budget=byte_budget,
    )
    return Parts(queue=queue, store=store, current=current, consumer=consumer, verifier=verifier)


def _callbacks(store: Store, current: Current, metrics: Metrics, verifier: Verifier) -> Callbacks:
    """Connect the consumer to the message path, metrics, log and relay.

    A reload may replace the policy and the relay at any time; a batch uses a single policy.
    """
    telemetry, timed = Telemetry(metrics, lambda: current.log_key), Timed(store, metrics)
    watch, floods = OwnFaultWatch(store, current), Floods()

    def process_and_count(batch: Sequence[Received]) -> list[Handled]:
        policy = current.policy
        handled = verifier.process(
            batch, policy.acceptance, lambda verified: process(verified, timed, policy, floods)
        )
        metrics.written(handled)
        return handled

    def settled(batch: Sequence[Handled]) -> None:
        with lines_together():
            telemetry.report(batch)
        if any(handled.decisions for handled in batch):
            watch.look_at(batch)
        if any(handled.is_new for handled in batch) and (relay := current.relay):
            relay.wake()

    def notices(set_aside: Sequence[SetAside]) -> Sequence[OutboxEntry]:
        return entries_for_dead_letters(set_aside, current.policy.notify)

    def probe_certificates() -> None:
        if current.policy.acceptance.verify is Verify.REQUIRE:  # a reload may end the pause
            verifier.certificates.probe()

    return Callbacks(
        process=process_and_count,
        settled=settled,
        notices=notices,
        probe_certificates=probe_certificates,
    )
