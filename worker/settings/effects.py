"""Settings of effects: notices, and removals from the suppression list."""

from typing import Annotated

from pydantic import Field, field_validator

from worker.core.patterns import Patterns
from worker.settings.kinds import Integer, Number, Section


class NotifySettings(Section):
    """Addresses without notices, and when bounces are an incident of ours."""

    ignore: tuple[str, ...] = ()
    own_faults: Annotated[Integer, Field(ge=0, le=1_000)] = 10

    @field_validator("ignore")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Patterns(value)
        return value


class SuppressionSettings(Section):
    """Which addresses are taken off the SES suppression list, and when they are not."""

    remove: tuple[str, ...] = ()
    remove_complaints: bool = False
    tries: Annotated[Integer, Field(ge=1, le=20)] = 5
    most_removals: Annotated[Integer, Field(ge=1)] = 3
    within_days: Annotated[Number, Field(gt=0, le=3_650)] = 30
    requests_per_second: Annotated[Number, Field(ge=0.01, le=100)] = 1

    @field_validator("remove")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Patterns(value)
        return value
