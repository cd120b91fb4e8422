"""Points in time on the command line."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from worker.cli.when import When


def read(text):
    return When().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-30", datetime(2026, 11, 30, tzinfo=UTC)),
        (" 2026-11-30 ", datetime(2026, 11, 30, tzinfo=UTC)),
        ("2026-11-30T08:15", datetime(2026, 11, 30, 8, 15, tzinfo=UTC)),
        ("2026-11-30 08:15:33", datetime(2026, 11, 30, 8, 15, 33, tzinfo=UTC)),
        ("2026-11-30T08:15:33.5Z", datetime(2026, 11, 30, 8, 15, 33, 500_000, tzinfo=UTC)),
        ("2026-11-30T08:15+02:00", datetime(2026, 11, 30, 6, 15, tzinfo=UTC)),
    ],
)
def test_a_date_or_time_is_in_utc_unless_it_has_an_offset(text, time):
    assert read(text) == time


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_span_is_so_long_ago(text, ago):
    found = read(text)
    assert timedelta(0) <= datetime.now(UTC) - ago - found < timedelta(minutes=1)


@pytest.mark.parametrize(
    "text",
    ["", "0d", "-7d", "7", "7y", "yesterday", "2026-13-01", "2026-11-31", "999999999w", "9" * 99 + "d",
     "2026-11-30T25:00", "2026-11-30T08:00" + "0" * 99, "\u0667d"],
)  # fmt: skip
def test_anything_else_is_refused_in_a_sentence(text):
    with pytest.raises(click.BadParameter) as refused:
        read(text)
    assert "\n" not in str(refused.value)
