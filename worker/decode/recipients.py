"""The entries of a bounce or complaint, each person once."""

from collections.abc import Iterable, Iterator

from worker.address import parse_address
from worker.model import Address, Recipient, UserMatch
from worker.reading import clip

LONGEST_REPORTED = 2_000
"""Characters of an address with all that may surround it."""
_RECIPIENT_KEYS = frozenset({"emailAddress", "action", "status", "diagnosticCode"})


def one_per_person(entries: Iterable[object]) -> Iterator[tuple[Recipient, str]]:
    """Each recipient once, with what tells it from the others.

    Of several spellings of one person the one whose diagnostic says spam wins, else the first.
    Entries without a usable address are told apart by their order; no entries at all are one
    recipient without an address.
    """
    people: dict[str, Recipient] = {}
    nameless = 0
    for recipient in map(_recipient, entries):
        if recipient.address is None:
            yield recipient, f"#{nameless}"
            nameless += 1
            continue
        key = recipient.address.key
        if key not in people or (recipient.mentions_spam and not people[key].mentions_spam):
            people[key] = recipient
    for key, recipient in people.items():
        yield recipient, key
    if not people and not nameless:
        yield Recipient(address=None, absent=UserMatch.NO_RECIPIENTS), ""


def _address(reported: object) -> Address | None:
    """Read it as it is: what `clip` mends is no address."""
    if not isinstance(reported, str) or len(reported) > LONGEST_REPORTED:
        return None
    return parse_address(reported)


def _recipient(entry: object) -> Recipient:
    if not isinstance(entry, dict):
        return Recipient(address=None)
    reported, diagnostic = entry.get("emailAddress"), entry.get("diagnosticCode")
    return Recipient(
        address=_address(reported),
        reported=clip(reported, LONGEST_REPORTED),
        action=clip(entry.get("action"), 200),
        status=clip(entry.get("status"), 200),
        diagnostic=clip(diagnostic),
        mentions_spam=isinstance(diagnostic, str) and "spam" in diagnostic.lower(),
        extra=_extra(entry),
    )


def _extra(entry: dict[str, object]) -> dict[str, object]:
    if entry.keys() <= _RECIPIENT_KEYS:  # as nearly all are
        return {}
    return {name: value for name, value in entry.items() if name not in _RECIPIENT_KEYS}
