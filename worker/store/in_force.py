"""The policy in force, as the table `policy` keeps it for the view `do_not_mail`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from worker.core.policy import Policy

HARD, SOFT = "hard_bounce_pause_seconds", "soft_bounce_pause_seconds"
_FLAGS = ("ignore_out_of_office", "trust_status")


class PolicyTransaction(Protocol):
    """A transaction that reads and replaces the policy in force."""

    def policy(self) -> dict[str, str]:
        """Read the policy; nobody else changes it until the transaction ends."""

    def keep_policy(self, values: Mapping[str, str]) -> None:
        """Replace the policy."""


def keep_if_changed(transaction: PolicyTransaction, values: Mapping[str, str]) -> dict[str, str]:
    """Keep a policy, and write only if it has changed; return what was kept before."""
    before = transaction.policy()
    if before != values:
        transaction.keep_policy(values)
    return before


def as_kept(policy: Policy) -> dict[str, str]:
    """Return what the view needs of a policy, as names and values."""
    kept = {
        HARD: _seconds(policy.hard_bounce_pause),
        SOFT: _seconds(policy.soft_bounce_pause),
    }
    for name, action in policy.bounce_actions.items():
        kept[f"bounce_actions.{name.lower()}"] = action.value
    for fault in policy.spare_faults:
        kept[f"spare_faults.{fault}"] = "no_action"
    if policy.soft_bounces_to_pause > 1:
        kept["soft_bounces_to_pause"] = str(policy.soft_bounces_to_pause)
        kept["soft_bounce_window_seconds"] = _seconds(policy.soft_bounce_window)
    if policy.repeat_pause:
        kept["repeat_pause_seconds"] = _seconds(policy.repeat_pause)
    if policy.complaint_block:
        kept["complaint_block_seconds"] = _seconds(policy.complaint_block)
    kept |= {name: "true" for name in _FLAGS if getattr(policy, name)}
    return kept


def _seconds(pause: timedelta) -> str:
    return str(round(pause.total_seconds()))


def shortens(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Return whether a change makes one of the pauses shorter."""
    return any(int(after[name]) < int(before[name]) for name in (HARD, SOFT) if name in before)
