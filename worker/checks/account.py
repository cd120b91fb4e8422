"""The SES account: its suppression list, and whether SES still sends for it.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from worker.checks.commands import set_suppression
from worker.checks.facts import Absent, Away, Blank, Unseen
from worker.checks.findings import Check, Finding

ACCOUNT = Check("account")
_REASONS = ("BOUNCE", "COMPLAINT")


def judge_account(
    account: Mapping[str, Any] | Blank, region: str, *, removes: bool
) -> list[Finding]:
    """Judge the account; `removes`: `suppression.remove` is set."""
    match account:
        case Unseen() | Away() as why:
            return [ACCOUNT.blind("suppression and standing", why)]
        case Absent(said):
            return [ACCOUNT.wrong(f"SES in {region}: {said}", "see that SES can be reached")]
    reasons = account.get("SuppressionAttributes", {}).get("SuppressedReasons", [])
    faults = [*_standing(account, region), *_suppression(reasons, region, removes=removes)]
    return faults or [ACCOUNT.ok(f"suppresses after {' and '.join(reasons) or 'nothing'}")]


def _standing(account: Mapping[str, Any], region: str) -> Iterator[Finding]:
    status = account.get("EnforcementStatus", "HEALTHY")
    if status != "HEALTHY":
        said = f"AWS has the account's sending in {region} under {status}"
        yield ACCOUNT.note(said, "ses-worker why and the SES console say what bounces")
    if account.get("SendingEnabled") is False:
        yield ACCOUNT.note(f"sending is switched off in {region}: nothing will bounce")
    if account.get("ProductionAccessEnabled") is False:
        yield ACCOUNT.note(f"the account is in SES's sandbox in {region}")


def _suppression(reasons: list[str], region: str, *, removes: bool) -> Iterator[Finding]:
    if missing := [reason for reason in _REASONS if reason not in reasons]:
        said = f"the account's suppression list takes no {' and '.join(missing)}"
        if removes:
            said += ": suppression.remove has little or nothing to take off it"
        yield ACCOUNT.note(said, set_suppression(region, _REASONS))
