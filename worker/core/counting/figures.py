"""Makes figures of facts: a count for each dimension, hour, measure and value."""

import re
from collections.abc import Iterator

from worker.core.counting.facts import BLOCKED, PAUSED, REPEATED, UNKNOWN, Fact, Facts
from worker.core.counting.names import Dimension, Measure
from worker.core.counting.providers import provider_of
from worker.core.masking import mask_addresses

OTHER = "other"
"""The value of all values that are not among the largest of their hour; and of small providers."""

FigureKey = tuple[str, str, str, str]
"""Dimension, hour as `2026-11-30T09`, measure, value."""

_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_BY_TYPE = {"permanent": Measure.HARD_BOUNCE, "transient": Measure.SOFT_BOUNCE}
_OWN_REFUSALS = frozenset({
    "onaccountsuppressionlist", "ontenantsuppressionlist", "emailvalidationsuppressed",
})  # fmt: skip
_GLOBAL_REFUSAL = "suppressed"
# To read the value of a member takes longer than all else here.
_ALL, _TYPE, _FAULT = Dimension.ALL.value, Dimension.TYPE.value, Dimension.FAULT.value
_DOMAIN, _PROVIDER = Dimension.DOMAIN.value, Dimension.PROVIDER.value
_CONFIGURATION_SET, _TENANT = Dimension.CONFIGURATION_SET.value, Dimension.TENANT.value
_STATUS_CODE, _DELAY = Dimension.STATUS.value, Measure.DELIVERY_DELAY.value
_WITHOUT_PEOPLE = frozenset({_DOMAIN, _STATUS_CODE})
"""Dimensions of so many values that only what happened to mails is counted in them."""


def figures_of(facts: Facts) -> dict[FigureKey, int]:
    """Add up the figures of facts."""
    figures: dict[FigureKey, int] = {}
    for fact, count in facts.items():
        hour = fact[0]
        measures = list(_measures(fact))
        people = list(_of_people(fact[1], fact[-1]))
        for dimension, value in _values(fact):
            for measure in measures:
                key = dimension, hour, measure, value
                figures[key] = figures.get(key, 0) + count
            if people and dimension not in _WITHOUT_PEOPLE:
                for measure in people:
                    key = dimension, hour, measure, value
                    figures[key] = figures.get(key, 0) + count
    return figures


def _measures(fact: Fact) -> Iterator[str]:
    """Yield what a fact counts as, apart from what became of people."""
    _, what, type_, subtype, *_ = fact
    if what == "bounce":
        yield from _bounce(type_.lower(), subtype.lower())
    elif what == "complaint":
        yield _complaint(type_.lower(), subtype.lower())
    else:
        yield what


def _bounce(type_: str, subtype: str) -> Iterator[str]:
    measure = _BY_TYPE.get(type_, Measure.OTHER_BOUNCE)
    yield measure.value
    if measure is Measure.HARD_BOUNCE:
        if subtype in _OWN_REFUSALS:
            yield Measure.REFUSED.value
        elif subtype == _GLOBAL_REFUSAL:
            yield Measure.REFUSED.value
            yield Measure.REFUSED_GLOBALLY.value


def _complaint(type_: str, subtype: str) -> str:
    if subtype.endswith("suppressionlist"):
        return Measure.REFUSED_COMPLAINT.value
    return Measure.NOT_SPAM.value if type_ == "not-spam" else Measure.COMPLAINT.value


def _of_people(what: str, became: str) -> Iterator[str]:
    """Yield what became of the recipient's record; only bounces and complaints have it."""
    is_bounce = what == "bounce"
    if UNKNOWN in became:
        yield (Measure.UNKNOWN_BOUNCE if is_bounce else Measure.UNKNOWN_COMPLAINT).value
    if REPEATED in became:
        yield (Measure.REPEATED_BOUNCE if is_bounce else Measure.REPEATED_COMPLAINT).value
    if PAUSED in became:
        yield Measure.PAUSED.value
    if BLOCKED in became:
        yield Measure.BLOCKED.value


def _values(fact: Fact) -> list[tuple[str, str]]:
    """Return each dimension that a fact has, with its value; names of people are none.

    Figures are kept for ever, and whoever may send to the queue can write an address as a name.
    """
    _, what, type_, subtype, domain, configuration_set, tenant, fault, status, _ = fact
    configuration_set, tenant = mask_addresses(configuration_set), mask_addresses(tenant)
    type_, subtype = mask_addresses(type_), mask_addresses(subtype)
    values = [
        (_ALL, ""),
        (_DOMAIN, domain),
        (_PROVIDER, provider_of(domain)),
        (_CONFIGURATION_SET, configuration_set),
        (_TENANT, tenant),
    ]
    if what in {"bounce", "complaint"}:
        values.append((_TYPE, f"{type_}/{subtype}" if type_ or subtype else ""))
    elif what == _DELAY:
        values.append((_TYPE, type_))
    if what == "bounce":
        values.append((_FAULT, fault))
        values.append((_STATUS_CODE, status if _STATUS.fullmatch(status) else ""))
    return values
