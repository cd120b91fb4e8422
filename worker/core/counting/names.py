"""The dimensions and the measures."""

from enum import StrEnum


class Dimension(StrEnum):
    """By what figures are distinguished (`hourly_counts.dimension`)."""

    ALL = "all"
    """By nothing: the value is empty."""
    TYPE = "type"
    """`Permanent/General`; of a complaint feedback type and sub-type, of a delay its type."""
    STATUS = "status"
    """The enhanced status code of a bounce, such as `5.1.1`; empty: none, or an invalid code."""
    FAULT = "fault"
    """Whose fault a bounce was (`events.fault`)."""
    DOMAIN = "domain"
    """The recipient's."""
    PROVIDER = "provider"
    """The recipient's mail provider, or `other`."""
    CONFIGURATION_SET = "configuration_set"
    TENANT = "tenant"


class Measure(StrEnum):
    """What is counted (`hourly_counts.measure`): recipients, but opens and clicks once each."""

    SEND = "send"
    DELIVERY = "delivery"
    OPEN = "open"
    CLICK = "click"
    DELIVERY_DELAY = "delivery_delay"
    REJECT = "reject"
    RENDERING_FAILURE = "rendering_failure"
    RECEIVED_AGAIN = "received_again"
    """Messages of these kinds that SQS had delivered before, and that may be counted twice."""

    HARD_BOUNCE = "hard_bounce"
    """`Permanent`, SES's own refusals included."""
    SOFT_BOUNCE = "soft_bounce"
    """`Transient`."""
    OTHER_BOUNCE = "other_bounce"
    REFUSED = "refused"
    """Hard bounces by which SES itself refused to send."""
    REFUSED_GLOBALLY = "refused_globally"
    """Those of them by SES's global suppression list: SES counts them in its bounce rate."""
    COMPLAINT = "complaint"
    """Without the two below."""
    REFUSED_COMPLAINT = "refused_complaint"
    """SES refused to send, because of a complaint of old."""
    NOT_SPAM = "not_spam"
    """The opposite of a complaint: a person says that a mail is no spam."""

    # What became of people is not counted by domain and by status.
    UNKNOWN_BOUNCE = "unknown_bounce"
    """Bounces, of whatever type, whose recipient is no user."""
    UNKNOWN_COMPLAINT = "unknown_complaint"
    REPEATED_BOUNCE = "repeated_bounce"
    """Bounces, of whatever type, of a user who had bounced before."""
    REPEATED_COMPLAINT = "repeated_complaint"
    PAUSED = "paused"
    """Bounces and complaints that began or prolonged a user's pause."""
    BLOCKED = "blocked"
    """Bounces and complaints that blocked a user."""


SIMULATOR = "simulator.amazonses.com"
"""The domain of SES's mailbox simulator, whose mail AWS's rates leave out.
https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html"""

COUNTED_KINDS = {
    "send": Measure.SEND,
    "delivery": Measure.DELIVERY,
    "open": Measure.OPEN,
    "click": Measure.CLICK,
    "deliverydelay": Measure.DELIVERY_DELAY,
    "reject": Measure.REJECT,
    "renderingfailure": Measure.RENDERING_FAILURE,
}
"""By SES's event types, in lower case without spaces: what is counted and not kept."""
