"""The SES account: its suppression list, and whether SES still sends for it.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from worker.topology.checks.commands import set_suppression
from worker.topology.checks.facts import Absent, NotPermitted, Unknown, Unreachable
from worker.topology.checks.findings import Check, Finding

ACCOUNT = Check("account")
_REASONS = ("BOUNCE", "COMPLAINT")


def judge_account(
    account: Mapping[str, Any] | Unknown, region: str, *, removes: bool
) -> list[Finding]:
    """Judge the account; `removes`: the setting `suppression.remove` is not empty."""
    match account:
        case NotPermitted() | Unreachable() as why:
            return [ACCOUNT.blind("its suppression list and sending status", why)]
        case Absent(message):
            return [
                ACCOUNT.wrong(f"SES in {region}: {message}", "check the network and the region")
            ]
    reasons = account.get("SuppressionAttributes", {}).get("SuppressedReasons", [])
    faults = [*_sending_status(account, region), *_suppression(reasons, region, removes=removes)]
    suppresses = f"suppresses after {' and '.join(reasons) or 'nothing'}"
    return faults or [ACCOUNT.ok(f"{_sends(account)}; {suppresses}")]


def _sends(account: Mapping[str, Any]) -> str:
    """What SES says of an account that is without faults."""
    reputation = account.get("EnforcementStatus")
    known = [f"reputation {reputation}"] if reputation else []
    if account.get("SendingEnabled"):
        known.insert(0, "sending enabled")
    return ", ".join(known) or "sending status not reported"


def _sending_status(account: Mapping[str, Any], region: str) -> Iterator[Finding]:
    status = account.get("EnforcementStatus", "HEALTHY")
    if status != "HEALTHY":
        message = f"AWS has put the account's sending in {region} under {status}"
        yield ACCOUNT.note(message, "ses-worker why and the SES console show what bounces")
    if account.get("SendingEnabled") is False:
        yield ACCOUNT.note(f"sending is switched off in {region}: nothing will bounce")
    if account.get("ProductionAccessEnabled") is False:
        yield ACCOUNT.note(f"the account is in SES's sandbox in {region}")


def _suppression(reasons: list[str], region: str, *, removes: bool) -> Iterator[Finding]:
    if missing := [reason for reason in _REASONS if reason not in reasons]:
        message = f"SES adds no address to the suppression list after {' and '.join(missing)}"
        if removes:
            message += ": suppression.remove finds little or nothing to remove"
        yield ACCOUNT.note(message, set_suppression(region, _REASONS))
