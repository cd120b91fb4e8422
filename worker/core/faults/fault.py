"""The five answers to whose fault a bounce was."""

from collections.abc import Mapping
from enum import StrEnum


class Fault(StrEnum):
    """Who can end a bounce like this; `events.fault`. A complaint has none: the empty text."""

    RECIPIENT = "recipient"
    """The person or their mailbox: unknown, full, disabled, closed to outsiders; opted out."""
    MESSAGE = "message"
    """What was written: a spam verdict on the content, a virus, a link, its size, its form."""
    SENDER = "sender"
    """We: blocklists, reputation, SPF, DKIM, DMARC, reverse DNS, TLS, rates."""
    RECEIVER = "receiver"
    """The other side's machines: greylisting, DNS, disks, loops, time-outs, broken filters."""
    UNKNOWN = "unknown"


OWNERS: Mapping[str, str] = {
    Fault.RECIPIENT: "the recipient's",
    Fault.MESSAGE: "the message's",
    Fault.SENDER: "ours",
    Fault.RECEIVER: "the receiving side's",
    Fault.UNKNOWN: "not known",
}
"""Whose fault, for people, in short."""
_EXPLAINED = {
    Fault.RECIPIENT: "the address or the mailbox",
    Fault.MESSAGE: "its content, its form or its size",
    Fault.SENDER: "reputation, SPF, DKIM, DMARC or rate of our mail",
    Fault.RECEIVER: "its machines or filters",
    Fault.UNKNOWN: "the mail server does not say",
}
IN_WORDS: Mapping[str, str] = {
    fault: f"{owner} ({_EXPLAINED[Fault(fault)]})" for fault, owner in OWNERS.items()
}
"""Whose fault, for people."""
