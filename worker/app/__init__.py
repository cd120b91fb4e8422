"""Makes parts from the settings, one at a time; `parts` puts a whole worker together.

Only this package knows all other packages.
"""

import os
from typing import TYPE_CHECKING

import structlog

from worker.core.errors import Misconfigured
from worker.observability.health import Health
from worker.service.no_users import WAYS_OUT
from worker.settings import Migrate, Settings
from worker.store import Store, ensure_schema, open_store, require_schema
from worker.store.needs import WORKER, Needs
from worker.store.revision import FIRST

if TYPE_CHECKING:
    from worker.relay import Relay

_NO_USERS = f"there are no users yet: {WAYS_OUT}"

log = structlog.get_logger()


def queue_url(settings: Settings) -> str:
    """Return the queue's URL; warn if it names another region than the region in use.

    Raises:
        Misconfigured: no queue is set, or no region.

    """
    if settings.queue.url is None:
        raise Misconfigured(settings.lack_of_queue)
    # Only here: boto3, which answers from the database do not need, takes 0.2 s.
    from worker.aws import region_in
    from worker.service.startup_checks import warn_of_other_region

    region = region_of(settings)
    if region_in(settings.queue.url) not in {None, region}:
        warn_of_other_region(settings.queue.url, region, by_setting=bool(settings.aws.region))
    return settings.queue.url


def check_settings(settings: Settings) -> None:
    """Check what a start would refuse for good, without a call.

    Raises:
        Misconfigured: no queue is set, or no region; the database's URL cannot be used.

    """
    if settings.queue.url is None:
        raise Misconfigured(settings.lack_of_queue)
    region_of(settings)
    make_store(settings)


def region_of(settings: Settings) -> str:
    """Return the region, as `worker.aws.region_for` does.

    Raises:
        Misconfigured: no region is set.

    """
    from worker.aws import region_for  # only here, as above

    return region_for(settings.aws.region, settings.queue.url or "", os.environ)


def make_store(settings: Settings, needs: Needs = WORKER) -> Store:
    """Choose the store; nothing is opened yet. `needs`: see `open_store`.

    Raises:
        Misconfigured: PostgreSQL's driver is not installed, or cannot read the URL.

    """
    return open_store(settings.store.url.get_secret_value(), needs)


def bring_schema_up(settings: Settings, store: Store) -> None:
    """Upgrade the schema to this program's version, if `store.migrate` allows it.

    Raises:
        Misconfigured: the schema is not this program's.
        Unavailable: the store is unavailable.

    """
    if FIRST in _bring_up(settings, store):
        log.warning("store.made", store=store.place, hint=_NO_USERS)


def _bring_up(settings: Settings, store: Store) -> tuple[str, ...]:
    applied = ensure_schema(store, migrate=settings.store.migrate is Migrate.AUTO)
    if applied:
        log.info("schema.upgraded", applied=applied)
    return applied


def open_existing_store(settings: Settings, needs: Needs = WORKER) -> Store:
    """Open an existing store with this program's schema. `needs`: see `open_store`.

    Raises:
        Misconfigured: its schema is newer than the program.
        Refused: there is none, or its schema is older.
        Unavailable: it is unavailable.

    """
    store = make_store(settings, needs)
    require_schema(store)
    return store


def open_ready_store(settings: Settings, needs: Needs = WORKER) -> Store:
    """Open the store and bring its schema up, for a command that writes. `needs`: see `open_store`.

    Raises:
        Misconfigured, Unavailable: as in `bring_schema_up`.

    """
    store = make_store(settings, needs)
    _bring_up(settings, store)
    return store


def make_relay(
    settings: Settings, store: Store, health: Health, *, on_request: bool = False
) -> "Relay | None":
    """Make the relay; None where no sender is configured: then no effect is enqueued.

    `on_request`: also with a lane for removals that a person requested, which need no setting.

    Raises:
        Misconfigured: AWS's own settings are wrong.

    """
    if not (settings.lanes or on_request):
        return None
    # Only here: the libraries of the channels and SQLAlchemy take 0.3 s and 20 MB.
    from worker.app import effects

    return effects.make_relay(settings, store, health, on_request=on_request)
