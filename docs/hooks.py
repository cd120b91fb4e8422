"""Adds the pages that are made from the code, and charts; `make docs` and `make check` run it."""

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs"), str(ROOT / "tests")]

from reference_pages import PAGES  # noqa: E402 found by the line above

CHARTS = ("bench/results.svg", "bench/answers.svg")
SHORT = re.compile(r"<code>([^<]{1,24})</code>")
"""Code that fits into a line of a phone, and into a cell of a table."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them; none is kept in the source."""
    for name, make in PAGES.items():
        files.append(File.generated(config, name, content=make()))
    for chart in CHARTS:
        files.append(File.generated(config, chart, abs_src_path=str(ROOT / chart)))
    return files


def on_page_content(html: str, **_: object) -> str:
    """Mark short code, which the style sheet keeps whole; long code may break anywhere."""
    return SHORT.sub(r'<code class="short">\1</code>', html)
