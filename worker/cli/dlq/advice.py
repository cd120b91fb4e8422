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
