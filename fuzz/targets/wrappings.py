"""What is verified is what is decoded: nothing is applied out of an envelope that was not judged."""

import json
from collections.abc import Iterator

from fuzz.texts import payloads, text_of
from worker.core.acceptance import Acceptance, EventBridge
from worker.core.decode import decode, parts_of
from worker.core.model import Ignored, Malformed
from worker.signatures.envelopes import Bare, Envelope, outermost

CODE = ("worker.core.decode", "worker.signatures.envelopes", "worker.core.nesting")
TOPIC = "arn:aws:sns:eu-west-1:111122223333:ses-feedback"
ACCEPTANCE = Acceptance(topics=frozenset({TOPIC}), eventbridge=EventBridge.BY_TOPIC)


def seeds() -> Iterator[bytes]:
    """Yield messages in wrappings of all kinds."""
    from support import mail

    for payload in payloads():
        yield payload
        text = payload.decode()
        yield mail.enveloped(text).encode()
        yield mail.in_records(mail.enveloped(text)).encode()
        yield mail.in_records_of_sqs(mail.enveloped(text), text).encode()
    yield mail.enveloped(mail.in_eventbridge(mail.bounce("a@b.c"))).encode()
    yield mail.in_eventbridge(mail.complaint("a@b.c")).encode()
    yield mail.enveloped(mail.sending_status()).encode()
    twice = mail.enveloped(mail.enveloped(mail.bounce("a@b.c")))
    yield twice.encode()
    both = json.loads(mail.enveloped(mail.bounce("a@b.c"))) | json.loads(mail.bounce("d@e.f"))
    yield json.dumps(both).encode()


def check(data: bytes) -> None:
    """Compare what the outermost envelopes are with what is decoded from accepted topics."""
    text = text_of(data)
    judged = outermost(text)
    assert judged
    from_ours = [part for part in judged if isinstance(part, Envelope) and part.topic == TOPIC]
    decoded = list(parts_of(decode(text, ACCEPTANCE)))
    applied = [part for part in decoded if not isinstance(part, Ignored | Malformed)]
    if applied:
        assert len(applied) <= len(judged) or len(judged) == 1, "more is applied than was judged"
        assert from_ours, f"applied from {judged!r}"
        assert len(judged) == 1 or len(applied) <= len(from_ours), "not all of it is from our topic"
    anywhere = [
        part for part in parts_of(decode(text)) if not isinstance(part, Ignored | Malformed)
    ]
    if anywhere:
        assert any(part is not Bare.MALFORMED for part in judged), "what is applied was not judged"
