"""Bounces by faults of our own that come close together: an incident of ours. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from worker.core.disguise import hide
from worker.core.faults import Fault
from worker.core.limits import LONGEST_SHOWN
from worker.core.masking import sanitized
from worker.core.model import Decision
from worker.core.payloads import OwnFaultsNotice

WINDOW = timedelta(minutes=5)
BETWEEN_NOTICES = timedelta(hours=1)
_LEAST_KEPT = 100
_MOST_NAMED = 5
"""Sets, tenants and so on that a notice names."""


class OwnFault(Struct, frozen=True, kw_only=True):
    """What is kept of a bounce by a fault of ours until its window has passed."""

    occurred_at: datetime
    received_at: datetime
    configuration_set: str
    tenant: str
    sender: str
    """The domain of our own address."""
    provider: str
    """The domain of the recipient."""
    diagnostic: str
    """Without the recipient's address, however it is spelled there."""


def own_faults(decisions: Iterable[Decision]) -> list[OwnFault]:
    """Return those among the decisions, each with what a notice may show of it."""
    return [_own_fault(item) for item in decisions if item.feedback.fault == Fault.SENDER]


def _own_fault(decision: Decision) -> OwnFault:
    mail, address = decision.feedback.notification.mail, decision.feedback.address
    diagnostic = decision.feedback.recipient.diagnostic[:LONGEST_SHOWN]
    return OwnFault(
        occurred_at=decision.occurred_at,
        received_at=decision.received_at,
        configuration_set=mail.configuration_set,
        tenant=mail.tenant,
        sender=mail.sender.rpartition("@")[2],
        provider=address.domain if address else "",
        diagnostic=hide(diagnostic, [address.key] if address else ()),
    )


def latest(faults: Iterable[OwnFault], limit: int) -> list[OwnFault]:
    """Sort by the time of occurrence, and keep the latest: enough to find `limit` in a window.

    Several threads report what they have received, and SQS keeps no order.
    """
    ordered = sorted(faults, key=lambda fault: fault.occurred_at)
    return ordered[-max(2 * limit, _LEAST_KEPT) :]


def incident(
    ordered: Sequence[OwnFault], new: Sequence[OwnFault], limit: int
) -> OwnFaultsNotice | None:
    """Return a notice if `limit` faults, a new one among them, occurred within the window."""
    numbers = {id(fault): number for number, fault in enumerate(ordered)}
    found = (numbers[id(fault)] for fault in new if id(fault) in numbers)
    ends = {end for number in found for end in range(number, number + limit)}
    for end in sorted(ends, reverse=True):  # the latest window
        first = end - limit + 1
        if first < 0 or end >= len(ordered):
            continue
        since = ordered[end].occurred_at - WINDOW
        if ordered[first].occurred_at >= since:
            return _notice([fault for fault in ordered[: end + 1] if fault.occurred_at >= since])
    return None


def _notice(window: Sequence[OwnFault]) -> OwnFaultsNotice:
    last = window[-1]
    return OwnFaultsNotice(
        count=len(window),
        since=window[0].occurred_at,
        occurred_at=last.occurred_at,
        configuration_sets=_named(fault.configuration_set for fault in window),
        tenants=_named(fault.tenant for fault in window),
        senders=_named(fault.sender for fault in window),
        providers=_named(fault.provider for fault in window),
        diagnostic=sanitized(last.diagnostic),
    )


def _named(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, the most frequent first; `…` where there are more."""
    counts: dict[str, int] = {}
    for name in filter(None, names):
        counts[name] = counts.get(name, 0) + 1
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return (*ordered[:_MOST_NAMED], *["…"] * (len(ordered) > _MOST_NAMED))
