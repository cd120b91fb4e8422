"""Builds the relay and its senders from the settings."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from worker.app import region_of
from worker.aws import IDENTITY_SECONDS, AwsRefused, Throttled
from worker.deadlines import left
from worker.effects import Blocked, Delivery, Effect, Lane, Owed
from worker.errors import Misconfigured, Refused
from worker.health import Health
from worker.model import Address
from worker.owing import owed_for_parked, owed_for_removal
from worker.relay import LaneWork, Patience, Relay
from worker.settings import Addresses, Settings, SlackSettings
from worker.slack import Channel, SlackSender
from worker.slack.channel import LONGEST_POST_SECONDS
from worker.slack.sender import SECONDS_BETWEEN_POSTS
from worker.store import Store
from worker.store.levels import take_turn
from worker.store.outbox import Outbox
from worker.store.removals import Ledger
from worker.suppression import Entry, Guards, Remover, Restored, SuppressionList, sort_refusal
from worker.suppression import restore as put_back
from worker.suppression.listing import REQUEST_SECONDS
from worker.volume import Volume

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
    patience, lanes = Patience(), []
    if settings.slack.wanted:
        lanes.append(_slack_lane(settings.slack))
    if settings.suppression.remove:
        lanes.append(_suppression_lane(settings, store, patience))
    return Relay(Outbox(store), lanes, patience, health)


def slack_volume(settings: SlackSettings) -> Volume:
    """What the channel takes, of all processes that post there."""
    return Volume(
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


def suppression_volume(settings: Settings) -> Volume:
    """What SES takes, of all processes of the account."""
    per_second = settings.suppression.requests_per_second
    return Volume(
        name=f"ses:{region_of(settings)}",
        per_second=per_second,
        lease_seconds=2 * IDENTITY_SECONDS
        + MOST_REQUESTS * (REQUEST_SECONDS + max(2.0, 1 / per_second)),
    )


def make_suppression_list(settings: Settings, store: Store, patience: Patience) -> SuppressionList:
    """Make the edge to SES; each of its requests waits for its slot in the account's rate."""
    volume = suppression_volume(settings)

    def await_turn() -> None:
        seconds = take_turn(store, volume)
        if seconds > left():
            raise Throttled(f"SES: its next turn comes in {seconds:.0f} s only, which is too late")
        patience.wait(seconds)

    return SuppressionList(region=region_of(settings), await_turn=await_turn)


def restore(settings: Settings, store: Store, key: str) -> Restored | None:
    """Put the last entry that was taken off for an address back on the list; None: there is none.

    Raises:
        Unavailable, Refused: SES or the books would not.

    """
    ledger = Ledger(store)
    kept = ledger.latest(key)
    if kept is None:
        return None
    listing = make_suppression_list(settings, store, Patience())
    try:
        restored = put_back(listing, Entry.from_dict(kept.entry))
    except AwsRefused as refused:
        raise Refused(sort_refusal(refused).error) from refused
    if restored.done:
        ledger.restored(kept)
    return restored


def _slack_lane(settings: SlackSettings) -> LaneWork:
    sender = SlackSender(make_channel(settings), masked=settings.addresses is Addresses.MASKED)

    def deliver(effects: Sequence[Effect]) -> tuple[Delivery, Sequence[Owed]]:
        return sender.deliver(effects), ()

    return LaneWork(lane=Lane.SLACK, volume=slack_volume(settings), deliver=deliver, parked=_parked)


def _suppression_lane(settings: Settings, store: Store, patience: Patience) -> LaneWork:
    listing = make_suppression_list(settings, store, patience)
    guards = Guards(
        remove_complaints=settings.suppression.remove_complaints,
        tries=settings.suppression.tries,
        most_removals=settings.suppression.most_removals,
        within_days=settings.suppression.within_days,
    )
    policy = settings.as_policy()

    def is_wanted(address: Address) -> bool:
        return policy.remove.match(address) and not policy.ignore.match(address)

    remover = Remover(listing, Ledger(store), guards, is_wanted=is_wanted)

    def deliver(effects: Sequence[Effect]) -> tuple[Delivery, Sequence[Owed]]:
        report = remover.deliver(effects[0])
        owes: list[Owed] = []
        if settings.slack.wanted and report.notice:
            owes += owed_for_removal(effects[0], report.notice, policy)
        if settings.slack.wanted and isinstance(report.delivery, Blocked):
            owes += _parked(effects, report.delivery.error)
        return report.delivery, owes

    return LaneWork(
        lane=Lane.SUPPRESSION,
        volume=suppression_volume(settings),
        deliver=deliver,
        parked=_parked if settings.slack.wanted else lambda _, __: (),
    )


def _parked(effects: Sequence[Effect], error: str) -> Sequence[Owed]:
    return owed_for_parked(effects, error, datetime.now(UTC))


def _fingerprint(settings: SlackSettings) -> str:
    """Tell channels apart, in the database too, without giving the webhook away."""
    if settings.webhook_url:
        named = settings.webhook_url.get_secret_value()
    else:
        named = f"{settings.api_url} {settings.channel}"
    return hashlib.sha256(named.encode()).hexdigest()[:16]
