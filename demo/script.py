"""What SES reports in the demo, and what the worker must make of each recipient: the story as data.

Within a list nothing hangs on the order, since SQS promises none.
"""

from demo.mail import Entry, Report, Shape
from demo.people import GUEST, PROBE

GONE = "550 5.1.1 no such user here"
FULL = "452 4.2.2 mailbox full"
SPAM = "550 5.7.1 message rejected as SPAM"
N, E = Shape.NOTIFICATION, Shape.EVENT


def hard(address: str, answer: str = GONE, *, spelled: str | None = None) -> Entry:
    """Somebody whom mail will not reach."""
    return Entry(spelled or address, "hard_bounce", "permanent", answer, person=address)


def soft(address: str, answer: str = FULL) -> Entry:
    """Somebody whom mail does not reach now."""
    return Entry(address, "soft_bounce", "transient", answer)


def spam(address: str, answer: str = SPAM) -> Entry:
    """Somebody whose server takes us for spammers."""
    return Entry(address, "auto_block_spam", "spam_diagnostic", answer)


def refused(address: str, *, pauses: bool = True) -> Entry:
    """Somebody to whom SES itself would not send."""
    return Entry(address, "hard_bounce", "refused_by_ses", pauses=pauses)


def complains(address: str, action: str = "auto_block_spam", rule: str = "complaint") -> Entry:
    """Somebody who pressed the button."""
    return Entry(address, action, rule)


def bounce(hours: float, shape: Shape, sort: str, *entries: Entry) -> Report:
    """A bounce of a `Type/SubType`, so many hours ago."""
    bounce_type, _, subtype = sort.partition("/")
    return Report(
        kind="Bounce", shape=shape, type=bounce_type, subtype=subtype, hours=hours, entries=entries
    )


def complaint(
    hours: float, shape: Shape, sort: str | None, *entries: Entry, subtype: str | None = None
) -> Report:
    """A complaint of a feedback type, so many hours ago."""
    return Report(
        kind="Complaint", shape=shape, type=sort, subtype=subtype, hours=hours, entries=entries
    )


TWO_RECIPIENTS = bounce(
    26, N, "Permanent/General", hard("kim.dahl@example.com"), hard("lee.tran@example.org")
)
MAILBOX_GONE = bounce(49, N, "Permanent/General", hard("nora.field@example.org"))
BY_EVENT = bounce(75, E, "Permanent/General", hard("h.sato@example.com"))
FIRST_ABUSE = complaint(30, N, "abuse", complains("rosa.vidal@example.com"))

TAKEN_OFF = "leon.maas@example.com"
KEPT_ON = "yara.haddad@example.com"
LISTED = {TAKEN_OFF: "BOUNCE", KEPT_ON: "COMPLAINT"}
"""The SES suppression list, and why they are on it; both are to be taken off."""
IGNORED = PROBE

SEPARATE = (
    bounce(1.2, N, "Permanent/General", hard("dev.patel@example.com")),
    complaint(1.1, N, "abuse", complains("raj.mehta@example.net")),
    bounce(0.9, E, "Permanent/General", hard(TAKEN_OFF)),
    bounce(0.8, N, "Permanent/OnAccountSuppressionList", refused(KEPT_ON)),
    bounce(0.7, E, "Permanent/General", hard(IGNORED, "550 5.2.1 mailbox disabled")),
)

A_MONTH = (
    bounce(31 * 24 + 5, N, "Permanent/General", hard("ada.ferro@example.com")),
    bounce(45 * 24, E, "Permanent/NoEmail", hard("otto.weiss@example.net")),
    bounce(6 * 24, N, "Permanent/NoEmail", hard("pavel.maly@example.com")),
    MAILBOX_GONE,
    BY_EVENT,
    TWO_RECIPIENTS,
    bounce(
        20, N, "Permanent/General",
        hard("ana.costa@example.com"),
        hard("ben.adler@example.net", "550 5.2.1 mailbox disabled"),
        spam("cho.park@example.org"),
    ),
    bounce(
        12, N, "Permanent/General",
        hard("jane.okeke@example.com", spelled='"Okeke, Jane" <Jane.Okeke@example.com>'),
    ),
    bounce(
        11, N, "Permanent/General", hard("mia.berg@example.org", spelled="MIA.BERG@EXAMPLE.ORG")
    ),
    bounce(9, N, "Permanent/General", spam("grace.lim@example.com")),
    bounce(40, N, "Permanent/Suppressed", refused("pia.lund@example.org")),
    bounce(7, N, "Transient/General", soft("m.adeyemi@example.net", "421 4.4.2 timed out")),
    bounce(16, E, "Transient/MailboxFull", soft("ines.prado@example.net")),
    bounce(70, N, "Transient/MailboxFull", soft("sara.blom@example.net")),
    bounce(
        3, E, "Transient/MessageTooLarge", soft("yuki.mori@example.org", "552 5.3.4 too large")
    ),
    bounce(
        5, E, "Transient/ContentRejected",
        spam("finn.moran@example.org", "554 5.7.1 looks like Spam to us"),
    ),
    # An out-of-office answer: first a Delivery, then this, without a diagnostic.
    bounce(2, E, "Transient/General", soft("lena.voss@example.org", "")),
    bounce(
        33, N, "Undetermined/Undetermined",
        Entry("tobias.frey@example.org", "no_action", "other_bounce"),
    ),
    bounce(
        28, E, "Permanent/General",
        Entry(GUEST, "no_action", "unknown_recipient", GONE, match="missing"),
    ),
    bounce(
        18, N, "Permanent/General",
        Entry(None, "no_action", "no_address", GONE, match="no_address"),
        hard("zoe.lavoie@example.com"),
    ),
    bounce(
        17, N, "Permanent/General",
        Entry(None, "no_action", "no_recipients", match="no_recipients"),
    ),
    FIRST_ABUSE,
    # Both are at the same provider, which says only that it was one of them.
    complaint(
        22, E, "abuse", complains("sol.reyes@example.com"), complains("tam.nguyen@example.com")
    ),
    complaint(15, N, None, complains("ruth.stone@example.net")),
    complaint(14, N, "not-spam", complains("omar.aziz@example.com", "no_action", "not_spam")),
    complaint(
        8, N, None, complains("hugo.blanc@example.org", "no_action", "refused_by_ses"),
        subtype="OnAccountSuppressionList",
    ),
)  # fmt: skip

MORE_ABOUT_THEM = (
    bounce(
        2, E, "Permanent/OnAccountSuppressionList", refused("pavel.maly@example.com", pauses=False)
    ),
    bounce(1, N, "Transient/MailboxFull", soft("kim.dahl@example.com")),
    complaint(1, N, "abuse", complains("rosa.vidal@example.com", "no_action", "blocked_already")),
)
