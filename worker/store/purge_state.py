"""How far purges have come, as `progress` has it; without SQLAlchemy."""

from datetime import datetime

import msgspec
from msgspec import Struct

from worker.core.retention import Announced
from worker.store import Store

RETENTION = "retention"
"""Of the row in `progress` that has the `State`."""


class State(Struct, frozen=True, kw_only=True):
    """How far purges have come, in `progress`."""

    events: Announced = Announced()
    messages: Announced = Announced()
    events_after: int = 0
    """Events with smaller ids have been looked at, and stay for now."""
    outbox_after: int = 0
    whole_at: datetime | None = None
    """When all rows were looked at last."""
    finished_at: datetime | None = None
    removed: dict[str, int] = {}
    """Rows by table, of all purges."""


def read_state(store: Store) -> State:
    """Return how far purges have come.

    Raises:
        Unavailable: the store cannot be read now.

    """
    rows = store.ask("SELECT value FROM progress WHERE name = {name}", name=RETENTION)
    return msgspec.json.decode(rows[0][0], type=State) if rows else State()
