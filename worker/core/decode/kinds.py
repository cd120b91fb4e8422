"""Looks at the type of SES's message."""

from worker.core.counting import COUNTED_KINDS
from worker.core.decode.counted import read_counted
from worker.core.decode.mail import mail_of
from worker.core.decode.reports import read_feedback
from worker.core.decode.shapes import Body, Origin
from worker.core.limits import LONGEST_KIND, LONGEST_SHOWN_KIND
from worker.core.model import Feedback, Ignored, Kind
from worker.core.parsing import clip

SETUP_MESSAGE_ID = "AMAZON_SES_SETUP_NOTIFICATION"
"""The id of the message that SES sends when a receipt rule is set up."""


def interpret(kind: str, body: Body, text: str, origin: Origin) -> tuple[Feedback, ...] | Ignored:
    """Read SES's message as its type says; `text` is the message as SES wrote it.

    Raises:
        Undecodable: a bounce or complaint cannot be read.

    """
    kind = kind[:LONGEST_KIND]
    match kind.replace(" ", "").lower():
        case "bounce":
            return tuple(read_feedback(Kind.BOUNCE, body, text, origin))
        case "complaint":
            return tuple(read_feedback(Kind.COMPLAINT, body, text, origin))
        case "amazonsnssubscriptionsucceeded":
            return Ignored("AmazonSnsSubscriptionSucceeded")
        case "received":
            setup = mail_of(body).message_id == SETUP_MESSAGE_ID
            return Ignored("SetupNotification") if setup else Ignored("Received", noteworthy=True)
        case counted if measure := COUNTED_KINDS.get(counted):
            return Ignored(kind, counted=read_counted(measure, text))
        case "subscription":
            return Ignored(kind)
        case _:
            return Ignored(clip(kind, LONGEST_SHOWN_KIND), noteworthy=True)
