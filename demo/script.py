"""What SES reports in the demo, and the expected decision on each recipient: the story as data.

The order within a list does not matter, since SQS does not keep it.
"""

from typing import Any

from demo.mail import Entry, Report, Shape

GONE = "550 5.1.1 no such user here"
FULL = "452 4.2.2 mailbox full"
SPAM = "550 5.7.1 message rejected as SPAM"
N, E = Shape.NOTIFICATION, Shape.EVENT

IGNORED = "probe@example.org"
"""A test mailbox that bounces every day; `notify.ignore` names it."""
GUEST = "guest@example.net"
"""No user's address, although mail went to it."""


def hard(address: str, answer: str = GONE, *, spelled: str | None = None) -> Entry:
    """Return a recipient whose mailbox does not exist."""
    return Entry(spelled or address, "hard_bounce", "permanent", answer, person=address)


def soft(address: str, answer: str = FULL) -> Entry:
    """Return a recipient who cannot be reached now."""
    return Entry(address, "soft_bounce", "transient", answer)


def spam(address: str, answer: str = SPAM) -> Entry:
    """Return a recipient whose server calls the mail spam."""
    return Entry(address, "auto_block_spam", "spam_diagnostic", answer)


def refused(address: str) -> Entry:
    """Return a recipient to whom SES itself refused to send."""
    return Entry(address, "hard_bounce", "refused_by_ses")


def complains(address: str, action: str = "auto_block_spam", rule: str = "complaint") -> Entry:
    """Return a recipient who reported the mail as spam."""
    return Entry(address, action, rule)


def bounce(hours: float, shape: Shape, sort: str, *entries: Entry) -> Report:
    """Return a bounce of a `Type/SubType`, so many hours ago."""
    bounce_type, _, subtype = sort.partition("/")
    return Report(
        kind="Bounce", shape=shape, type=bounce_type, subtype=subtype, hours=hours, entries=entries
    )


def complaint(
    hours: float, shape: Shape, sort: str | None, *entries: Entry, subtype: str | None = None
) -> Report:
    """Return a complaint of a feedback type, so many hours ago."""
    return Report(
        kind="Complaint", shape=shape, type=sort, subtype=subtype, hours=hours, entries=entries
    )


TWO_RECIPIENTS = bounce(
    26, N, "Permanent/General", hard("kim.dahl@example.com"), hard("lee.tran@example.org")
)
MAILBOX_GONE = bounce(49, N, "Permanent/General", hard("nora.field@example.org"))
BY_EVENT = bounce(75, E, "Permanent/General", hard("h.sato@example.com"))
FIRST_ABUSE = complaint(30, N, "abuse", complains("rosa.vidal@example.com"))

WHY_ADDRESS = "nora.field@example.org"
"""A user with a hard bounce, which comes three times."""
TAKEN_OFF = "leon.maas@example.com"
KEPT_ON = "yara.haddad@example.com"
LISTED = {TAKEN_OFF: "BOUNCE", KEPT_ON: "COMPLAINT"}
"""The SES suppression list by address, with the reason; `suppression.remove` names both."""

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
    # Both are at one provider, which does not report which of the two has complained.
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
    bounce(2, E, "Permanent/OnAccountSuppressionList", refused("pavel.maly@example.com")),
    bounce(1, N, "Transient/MailboxFull", soft("kim.dahl@example.com")),
    complaint(1, N, "abuse", complains("rosa.vidal@example.com", "no_action", "blocked_already")),
)

AGAIN: tuple[tuple[Report, Shape], ...] = (
    (MAILBOX_GONE, N), (MAILBOX_GONE, E), (BY_EVENT, N), (TWO_RECIPIENTS, N), (FIRST_ABUSE, N),
)  # fmt: skip
"""Reports that are published a second time, and in which shape."""

OTHERS: tuple[tuple[float, Shape, str, str, dict[str, Any]], ...] = (
    (21, Shape.NOTIFICATION, "Delivery", "vik.olsen@example.net", {
        "delivery": {"recipients": ["vik.olsen@example.net"], "smtpResponse": "250 accepted"}}),
    (2.1, Shape.EVENT, "Delivery", "lena.voss@example.org", {
        "delivery": {"recipients": ["lena.voss@example.org"], "smtpResponse": "250 accepted"}}),
    (21.2, Shape.EVENT, "Send", "vik.olsen@example.net", {"send": {}}),
    (19, Shape.EVENT, "Open", "wen.li@example.net", {
        "open": {"ipAddress": "192.0.2.10", "userAgent": "ExampleMail/7.1"}}),
    (18.5, Shape.EVENT, "Click", "wen.li@example.net", {
        "click": {"link": "https://www.example.com/welcome", "linkTags": None}}),
    (27, Shape.EVENT, "Reject", "bo.lindqvist@example.org", {"reject": {"reason": "Bad content"}}),
    (10, Shape.EVENT, "Rendering Failure", "una.byrne@example.com", {
        "failure": {"templateName": "welcome", "errorMessage": "Attribute 'name' is missing"}}),
    # The word spam outside of a bounce must not block the recipient.
    (13, Shape.EVENT, "DeliveryDelay", "ivo.petrov@example.net", {
        "deliveryDelay": {"delayType": "SpamDetected", "delayedRecipients": [
            {"emailAddress": "ivo.petrov@example.net", "status": "4.7.1"}]}}),
    (4, Shape.EVENT, "Subscription", "quinn.ross@example.org", {
        "subscription": {"contactList": "Newsletter", "source": "UnsubscribeHeader"}}),
    (6, Shape.EVENT, "Archived", "jo.keller@example.net", {"archived": {}}),
)  # fmt: skip
"""Hours ago, shape, kind, recipient, SES's part about it; the last kind does not exist (yet)."""
