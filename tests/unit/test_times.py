"""Times are written as `isoformat` writes them."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from worker.core.times import iso_text, time_text

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(st.datetimes(timezones=st.just(UTC)))
@example(datetime.min.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC))
def test_the_text_for_the_database_is_that_of_isoformat(time):
    assert time_text(time) == time.isoformat(" ", "microseconds")[:26]


@given(st.datetimes(timezones=st.just(UTC) | OFFSETS | st.none()))
@example(datetime(2026, 11, 30, 9, 56, 50, tzinfo=UTC))
def test_the_text_in_a_key_is_that_of_isoformat(time):
    assert iso_text(time) == time.isoformat()
