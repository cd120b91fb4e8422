"""What `policy.spare_faults` would have changed about a bounce. Pure."""

from worker.core.faults import Fault
from worker.core.model import Action
from worker.core.payloads import Notice, NoticeRecipient
from worker.core.policy import SPAREABLE

_PAUSES = "mail to this person would not pause"
_WOULD = {
    Action.AUTO_BLOCK_SPAM: "this person would not be blocked",
    Action.HARD_BOUNCE: _PAUSES,
    Action.SOFT_BOUNCE: _PAUSES,
}
_BY_SETTINGS = "bounce_actions:"
"""Begins the names of rules that come before `spare_faults`."""


def spareable(notice: Notice) -> NoticeRecipient | None:
    """Find a recipient about whom people should know the setting, as the default surprises them.

    That is a user who is blocked for the word `spam`, or who bounced by a fault of ours.
    """
    return next(filter(_is_surprising, notice.recipients), None)


def _is_surprising(recipient: NoticeRecipient) -> bool:
    return (
        recipient.fault in SPAREABLE
        and recipient.action in _WOULD
        and not recipient.reason.startswith(_BY_SETTINGS)
        and (recipient.fault == Fault.SENDER or recipient.action is Action.AUTO_BLOCK_SPAM)
    )


def sparing(recipient: NoticeRecipient) -> str:
    """Describe, as mrkdwn, what the setting would have done."""
    fault = next(fault for fault in SPAREABLE if fault == recipient.fault)
    return (
        f'with `policy.spare_faults = ["{fault}"]` this bounce would only be recorded: '
        f"{_WOULD[recipient.action]}"
    )
