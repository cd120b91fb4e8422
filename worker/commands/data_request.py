"""Finds what is stored about one person beside the tables of users, events and effects."""

import time
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, repeat
from typing import Any

from msgspec import Struct

from worker.app import region_of
from worker.aws import AwsRefused
from worker.commands.dlq.listing import look_through
from worker.commands.forgotten_messages import is_named_in
from worker.core.address import decoded_spelling, parse_address
from worker.core.dead_letter import DeadLetterMessage, Where, sendable
from worker.core.errors import Misconfigured, Refused, Unavailable
from worker.core.masking import sanitized
from worker.core.others import message_without_others, without_others
from worker.ses.suppression import SuppressionList, classify_refusal
from worker.ses.suppression.listing import nameable
from worker.settings import Settings
from worker.store.person import OnRecord

MOST_SPELLINGS = 5
"""Spellings of an address that are looked up at SES: its list has the spelling that it mailed."""
MOST_TENANTS = 20
"""Tenants whose lists are read; each request takes a second."""

Row = Mapping[str, Any]


class Found(Struct, kw_only=True):
    """What was found, and which places could not be read."""

    dead_letters: list[Row] = []
    quarantined: list[Row] = []
    suppression_lists: list[Row] = []
    not_read: dict[str, str] = {}
    """Why a place was not read, by its name."""

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was found."""
        return not (self.dead_letters or self.quarantined or self.suppression_lists)


def look_into_dead_letters(
    settings: Settings, key: str, found: Found, watch: Callable[[int], None], *, ask_sqs: bool
) -> None:
    """Find dead letters that name the person; of others in them the addresses are masked.

    Raises:
        Misconfigured: the store is no database of this program.

    """
    examined = 0

    def see(dead_letter: DeadLetterMessage) -> None:
        nonlocal examined
        watch(examined := examined + 1)
        if shown := _about(dead_letter, key):
            is_ours = dead_letter.where is Where.QUARANTINE
            (found.quarantined if is_ours else found.dead_letters).append(shown)

    looked = look_through(settings, see, in_queue=ask_sqs)
    if looked.interrupted:
        raise KeyboardInterrupt
    if looked.problems:
        problems = map(str, looked.problems)
        found.not_read["dead letters"] = sanitized("; ".join(problems))
    elif unseen := looked.about - looked.examined:
        found.not_read["dead letters"] = f"others hold {unseen:,} of the queue now: ask again"


def _about(dead_letter: DeadLetterMessage, key: str) -> Row | None:
    """Return a dead letter without others; None: it does not name the person."""
    received = dead_letter.received
    if not is_named_in(dead_letter, (key,)):
        return None
    words = {name: without_others(text, key) for name, text in dead_letter.words.items()}
    return {
        "message_id": dead_letter.message_id,
        "reason": words["reason"],
        "detail": words["error"],
        "first_seen": dead_letter.first_seen,
        "source_queue": words["source"],
        "attributes": {
            without_others(name, key): without_others(_text(value), key)
            for name, value in sendable(received.attributes).items()
        },
        "body": message_without_others(received.body, key),
    }


def _text(attribute: Mapping[str, Any]) -> str:
    value = attribute.get("StringValue", attribute.get("BinaryValue", ""))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def look_into_suppression_lists(
    settings: Settings, given: str, on_record: OnRecord, found: Found
) -> None:
    """Ask SES for the address, on the account's list and on those of the tenants on record."""
    rows = (*on_record.events, *on_record.removals)
    tenants = list(dict.fromkeys(row["tenant"] for row in rows if row["tenant"]))
    place = "SES's suppression lists"
    if len(tenants) > MOST_TENANTS:
        found.not_read[place] = f"{len(tenants):,} tenants, of which {MOST_TENANTS} were looked up"
    pauses = chain([0.0], repeat(1 / settings.suppression.requests_per_second))
    spellings = list(_spellings(given, on_record))[:MOST_SPELLINGS]
    try:
        listing = SuppressionList(
            region=region_of(settings), await_slot=lambda: time.sleep(next(pauses))
        )
        for tenant in ("", *tenants[:MOST_TENANTS]):
            for spelling in spellings:
                if entry := listing.look_up(spelling, tenant):
                    whose = f"tenant {tenant}" if tenant else "account"
                    found.suppression_lists.append({"list": whose, **entry.as_dict()})
    except AwsRefused as refused:
        found.not_read[place] = classify_refusal(refused).error
    except (Misconfigured, Refused, Unavailable) as error:
        found.not_read[place] = sanitized(str(error))
    if not spellings:
        found.not_read[place] = "SES's call cannot name this address: look in its console"


def _spellings(given: str, on_record: OnRecord) -> Iterable[str]:
    """Return the spellings on record, the latest first, and the given one."""
    reported = [row["recipient_as_reported"] for row in reversed(on_record.events)]
    parsed = [parse_address(text) for text in (given, *reported)]
    addresses = [address for address in parsed if address]
    mailed = [address.mailed for address in addresses]
    keys = [address.key for address in addresses[:1]]
    return filter(
        nameable, dict.fromkeys((*mailed[:1], *keys, *mailed, *map(decoded_spelling, mailed)))
    )
