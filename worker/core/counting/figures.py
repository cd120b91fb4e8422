"""Makes figures of facts: a count for each dimension, hour, measure and value."""

import re
from collections.abc import Iterator

from worker.core.counting.facts import BLOCKED, PAUSED, REPEATED, UNKNOWN, Fact, Facts
from worker.core.counting.names import Dimension, Measure
from worker.core.counting.providers import provider_of

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


def figures_of(facts: Facts) -> dict[FigureKey, int]:
    """Add up the figures of facts."""
    figures: dict[FigureKey, int] = {}
    for fact, count in facts.items():
        hour = fact[0]
        measures = list(_measures(fact))
        for dimension, value in _values(fact):
            for measure in measures:
                key = dimension, hour, measure, value
                figures[key] = figures.get(key, 0) + count
    return figures


def _measures(fact: Fact) -> Iterator[str]:
    """Yield what a fact counts as."""
    _, what, type_, subtype, *_, became = fact
    if what == "bounce":
        yield from _bounce(type_.lower(), subtype.lower())
        yield from _of_people(became, Measure.UNKNOWN_BOUNCE, Measure.REPEATED_BOUNCE)
    elif what == "complaint":
        yield _complaint(type_.lower(), subtype.lower())
        yield from _of_people(became, Measure.UNKNOWN_COMPLAINT, Measure.REPEATED_COMPLAINT)
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


def _of_people(became: str, unknown: Measure, repeated: Measure) -> Iterator[str]:
    if UNKNOWN in became:
        yield unknown.value
    if REPEATED in became:
        yield repeated.value
    if PAUSED in became:
        yield Measure.PAUSED.value
    if BLOCKED in became:
        yield Measure.BLOCKED.value


def _values(fact: Fact) -> Iterator[tuple[str, str]]:
    """Yield each dimension that a fact has, with its value."""
    _, what, type_, subtype, domain, configuration_set, tenant, fault, status, _ = fact
    yield Dimension.ALL.value, ""
    yield Dimension.DOMAIN.value, domain
    yield Dimension.PROVIDER.value, provider_of(domain)
    yield Dimension.CONFIGURATION_SET.value, configuration_set
    yield Dimension.TENANT.value, tenant
    if what in {"bounce", "complaint"}:
        yield Dimension.TYPE.value, f"{type_}/{subtype}" if type_ or subtype else ""
    elif what == Measure.DELIVERY_DELAY:
        yield Dimension.TYPE.value, type_
    if what == "bounce":
        yield Dimension.FAULT.value, fault
        yield Dimension.STATUS.value, status if _STATUS.fullmatch(status) else ""
