"""Figures are read from both tables of sums and from what no worker has added up yet."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from worker.core.counting import Dimension, encode_facts
from worker.store import ensure_schema, open_store
from worker.store.figures_by_hour import Step, by_value, known, over_time
from worker.store.schema import daily_counts, hourly_counts, new_counts

DAY = datetime(2026, 11, 29, tzinfo=UTC)
SEND = ("2026-11-29T10", "send", "", "", "gmail.com", "news", "", "", "", "")
HARD = (
    "2026-11-30T02", "bounce", "Permanent", "General", "example.com", "news", "acme", "recipient",
    "5.1.1", "p",
)  # fmt: skip


@pytest.fixture
def store(store_url):
    store = open_store(store_url)
    ensure_schema(store, migrate=True)
    yield store
    store.close()


def write(store, table, *rows):
    with store.write_transaction() as connection:
        connection.execute(insert(table), list(rows))


def new(store, facts):
    write(store, new_counts, {"counts": encode_facts(facts)})


def hours(at, count, **more):
    row = {"dimension": "domain", "measure": "send", "value": "gmail.com", "count": count} | more
    return {**row, "hour": at}, {**row, "day": at.replace(hour=0)}


def test_what_a_commit_counted_is_there_before_it_is_added_up(store):
    new(store, {SEND: 7, HARD: 2})
    new(store, {SEND: 1})
    found = by_value(store, Dimension.DOMAIN, DAY, DAY + timedelta(days=2))
    assert found == {"gmail.com": {"send": 8}, "example.com": {"hard_bounce": 2}}
    assert by_value(store, Dimension.PROVIDER, DAY, DAY + timedelta(days=1)) == {
        "gmail": {"send": 8}
    }


def test_whole_days_are_read_by_days_and_the_rest_by_hours(store):
    for at, count in ((DAY + timedelta(hours=1), 1), (DAY + timedelta(hours=30), 10),
                      (DAY + timedelta(hours=49), 100)):  # fmt: skip
        hour, day = hours(at, count)
        write(store, hourly_counts, hour)
        write(store, daily_counts, day)
    new(store, {SEND: 1000})

    def sends(since, until):
        found = by_value(
            store, Dimension.DOMAIN, DAY + timedelta(hours=since), DAY + timedelta(hours=until)
        )
        return found.get("gmail.com", {}).get("send", 0)

    assert sends(0, 72) == 1111
    assert sends(1, 50) == 1111
    assert sends(2, 50) == 1110
    assert sends(2, 49) == 1010
    assert sends(1.9, 49.1) == 1111
    assert sends(11, 29) == 0
    assert sends(11, 31) == 10


@pytest.mark.parametrize("step", Step)
def test_a_series_has_each_hour_or_day_with_a_count(store, step):
    new(store, {SEND: 3, HARD: 1})
    hour, day = hours(DAY + timedelta(hours=1), 5, dimension="all", value="")
    write(store, hourly_counts, hour)
    write(store, daily_counts, day)
    found = over_time(store, DAY, DAY + timedelta(days=2), step)
    second = DAY + timedelta(days=1)
    hard = {"hard_bounce": 1, "paused": 1}
    if step is Step.DAY:
        assert found == {DAY: {"send": 8}, second: hard}
    else:
        assert found == {
            DAY + timedelta(hours=1): {"send": 5},
            DAY + timedelta(hours=10): {"send": 3},
            second + timedelta(hours=2): hard,
        }
    of_gmail = over_time(
        store, DAY, DAY + timedelta(days=2), step, dimension=Dimension.DOMAIN, value="gmail.com"
    )
    assert list(of_gmail.values()) == [{"send": 3}]


def test_a_database_without_events_from_before_has_figures_for_all(store):
    assert known(store).bounces_since is None
    assert known(store).others_since is None
