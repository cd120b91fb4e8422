"""Reads EventBridge's wrapper around an event of SES.

https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-ses.html lists the types of event.
"""

from worker.core.acceptance import Acceptance, EventBridge
from worker.core.account_events import AccountEvent
from worker.core.claims import claim_of
from worker.core.decode.account_events import account_event_of
from worker.core.decode.bodies import read_part
from worker.core.decode.errors import Undecodable
from worker.core.decode.foreign import foreign_event, refuse_alarm
from worker.core.decode.shapes import Origin, Wrapper
from worker.core.limits import LONGEST_ACCOUNT, LONGEST_KIND, LONGEST_SHOWN_KIND
from worker.core.model import Reason, Route
from worker.core.parsing import Unreadable, clip, read_json

SES = "aws.ses"
_CLOUDWATCH = "aws.cloudwatch"
_ALARM_TYPE = "cloudwatch alarm state change"

_KINDS = {
    "email sent": "Send",
    "email delivered": "Delivery",
    "email bounced": "Bounce",
    "email complaint received": "Complaint",
    "email rejected": "Reject",
    "email opened": "Open",
    "email clicked": "Click",
    "email rendering failed": "Rendering Failure",
    "email delivery delayed": "DeliveryDelay",
    "email subscribed": "Subscription",
}
"""By `detail-type`: the event type of SES, for an event that does not name its own."""


def read_wrapper(text: str) -> Wrapper:
    """Read the wrapper of an event of SES.

    Raises:
        Undecodable: it is an event of another service.

    """
    wrapper = read_part(text, Wrapper)
    if wrapper.source == SES:
        return wrapper
    if wrapper.source == _CLOUDWATCH and _type(wrapper) == _ALARM_TYPE:
        refuse_alarm(wrapper.detail, wrapper.region)
    raise foreign_event(wrapper.source, wrapper.detail_type)


def require_accepted(wrapper: Wrapper, acceptance: Acceptance, *, by_topic: bool) -> None:
    """Refuse an event that the settings do not accept; `by_topic`: an accepted topic brought it.

    Raises:
        Undecodable: it is not accepted.

    """
    if acceptance.eventbridge is EventBridge.REFUSED:
        why = "eventbridge.accept is false; set it to true or auto"
    elif acceptance.eventbridge is EventBridge.BY_TOPIC and not by_topic:
        why = (
            "eventbridge.accept is auto, and messages must come from sns.topic_arns; to accept "
            "what EventBridge sends, set eventbridge.accept = true, and eventbridge.accounts"
        )
    elif acceptance.accounts and wrapper.account not in acceptance.accounts:
        account = clip(wrapper.account, LONGEST_ACCOUNT) or "no account"
        why = f"an event of {account}, which is not in eventbridge.accounts; if it is yours, add it"
    else:
        return
    raise Undecodable(Reason.EVENTBRIDGE_NOT_ACCEPTED, f"{_claim(wrapper)}{why}")


def _claim(wrapper: Wrapper) -> str:
    """State what a report about the account claims: somebody must know, accepted or not."""
    try:
        event = account_event(wrapper, detail_of(wrapper), origin_of(wrapper))
    except (Undecodable, Unreadable):
        return ""
    return f"{claim_of(event)}. " if event else ""


def origin_of(wrapper: Wrapper) -> Origin:
    """Return what the wrapper says about the account."""
    account, region = (clip(part, LONGEST_ACCOUNT) for part in (wrapper.account, wrapper.region))
    return Origin(Route.EVENTBRIDGE, account, region)


def account_event(wrapper: Wrapper, detail: str, origin: Origin) -> AccountEvent | None:
    """Read an event about sending status or a finding; None: it is about a mail."""
    return account_event_of(_type(wrapper), wrapper, detail, origin)


def detail_of(wrapper: Wrapper) -> str:
    """Return SES's message as it was written; an input transformer may have made a text of it."""
    detail = bytes(wrapper.detail).decode()
    if detail.startswith('"'):
        return read_json(detail, str)
    return "{}" if detail in {"", "null"} else detail


def kind_of(wrapper: Wrapper) -> str:
    """Return SES's event type by the wrapper's `detail-type`; empty: unknown."""
    return _KINDS.get(_type(wrapper), "")


def shown_type(wrapper: Wrapper) -> str:
    """Return an unknown `detail-type`, for people."""
    return clip(wrapper.detail_type, LONGEST_SHOWN_KIND)


def _type(wrapper: Wrapper) -> str:
    return (wrapper.detail_type or "")[:LONGEST_KIND].strip().lower()
