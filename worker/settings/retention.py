"""How long what is kept."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from worker.core.retention import Retention
from worker.settings.kinds import Integer, Section

SHORTEST_KEYS_DAYS = 28
"""A message comes again for so long: SQS keeps it 14 days, and a dead-letter queue 14 more."""


class RetentionSettings(Section):
    """Days; 0: for ever."""

    events_days: Annotated[Integer, Field(ge=0, le=36_500)] = 90
    messages_days: Annotated[Integer, Field(ge=0, le=36_500)] = 14
    keys_days: Annotated[Integer, Field(ge=0, le=36_500)] = 400

    @model_validator(mode="after")
    def _recognise_what_comes_again(self) -> Self:
        if 0 < self.keys_days < SHORTEST_KEYS_DAYS:
            raise ValueError(
                f"retention.keys_days = {self.keys_days} is too short: SQS keeps a message 14 days "
                "and a dead-letter queue 14 more, and what comes again after its key is gone would "
                f"count twice; set it to {SHORTEST_KEYS_DAYS} or more, or 0: for ever"
            )
        if 0 < self.keys_days < self.events_days:
            raise ValueError(
                f"retention.keys_days = {self.keys_days} is below retention.events_days = "
                f"{self.events_days}: the keys of an event are kept at least as long as the event"
            )
        return self

    @property
    def in_words(self) -> str:
        """What is kept how long, for people."""
        events, messages, keys = map(
            _in_words, (self.events_days, self.messages_days, self.keys_days)
        )
        return f"events are kept {events}, SES's messages {messages}, keys of events {keys}"

    def as_retention(self) -> Retention:
        """The periods; None: for ever."""
        return Retention(
            events=_period(self.events_days),
            messages=_period(self.messages_days),
            keys=_period(self.keys_days),
        )


def _in_words(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}" if days else "for ever"


def _period(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None
