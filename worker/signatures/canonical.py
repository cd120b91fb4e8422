"""The text that SNS signs, written again from the parsed values. Pure.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from worker.signatures.envelopes import Envelope
from worker.signatures.errors import Wrong

_CONFIRMATIONS = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})


def signed_text(envelope: Envelope) -> bytes:
    """Return the signed text: each key and each value in a line, sorted by key.

    Only the message may have several lines. Otherwise the same signed text could be cut into other
    values: a message might end earlier, and its rest be the subject.

    Raises:
        Wrong: a value is missing, has several lines, or the type is none that SNS signs.

    """
    if envelope.message is None:
        raise Wrong("Message is missing")
    if envelope.type == "Notification":
        subject = "" if envelope.subject is None else f"Subject\n{_line(envelope.subject)}\n"
        middle = f"MessageId\n{_line(envelope.message_id)}\n{subject}"
        after = ""
    elif envelope.type in _CONFIRMATIONS:
        middle = (
            f"MessageId\n{_line(envelope.message_id)}\n"
            f"SubscribeURL\n{_line(envelope.subscribe_url)}\n"
        )
        after = f"Token\n{_line(envelope.token)}\n"
    else:
        raise Wrong("Type is none that SNS signs")
    return (
        f"Message\n{envelope.message}\n{middle}"
        f"Timestamp\n{_line(envelope.timestamp)}\n{after}"
        f"TopicArn\n{_line(envelope.topic)}\nType\n{envelope.type}\n"
    ).encode()


def _line(value: str | None) -> str:
    if value is None:
        raise Wrong("a signed value is missing")
    if "\n" in value:
        raise Wrong("a signed value has several lines")
    return value
