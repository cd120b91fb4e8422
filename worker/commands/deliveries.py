"""Delivers the outbox for commands that then exit: `drain` and `dlq replay`."""

from msgspec import Struct

from worker.app import make_relay
from worker.core.effects import ASKED_REMOVALS
from worker.core.errors import Refused, Unavailable
from worker.observability.health import Health
from worker.service.signals import SignalEvents
from worker.settings import Settings
from worker.store import Store

DELIVERY_SECONDS = 30
"""How long effects are delivered after all messages were processed."""


class Effects(Struct, frozen=True, kw_only=True):
    """How many effects were delivered, and how many are left in the outbox."""

    delivered: int = 0
    waiting: int = 0
    parked: int = 0


def deliver(
    settings: Settings, store: Store, signals: SignalEvents, failure: BaseException | None
) -> tuple[Effects, BaseException | None]:
    """Deliver the outbox, unless the run failed; count the effects that are left."""
    try:
        asked = store.has_unfinished(ASKED_REMOVALS)
        relay = make_relay(settings, store, Health(), asked=asked)
        if relay and failure is None:
            relay.deliver_for(DELIVERY_SECONDS, signals.to_stop, signals.to_hurry)
        unfinished = store.unfinished()
    except (Unavailable, Refused) as error:
        return Effects(), failure or error
    effects = Effects(
        delivered=relay.delivered if relay else 0,
        waiting=sum(counts.waiting for counts in unfinished),
        parked=sum(counts.parked for counts in unfinished),
    )
    return effects, failure or (relay.failure if relay else None)
