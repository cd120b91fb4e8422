"""Verifies the signatures of received messages, before they are decoded."""

import base64
import binascii
from collections.abc import Callable, Sequence

from worker.core.acceptance import Acceptance, Verify
from worker.core.errors import NoCertificate
from worker.core.limits import LONGEST_SHOWN, LONGEST_SIGNATURE
from worker.core.masking import cut
from worker.core.messages import DeadLetter, Handled, Received, Release
from worker.core.model import Reason
from worker.signatures.canonical import signed_text
from worker.signatures.certificates import Certificates, NotAwaited
from worker.signatures.envelopes import Bare, Envelope, outermost
from worker.signatures.errors import NotServed, Wrong
from worker.signatures.origins import Origin, may_serve, origin_in, origin_of
from worker.timing.retries import release_delay

Process = Callable[[Sequence[Received]], list[Handled]]

IsRegion = Callable[[str], bool]
"""Whether AWS has SNS in a region. Any sender can invent names, whose hosts would never answer."""


class Verifier:
    """Refuses messages whose signature is wrong, or missing where it is required. Thread-safe."""

    def __init__(
        self,
        certificates: Certificates,
        *,
        is_region: IsRegion,
        own_region: str = "",
        stand_in: str = "",
    ) -> None:
        """`own_region` is the queue's; empty: unknown."""
        self.certificates = certificates
        self._is_region = is_region
        self._own_region = own_region
        self.stand_in = stand_in
        """The host of a local endpoint that stands in for AWS, which signs nothing; or empty."""

    def process(
        self, batch: Sequence[Received], acceptance: Acceptance, process: Process
    ) -> list[Handled]:
        """Verify messages, and process those that may be; return what becomes of each."""
        if not self.is_on(acceptance):
            return process(batch)
        refused: dict[int, Handled] = {}
        for number, received in enumerate(batch):
            if result := self._judge(received, acceptance):
                refused[number] = result
        if not refused:
            return process(batch)
        rest = [received for number, received in enumerate(batch) if number not in refused]
        others = iter(process(rest) if rest else ())
        return [refused.get(number) or next(others) for number in range(len(batch))]

    def is_on(self, acceptance: Acceptance) -> bool:
        """Whether signatures are verified at all."""
        if acceptance.verify is Verify.AUTO:
            return not self.stand_in
        return acceptance.verify is Verify.REQUIRE

    def require_held(self, body: str, acceptance: Acceptance) -> bool:
        """Verify all signatures of a body, before an envelope is taken off; return if it has any.

        Raises:
            Wrong: a signature does not hold.
            NotServed, NoCertificate: it cannot be verified now.

        """
        signed = [
            part
            for part in outermost(body)
            if isinstance(part, Envelope) and part.is_signed and self.is_on(acceptance)
        ]
        for part in signed:
            self._verify(part, acceptance)
        return bool(signed)

    def _judge(self, received: Received, acceptance: Acceptance) -> Handled | None:
        """Return what becomes of a message that must not be processed; None: it may be."""
        if received.verified:
            return None
        try:
            for part in outermost(received.body):
                self._require_accepted(part, acceptance, received.sender)
        except Wrong as error:
            why = DeadLetter(Reason.WRONG_SIGNATURE, cut(str(error), LONGEST_SHOWN))
            return Handled(received, why)
        except NotAwaited:
            return Handled(received, Release(release_delay(received.receive_count)))
        except NoCertificate as error:
            return Handled(received, Release(0), error=error)
        return None

    def _require_accepted(self, part: Envelope | Bare, acceptance: Acceptance, sender: str) -> None:
        """Check one of the outermost parts of a body.

        Raises:
            Wrong: its signature is wrong, or required and missing.
            NoCertificate: it is required, and cannot be verified now.

        """
        is_required = acceptance.verify is Verify.REQUIRE
        if part is Bare.MALFORMED or part is Bare.EVENTBRIDGE:
            return  # decoding refuses the first, and the second unless the settings accept it
        if isinstance(part, Bare) or not part.is_signed:
            if is_required:
                raise Wrong('it is not signed, and sns.verify is "require"')
            return
        if acceptance.topics and part.topic not in acceptance.topics:
            return  # a dead letter, as a foreign topic
        try:
            self._verify(part, acceptance, sender)
        except NotServed as error:
            if is_required:
                raise Wrong(f"SNS does not have the certificate: {error}") from error
        except NoCertificate:
            if is_required:
                raise

    def _verify(self, envelope: Envelope, acceptance: Acceptance, sender: str = "") -> None:
        origin = self._origin(envelope, acceptance)
        signed = signed_text(envelope)
        signature = _signature(envelope.signature or "")
        if envelope.version not in {"1", "2"}:
            raise Wrong("SignatureVersion is neither 1 nor 2")
        awaited = self._is_ours(envelope, origin, acceptance)
        key = self.certificates.key(origin, envelope.url, awaited=awaited, sender=sender)
        key.verify(signature, signed, envelope.version)

    def _origin(self, envelope: Envelope, acceptance: Acceptance) -> Origin:
        topic = envelope.topic or ""
        origin = origin_of(topic)
        if origin is None:
            raise Wrong("TopicArn is no topic's")
        if topic not in acceptance.topics:
            if not self._is_region(origin.region):
                raise Wrong("TopicArn names a region that AWS does not have")
            if origin != origin_in(origin.region):
                raise Wrong("TopicArn names a region of another partition")
        if not may_serve(origin, envelope.url):
            raise Wrong(f"its certificate is not at {origin.host}, or not SNS's")
        return origin

    def _is_ours(self, envelope: Envelope, origin: Origin, acceptance: Acceptance) -> bool:
        """Whether receiving may pause for the certificate.

        Else anybody could stop it for ever, by a topic whose host cannot be reached from here.
        """
        is_near = self._own_region in {"", origin.region}
        return is_near or envelope.topic in acceptance.topics


def _signature(written: str) -> bytes:
    if len(written) > LONGEST_SIGNATURE:
        raise Wrong("Signature is too long")
    try:
        return base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("Signature is not base64") from None
