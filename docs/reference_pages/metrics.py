"""The reference of metrics: from a page that holds at least one sample of each."""

from importlib import import_module
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from reference_pages.markdown import code, escaped, table
from worker.observability.metrics import Metrics

HEAD = """# Metrics

Made from the program: what `/metrics` shows. [Monitoring](../monitoring.md#metrics) explains what
is not obvious, and which alerts are made of them. There are also `process_*` of the process:
memory, CPU, open files.

"""
METRICS_TEXT: Any = import_module("support.metrics_text")
"""A helper of tests: not typed."""
SUFFIXES = {"counter": "_total", "info": "_info"}
OURS = "process_message_from_sqs"
"""The only metric of ours that begins as the library's figures of the process."""


def declared_labels() -> dict[str, tuple[str, ...]]:
    """Return the labels of the counted metrics in the order of the source; a scrape sorts them."""
    counted = [item for item in vars(Metrics()).values() if isinstance(item, MetricWrapperBase)]
    return {item._name: item._labelnames for item in counted}  # noqa: SLF001 nothing else has it


def metrics_page() -> str:
    """Return the page."""
    rows, declared = [], declared_labels()
    for family in text_string_to_metric_families(METRICS_TEXT.everything()):
        if family.name.startswith("process_") and family.name != OURS:
            continue
        name = family.name + SUFFIXES.get(family.type, "")
        labels = declared.get(family.name) or family.samples[0].labels.keys() - {"le"}
        by = f" by {code(labels)}" if labels else ""
        rows.append((f"`{name}`", f"{escaped(family.documentation)} (*{family.type}*{by})"))
    return HEAD + table(["metric", "meaning"], rows)
