"""Whose fault a bounce was: the recipient's, the message's, ours or the receiving side's. Pure.

What a mail server says decides (`phrases`), then SES's sub-type, then the enhanced status code
(`statuses`). Addresses, hosts and links that a reply echoes are taken out first (`echoes`), so that
none of their words decides.
"""

from worker.core.faults.echoes import without_echoes
from worker.core.faults.fault import Fault
from worker.core.faults.phrases import BROKEN_LOOKUPS, LISTS, ROWS
from worker.core.faults.statuses import fault_of_status
from worker.core.limits import LONGEST_REPLY

__all__ = ["Fault", "fault_of"]

_OPTED_OUT_OR_REFUSED = frozenset({
    "unsubscribedrecipient", "suppressed", "onaccountsuppressionlist", "ontenantsuppressionlist",
    "emailvalidationsuppressed",
})  # fmt: skip
"""SES itself did not send: the address is on a list because of what happened to it before."""
_BY_SUBTYPE = {
    "noemail": Fault.RECIPIENT,
    "mailboxfull": Fault.RECIPIENT,
    "messagetoolarge": Fault.MESSAGE,
    "contentrejected": Fault.MESSAGE,
    "attachmentrejected": Fault.MESSAGE,
}
_USUAL = ("user unknown", "does not exist", "no such user", "unknown user", "user not found")
"""How most bounces with status 5.1.1 say it, and no other does."""


def fault_of(subtype: str | None, status: str, diagnostic: str) -> Fault:
    """Return whose fault a bounce was, as far as SES's sub-type and the server's reply say it."""
    subtype = (subtype or "").lower()
    if subtype in _OPTED_OUT_OR_REFUSED:
        return Fault.RECIPIENT
    reply = diagnostic[:LONGEST_REPLY]
    written = reply.lower()
    if status == "5.1.1" and "sender" not in written and any(usual in written for usual in _USUAL):
        return Fault.RECIPIENT  # a shortcut: nearly all
    if any(broken in written for broken in BROKEN_LOOKUPS):
        return Fault.RECEIVER
    return (
        _fault_of_words(without_echoes(reply))
        or _BY_SUBTYPE.get(subtype)
        or (Fault.SENDER if any(name in written for name in LISTS) else None)
        or fault_of_status(status, reply)
        or Fault.UNKNOWN
    )


def _fault_of_words(words: str) -> Fault | None:
    for fault, phrases, parted in ROWS:
        if any(phrase in words for phrase in phrases):
            return fault
        if any(_has_in_order(words, parts) for parts in parted):
            return fault
    return None


def _has_in_order(words: str, parts: tuple[str, ...]) -> bool:
    at = 0
    for part in parts:
        at = words.find(part, at) + 1
        if not at:
            return False
    return True
