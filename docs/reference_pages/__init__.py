"""The reference pages, each made from the code."""

from collections.abc import Callable, Mapping

from reference_pages.commands import commands_page
from reference_pages.log_events import log_events_page
from reference_pages.metrics import metrics_page
from reference_pages.settings import settings_page

PAGES: Mapping[str, Callable[[], str]] = {
    "reference/settings.md": settings_page,
    "reference/commands.md": commands_page,
    "reference/metrics.md": metrics_page,
    "reference/log-events.md": log_events_page,
}
"""By the page's path below `docs/`."""
