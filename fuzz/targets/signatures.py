"""A signed text has one meaning, an address of a certificate one host, and any bytes are refused."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from fuzz.texts import payloads, text_of
from worker.core.errors import WorkerError
from worker.signatures.canonical import signed_text
from worker.signatures.chain import checked
from worker.signatures.envelopes import Envelope, outermost
from worker.signatures.errors import Failed, Wrong
from worker.signatures.origins import may_serve, origin_of

CODE = tuple(f"worker.signatures.{name}" for name in ("canonical", "envelopes", "origins", "chain"))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{8,64}\.pem")


def seeds() -> Iterator[bytes]:
    """Yield envelopes, and a certificate."""
    from support import mail
    from support.signing import Authority

    url = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
    for payload in payloads():
        yield mail.enveloped(payload.decode(), SigningCertURL=url, Subject="x").encode()
    yield mail.enveloped("Subject\nx\nTimestamp\ny", Subject="a").encode()
    yield mail.enveloped("x", Type="SubscriptionConfirmation", Token="t", SubscribeURL="u").encode()
    yield b"-" + Authority().issue()


def check(data: bytes) -> None:
    """Read envelopes, or what was served as a certificate."""
    if data.startswith(b"-"):
        _check_certificate(data[1:])
        return
    for part in outermost(text_of(data)):
        if isinstance(part, Envelope):
            _check_text(part)
            _check_address(part)


def _check_text(envelope: Envelope) -> None:
    try:
        signed = signed_text(envelope).decode()
    except (Wrong, UnicodeEncodeError):
        return
    assert _read_back(signed) == (
        envelope.message, envelope.message_id,
        envelope.subject if envelope.type == "Notification" else envelope.subscribe_url,
        envelope.timestamp, None if envelope.type == "Notification" else envelope.token,
        envelope.topic, envelope.type,
    )  # fmt: skip


def _read_back(signed: str) -> tuple[str | None, ...]:
    """Read a signed text from its end: only the message, which is first, has several lines."""
    lines = signed.split("\n")
    assert lines.pop() == ""

    def take(name: str) -> str | None:
        if len(lines) >= 2 and lines[-2] == name:
            value = lines.pop()
            lines.pop()
            return value
        return None

    kind, topic = take("Type"), take("TopicArn")
    token = None if kind == "Notification" else take("Token")
    timestamp = take("Timestamp")
    second = take("Subject" if kind == "Notification" else "SubscribeURL")
    message_id = take("MessageId")
    assert lines.pop(0) == "Message"
    return "\n".join(lines), message_id, second, timestamp, token, topic, kind


def _check_address(envelope: Envelope) -> None:
    origin = origin_of(envelope.topic or "")
    if origin is None or not may_serve(origin, envelope.url):
        return
    parts = urlsplit(envelope.url)
    assert (parts.scheme, parts.netloc) == ("https", origin.host), envelope.url
    assert not (parts.query or parts.fragment or parts.username or parts.port), envelope.url
    assert _PATH.fullmatch(parts.path), envelope.url


def _check_certificate(served: bytes) -> None:
    try:
        checked(served, ("sns.amazonaws.com",), anchors=(), now=NOW, fetch=_none)
    except (Failed, Wrong):
        return
    except WorkerError:
        return
    raise AssertionError("a certificate without an authority is accepted")


def _none(_: str) -> bytes:
    raise Failed("nothing is fetched here")
