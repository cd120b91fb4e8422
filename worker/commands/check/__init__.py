"""`ses-worker check`: checks the whole path from SES to the database, and changes nothing."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from worker.app import check_settings, make_store, region_of
from worker.aws import region_in
from worker.commands.check.channels import check_channels
from worker.commands.check.files import check_files
from worker.commands.check.path import NEEDING_THE_QUEUE, CheckOptions, on_aws, skipped
from worker.commands.check.signatures import check_signatures
from worker.core.errors import Misconfigured, WorkerError
from worker.core.policy import UnknownRecipients
from worker.ses.account.metrics import SendMetrics
from worker.settings import Migrate, Settings
from worker.store import Store
from worker.store.answers import how_many_users
from worker.store.exposure import writable_by_all
from worker.store.revision import HEAD
from worker.store.rights import AccessProblem
from worker.store.sending import sending_statuses
from worker.store.tombstones import how_many_forgotten
from worker.topology import Aws
from worker.topology.checks.account import ACCOUNT
from worker.topology.checks.clock import CLOCK
from worker.topology.checks.database import Schema, judge_database, judge_no_database
from worker.topology.checks.findings import Finding, Status
from worker.topology.checks.forgotten import FORGOTTEN, judge_forgotten
from worker.topology.checks.queue import QUEUE
from worker.topology.checks.region import judge_doubts, judge_region
from worker.topology.checks.retention import RETENTION, Announcement, judge_retention
from worker.topology.checks.sending_status import SENDING, ReportedStatus, judge_sending
from worker.topology.checks.sends import judge_sends
from worker.topology.checks.users import USERS, judge_users

LIMIT_SECONDS = 90
"""Time limit of all calls to AWS; SES, at a call a second, may take half of it."""

_SENDS_PERIOD = timedelta(days=14)

__all__ = ["CheckOptions", "look", "look_at_settings"]


def look(settings: Settings, options: CheckOptions) -> Iterator[Finding]:
    """Yield findings as they are made.

    Raises:
        Misconfigured: no queue is set, or no region.

    """
    url = settings.queue.url
    if url is None:
        raise Misconfigured(settings.lack_of_queue)
    region = region_of(settings)
    settings_finding = judge_region(url, region, region_in(url))
    yield settings_finding
    yield from judge_doubts(settings.doubts)
    yield from check_files(settings, os.environ)
    yield _database(settings)
    yield _users(settings)
    yield _forgotten(settings)
    yield _sending(settings)
    yield _retention(settings)
    if settings_finding.status is Status.WRONG:
        yield from skipped(
            "AWS is called in the wrong region", QUEUE, CLOCK, *NEEDING_THE_QUEUE, ACCOUNT
        )
    else:
        yield from on_aws(settings, options, Aws(region, limit_seconds=LIMIT_SECONDS), url)
    if options.report:
        now = datetime.now(UTC)
        yield judge_sends(SendMetrics(region=region).ask(now - _SENDS_PERIOD, now))
    yield from check_signatures(settings, options.certificate)
    yield from check_channels(settings, send=options.send)


def look_at_settings(settings: Settings) -> Iterator[Finding]:
    """Yield what can be found out about the settings without a call.

    Raises:
        Misconfigured: `run` would refuse them.

    """
    check_settings(settings)
    url, region = settings.queue.url or "", region_of(settings)
    yield judge_region(url, region, region_in(url))
    yield from judge_doubts(settings.doubts)
    yield from check_files(settings, os.environ)


def _database(settings: Settings) -> Finding:
    from worker.store.migrate import status  # noqa: PLC0415 Alembic takes 0.3 s to load

    store = make_store(settings)
    try:
        found = status(store)
    except WorkerError as error:
        return judge_no_database(store.place, error, store.access_problem())
    return judge_database(
        store.place,
        found.revision,
        found.pending,
        newer=found.newer,
        created_at_start=settings.store.migrate is Migrate.AUTO,
        access_problem=store.access_problem() or _exposure(settings),
        warning=_low_disk(store),
        schema=_empty_schema(store) if found.revision is None else None,
    )


def _empty_schema(store: Store) -> Schema | None:
    if (home := store.home()) is None:
        return None
    return Schema(
        role=home.role,
        name=home.schema,
        elsewhere=home.elsewhere,
        fix=home.fix if home.elsewhere else "",
    )


def _users(settings: Settings) -> Finding:
    store, creates = make_store(settings), settings.policy.unknown_recipients
    try:
        count = how_many_users(store) if store.revision() else 0
    except WorkerError:
        return USERS.skipped("the database must be readable first")
    return judge_users(count, creates=creates is UnknownRecipients.CREATE)


def _forgotten(settings: Settings) -> Finding:
    store, key = make_store(settings), settings.privacy.privacy_key
    try:
        count, key_id = how_many_forgotten(store) if store.revision() == HEAD else (0, "")
    except WorkerError:
        return FORGOTTEN.skipped("the database must be readable first")
    return judge_forgotten(count, key_id, key.key_id if key else None)


def _sending(settings: Settings) -> Finding:
    store = make_store(settings)
    try:
        statuses = sending_statuses(store) if store.revision() == HEAD else ()
    except WorkerError:
        return SENDING.skipped("the database must be readable first")
    return judge_sending([
        ReportedStatus(status.name, status.is_disabled, status.verification, status.occurred_at)
        for status in statuses
    ])  # fmt: skip


def _retention(settings: Settings) -> Finding:
    from worker.store.purging import Purge, moment_of  # noqa: PLC0415 SQLAlchemy takes 0.2 s

    store, kept = make_store(settings), settings.retention.in_words
    try:
        if store.revision() != HEAD:
            return judge_retention(kept, ())
        now = moment_of(store)
        purge = Purge(store, settings.retention.as_retention(), settings.as_policy(), now)
        purge.announce(keeps=False)
        found = purge.targets() if purge.is_announcing else {}
    except WorkerError:
        return RETENTION.skipped("the database must be readable first")
    return judge_retention(kept, [
        Announcement(name, target.rows, target.oldest, target.until)
        for name, target in found.items()
        if target.until and target.rows
    ])  # fmt: skip


def _low_disk(store: Store) -> AccessProblem | None:
    space = store.disk_space()
    return AccessProblem(str(space), "make room on it") if space and space.is_low else None


def _exposure(settings: Settings) -> AccessProblem | None:
    scheme, _, path = settings.store.url.get_secret_value().partition(":///")
    return writable_by_all(Path(path)) if scheme == "sqlite" else None
