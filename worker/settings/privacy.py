"""Settings of privacy: the key of tombstones and of hashed addresses."""

import re

from pydantic import SecretStr, field_validator

from worker.core.privacy import PrivacyKey
from worker.settings.kinds import Section

SHORTEST_KEY = 32
"""Characters: as hexadecimal digits 128 bits, which nobody can try."""
LONGEST_KEY = 1_000
FEWEST_DIFFERENT = 10
"""Different characters. Of keys of 32 random hexadecimal digits one in 500 has fewer; a key that a
person has typed, such as a repeated word, nearly always."""
_PLAIN = re.compile(r"[!-~]+")
"""Visible ASCII."""
_HOW = "make a key with: openssl rand -hex 32"


class PrivacySettings(Section):
    """What keys the digests of addresses."""

    key: SecretStr | None = None

    @field_validator("key", mode="before")
    @classmethod
    def _is_set(cls, value: object) -> object:
        text = value.strip() if isinstance(value, str) else value
        return None if text == "" else text

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value()
        if not SHORTEST_KEY <= len(text) <= LONGEST_KEY:
            raise ValueError(f"must have {SHORTEST_KEY} to {LONGEST_KEY:,} characters; {_HOW}")
        if not _PLAIN.fullmatch(text):
            raise ValueError(f"must be visible ASCII characters, without blanks; {_HOW}")
        if len(set(text)) < FEWEST_DIFFERENT:
            raise ValueError(
                f"must have at least {FEWEST_DIFFERENT} different characters, or it can be "
                f"guessed; {_HOW}"
            )
        return value

    @property
    def privacy_key(self) -> PrivacyKey | None:
        """The key; None: none is set."""
        return PrivacyKey(self.key.get_secret_value()) if self.key else None
