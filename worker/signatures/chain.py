"""Checks a certificate of SNS: its chain to a trusted authority, its dates, its names, its key.

SNS serves the certificate alone, or with those between it and the root. What is missing between is
fetched from where the certificate says, if that is one of the authorities that Amazon uses; it is
trusted for nothing but its signature.
"""

import re
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import verification
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID
from msgspec import Struct

from worker.core.errors import WorkerError
from worker.signatures.errors import Failed, NotServed, Wrong

SMALLEST_KEY = 2_048
"""Bits; SNS's keys have so many."""
MOST_BETWEEN = 4
"""Certificates between SNS's and the root; Amazon has two at most."""

_AUTHORITY = re.compile(
    r"http://(?:[a-z0-9-]{1,32}\.){1,3}(?:amazontrust\.com|digicert\.com|digicert\.cn)/"
    r"[A-Za-z0-9_-]{1,64}\.(?:cer|crt)",
    re.ASCII,
)
"""Where the authorities of AWS's endpoints serve their own certificates."""
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,20000}-----END CERTIFICATE-----")

_PADDING = PKCS1v15()
_DIGESTS = {"1": SHA1(), "2": SHA256()}  # noqa: S303 what SNS signs with by default


class Key(Struct, frozen=True):
    """A key that verifies signatures, as long as its certificate is valid."""

    public: RSAPublicKey
    begins: datetime
    ends: datetime

    def require_valid(self, now: datetime) -> None:
        """Check the dates.

        Raises:
            Wrong: it is not valid yet, or not any more.

        """
        if now < self.begins:
            raise Wrong(f"the certificate is not valid before {self.begins:%Y-%m-%d}")
        if now > self.ends:
            raise Wrong(f"the certificate ended on {self.ends:%Y-%m-%d}")

    def verify(self, signature: bytes, signed: bytes, version: str) -> None:
        """Verify a signature of version 1 or 2.

        Raises:
            Wrong: it is not this key's, or of another version.

        """
        digest = _DIGESTS.get(version)
        if digest is None:
            raise Wrong("SignatureVersion is neither 1 nor 2")
        try:
            self.public.verify(signature, signed, _PADDING, digest)
        except InvalidSignature:
            raise Wrong(
                "the signature is not SNS's: the message was written or changed by others"
            ) from None


Fetch = Callable[[str], bytes]


def checked(
    served: bytes,
    names: Collection[str],
    *,
    anchors: Collection[x509.Certificate],
    now: datetime,
    fetch: Fetch,
) -> Key:
    """Check what SNS has served, and return its key.

    Raises:
        Failed: no certificate, no chain to a trusted authority, another name, a weak key, or a
            certificate between cannot be had.
        Wrong: the dates are wrong.

    """
    try:
        return _checked(served, names, anchors, now, fetch)
    except WorkerError:
        raise
    except Exception as error:  # an authority's comes by plain HTTP: it may be anything
        raise Failed(f"a certificate cannot be read: {type(error).__name__}") from error


def _checked(
    served: bytes,
    names: Collection[str],
    anchors: Collection[x509.Certificate],
    now: datetime,
    fetch: Fetch,
) -> Key:
    certificates = _certificates(served)
    if not certificates:
        raise Failed("what was served is no certificate")
    leaf, *between = certificates[: MOST_BETWEEN + 1]
    public = leaf.public_key()
    if not isinstance(public, RSAPublicKey) or public.key_size < SMALLEST_KEY:
        raise Failed(f"the key is not RSA of {SMALLEST_KEY:,} bits")
    key = Key(public, leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    key.require_valid(now)
    name = next((name for name in _names(leaf) if name in names), None)
    if name is None:
        raise Failed("the certificate is not SNS's")
    _require_chain(leaf, [*between, *_missing(leaf, between, anchors, fetch)], anchors, name, now)
    return key


def read_anchors(*files: str) -> tuple[x509.Certificate, ...]:
    """Read the trusted authorities from files of certificates.

    Raises:
        OSError: a file cannot be read.

    """
    return _read_anchors(tuple(dict.fromkeys(files)))


@lru_cache(maxsize=2)
def _read_anchors(files: tuple[str, ...]) -> tuple[x509.Certificate, ...]:
    return tuple(found for file in files for found in _certificates(Path(file).read_bytes()))


def _certificates(served: bytes) -> list[x509.Certificate]:
    """Read all that can be read: a bundle may have oddities that are none of ours."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for pem in _PEM.findall(served):
            with suppress(ValueError, x509.InvalidVersion):
                found.append(x509.load_pem_x509_certificate(pem))
    return found


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return found.value.get_values_for_type(x509.DNSName)


def _missing(
    leaf: x509.Certificate,
    between: list[x509.Certificate],
    anchors: Collection[x509.Certificate],
    fetch: Fetch,
) -> Iterator[x509.Certificate]:
    """Yield the certificates between that were not served, from the leaf upwards."""
    known = {item.subject for item in (*between, *anchors)}
    last = leaf
    for _ in range(MOST_BETWEEN):
        if last.issuer in known:
            return
        if (address := _address_of_issuer(last)) is None:
            return
        try:
            served = fetch(address)
        except NotServed as error:  # an authority's answer, or a proxy's: not SNS's
            raise Failed(f"{address}: {error}") from error
        try:
            last = x509.load_der_x509_certificate(served)
        except ValueError:
            if not (pems := _certificates(served)):
                return
            last = pems[0]
        known.add(last.subject)
        yield last


def _address_of_issuer(certificate: x509.Certificate) -> str | None:
    try:
        access = certificate.extensions.get_extension_for_oid(
            ExtensionOID.AUTHORITY_INFORMATION_ACCESS
        ).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    assert isinstance(access, x509.AuthorityInformationAccess)  # noqa: S101 for the type checker
    for item in access:
        address = item.access_location.value
        is_issuer = item.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        if is_issuer and isinstance(address, str) and _AUTHORITY.fullmatch(address):
            return address
    return None


def _require_chain(
    leaf: x509.Certificate,
    between: list[x509.Certificate],
    anchors: Collection[x509.Certificate],
    name: str,
    now: datetime,
) -> None:
    store = verification.Store(list(anchors))
    policy = verification.PolicyBuilder().store(store).time(now)
    try:
        policy.build_server_verifier(x509.DNSName(name)).verify(leaf, between)
    except verification.VerificationError as error:
        raise Failed(f"the certificate has no chain to a trusted authority: {error}") from error
