"""Times, as SES and others write them."""

from hypothesis import example, given
from hypothesis import strategies as st

from worker.core.parsing import parse_time


@given(
    st.text("0123456789-T:.Z W+,", min_size=24, max_size=24)
    | st.datetimes().map(lambda time: time.isoformat(timespec="milliseconds") + "Z")
)
@example("2026-W45-1T08:15:33.000Z")
@example("2026-11-20T08:15:33.000z")
@example("2026-02-30T08:15:33.000Z")
def test_a_time_as_ses_writes_it_is_read_by_a_shorter_way_with_the_same_result(text):
    assert parse_time(text) == parse_time(f" {text}")
