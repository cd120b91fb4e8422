"""Builds the relay and its senders from the settings."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from worker.app import region_of
from worker.aws import IDENTITY_SECONDS, AwsRefused, Throttled
from worker.core.effects import Blocked, Delivery, Effect, Lane, OutboxEntry
from worker.core.errors import Misconfigured, Refused
from worker.core.model import Address
from worker.core.outbox import entries_for_parked, entries_for_removal
from worker.core.rate_limit import RateLimit
from worker.notifiers.slack import Channel, SlackSender
from worker.notifiers.slack.channel import LONGEST_POST_SECONDS
from worker.notifiers.slack.sender import SECONDS_BETWEEN_POSTS
from worker.observability.health import Health
from worker.relay import LaneWork, Relay, WaitBudget
from worker.settings import Addresses, Settings, SlackSettings
from worker.store import Store
from worker.store.levels import take_slot
from worker.store.outbox import Outbox
from worker.store.removals import RemovalLog
from worker.suppression import (
    Entry,
    RemovalPolicy,
    Remover,
    Restored,
    SuppressionList,
    sort_refusal,
)
from worker.suppression import restore as put_back
from worker.suppression.listing import REQUEST_SECONDS
from worker.timing.deadlines import left

MOST_REQUESTS = 14
"""Of a removal: three calls, at most seven, each with a second try."""
SLACK_LEASE_SECONDS = 2 * LONGEST_POST_SECONDS + SECONDS_BETWEEN_POSTS + 30.0
"""A post, the same again in a simpler form, and some time to mark what became of it."""


def make_relay(settings: Settings, store: Store, health: Health) -> Relay:
    """Make the relay, with a lane for each sender that is configured.

    Raises:
        Misconfigured: AWS's own settings are wrong.

    """
    store.keep_open()
    wait_budget, lanes = WaitBudget(), []
    if settings.slack.enabled:
        lanes.append(_slack_lane(settings.slack))
    if settings.suppression.remove:
        lanes.append(_suppression_lane(settings, store, wait_budget))
    return Relay(Outbox(store), lanes, wait_budget, health)


def slack_rate_limit(settings: SlackSettings) -> RateLimit:
    """What the channel takes, of all processes that post there."""
    return RateLimit(
        name=f"slack:{_fingerprint(settings)}",
        lease_seconds=SLACK_LEASE_SECONDS,
        per_second=settings.messages_per_second,
        per_minute=settings.messages_per_minute,
    )


def make_channel(settings: SlackSettings) -> Channel:
    """Make the edge to Slack.

    Raises:
        Misconfigured: a token without a channel.

    """
    if settings.webhook_url is not None:
        return Channel.by_webhook(
            settings.webhook_url.get_secret_value(),
            username=settings.username,
            icon_emoji=settings.icon_emoji,
        )
    if settings.token is None or settings.channel is None:
        raise Misconfigured("slack.token and slack.channel go together")
    return Channel.by_token(
        settings.token.get_secret_value(),
        settings.channel,
        username=settings.username,
        icon_emoji=settings.icon_emoji,
        base_url=settings.api_url,
    )


def suppression_rate_limit(settings: Settings) -> RateLimit:
    """What SES takes, of all processes of the account."""
    per_second = settings.suppression.requests_per_second
    return RateLimit(
        name=f"ses:{region_of(settings)}",
        per_second=per_second,
        lease_seconds=2 * IDENTITY_SECONDS
        + MOST_REQUESTS * (REQUEST_SECONDS + max(2.0, 1 / per_second)),
    )


def make_suppression_list(
    settings: Settings, store: Store, wait_budget: WaitBudget
) -> SuppressionList:
    """Make the edge to SES; each of its requests waits for its slot in the account's rate."""
    rate_limit = suppression_rate_limit(settings)

    def await_slot() -> None:
        seconds = take_slot(store, rate_limit)
        if seconds > left():
            raise Throttled(f"SES: its next turn comes in {seconds:.0f} s only, which is too late")
        wait_budget.wait(seconds)

    return SuppressionList(region=region_of(settings), await_slot=await_slot)


def restore(settings: Settings, store: Store, key: str) -> Restored | None:
    """Put the last entry that was taken off for an address back on the list; None: there is none.

    Raises:
        Unavailable, Refused: SES or the store would not.

    """
    removal_log = RemovalLog(store)
    kept = removal_log.latest(key)
    if kept is None:
        return None
    listing = make_suppression_list(settings, store, WaitBudget())
    try:
        restored = put_back(listing, Entry.from_dict(kept.entry))
    except AwsRefused as refused:
        raise Refused(sort_refusal(refused).error) from refused
    if restored.done:
        removal_log.restored(kept)
    return restored


def _slack_lane(settings: SlackSettings) -> LaneWork:
    sender = SlackSender(make_channel(settings), masked=settings.addresses is Addresses.MASKED)

    def deliver(effects: Sequence[Effect]) -> tuple[Delivery, Sequence[OutboxEntry]]:
        return sender.deliver(effects), ()

    return LaneWork(
        lane=Lane.SLACK, rate_limit=slack_rate_limit(settings), deliver=deliver, parked=_parked
    )


def _suppression_lane(settings: Settings, store: Store, wait_budget: WaitBudget) -> LaneWork:
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
        follow_ups: list[OutboxEntry] = []
        if settings.slack.enabled and report.notice:
            follow_ups += entries_for_removal(effects[0], report.notice, policy)
        if settings.slack.enabled and isinstance(report.delivery, Blocked):
            follow_ups += _parked(effects, report.delivery.error)
        return report.delivery, follow_ups

    return LaneWork(
        lane=Lane.SUPPRESSION,
        rate_limit=suppression_rate_limit(settings),
        deliver=deliver,
        parked=_parked if settings.slack.enabled else lambda _, __: (),
    )


def _parked(effects: Sequence[Effect], error: str) -> Sequence[OutboxEntry]:
    return entries_for_parked(effects, error, datetime.now(UTC))


def _fingerprint(settings: SlackSettings) -> str:
    """Distinguish channels, in the database too, without giving the webhook away."""
    if settings.webhook_url:
        named = settings.webhook_url.get_secret_value()
    else:
        named = f"{settings.api_url} {settings.channel}"
    return hashlib.sha256(named.encode()).hexdigest()[:16]
