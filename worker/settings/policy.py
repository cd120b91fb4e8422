"""The section `policy`: what bounces and complaints do to users."""

import re
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from worker.core.model import Action
from worker.core.policy import SPAREABLE, UnknownRecipients
from worker.settings.another_policy import alike, changed
from worker.settings.kinds import Integer, Number, Section

MOST_SOFT_BOUNCES = 100
"""Soft bounces that may be needed for a pause; of an address, some hundred events are looked at."""
LONGEST_WINDOW_DAYS = 90
"""Older events may be purged, so a window must not be longer."""
_BOUNCE_NAME = re.compile(r"[A-Za-z]{1,100}/(\*|[A-Za-z]{1,100})")
"""SES may add types, so an unknown type is doubtful (`bounce_names`), and no error."""


class PolicySettings(Section):
    """What bounces and complaints do to users."""

    hard_bounce_pause_days: Annotated[Number, Field(ge=0, le=36_500)] = 30
    soft_bounce_pause_days: Annotated[Number, Field(ge=0, le=36_500)] = 1
    unknown_recipients: UnknownRecipients = UnknownRecipients.RECORD
    begin_with_record: bool = True
    spare_faults: tuple[str, ...] = ()
    soft_bounces_to_pause: Annotated[Integer, Field(ge=1, le=MOST_SOFT_BOUNCES)] = 1
    soft_bounce_window_days: Annotated[Number, Field(gt=0, le=LONGEST_WINDOW_DAYS)] = 30
    repeat_pause_days: Annotated[Number, Field(ge=0, le=36_500)] = 0
    ignore_out_of_office: bool = False
    trust_status: bool = False
    complaint_block_days: Annotated[Number, Field(ge=0, le=36_500)] = 0
    count_events: bool = True
    track_deliveries: bool = False
    bounce_actions: dict[str, Action] = Field(default_factory=dict)
    shadow: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_shadow_of_its_own(self) -> Self:
        """Refuse a second policy that is wrong, or would decide everything alike."""
        if self.shadow and alike(self, self.shadowing()):
            raise ValueError(
                "policy.shadow is the policy in force: change one of its keys, or remove it"
            )
        return self

    def shadowing(self) -> "PolicySettings":
        """Return the second policy: this policy, with the keys of `shadow`.

        Raises:
            ValueError: a key or a value is wrong; the text names it.

        """
        try:
            return changed(self, self.shadow)
        except ValueError as error:
            lines = (f"policy.shadow.{line}" for line in str(error).splitlines())
            raise ValueError("; ".join(lines)) from None

    @field_validator("spare_faults")
    @classmethod
    def _are_spareable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in value if name not in SPAREABLE]:
            raise ValueError(
                f"{' and '.join(map(repr, wrong))} cannot be spared, only {', '.join(SPAREABLE)}"
            )
        return value

    @model_validator(mode="after")
    def _counts_soft_bounces(self) -> Self:
        window = type(self).model_fields["soft_bounce_window_days"].default
        if self.soft_bounces_to_pause > 1 and not self.track_deliveries:
            raise ValueError(
                f"policy.soft_bounces_to_pause = {self.soft_bounces_to_pause} needs "
                "policy.track_deliveries = true: a later delivery forgives soft bounces"
            )
        if self.soft_bounces_to_pause == 1 and self.soft_bounce_window_days != window:
            raise ValueError(
                "policy.soft_bounce_window_days has no effect while each soft bounce pauses: set "
                "policy.soft_bounces_to_pause, too"
            )
        return self

    @model_validator(mode="after")
    def _lengthens(self) -> Self:
        shortest = min(self.hard_bounce_pause_days, self.soft_bounce_pause_days)
        if 0 < self.repeat_pause_days <= shortest:
            raise ValueError(
                f"policy.repeat_pause_days = {self.repeat_pause_days:g} lengthens no pause: set it "
                "above policy.hard_bounce_pause_days or policy.soft_bounce_pause_days, or to 0"
            )
        return self

    @field_validator("bounce_actions")
    @classmethod
    def _are_bounces(cls, value: dict[str, Action]) -> dict[str, Action]:
        for name in value:
            if not _BOUNCE_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} must be a bounce type and sub-type, such as "
                    '"Transient/MessageTooLarge" or "Undetermined/*"'
                )
        lowered = [name.lower() for name in value]
        if twice := [name for name in value if lowered.count(name.lower()) > 1]:
            raise ValueError(f"{' and '.join(twice)} are the same: case does not matter")
        return value
