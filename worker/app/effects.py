"""Builds the relay from the settings: a lane for each notice channel, and a lane for removals."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache

from msgspec.structs import replace

from worker.app import region_of
from worker.aws import IDENTITY_SECONDS, AwsRefused, Throttled, account_in
from worker.core.effects import (
    ASKED_REMOVALS,
    SUPPRESSION,
    Blocked,
    Delivery,
    Effect,
    Lane,
    Later,
    OutboxEntry,
    Unfit,
)
from worker.core.errors import Raced, Refused, Unavailable
from worker.core.model import Address
from worker.core.outbox.others import entries_for_parked, entries_for_removal
from worker.core.payloads import EffectKind
from worker.core.rate_limit import RateLimit
from worker.notifiers.channel import Channel
from worker.notifiers.registry import make_channels
from worker.observability.health import Health
from worker.relay import LaneSender, Relay, WaitBudget
from worker.ses.account import LONGEST_SECONDS, SendingStatusApi, StatusVerifier
from worker.ses.suppression import (
    Entry,
    RemovalPolicy,
    Remover,
    Restored,
    SuppressionList,
    classify_refusal,
)
from worker.ses.suppression import restore as put_back
from worker.ses.suppression.listing import REQUEST_SECONDS
from worker.settings import Settings
from worker.store import Store
from worker.store.account_events import AccountEvents
from worker.store.levels import take_slot
from worker.store.outbox import Outbox
from worker.store.removals import RemovalLog
from worker.timing.deadlines import left

MOST_REQUESTS = 18
"""Requests of a removal: at most nine calls, each with a second try."""


def make_relay(
    settings: Settings, store: Store, health: Health, *, on_request: bool = False
) -> Relay:
    """Make the relay, with a lane for each sender that is configured.

    `on_request`: also with a lane for removals that a person requested.

    Raises:
        Misconfigured: AWS's own settings are wrong.

    """
    store.keep_open()
    wait_budget = WaitBudget()
    verifier = _verifier(settings, store, wait_budget)
    lanes = [
        _channel_lane(channel, settings.channel_lanes, verifier)
        for channel in make_channels(settings)
    ]
    if settings.suppression.remove:
        lanes.append(suppression_lane(settings, store, wait_budget))
    if on_request:
        lanes.append(suppression_lane(settings, store, wait_budget, ASKED_REMOVALS))
    return Relay(Outbox(store), lanes, wait_budget, health)


def suppression_rate_limit(settings: Settings, lane: Lane = SUPPRESSION) -> RateLimit:
    """The rate limit of SES, shared by all processes of the account.

    Requests of all lanes wait for the slots of `SUPPRESSION`; a lane has its failures to itself.
    """
    per_second = settings.suppression.requests_per_second
    return RateLimit(
        name=f"{lane}:{region_of(settings)}",
        per_second=per_second,
        lease_seconds=2 * IDENTITY_SECONDS
        + MOST_REQUESTS * (REQUEST_SECONDS + max(2.0, 1 / per_second)),
    )


def make_suppression_list(
    settings: Settings, store: Store, wait_budget: WaitBudget
) -> SuppressionList:
    """Make the client of the suppression list; each request waits for its slot in the rate."""
    await_slot = _slots_of_ses(settings, store, wait_budget)
    return SuppressionList(region=region_of(settings), await_slot=await_slot)


def _slots_of_ses(settings: Settings, store: Store, wait_budget: WaitBudget) -> Callable[[], None]:
    """Return what waits for the next slot in the rate of calls to SES."""
    rate_limit = suppression_rate_limit(settings)

    def await_slot() -> None:
        seconds = take_slot(store, rate_limit)
        if seconds > left():
            raise Throttled(f"SES: the next slot comes in {seconds:.0f} s, after the deadline")
        wait_budget.wait(seconds)

    return await_slot


def _verifier(settings: Settings, store: Store, wait_budget: WaitBudget) -> StatusVerifier:
    """Make what asks SES whether an account event is true."""

    @cache  # made when it is needed: few accounts ever do
    def api() -> SendingStatusApi:
        return SendingStatusApi(
            region=region_of(settings),
            account_id=account_in(settings.queue.url or "") or "",
            await_slot=_slots_of_ses(settings, store, wait_budget),
        )

    return StatusVerifier(AccountEvents(store), lambda notice: api().ask(notice), wait_budget.wait)


def restore(
    settings: Settings, store: Store, key: str, tenant: str | None = None
) -> Restored | None:
    """Put the last removed entry of an address back on its list; None: there is none.

    `tenant`: only on this tenant's list; empty: only on the account's.

    Raises:
        Unavailable, Refused: SES or the store is unavailable, or SES refuses.

    """
    removal_log = RemovalLog(store)
    kept = removal_log.latest(key, tenant)
    if kept is None:
        return None
    listing = make_suppression_list(settings, store, WaitBudget())
    try:
        restored = put_back(listing, Entry.from_dict(kept.entry), kept.tenant)
    except AwsRefused as refused:
        raise Refused(classify_refusal(refused).error) from refused
    if restored.done:
        removal_log.restored(kept)
    return restored


def _channel_lane(
    channel: Channel, channels: Sequence[Lane], verifier: StatusVerifier
) -> LaneSender:
    others = [lane for lane in channels if lane != channel.lane]

    def deliver(effects: Sequence[Effect]) -> tuple[Delivery, Sequence[OutboxEntry]]:
        if effects[0].kind is EffectKind.ACCOUNT_NOTICE:  # it is claimed alone
            try:
                effects = [verifier.complete(effects[0])]
            except ValueError as error:
                return Unfit(error=f"its payload cannot be read: {error}"), ()
            except (Unavailable, Raced) as error:
                return Later(error=str(error)), ()
        delivery = channel.deliver(effects)
        return delivery, _notices_of_block(delivery, effects, others)

    rate_limit = channel.rate_limit
    return LaneSender(
        lane=channel.lane,
        rate_limit=replace(rate_limit, lease_seconds=rate_limit.lease_seconds + LONGEST_SECONDS),
        deliver=deliver,
        parked=_notices_of_parked(channels),
    )


def suppression_lane(
    settings: Settings, store: Store, wait_budget: WaitBudget, lane: Lane = SUPPRESSION
) -> LaneSender:
    """Make a lane for removals from the suppression list."""
    listing = make_suppression_list(settings, store, wait_budget)
    removal_policy = RemovalPolicy(
        remove_complaints=settings.suppression.remove_complaints,
        tries=settings.suppression.tries,
        most_removals=settings.suppression.most_removals,
        within_days=settings.suppression.within_days,
    )
    policy = settings.as_policy()

    def still_removes(address: Address) -> bool:
        return policy.remove.match(address) and not policy.ignore.match(address)

    remover = Remover(listing, RemovalLog(store), removal_policy, still_removes=still_removes)

    def deliver(effects: Sequence[Effect]) -> tuple[Delivery, Sequence[OutboxEntry]]:
        report = remover.deliver(effects[0])
        follow_ups = list(_notices_of_block(report.delivery, effects, policy.notify))
        if report.notice:
            follow_ups += entries_for_removal(effects[0], report.notice, policy)
        return report.delivery, follow_ups

    return LaneSender(
        lane=lane,
        rate_limit=suppression_rate_limit(settings, lane),
        deliver=deliver,
        parked=_notices_of_parked(policy.notify),
    )


def _notices_of_block(
    delivery: Delivery, effects: Sequence[Effect], channels: Sequence[Lane]
) -> Sequence[OutboxEntry]:
    """Notices, to other channels, that a lane is blocked."""
    if not isinstance(delivery, Blocked):
        return ()
    return entries_for_parked(effects, delivery.error, datetime.now(UTC), channels)


def _notices_of_parked(
    channels: Sequence[Lane],
) -> Callable[[Sequence[Effect], str], Iterable[OutboxEntry]]:
    return lambda effects, error: entries_for_parked(effects, error, datetime.now(UTC), channels)
