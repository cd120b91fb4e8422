"""Prometheus's own opinion of our names."""

import shutil
import subprocess

import pytest
from support import metrics_text
from support.promlint import lint


def test_promtool_finds_what_our_own_rules_find():
    program, text = shutil.which("promtool"), metrics_text.everything()
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    found = subprocess.run(
        [program, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    named = {line.split()[0] for line in (found.stdout + found.stderr).splitlines() if line}
    assert named == lint(text).keys()
