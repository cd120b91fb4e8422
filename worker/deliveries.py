"""Delivering what the outbox owes, for those who then leave: `drain` and `dlq replay`."""

from msgspec import Struct

from worker.app import make_relay
from worker.errors import Refused, Unavailable
from worker.health import Health
from worker.settings import Settings
from worker.signals import Asked
from worker.store import Store

DELIVERY_SECONDS = 30
"""How long effects are delivered once the messages are done with."""


class Effects(Struct, frozen=True, kw_only=True):
    """What became of the effects that are owed."""

    delivered: int = 0
    waiting: int = 0
    parked: int = 0


def deliver(
    settings: Settings, store: Store, asked: Asked, failure: BaseException | None
) -> tuple[Effects, BaseException | None]:
    """Deliver what is owed, here or from before, if all is well; count what is left of it."""
    try:
        relay = make_relay(settings, store, Health())
        if relay and failure is None:
            relay.deliver_for(DELIVERY_SECONDS, asked.to_stop, asked.to_hurry)
        left = store.unfinished()
    except (Unavailable, Refused) as error:
        return Effects(), failure or error
    effects = Effects(
        delivered=relay.delivered if relay else 0,
        waiting=sum(one.waiting for one in left),
        parked=sum(one.parked for one in left),
    )
    return effects, failure or (relay.failure if relay else None)
