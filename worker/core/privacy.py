"""Digests of addresses, keyed by `privacy.key`: without the key no address can be found. Pure.

A digest without a key would hide nothing: addresses can be guessed, and each guess be digested.
"""

import hmac
from hashlib import sha256

_KEY_ID_BYTES = 8


class PrivacyKey:
    """The key of the operator. Nothing prints it, and each purpose has a key of its own made of it.

    So the digest of an address in the table `forgotten` is not found in a log, or the reverse.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._of_tombstones = self.for_purpose("tombstones")
        self.key_id = self.for_purpose("key id")[:_KEY_ID_BYTES].hex()
        """A fingerprint, by which a changed key is noticed."""

    def __repr__(self) -> str:
        """Show which key it is, and not the key."""
        return f"PrivacyKey(key_id={self.key_id!r})"

    def __eq__(self, other: object) -> bool:
        """Return whether it is the same key."""
        return isinstance(other, PrivacyKey) and self.key_id == other.key_id

    def __hash__(self) -> int:
        """Agree with `==`."""
        return hash(self.key_id)

    def for_purpose(self, purpose: str) -> bytes:
        """Return the key for a purpose."""
        return hmac.digest(self._secret, f"ses-feedback-worker: {purpose}".encode(), sha256)

    def digest(self, email_key: str) -> bytes:
        """Return the digest of a normalised address in the table `forgotten`."""
        return hmac.digest(self._of_tombstones, email_key.encode("utf-8", "replace"), sha256)
