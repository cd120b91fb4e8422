"""Makes a `Recipient` of each entry of a bounce or complaint, one for each person."""

from collections.abc import Iterable, Iterator

from worker.core.address import parse_address
from worker.core.decode.shapes import ExtendedEntry, RecipientEntry
from worker.core.limits import LONGEST_REPORTED, LONGEST_STATUS, LONGEST_TEXT
from worker.core.model import Address, Recipient, UserMatch
from worker.core.parsing import clip
from worker.core.says_spam import says_spam

_SPAM_BEYOND = "… spam"
"""The end of a stored diagnostic if the word that decides stands beyond the cut."""


def unique_per_person(entries: Iterable[RecipientEntry]) -> Iterator[tuple[Recipient, str]]:
    """Yield each recipient once, with a text that is unique in the message.

    The text is the normalised address. If several entries have the same address, the first entry
    whose diagnostic contains `spam` is used, or else the first entry. Entries without a usable
    address are numbered. A message without entries has one recipient, without an address.
    """
    people: dict[str, Recipient] = {}
    without_address = 0
    for recipient in map(_recipient, entries):
        if recipient.address is None:
            yield recipient, f"#{without_address}"
            without_address += 1
            continue
        key = recipient.address.key
        if key not in people or (recipient.mentions_spam and not people[key].mentions_spam):
            people[key] = recipient
    for key, recipient in people.items():
        yield recipient, key
    if not people and not without_address:
        yield Recipient(address=None, absent=UserMatch.NO_RECIPIENTS), ""


def _recipient(entry: RecipientEntry) -> Recipient:
    diagnostic = entry.diagnostic
    address = _address(entry.address)
    mentions_spam = says_spam(diagnostic, address)
    return Recipient(
        address=address,
        reported=clip(entry.address, LONGEST_REPORTED),
        action=clip(entry.action, LONGEST_STATUS),
        status=clip(entry.status, LONGEST_STATUS),
        diagnostic=_stored(diagnostic, mentions_spam=mentions_spam),
        mentions_spam=mentions_spam,
        extra=entry.extra if isinstance(entry, ExtendedEntry) else {},
    )


def _stored(diagnostic: str | None, *, mentions_spam: bool) -> str:
    """Cut a diagnostic to what is stored: it says spam if the whole does."""
    stored = clip(diagnostic)
    if len(stored) == LONGEST_TEXT and mentions_spam and "spam" not in stored.lower():
        return stored[: -len(_SPAM_BEYOND)] + _SPAM_BEYOND
    return stored


def _address(reported: str | None) -> Address | None:
    """Parse the address as reported: a text that `clip` would change is no address."""
    if not reported or len(reported) > LONGEST_REPORTED:
        return None
    return parse_address(reported)
