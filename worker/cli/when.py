"""Points in time on the command line: a date, a time, or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from worker.core.limits import LONGEST_TIME
from worker.core.parsing import parse_time

if TYPE_CHECKING:
    _Type = click.ParamType[datetime]
else:  # older versions of click have no such subscript
    _Type = click.ParamType

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SPAN = re.compile(r"(\d{1,9})([mhdw])", re.ASCII)
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_FORMS = "a date (2026-11-30), a time (2026-11-30T08:00), or how long ago (30m, 12h, 7d, 2w)"


class When(_Type):
    """A point in time, in UTC unless the text has an offset."""

    name = "when"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 click's
        """Name the value in help texts."""
        return "WHEN"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read a text, and fail with a sentence."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        if (found := _SPAN.fullmatch(text)) is not None:
            return self._ago(int(found[1]), found[2], param, ctx)
        midnight = "T00:00" if _DATE.fullmatch(text) else ""
        time = parse_time(f"{text}{midnight}") if len(text) <= LONGEST_TIME else None
        if time is None:
            self.fail(f"must be {_FORMS}", param, ctx)
        return time

    def _ago(
        self, count: int, unit: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if not count:
            self.fail("must be longer ago than nothing", param, ctx)
        now = datetime.now(UTC)
        if count > (now - _BEGINNING) / _UNITS[unit]:
            self.fail("is before the year 1", param, ctx)
        return now - count * _UNITS[unit]


WHEN_HELP = f"WHEN is {_FORMS}; in UTC unless it has an offset."
"""For the help of commands that take times."""
