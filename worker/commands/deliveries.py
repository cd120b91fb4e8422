"""Ends commands that then exit, `drain` and `dlq replay`: adds up figures, delivers the outbox."""

import time

from msgspec import Struct

from worker.app import make_relay
from worker.core.effects import ASKED_REMOVALS
from worker.core.errors import Refused, Unavailable
from worker.observability.health import Health
from worker.service.figures_keeper import FiguresKeeper
from worker.service.signals import SignalEvents
from worker.settings import Settings
from worker.store import Store

DELIVERY_SECONDS = 30
"""How long effects are delivered after all messages were processed."""
ADDING_UP_SECONDS = 5
"""How long figures are added up before; what is left waits for the next command or worker."""


class Effects(Struct, frozen=True, kw_only=True):
    """How many effects were delivered, and how many are left in the outbox."""

    delivered: int = 0
    waiting: int = 0
    parked: int = 0


def deliver(
    settings: Settings, store: Store, signals: SignalEvents, failure: BaseException | None
) -> tuple[Effects, BaseException | None]:
    """Deliver the outbox, unless the run failed; count the effects that are left."""
    if failure is None:
        _add_up(store, signals)
    try:
        on_request = store.has_unfinished(ASKED_REMOVALS)
        relay = make_relay(settings, store, Health(), on_request=on_request)
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


def _add_up(store: Store, signals: SignalEvents) -> None:
    end = time.monotonic() + ADDING_UP_SECONDS

    def pause(seconds: float) -> bool:
        return time.monotonic() > end or signals.to_stop.wait(seconds)

    FiguresKeeper(store, Health()).look(pause)
