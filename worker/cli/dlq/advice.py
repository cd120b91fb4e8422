"""What the operator can do about a dead letter, by its reason."""

from worker.core.limits import DEEPEST_JSON
from worker.core.model import Reason

_ADVICE: dict[str, str] = {
    Reason.NOT_JSON: (
        "SES sends JSON, nested a few levels deep, so SES did not send this. Find out who else may "
        "send to the queue (ses-worker check), then delete the dead letter. JSON that is nested "
        f"more than {DEEPEST_JSON} levels deep is not read at all, and a replay changes nothing"
    ),
    Reason.UNKNOWN_RECIPIENT: (
        "import the missing recipients as users (ses-worker users import), then replay the dead "
        "letter"
    ),
    Reason.TOO_MANY_RECIPIENTS: (
        "SES reports at most 50 recipients, so SES did not send this. Find out who else may send "
        "to the queue (ses-worker check), then delete the dead letter"
    ),
    Reason.TOO_MANY_RECORDS: (
        "Lambda gives a function at most some records at a time, so Lambda did not write this. Find "
        "out who else may send to the queue (ses-worker check), then delete the dead letter"
    ),
    Reason.WRAPPED_TOO_DEEP: (
        "have the message come by a shorter way: SES's topic, or an EventBridge rule, with the queue "
        "as its target. A replay changes nothing; SES's message is in the body (ses-worker dlq show)"
    ),
    Reason.EVENTBRIDGE_NOT_ACCEPTED: (
        "if the event is from your account, have it accepted: set eventbridge.accept = true, or add "
        "the account to eventbridge.accounts, and then replay the dead letter"
    ),
    Reason.FOREIGN_EVENT: (
        "an event of another AWS service, or of your own, came to the queue. Narrow the rule's event "
        'pattern to {"source": ["aws.ses"]}, or take the queue out of its targets. Then delete the '
        "dead letter"
    ),
    Reason.CLOUDWATCH_ALARM: (
        "an alarm of CloudWatch came to the queue: look at the alarm, and have its actions name "
        "another topic than SES's. Then delete the dead letter"
    ),
    Reason.S3_POINTER: (
        "the message itself lies in S3; the body has the bucket and the key (ses-worker dlq show). "
        "Send what lies there to the queue, with aws sqs send-message, then delete the dead letter. "
        "Have the forwarder send messages as they are: SES's are never too large for SQS"
    ),
    Reason.SUBSCRIPTION_CONFIRMATION: (
        "confirm the subscription, with TopicArn and Token of the body (ses-worker dlq show): "
        "aws sns confirm-subscription --topic-arn TOPIC_ARN --token TOKEN. The token is valid for "
        "three days; later, subscribe the queue again (ses-worker provision). Then delete the dead "
        "letter"
    ),
    Reason.STORE_REFUSES: (
        "the database ended its connection at this message, and at no other: its own log says why. "
        "Fix that, then replay the dead letter"
    ),
}


def next_step(reason: str) -> str:
    """Return the advice; empty if there is none for this reason."""
    return _ADVICE.get(reason, "")
