"""What a person does next about a dead letter, by its reason."""

from worker.core.model import Reason

_ADVICE: dict[str, str] = {
    Reason.UNKNOWN_RECIPIENT: (
        "make the recipients users, who are missing (ses-worker users import), and replay it"
    ),
    Reason.TOO_MANY_RECIPIENTS: (
        "SES reports at most 50 recipients, so SES did not send this. Find out who else may send "
        "to the queue (ses-worker check), then delete the dead letter"
    ),
    Reason.SUBSCRIPTION_CONFIRMATION: (
        "confirm it, with TopicArn and Token of the body (ses-worker dlq show): "
        "aws sns confirm-subscription --topic-arn TOPIC_ARN --token TOKEN; three days later the "
        "token is void: subscribe the queue again (ses-worker provision). Then delete it"
    ),
    Reason.STORE_REFUSES: (
        "the database broke off at this message, and at no other: its own log says why; fix that, "
        "and replay it"
    ),
}


def next_step(reason: str) -> str:
    """The advice; empty where nothing particular is to be done."""
    return _ADVICE.get(reason, "")
