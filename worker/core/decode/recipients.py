"""The entries of a bounce or complaint, each person once."""

from collections.abc import Iterable, Iterator

from worker.core.address import parse_address
from worker.core.decode.shapes import Entry, Known
from worker.core.limits import LONGEST_REPORTED, LONGEST_STATUS
from worker.core.model import Address, Recipient, UserMatch
from worker.core.parsing import clip


def unique_per_person(entries: Iterable[Known]) -> Iterator[tuple[Recipient, str]]:
    """Yield each recipient once, with what distinguishes it from the others.

    Of several spellings of a person the entry whose diagnostic says spam wins, else the first.
    Entries without a usable address are distinguished by their order; no entries at all are one
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


def _address(reported: str | None) -> Address | None:
    """Read it as it is: what `clip` fixes is no address."""
    if not reported or len(reported) > LONGEST_REPORTED:
        return None
    return parse_address(reported)


def _recipient(entry: Known) -> Recipient:
    diagnostic = entry.diagnostic
    return Recipient(
        address=_address(entry.address),
        reported=clip(entry.address, LONGEST_REPORTED),
        action=clip(entry.action, LONGEST_STATUS),
        status=clip(entry.status, LONGEST_STATUS),
        diagnostic=clip(diagnostic),
        # The whole of it, wherever the word stands: two passes, each in proportion to its length.
        mentions_spam=diagnostic is not None and "spam" in diagnostic.lower(),
        extra=entry.extra if isinstance(entry, Entry) else {},
    )
