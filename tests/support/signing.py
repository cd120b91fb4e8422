"""SNS's signatures, made here: an authority, certificates that it issues, and signed envelopes."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from support import mail
from worker.core.acceptance import Acceptance, Verify
from worker.observability.health import Health
from worker.signatures.certificates import Certificates, Key
from worker.signatures.errors import NotServed
from worker.signatures.origins import Origin
from worker.signatures.verifying import Verifier

URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
AUTO, REQUIRE, OFF = (Acceptance(verify=verify) for verify in Verify)
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
DAY = timedelta(days=1)


@cache
def new_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """A certificate authority; without a parent it is a root."""

    def __init__(self, name: str = "Root", number: int = 100, parent: "Authority | None" = None):
        self.key = new_key(number)
        self.name = _named(name)
        self.parent = parent or self
        self.certificate = self._make()

    def _make(self) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.parent.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3000 * DAY)
            .not_valid_after(now + 3000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, key_cert_sign=True, crl_sign=True,
                    content_commitment=False, key_encipherment=False, data_encipherment=False,
                    key_agreement=False, encipher_only=False, decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.parent.key.public_key()),
                critical=False,
            )
            .sign(self.parent.key, hashes.SHA256())
        )  # fmt: skip

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def issue(
        self,
        name: str = "sns.amazonaws.com",
        *,
        key: rsa.RSAPrivateKey | None = None,
        begins: timedelta = -DAY,
        ends: timedelta = 90 * DAY,
        issuer_at: str = "",
    ) -> bytes:
        """Return a server's certificate, as SNS's is, in PEM."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self.name)
            .public_key((key or new_key()).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        if issuer_at:
            access = x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier(issuer_at),
            )
            builder = builder.add_extension(
                x509.AuthorityInformationAccess([access]), critical=False
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def sign(
    envelope: dict[str, Any], *, version: str = "1", key: rsa.RSAPrivateKey | None = None
) -> dict[str, Any]:
    """Sign an envelope as AWS documents it."""
    keys = NOTIFICATION if envelope["Type"] == "Notification" else CONFIRMATION
    text = "".join(f"{name}\n{envelope[name]}\n" for name in keys if envelope.get(name) is not None)
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = (key or new_key()).sign(text.encode(), padding.PKCS1v15(), digest)
    return envelope | {
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
    }


def signed(message: str, *, version: str = "1", key: Any = None, **more: Any) -> str:
    """A message in a signed envelope."""
    envelope = json.loads(mail.enveloped(message, **{"SigningCertURL": URL} | more))
    return json.dumps(sign(envelope, version=version, key=key))


def public(key: rsa.RSAPrivateKey | None = None) -> Key:
    """The key of a certificate that is valid."""
    from worker.signatures.chain import Key as Checked

    now = datetime.now(UTC)
    return Checked((key or new_key()).public_key(), now - DAY, now + DAY)


def having(**keys: Key) -> Callable[[Origin, str], Key]:
    """Obtain keys that are here, by the names of their certificates' files; others do not exist."""
    known = keys or {"0123456789abcdef0123456789abcdef": public()}

    def obtain(_: Origin, url: str) -> Key:
        try:
            return known[url.rpartition("-")[2].removesuffix(".pem")]
        except KeyError:
            raise NotServed("it answers 404") from None

    return obtain


def verifier(obtain: Callable[[Origin, str], Key] | None = None, **more: Any) -> Verifier:
    """A verifier with the keys that are here, in a world of one region."""
    certificates = Certificates(obtain or having(), Health())
    return Verifier(certificates, is_region=lambda region: region == "eu-west-1", **more)
