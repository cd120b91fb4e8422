"""`ses-worker subscription confirm`: confirms a subscription by SNS's API.

The address in a confirmation is never fetched: the writer of the message chose it.
"""

import re
from collections.abc import Collection

from worker.aws import AwsRefused, account_in, region_in
from worker.commands.dlq.listing import find
from worker.core.errors import Misconfigured, Refused, Unavailable
from worker.core.masking import printable
from worker.core.model import Reason
from worker.settings import Settings
from worker.signatures.envelopes import Envelope, outermost
from worker.signatures.origins import origin_of
from worker.topology import Aws
from worker.topology.checks.facts import read_arn

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
    """Confirm a subscription of our queue with the operator's credentials; return its ARN.

    A token does not show what it subscribes. SNS sends it to the endpoint, whose owner may send it
    on to our queue: so a subscription of another endpoint is ended as soon as it is known, unless
    it was there before: SNS takes a token again, and somebody may need that subscription.

    Raises:
        Misconfigured: no queue is set.
        Refused: the topic is not in `sns.topic_arns`, the token is none, SNS refuses, or the
            subscription is not our queue's.
        Unavailable: SNS cannot be reached.

    """
    queue = settings.queue.url
    if queue is None:
        raise Misconfigured(settings.lack_of_queue)
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
    before = _subscriptions(aws, topic)
    try:
        answer = aws.ask(
            "sns",
            "confirm_subscription",
            TopicArn=topic,
            Token=token,
            AuthenticateOnUnsubscribe="true",  # else all who read a message could unsubscribe
        )
    except AwsRefused as refused:
        raise Refused(str(refused).replace(token, "…")) from None
    except Unavailable as error:
        raise Unavailable(str(error).replace(token, "…")) from None
    arn = str(answer.get("SubscriptionArn", ""))
    _require_endpoint(aws, arn, queue, before)
    return arn


def _subscriptions(aws: Aws, topic: str) -> frozenset[str] | None:
    """Return the ARNs of a topic's subscriptions; None: they are not known."""
    try:
        listed = aws.pages("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic)
        return frozenset(item["SubscriptionArn"] for item in listed)
    except (AwsRefused, Unavailable):
        return None


def _require_endpoint(aws: Aws, arn: str, queue: str, before: Collection[str] | None) -> None:
    """Raise an error unless a subscription is the queue's; end it if it is another's, and new."""
    look = f"aws sns get-subscription-attributes --region {aws.region} --subscription-arn {arn}"
    try:
        answer = aws.ask("sns", "get_subscription_attributes", SubscriptionArn=arn)
    except (AwsRefused, Unavailable) as error:
        raise Refused(
            f"the subscription {printable(arn)} is confirmed, but whether it is that of the queue "
            f"is not known: {error}; look at its Endpoint: {printable(look)}"
        ) from None
    endpoint = str((answer.get("Attributes") or {}).get("Endpoint", ""))
    if _is_queue(endpoint, queue):
        return
    whose = f"the subscription {printable(arn)} is of {printable(endpoint[:400]) or 'nothing'}, not"
    undo = f"aws sns unsubscribe --region {aws.region} --subscription-arn {printable(arn)}"
    if before is None:
        raise Refused(
            f"{whose} of {queue}, and whether it was there before is not known (allow "
            f"sns:ListSubscriptionsByTopic): if nobody needs it, end it: {undo}"
        )
    if arn in before:
        raise Refused(f"{whose} of {queue}: it was there before, and is left as it is")
    try:
        aws.ask("sns", "unsubscribe", SubscriptionArn=arn)
    except (AwsRefused, Unavailable) as error:
        raise Refused(f"{whose} of {queue}, and could not be ended ({error}): {undo}") from None
    raise Refused(f"{whose} of {queue}: it was confirmed, and is ended again")


def _is_queue(endpoint: str, url: str) -> bool:
    """Return whether an ARN is that of the queue with this URL, which may name no region."""
    found = read_arn(endpoint)
    if found is None or found.service != "sqs":
        return False
    same = (found.account, found.name) == (account_in(url), url.rpartition("/")[2])
    return same and found.region == (region_in(url) or found.region)
