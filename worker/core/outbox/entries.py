"""What entries of all kinds share: a copy for each channel, and the summary."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from msgspec.structs import replace

from worker.core.effects import Lane, OutboxEntry, Summary
from worker.core.masking import mask_addresses


def for_each(channels: Sequence[Lane], entry: OutboxEntry) -> Iterator[OutboxEntry]:
    """Copy an entry, which names the first channel, for the others."""
    yield entry
    for lane in channels[1:]:
        yield replace(entry, lane=lane)


@lru_cache(maxsize=256)  # nearly all events have the same dozen types
def label_of_type(kind: str | None, subtype: str | None) -> str:
    """`Permanent/General`; only the type or the sub-type where the other is missing; else `-`."""
    return "/".join(name[:60] for name in (kind, subtype) if name) or "-"


def summary_of(label: str, domain: str, address: str, occurred_at: datetime) -> Summary:
    """Summarise an entry about a single address."""
    return Summary(
        label=label, domains={domain: 1}, sample=masked(address), occurred_at=occurred_at
    )


def masked(address: str) -> str:
    """Return a text that may be an address, or several, without what names a person."""
    return mask_addresses(address[:400])[:200]
