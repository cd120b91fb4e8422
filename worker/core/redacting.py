"""Takes people out of messages that are kept for others. Pure.

What is left must mean the same for the others: `redacted_body` decodes it before and after, and
compares keys, addresses and what decides.
"""

import json
from collections.abc import Collection, Sequence
from itertools import chain, islice
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from worker.core.account_events import AccountEvent
from worker.core.address import parse_address
from worker.core.decode import Single, decode, feedback_in, parts_of
from worker.core.display_names import without_display_names
from worker.core.finding import parsed, spans_and_addresses, texts_in, without_touching
from worker.core.limits import DEEPEST_JSON, DEEPEST_WRAPPING, LONGEST_ADDRESS, LONGEST_REPORTED
from worker.core.masking import MASK, addresses_in
from worker.core.model import Feedback, Ignored, Malformed, Notification
from worker.core.naming import hide_all, names_people

Keys = Collection[str]
"""Normalised addresses (`users.email_key`)."""

_RECIPIENTS = frozenset({"bouncedRecipients", "complainedRecipients"})
_ANSWERS = frozenset({"diagnosticCode", "smtpResponse"})
_SIGNATURE = ("Signature", "SignatureVersion", "SigningCertURL", "SigningCertUrl")
MOST_NAMED = 200
"""Addresses in a notification that are looked up beside those of its recipients."""
STILL_SPELLED = "an address is spelled in it in a way that cannot be taken out"
_GONE: Final = object()
"""In place of a message that is about nobody else."""


class _Mail(Struct, frozen=True):
    destination: list[str] = []


class _Message(Struct, frozen=True):
    mail: _Mail = _Mail()


_decode_mail = msgspec.json.Decoder(_Message).decode


class CannotRedact(Exception):
    """It cannot be rewritten so that the others lose nothing; the text says why."""


def redacted_text(text: str, keys: Keys) -> str | None:
    """Return a text without the people; of a text in JSON entries about them are taken out.

    None: it is a bounce or complaint about nobody else.
    """
    found = _Redaction(keys).of_text(text)
    return None if found is _GONE else str(found)


def redacted_body(body: str, keys: Keys) -> str | None:
    """Return the body of a message without the people; None: it is about nobody else.

    Raises:
        CannotRedact: what it says about the others would not be the same.

    """
    parts = list(parts_of(decode(body)))
    if _says_nothing_of_others(parts, keys) and not _names_others(body, keys):
        return None
    before = [_meaning(part, keys) for part in parts]
    expected = [part for part in before if part is not _GONE]
    redacted = redacted_text(body, keys)
    if redacted is None or not expected:
        if expected or redacted is not None:
            raise CannotRedact("what it says about others cannot be told from what it says of them")
        return None
    if [_meaning(part, ()) for part in parts_of(decode(redacted))] != expected:
        raise CannotRedact("the others' part would not be the same: it has no ids of SES's")
    if names_people(redacted, keys):
        raise CannotRedact(STILL_SPELLED)
    return redacted


def _says_nothing_of_others(parts: Sequence[Single], keys: Keys) -> bool:
    return all(
        not isinstance(part, AccountEvent)
        and (isinstance(part, Ignored | Malformed) or _meaning(part, keys) is _GONE)
        for part in parts
    )


def _names_others(body: str, keys: Keys) -> bool:
    """Return whether another address is written in a body, or in the texts within it."""
    for text in texts_in(body):
        hidden = hide_all(text, keys)
        for start, sign, _ in addresses_in(hidden):
            if not hidden[start:sign].endswith(MASK):
                return True
    return False


def named_by(notification: Notification) -> set[str]:
    """Return to whom the mail went that a notification is about, and whom its texts name.

    As far as known: of a headers' list or an answer of a mail server what is written plainly.
    """
    text = notification.text
    try:
        destination = _decode_mail(text).mail.destination
    except (msgspec.DecodeError, UnicodeEncodeError):
        destination = []
    written = (
        f"{without_touching(local)}@{domain}"
        for _, _, local, domain in islice(spans_and_addresses(text), MOST_NAMED)
    )
    reported = (entry for entry in destination if len(entry) <= LONGEST_REPORTED)
    found = map(parse_address, chain(reported, written))
    return {address.key for address in found if address}


