"""Names of metrics, by the rules of `promtool check metrics`."""

import pytest
from support import metrics_text
from support.promlint import lint

INHERITED = {"email_queue_count"}
"""Dashboards of Firefox Private Relay use it: docs/monitoring.md."""


def test_promtool_would_find_fault_with_the_inherited_name_alone():
    assert lint(metrics_text.everything()).keys() == INHERITED


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# TYPE a_count gauge\n# HELP a_count x\na_count 1\n", "histograms and summaries"),
        ("# TYPE a_total gauge\n# HELP a_total x\na_total 1\n", "ends with"),
        ("# TYPE a_ms gauge\n# HELP a_ms x\na_ms 1\n", "abbreviated"),
        ("# TYPE a_minutes gauge\n# HELP a_minutes x\na_minutes 1\n", "no base unit"),
        ("# TYPE a_gauge gauge\n# HELP a_gauge x\na_gauge 1\n", "the type"),
        ("# TYPE aB gauge\n# HELP aB x\naB 1\n", "camelCase"),
        ("# TYPE a gauge\na 1\n", "no help text"),
    ],
)
def test_these_rules_find_such_names(text, fault):
    (faults,) = lint(text).values()
    assert any(fault in found for found in faults)
