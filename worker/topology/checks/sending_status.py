"""Whether SES sends, by what it has reported: the newest status of the account and each tenant."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from worker.core.masking import sanitized
from worker.core.parsing import clip
from worker.topology.checks.findings import Check, Finding, some

SENDING = Check("sending")
_LONGEST_NAME = 120
_FIX = "SES console, Tenants or Account dashboard: deal with the cause, then resume sending"


class ReportedStatus(Struct, frozen=True):
    """A status that is on record."""

    name: str
    """Of the account, a tenant, an identity or a configuration set; an untrusted text."""
    is_disabled: bool
    verification: str
    since: datetime


def judge_sending(reported: Sequence[ReportedStatus]) -> Finding:
    """Judge the newest statuses; SES's state is no fault of the path."""
    if disabled := [status for status in reported if status.is_disabled]:
        return SENDING.note(f"SES does not send for {some([*map(_in_words, disabled)])}", _FIX)
    if reported:
        return SENDING.ok(f"SES sends for each of the {len(reported):,} that it has reported on")
    return SENDING.ok("SES has not reported that it stopped sending")


def _in_words(status: ReportedStatus) -> str:
    name = clip(sanitized(status.name[:_LONGEST_NAME]), _LONGEST_NAME)
    doubt = ", not verified" if status.verification == "reported" else ""
    return f"{name} (since {status.since:%Y-%m-%d %H:%M} UTC{doubt})"
