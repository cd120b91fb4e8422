"""The key of digests: each purpose has its own, so that a digest of one says nothing of another."""

import hmac
from hashlib import sha256

from worker.core.privacy import PrivacyKey

SECRET = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"
KEY = PrivacyKey(SECRET)
JANE = "jane@example.com"


def test_a_tombstone_is_keyed_neither_by_the_secret_nor_by_the_key_of_another_purpose():
    others = [SECRET.encode(), KEY.for_purpose("log"), KEY.for_purpose("key id")]
    assert KEY.digest(JANE) not in [hmac.digest(key, JANE.encode(), sha256) for key in others]


def test_a_digest_stays_what_it_is():
    """Another would recognise nobody who was forgotten before."""
    assert (
        KEY.digest(JANE).hex() == "48be46f72d057ebc8df6ccc67a885938587cd68d7162dcbd64f904626b508244"
    )
    assert KEY.key_id == "fc5c48603b5aded4"


def test_nothing_of_the_secret_is_shown():
    assert SECRET not in repr(KEY)
    assert PrivacyKey(SECRET) == KEY
    assert PrivacyKey(SECRET[::-1]) != KEY
