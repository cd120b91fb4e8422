"""Adds up small values of hours and days that are over (`worker.store.largest`)."""

from datetime import datetime, timedelta

from worker.core.times import time_text
from worker.store.adding_up import (
    DAILY,
    HOURLY,
    TRIMMED,
    Faster,
    FiguresStore,
    Table,
    require,
    trim,
)
from worker.store.largest import KEPT, MOST_VALUES

LATE = timedelta(hours=1)
"""How long after its end an hour or a day is left as it is, for events that come late."""
_LARGE = """
    SELECT dimension, {time} FROM {table} WHERE {time} >= {{since}} AND {time} < {{until}}
    GROUP BY dimension, {time} HAVING count(DISTINCT value) > {{most}}
"""
_NOTED = "SELECT value FROM progress WHERE name = {name}"


def trim_what_is_over(store: FiguresStore, now: datetime) -> int:
    """Keep the largest values of hours and days that are over; return how many hours had more.

    Raises:
        Unavailable: the database is unavailable.

    """
    noted = store.ask(_NOTED, name=TRIMMED)
    this_hour = (now - LATE).replace(minute=0, second=0, microsecond=0)
    if not noted or noted[0][0] >= time_text(this_hour):
        return 0
    since = datetime.fromisoformat(f"{noted[0][0]}+00:00")
    today = this_hour.replace(hour=0)
    trimmed = 0
    try:
        trimmed += _trim(store, HOURLY, since, this_hour)
        trimmed += _trim(store, DAILY, since.replace(hour=0), today)
        with store.adding_up() as transaction:
            # If an older hour was added to meanwhile, all is done again from that hour on.
            require(transaction.is_ours() and transaction.progress(TRIMMED) == noted[0][0])
            # A day is looked at until it is over.
            transaction.keep_progress(TRIMMED, time_text(this_hour))
    except Faster:
        pass
    return trimmed


def _trim(store: FiguresStore, table: Table, since: datetime, until: datetime) -> int:
    name, column = table
    query = _LARGE.format(table=name, time=column)
    large = store.ask(query, since=since, until=until, most=MOST_VALUES + len(KEPT))
    for dimension, time in large:
        at = time if isinstance(time, str) else time_text(time)
        with store.adding_up() as transaction:
            require(transaction.is_ours())
            trim(transaction, table, dimension, at, MOST_VALUES)
    return len(large)
