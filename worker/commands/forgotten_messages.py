"""Takes people out of whole messages: quarantined messages and dead letters."""

import json
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from worker.core.acceptance import Acceptance
from worker.core.dead_letter import DeadLetterMessage, texts_of
from worker.core.errors import NoCertificate
from worker.core.naming import hide_all, names_people
from worker.core.redacting import CannotRedact, redacted_body, redacted_text
from worker.signatures.errors import NotServed, Wrong
from worker.signatures.verifying import Verifier
from worker.store.rows import decode_body, encode_attributes, encode_body

Keys = Collection[str]


class ForgottenMessages:
    """Rewrites messages; a signature is verified before it is taken off, and once a message."""

    def __init__(self, verifier: Verifier, acceptance: Acceptance) -> None:
        self._verifier = verifier
        self._acceptance = acceptance
        self._verified: dict[bytes, bool] = {}

    def of_row(self, row: Mapping[str, Any], keys: Keys) -> Mapping[str, Any] | None:
        """Return the columns of a row of `quarantine` that change; None: it is about nobody else.

        Raises:
            CannotRedact: it cannot be rewritten.

        """
        body = decode_body(row["body"])
        words = ("queue", "reason", "detail", "worker_version")
        after: dict[str, Any] = {name: hide_all(str(row[name]), keys) for name in words}
        after["attributes"] = _without(str(row["attributes"]), keys)
        changes = {name: text for name, text in after.items() if text != row[name]}
        if names_people(body, keys):
            redacted, verified = self._without(body, keys)
            if redacted is None:
                return None
            changes["body"] = encode_body(redacted)
            changes["verified"] = verified or row["verified"]
        return changes

    def of_dead_letter(
        self, dead_letter: DeadLetterMessage, keys: Keys
    ) -> DeadLetterMessage | None:
        """Return a dead letter without these people; itself if it names none of them.

        None: it is about nobody else.

        Raises:
            CannotRedact: it cannot be rewritten.

        """
        received = dead_letter.received
        if not is_named_in(dead_letter, keys):
            return dead_letter
        body, verified = self._without(received.body, keys)
        if body is None:
            return None
        attributes = json.loads(_without(encode_attributes(received.attributes), keys))
        without = replace(
            received, body=body, attributes=attributes, verified=verified or received.verified
        )
        words = {name: hide_all(text, keys) for name, text in dead_letter.words.items()}
        return replace(dead_letter, received=without, **words)

    def _without(self, body: str, keys: Keys) -> tuple[str | None, bool]:
        after = redacted_body(body, keys)
        if after is None or after == body:
            return after, False
        digest = sha256(body.encode("utf-8", "surrogatepass")).digest()
        if digest not in self._verified:
            self._verified[digest] = self._has_held(body)
        return after, self._verified[digest]

    def _has_held(self, body: str) -> bool:
        """Return whether a body had a signature, which held.

        Raises:
            CannotRedact: it does not hold: without it, it would pass for an unsigned message.

        """
        try:
            return self._verifier.require_held(body, self._acceptance)
        except Wrong as error:
            raise CannotRedact(f"its signature does not hold: {error}") from None
        except (NotServed, NoCertificate) as error:
            raise CannotRedact(f"its signature cannot be verified now: {error}") from None


def is_named_in(dead_letter: DeadLetterMessage, keys: Keys) -> bool:
    """Return whether a dead letter names one of the people, in its body or beside it."""
    received = dead_letter.received
    beside = [*dead_letter.words.values(), *texts_of(received.attributes)]
    return names_people([received.body, *beside], keys)


def _without(attributes: str, keys: Keys) -> str:
    after = redacted_text(attributes, keys) or "{}"
    if names_people([after, *texts_of(json.loads(after))], keys):
        raise CannotRedact("an attribute spells an address in a way that cannot be taken out")
    return after
