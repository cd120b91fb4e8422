"""`ses-worker subscription confirm`: confirms a subscription by SNS's API.

The address in a confirmation is never fetched: whoever wrote the message chose it.
"""

import re

from worker.aws import AwsRefused
from worker.commands.dlq.listing import find
from worker.core.errors import Refused, Unavailable
from worker.core.masking import printable
from worker.core.model import Reason
from worker.settings import Settings
from worker.signatures.envelopes import Envelope, outermost
from worker.signatures.origins import origin_of
from worker.topology import Aws

LIMIT_SECONDS = 60
LONGEST_TOKEN = 1_000
"""Characters; SNS's tokens have some 200."""
_TOKEN = re.compile(r"[0-9A-Za-z_.=-]{1,1000}", re.ASCII)


def confirmation_in(settings: Settings, message_id: str) -> tuple[str, str]:
    """Return topic and token of a dead letter that is a confirmation.

    Raises:
        Refused: there is no such dead letter, or it is no confirmation.
        Unavailable: a place of dead letters could not be read.

    """
    looked = find(settings, message_id)
    if looked.dead_letter is None:
        problem = next(iter(looked.problems), None)
        raise problem or Refused(f"there is no dead letter {printable(message_id)}")
    if looked.dead_letter.reason == Reason.WRONG_SIGNATURE:
        raise Refused(
            f"the dead letter {printable(message_id)} has a wrong signature: it is forged"
        )
    for part in outermost(looked.dead_letter.received.body):
        if isinstance(part, Envelope) and part.type == "SubscriptionConfirmation":
            return part.topic or "", part.token or ""
    raise Refused(f"the dead letter {printable(message_id)} is no confirmation of a subscription")


def confirm(settings: Settings, topic: str, token: str) -> str:
    """Confirm a subscription with the operator's credentials; return its ARN.

    Raises:
        Refused: the topic is not in `sns.topic_arns`, the token is none, or SNS refuses.
        Unavailable: SNS cannot be reached.

    """
    if topic not in settings.sns.topic_arns:
        raise Refused(
            f"{printable(topic[:400]) or 'no topic'} is not in sns.topic_arns, "
            "and only subscriptions to these topics are confirmed"
        )
    if not _TOKEN.fullmatch(token):
        raise Refused("this is no token: it has other characters than a token of SNS")
    origin = origin_of(topic)
    if origin is None:
        raise Refused(f"{printable(topic)} is no ARN of a topic of SNS")
    aws = Aws(origin.region, limit_seconds=LIMIT_SECONDS)
    try:
        answer = aws.ask("sns", "confirm_subscription", TopicArn=topic, Token=token)
    except AwsRefused as refused:
        raise Refused(str(refused).replace(token, "…")) from None
    except Unavailable as error:
        raise Unavailable(str(error).replace(token, "…")) from None
    return str(answer.get("SubscriptionArn", ""))
