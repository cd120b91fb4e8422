"""The rules of `promtool check metrics`, for a text of metrics.

https://pkg.go.dev/github.com/prometheus/client_golang/prometheus/testutil/promlint
"""

import re
from itertools import chain

from prometheus_client.parser import text_string_to_metric_families

KINDS = ("counter", "gauge", "histogram", "summary")
ABBREVIATED = frozenset(
    ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"]
)
OTHER_UNITS = frozenset(
    [
        "milliseconds",
        "microseconds",
        "nanoseconds",
        "minutes",
        "hours",
        "days",
        "weeks",
        "kilobytes",
        "megabytes",
        "gigabytes",
        "bits",
        "percent",
    ]
)
"""Units of which there is a base unit: seconds, bytes, ratio."""


def lint(text):
    """Return what is wrong with each metric, by its name as it is exposed."""
    found = (
        (_exposed(family), [*_faults(family)]) for family in text_string_to_metric_families(text)
    )
    return {name: faults for name, faults in found if faults}


def _exposed(family):
    suffixes = {"counter": "_total", "info": "_info"}
    return family.name + suffixes.get(family.type, "")


def _faults(family):
    name = _exposed(family)
    if not family.documentation:
        yield "no help text"
    if family.type == "counter" and not all(s.name.endswith("_total") for s in family.samples):
        yield 'counters should have "_total" suffix'
    if family.type != "counter" and name.endswith("_total"):
        yield 'no counter, and ends with "_total"'
    yield from _reserved(family, name)
    words = name.split("_")
    yield from (f'the type "{kind}" in the name' for kind in KINDS if kind in words)
    yield from (f'the unit "{word}" is abbreviated' for word in words if word in ABBREVIATED)
    yield from (f'"{word}" is no base unit' for word in words if word in OTHER_UNITS)
    if ":" in name:
        yield "a colon in the name"
    labels = chain.from_iterable(sample.labels for sample in family.samples)
    if any(re.search("[a-z][A-Z]", word) for word in (name, *labels)):
        yield "camelCase"


def _reserved(family, name):
    labels = set(chain.from_iterable(sample.labels for sample in family.samples))
    if family.type != "histogram" and (name.endswith("_bucket") or "le" in labels):
        yield "reserved for histograms"
    if family.type not in {"histogram", "summary"} and name.endswith(("_count", "_sum")):
        yield "reserved for histograms and summaries"
    if family.type != "summary" and "quantile" in labels:
        yield "reserved for summaries"
