"""The page's own style sheet and script, and the chart library."""

import base64
import hashlib
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from worker.core.errors import Refused

_LIBRARY = ("django", "static", "chartkick", "Chart.bundle.js")
"""Below the package `chartkick`."""


def own(name: str) -> str:
    """Read a file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def chart_library() -> str:
    """Read Chart.js.

    Raises:
        Refused: it is not installed.

    """
    # Not imported: its own modules are for web frameworks.
    spec = find_spec("chartkick")
    folders = (spec.submodule_search_locations if spec else None) or ()
    for folder in folders:
        file = Path(folder, *_LIBRARY)
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise Refused(
        "the charts of --html need the package chartkick, which is not installed: "
        "pip install 'chartkick>=1.2' in the worker's environment"
    )


def digest(text: str) -> str:
    """Return what a policy (CSP) calls a script or style sheet by."""
    found = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(found).decode()}'"
