"""The settings: a frozen, checked value, read at the start and passed to the parts.

`config/worker.toml` explains every key; `worker.settings.loading` loads the values.
"""

from datetime import timedelta
from pathlib import Path
from typing import Self

from msgspec.structs import replace
from pydantic import Field, PrivateAttr, model_validator

from worker.core.acceptance import Acceptance
from worker.core.effects import SUPPRESSION, Lane
from worker.core.patterns import Patterns
from worker.core.policy import Policy
from worker.settings.bounce_names import doubtful_names
from worker.settings.channels import ChannelSection
from worker.settings.effects import NotifySettings, SuppressionSettings
from worker.settings.kinds import Section
from worker.settings.observability import HealthSettings, HttpSettings
from worker.settings.policy import PolicySettings
from worker.settings.privacy import PrivacySettings
from worker.settings.retention import RetentionSettings
from worker.settings.slack import Addresses, SlackSettings
from worker.settings.work import (
    AwsSettings,
    EventBridgeSettings,
    LogAddresses,
    LogFormat,
    LogLevel,
    LogSettings,
    Migrate,
    QueueSettings,
    SnsSettings,
    StoreSettings,
)

__all__ = [
    "CHANNEL_SECTIONS",
    "Addresses",
    "LogFormat",
    "LogLevel",
    "Migrate",
    "Section",
    "Settings",
    "SlackSettings",
]


_NO_KEY_FOR_LOG = (
    'log.addresses = "hashed" needs privacy.key, since a hash without a key can be guessed: make a '
    'key with openssl rand -hex 32, or set log.addresses = "domain"'
)


class Settings(Section):
    """All settings."""

    aws: AwsSettings = AwsSettings()
    queue: QueueSettings = QueueSettings()
    store: StoreSettings = Field(default_factory=StoreSettings)  # a relative path is resolved now
    policy: PolicySettings = PolicySettings()
    sns: SnsSettings = SnsSettings()
    eventbridge: EventBridgeSettings = EventBridgeSettings()
    notify: NotifySettings = NotifySettings()
    slack: SlackSettings = SlackSettings()
    suppression: SuppressionSettings = SuppressionSettings()
    retention: RetentionSettings = RetentionSettings()
    privacy: PrivacySettings = PrivacySettings()
    http: HttpSettings = HttpSettings()
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()

    _file: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _can_hash(self) -> Self:
        if self.log.addresses is LogAddresses.HASHED and self.privacy.key is None:
            raise ValueError(_NO_KEY_FOR_LOG)
        return self

    @property
    def log_key(self) -> bytes | None:
        """The key of hashes of addresses in log lines; None: there are none."""
        key = self.privacy.privacy_key
        is_hashed = self.log.addresses is LogAddresses.HASHED
        return key.for_purpose("log") if key and is_hashed else None

    @property
    def channel_lanes(self) -> tuple[Lane, ...]:
        """The lanes of the configured notice channels."""
        sections = self.channel_sections.values()
        return tuple(lane for section in sections for lane in section.lanes)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All lanes with a sender; empty: no effects are enqueued."""
        return (*self.channel_lanes, SUPPRESSION) if self.suppression.remove else self.channel_lanes

    def keys_of(self, lane: Lane) -> str:
        """The keys that configure a lane's sender, for hints."""
        if lane == SUPPRESSION:
            return "suppression.remove"
        name = lane.partition(".")[0]
        section = self.channel_sections.get(name)
        return (
            " or ".join(f"{name}.{key}" for key in section.enabled_by) if section else f"[{lane}]"
        )

    @property
    def channel_sections(self) -> dict[str, ChannelSection]:
        """The sections of notice channels, by their names."""
        sections = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: section for name, section in sections if isinstance(section, ChannelSection)}

    @property
    def lack_of_queue(self) -> str:
        """The error of a command that needs a queue, if none is set."""
        file = self._file or "a settings file (--config)"
        return f"queue.url is required: set it in {file}, or SES_WORKER_QUEUE__URL"

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is most likely a mistake, although it is accepted; for people."""
        shadowed = self.policy.shadow.get("bounce_actions", ())
        return (
            *doubtful_names(self.policy.bounce_actions),
            *doubtful_names(shadowed, "policy.shadow.bounce_actions"),
            *self.sns.doubts,
        )

    @property
    def file(self) -> Path | None:
        """The file that was read, if any."""
        return self._file

    def read_from(self, file: Path | None, command: str) -> Self:
        """Remember the file that was read, and how commands with these settings begin."""
        self._file = file
        for section in self.channel_sections.values():
            section.named(command)
        return self

    def as_policy(self) -> Policy:
        """The policy that the settings describe."""
        sections = self.channel_sections.values()
        at_once = max((each.notices_at_once for each in sections if each.lanes), default=0)
        return Policy(
            hard_bounce_pause=_whole_seconds(self.policy.hard_bounce_pause_days),
            soft_bounce_pause=_whole_seconds(self.policy.soft_bounce_pause_days),
            unknown_recipients=self.policy.unknown_recipients,
            begin_with_record=self.policy.begin_with_record,
            bounce_actions=self.policy.bounce_actions,
            spare_faults=frozenset(self.policy.spare_faults),
            soft_bounces_to_pause=self.policy.soft_bounces_to_pause,
            soft_bounce_window=_whole_seconds(self.policy.soft_bounce_window_days),
            repeat_pause=_whole_seconds(self.policy.repeat_pause_days),
            ignore_out_of_office=self.policy.ignore_out_of_office,
            trust_status=self.policy.trust_status,
            complaint_block=_whole_seconds(self.policy.complaint_block_days),
            count_events=self.policy.count_events,
            track_deliveries=self.policy.track_deliveries,
            acceptance=Acceptance(
                topics=frozenset(self.sns.topic_arns),
                eventbridge=self.eventbridge.resolved(requires_proof=self.sns.requires_proof),
                accounts=frozenset(self.eventbridge.accounts),
                verify=self.sns.verify,
            ),
            notify=self.channel_lanes,
            notices_with_json=at_once * len(self.channel_lanes),  # an entry for each channel
            ignore=Patterns(self.notify.ignore),
            remove=Patterns(self.suppression.remove),
            privacy_key=self.privacy.privacy_key,
            shadow=self._shadow(),
        )

    def _shadow(self) -> Policy | None:
        """The second policy, which causes no effects."""
        if not self.policy.shadow:
            return None
        other = self.model_copy(update={"policy": self.policy.shadowing()}).as_policy()
        return replace(other, notify=(), remove=Patterns())


def _whole_seconds(days: float) -> timedelta:
    """Convert a pause; the database's view of it knows no fractions of a second."""
    return timedelta(seconds=round(timedelta(days=days).total_seconds()))


CHANNEL_SECTIONS = tuple(Settings().channel_sections)
"""The sections of the notice channels that this program has: `slack`."""
