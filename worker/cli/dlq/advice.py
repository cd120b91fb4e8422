"""What the operator can do about a dead letter, by its reason."""

from worker.core.dead_letter import MAX_RECEIVES
from worker.core.limits import DEEPEST_JSON
from worker.core.model import Reason

_NOT_AS_SES_WRITES = (
    "SES did not write it like this. Find out who else may send to the queue (ses-worker check), "
    "then delete the dead letter"
)
_ADVICE: dict[str, str] = {
    Reason.NOT_AN_OBJECT: _NOT_AS_SES_WRITES,
    Reason.NO_TYPE: _NOT_AS_SES_WRITES,
    Reason.NO_OBJECT: _NOT_AS_SES_WRITES,
    Reason.RECIPIENTS_NOT_A_LIST: _NOT_AS_SES_WRITES,
    Reason.UNKNOWN_ENVELOPE: (
        "it is JSON of neither SES nor SNS. Find out who sends it (ses-worker check), then delete "
        "the dead letter"
    ),
    Reason.UNSUBSCRIBE_CONFIRMATION: (
        "the subscription of a topic was ended: ses-worker check says what is missing, and "
        "ses-worker provision subscribes the queue again. Then delete the dead letter"
    ),
    MAX_RECEIVES: (
        "SQS put it there by itself, because it was received too often, or SNS did, because the "
        "queue did not take it. The worker's log of that time says why; then replay the dead letter"
    ),
    Reason.NOT_JSON: (
        "SES sends JSON, nested a few levels deep, so SES did not send this. Find out who else may "
        "send to the queue (ses-worker check), then delete the dead letter. JSON that is nested "
        f"more than {DEEPEST_JSON} levels deep is not read at all, and a replay changes nothing"
    ),
    Reason.UNKNOWN_RECIPIENT: (
        "import the missing recipients as users (ses-worker users import), then replay the dead "
        "letter"
    ),
    Reason.TOO_LONG: (
        "SQS carries no such message, so what stands in for SQS made it. Find out who sends to the "
        "queue, then delete the dead letter"
    ),
    Reason.TOO_MANY_RECIPIENTS: (
        "SES reports at most 50 recipients, so SES did not send this. Find out who else may send "
        "to the queue (ses-worker check), then delete the dead letter"
    ),
    Reason.TOO_MANY_RECORDS: (
        "Lambda gives a function fewer records at once, so Lambda did not write this. Find out who "
        "else may send to the queue (ses-worker check), then delete the dead letter"
    ),
    Reason.WRAPPED_TOO_DEEP: (
        "have messages come by a shorter way: by SES's topic, or by a rule of EventBridge whose "
        "target is the queue. A replay changes nothing; SES's message is in the body (ses-worker "
        "dlq show)"
    ),
    Reason.EVENTBRIDGE_NOT_ACCEPTED: (
        "if the event is your account's, have it accepted: set eventbridge.accept = true, or add "
        "the account to eventbridge.accounts; then replay the dead letter"
    ),
    Reason.FOREIGN_EVENT: (
        "an event of another AWS service, or of your own, came to the queue. Narrow the pattern of "
        'the rule to {"source": ["aws.ses"]}, or take the queue out of its targets. Then delete '
        "the dead letter"
    ),
    Reason.CLOUDWATCH_ALARM: (
        "an alarm of CloudWatch came to the queue: look at the alarm, and have its actions name "
        "another topic than SES's. Then delete the dead letter"
    ),
    Reason.S3_POINTER: (
        "the message itself lies in S3; the body has bucket and key (ses-worker dlq show). Send "
        "what lies there to the queue (aws sqs send-message), then delete the dead letter. Have "
        "the forwarder pass messages on as they are: SES's are never too large for SQS"
    ),
    Reason.SUBSCRIPTION_CONFIRMATION: (
        "confirm the subscription, if its topic is yours and in sns.topic_arns: ses-worker "
        "subscription confirm MESSAGE_ID. The token is valid for three days; later, subscribe the "
        "queue again (ses-worker provision). Then delete the dead letter"
    ),
    Reason.WRONG_SIGNATURE: (
        "SNS did not sign this message as it is, or it is not signed and sns.verify requires that. "
        "Find out who else may send to the queue (ses-worker check), then delete the dead letter"
    ),
    Reason.FOREIGN_TOPIC: (
        "if the topic is yours, add its ARN to sns.topic_arns, reload the worker, and replay the "
        "dead letter. Else find out who else may send to the queue (ses-worker check), then delete "
        "the dead letter"
    ),
    Reason.PROCESSING_FAILED: (
        "the worker's log has the error with the message's id (message.failed), and "
        "`ses-worker dlq show` too. Replay the dead letter after an upgrade; if it fails again, "
        "report it with the error"
    ),
    Reason.STORE_REFUSES: (
        "the database ended its connection at this message, and at no other: its own log says why. "
        "Fix that, then replay the dead letter"
    ),
}


def next_step(reason: str) -> str:
    """Return the advice; empty if there is none for this reason."""
    return _ADVICE.get(reason, "")
