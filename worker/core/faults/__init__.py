"""Whose fault a bounce was: the recipient's, the message's, ours or the receiving side's. Pure.

What a mail server says decides (`phrases`), then SES's sub-type, then the enhanced status code
(`statuses`). Addresses, hosts and links that a reply echoes are taken out first (`echoes`), so that
none of their words decides.
"""

from worker.core.faults.echoes import without_echoes
from worker.core.faults.fault import IN_WORDS, OWNERS, Fault
from worker.core.faults.phrases import fault_of_words
from worker.core.faults.statuses import fault_of_status, is_permanent
from worker.core.limits import LONGEST_REPLY

__all__ = ["IN_WORDS", "OWNERS", "Fault", "fault_of", "is_permanent", "without_echoes"]

_BROKEN_LOOKUPS = (
    "open resolver", "public resolver", "open/public", "excessive number of queries",
    "too many queries", "query refused", "query was blocked", "queries blocked", "refused.shtml",
    "/returnc/", "127.255.255.", "typing error in dnsbl", "rbl lookup error", "dnsbl lookup error",
)  # fmt: skip
"""Blocklists answer so to whom they do not serve; a filter that takes it for a listing is broken.
https://www.spamhaus.com/resource-center/help-for-spamhaus-projects-legacy-blocklist-users"""
_LISTS = (
    "spamhaus.org", "spamcop.net", "barracudacentral.org", "abuseat.org", "sorbs.net",
    "senderbase.org", "talosintelligence.com", "mail-abuse.", "uceprotect.net", "invaluement.com",
    "senderscore.", "dnsbl", "rbl.", "denyip", "delist",
)  # fmt: skip
"""Where a reply sends us to be taken off a blocklist; it counts where no word of the reply fits."""
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
"""Words of most bounces with status 5.1.1, and of no others."""


def fault_of(subtype: str | None, status: str, diagnostic: str) -> Fault:
    """Return whose fault a bounce was, as far as SES's sub-type and the server's reply show it."""
    subtype = (subtype or "").lower()
    if subtype in _OPTED_OUT_OR_REFUSED:
        return Fault.RECIPIENT
    reply = diagnostic[:LONGEST_REPLY]
    written = reply.lower()
    if status == "5.1.1" and "sender" not in written and any(usual in written for usual in _USUAL):
        return Fault.RECIPIENT  # a shortcut: nearly all
    if any(broken in written for broken in _BROKEN_LOOKUPS):
        return Fault.RECEIVER
    return (
        fault_of_words(without_echoes(reply))
        or _BY_SUBTYPE.get(subtype)
        or (Fault.SENDER if any(name in written for name in _LISTS) else None)
        or fault_of_status(status, reply)
        or Fault.UNKNOWN
    )
