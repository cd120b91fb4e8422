"""The settings: a frozen, checked value, read at the start and passed to the parts.

`config/worker.toml` explains every key; `worker.settings.loading` loads the values.
"""

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, PrivateAttr

from worker.core.patterns import Patterns
from worker.core.policy import Policy
from worker.core.rate_limit import singles
from worker.settings.effects import (
    Addresses,
    NotifySettings,
    SlackSettings,
    SuppressionSettings,
)
from worker.settings.kinds import Section
from worker.settings.observability import HealthSettings, HttpSettings
from worker.settings.work import (
    AwsSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    Migrate,
    PolicySettings,
    QueueSettings,
    SnsSettings,
    StoreSettings,
)

__all__ = [
    "Addresses",
    "LogFormat",
    "LogLevel",
    "Migrate",
    "Section",
    "Settings",
    "SlackSettings",
]


class Settings(Section):
    """All settings."""

    aws: AwsSettings = AwsSettings()
    queue: QueueSettings = QueueSettings()
    store: StoreSettings = Field(default_factory=StoreSettings)  # a relative path is resolved now
    policy: PolicySettings = PolicySettings()
    sns: SnsSettings = SnsSettings()
    notify: NotifySettings = NotifySettings()
    slack: SlackSettings = SlackSettings()
    suppression: SuppressionSettings = SuppressionSettings()
    http: HttpSettings = HttpSettings()
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()

    _file: Path | None = PrivateAttr(None)

    @property
    def lack_of_queue(self) -> str:
        """The error of a command that needs a queue, if none is set."""
        file = self._file or "a settings file (--config)"
        return f"queue.url is required: set it in {file}, or SES_WORKER_QUEUE__URL"

    def read_from(self, file: Path | None) -> Self:
        """Remember the file that was read, for errors about missing settings."""
        self._file = file
        return self

    def as_policy(self) -> Policy:
        """The policy that the settings describe."""
        return Policy(
            hard_bounce_pause=timedelta(days=self.policy.hard_bounce_pause_days),
            soft_bounce_pause=timedelta(days=self.policy.soft_bounce_pause_days),
            unknown_recipients=self.policy.unknown_recipients,
            bounce_actions=self.policy.bounce_actions,
            topics=frozenset(self.sns.topic_arns),
            notify=self.slack.enabled,
            kept_whole=int(singles(self.slack.messages_per_minute)) + 1,
            ignore=Patterns(self.notify.ignore),
            remove=Patterns(self.suppression.remove),
        )