def people_in(body: str) -> set[str]:
    """Return whom bounces and complaints in a body are about, and to whom the mails went."""
    found = feedback_in(parts_of(decode(body)))
    named = {item.address.key for item in found if item.address}
    for notification in {id(item.notification): item.notification for item in found}.values():
        named |= named_by(notification)
    return named


def without_people(item: Feedback, keys: Keys) -> Feedback:
    """Return feedback whose texts name none of the people; it is about somebody else."""
    notification, recipient = item.notification, item.recipient
    return replace(
        item,
        notification=replace(
            notification,
            text=redacted_text(notification.text, keys) or "",
            user_agent=hide_all(notification.user_agent, keys),
            mail=replace(
                notification.mail,
                sender=hide_all(notification.mail.sender, keys),
                tags=redacted_text(notification.mail.tags, keys) or "{}",
            ),
        ),
        recipient=replace(recipient, diagnostic=hide_all(recipient.diagnostic, keys)),
    )


def _meaning(part: Single, without: Keys) -> object:
    """Return what must stay the same of a part; `_GONE`: it is about these people alone."""
    if isinstance(part, Ignored):
        return part.kind
    if isinstance(part, Malformed):
        return part.reason
    if isinstance(part, AccountEvent):
        return part.dedupe_key
    others = [item for item in part if not (item.address and item.address.key in without)]
    return [_of(item) for item in others] if others else _GONE


def _of(item: Feedback) -> tuple[object, ...]:
    recipient = item.recipient
    return (
        item.dedupe_key, item.route_key, item.address and item.address.key, recipient.absent,
        recipient.status, recipient.mentions_spam, item.fault, item.out_of_office,
        item.permanent_status, item.notification.occurred_at,
    )  # fmt: skip


class _Redaction:
    """Rewrites JSON without some people."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._depth = 0
        """Texts of JSON within each other."""
        self._level = 0
        """Objects and lists within each other, in all of these texts: each is a call."""
        self._is_answer = False
        """It is within the answer of a mail server, whose words decide, and name nobody."""

    def of_text(self, text: str) -> Any:
        """Return a text without them: JSON in it is rewritten, other text has them masked."""
        if self._is_of_another(text):
            return text
        is_read = self._depth <= DEEPEST_WRAPPING
        value = parsed(text, DEEPEST_JSON - self._level) if is_read else None
        if value is None:
            hidden = hide_all(text, self._keys)
            is_changed = hidden != text and not self._is_answer
            return without_display_names(hidden) if is_changed else hidden
        self._depth += 1
        after = self._of(value)
        self._depth -= 1
        if after is _GONE or after == value:
            return after if after is _GONE else text
        return json.dumps(after, separators=(",", ":"))

    def _of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.of_text(value)
        if not isinstance(value, list | dict):
            return value
        self._level += 1
        after = self._of_list(value) if isinstance(value, list) else self._of_object(value)
        self._level -= 1
        return after

    def _of_list(self, entries: list[Any]) -> Any:
        """Leave out entries that are the people, and messages about nobody else."""
        rest = [self._of(entry) for entry in entries if not self._is_person(entry)]
        kept = [entry for entry in rest if entry is not _GONE]
        return kept if kept or not rest else _GONE

    def _of_object(self, value: dict[str, Any]) -> Any:
        after: dict[str, Any] = {}
        for name, item in value.items():
            self._is_answer = name in _ANSWERS
            changed = self._of(item)
            self._is_answer = False
            if changed is _GONE or (name in _RECIPIENTS and item and changed == []):
                return _GONE
            after[hide_all(name, self._keys)] = changed
        if after.get("Message") != value.get("Message"):
            for name in _SIGNATURE:
                after.pop(name, None)
        return after

    def _is_person(self, entry: Any) -> bool:
        reported = entry.get("emailAddress") if isinstance(entry, dict) else entry
        if not isinstance(reported, str) or len(reported) > LONGEST_REPORTED:
            return False
        address = parse_address(reported)
        return address is not None and address.key in self._keys

    def _is_of_another(self, text: str) -> bool:
        """Return whether a text is somebody else's address, and nothing more."""
        if len(text) > LONGEST_ADDRESS or "@" not in text:
            return False
        address = parse_address(text)
        return (
            address is not None
            and address.key not in self._keys
            and text.lower() in {address.key, address.mailed.lower()}
        )
