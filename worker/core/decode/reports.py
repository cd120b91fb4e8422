"""Makes a `Feedback` for each recipient of a bounce or complaint."""

from collections.abc import Iterable, Iterator

from msgspec import UNSET

from worker.core.automatic_replies import is_automatic_reply
from worker.core.decode.errors import Undecodable
from worker.core.decode.lenient import count_recipients, read_leniently, read_recipients
from worker.core.decode.mail import mail_of, sent_mail
from worker.core.decode.recipients import unique_per_person
from worker.core.decode.shapes import (
    Body,
    Bounce,
    Complaint,
    LenientBounce,
    LenientComplaint,
    Origin,
    RecipientEntry,
)
from worker.core.faults import fault_of, is_permanent
from worker.core.keys import Names, feedback_keys, text_for_key
from worker.core.limits import (
    LONGEST_ID,
    LONGEST_TIME_IN_KEY,
    LONGEST_TYPE,
    LONGEST_USER_AGENT,
    MOST_RECIPIENTS,
)
from worker.core.model import Feedback, Kind, Notification, Reason, Recipient
from worker.core.parsing import Unreadable, clip, parse_time

Report = Bounce | Complaint | LenientBounce | LenientComplaint
"""The `bounce` or `complaint` object of a message."""


def read_feedback(kind: Kind, body: Body, text: str, origin: Origin) -> Iterator[Feedback]:
    """Yield the feedback of a bounce or complaint; `text` is SES's message as it was written.

    Raises:
        Undecodable: the message has no such object, or its recipients cannot be read.

    """
    report = _report(kind, body)
    entries = _entries(kind, report)
    mail = mail_of(body)
    message_id = mail.message_id
    notification = Notification(
        kind=kind,
        type=_type(report.type),
        subtype=_type(report.subtype),
        feedback_id=clip(report.feedback_id, LONGEST_ID, mark=""),
        ses_message_id=clip(message_id, LONGEST_ID, mark=""),
        occurred_at=parse_time(report.timestamp),
        user_agent=clip(report.user_agent, LONGEST_USER_AGENT),
        text=text,
        mail=sent_mail(mail, origin),
        route=origin.route,
    )
    names = Names(
        feedback_id=text_for_key(report.feedback_id, notification.feedback_id),
        message_id=text_for_key(message_id, notification.ses_message_id),
        type=text_for_key(report.type, notification.type or ""),
        subtype=text_for_key(report.subtype, notification.subtype or ""),
        timestamp=text_for_key(
            report.timestamp, clip(report.timestamp, LONGEST_TIME_IN_KEY, mark="")
        ),
    )
    is_transient = kind is Kind.BOUNCE and (notification.type or "").lower() == "transient"
    for recipient, unique_name in unique_per_person(entries):
        dedupe_key, route_key = feedback_keys(notification, names, unique_name)
        yield Feedback(
            notification=notification,
            recipient=recipient,
            dedupe_key=dedupe_key,
            route_key=route_key,
            fault=_fault(notification, recipient),
            out_of_office=is_transient and is_automatic_reply(notification.subtype, recipient),
            permanent_status=is_transient and is_permanent(recipient.status, recipient.diagnostic),
        )


def _fault(notification: Notification, recipient: Recipient) -> str:
    if notification.kind is not Kind.BOUNCE:
        return ""
    return fault_of(notification.subtype, recipient.status, recipient.diagnostic).value


def _report(kind: Kind, body: Body) -> Report:
    given = body.bounce if kind is Kind.BOUNCE else body.complaint
    if isinstance(given, Bounce | Complaint):
        return given
    if given is UNSET or not bytes(given):
        raise Undecodable(Reason.NO_OBJECT, f"says {kind} and has no {kind} object")
    try:
        if kind is Kind.BOUNCE:
            return read_leniently(given, LenientBounce)
        return read_leniently(given, LenientComplaint)
    except Unreadable as error:
        what = f"its {kind} object cannot be read: {error}"
        raise Undecodable(Reason.NO_OBJECT, what) from None


def _entries(kind: Kind, report: Report) -> Iterable[RecipientEntry]:
    """Return the recipients. They are counted first, and none is parsed if there are too many."""
    try:
        if isinstance(report, Bounce | Complaint):
            entries: Iterable[RecipientEntry] = report.recipients or ()
            count = len(report.recipients or ())
        else:
            entries = read_recipients(report.recipients)
            count = count_recipients(report.recipients)
    except Unreadable:
        what = f"the recipients of the {kind} are no list"
        raise Undecodable(Reason.RECIPIENTS_NOT_A_LIST, what) from None
    if count > MOST_RECIPIENTS:
        what = f"{count:,} recipients, more than {MOST_RECIPIENTS:,}; SES reports at most 50"
        raise Undecodable(Reason.TOO_MANY_RECIPIENTS, what)
    return entries


def _type(value: str | None) -> str | None:
    return None if value is None else clip(value, LONGEST_TYPE, mark="")
