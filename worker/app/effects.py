"""Builds the relay and its senders from the settings."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

from worker.effects import Delivery, Effect, Lane, Owed, Removal
from worker.owing import owed_for_parked, owed_for_removal
from worker.relay import LaneWork, Relay
from worker.settings import Settings
from worker.slack import Channel, SlackSender
from worker.store import Store
from worker.store.levels import take_turn
from worker.store.outbox import Outbox
from worker.store.removals import Ledger
from worker.suppression import Guards, Remover, SuppressionList
from worker.volume import Volume

Wait = Callable[[float], None]


def make_relay(
    settings: Settings, store: Store, region: str, failed: Callable[[BaseException], None]
) -> Relay | None:
    """Make the relay; None where no sender is configured, so that no effect is owed."""
    lanes = []
    if settings.slack.wanted:
        lanes.append(_slack_lane(settings))
    if settings.suppression.remove:
        lanes.append(_suppression_lane(settings, store, region))
    return Relay(Outbox(store), lanes, failed) if lanes else None
