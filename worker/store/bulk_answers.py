"""Answers for many addresses at once, as `answers` gives them for a single address.

In PostgreSQL a statement asks about each of some thousands of addresses by itself, by the indexes:
for all at once the planner may read all users and all events. In SQLite the view `do_not_mail`
would look into each bucket of events for each address (see migration 0007). So events of
addresses that are no users are found first, by reading the index once, and then the view's own
query judges these events alone.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from worker.core.parsing import as_time
from worker.core.privacy import PrivacyKey
from worker.store import Store
from worker.store.answers import FEW, Verdict, with_tombstone
from worker.store.sqlite import SqliteStore
from worker.store.tombstones import forgotten_among

AT_ONCE = 100_000
"""So many addresses a call: in SQLite each call with an address that is no user reads the index of
all events."""
_IN_A_STATEMENT = 20_000
"""So many addresses a statement of PostgreSQL: about a second, far below its time limit."""

_Barred = Mapping[str, tuple[str, Any]]
# OFFSET and LIMIT have PostgreSQL plan these queries for one address each, by the indexes.
_ANSWERS = """
    SELECT
        asked.key,
        EXISTS (SELECT 1 FROM users WHERE email_key = asked.key OFFSET 0),
        EXISTS (SELECT 1 FROM events_by_recipient WHERE recipient = asked.key OFFSET 0),
        barred.reason,
        barred.until
    FROM unnest({keys}::text[]) AS asked (key)
    LEFT JOIN LATERAL (
        SELECT reason, until FROM do_not_mail WHERE email_key = asked.key LIMIT 1
    ) AS barred ON true
"""
_USERS = "SELECT email_key FROM users WHERE email_key {among_keys}"
_BARRED = "SELECT email_key, reason, until FROM {view} WHERE email_key {among_keys}"
_FEW_EVENTS = "SELECT id, recipient FROM events_by_recipient WHERE recipient {among_keys}"
_MANY_EVENTS = "SELECT id, recipient FROM events WHERE recipient {among_keys}"
_VIEW = "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = 'do_not_mail'"
_BEGINNING = re.compile(r"\A.{0,80}?\bAS\b", re.DOTALL)
_THESE_EVENTS = "(SELECT * FROM events WHERE id IN (SELECT value FROM json_each({ids})))"


def verdicts_on(
    store: Store, keys: Collection[str], privacy_key: PrivacyKey | None = None
) -> dict[str, Verdict]:
    """Look up normalised addresses, at most `AT_ONCE`, as `verdict_on` does a single address.

    Raises:
        Misconfigured: people were forgotten, and the key is not set, or another.
        Unavailable: the database cannot be read now.

    """
    distinct = set(keys)
    ask = _ask_sqlite if isinstance(store, SqliteStore) else _ask_postgresql
    users, known, barred = ask(store, distinct)
    stones = forgotten_among(store, distinct, privacy_key)  # last, as in `verdict_on`
    verdicts = {
        key: Verdict(
            is_user=key in users,
            is_known=key in users or key in known or key in barred,
            reason=barred[key][0] if key in barred else None,
            until=as_time(barred[key][1]) if key in barred else None,
        )
        for key in distinct
    }
    forgotten = {key: with_tombstone(verdicts[key], stone) for key, stone in stones.items()}
    return verdicts | forgotten


def _ask_postgresql(store: Store, keys: set[str]) -> tuple[set[str], set[str], _Barred]:
    users, known, barred = set[str](), set[str](), dict[str, tuple[str, Any]]()
    ordered = sorted(keys)
    for start in range(0, len(ordered), _IN_A_STATEMENT):
        some = ordered[start : start + _IN_A_STATEMENT]
        for key, is_user, has_events, reason, until in store.ask(_ANSWERS, keys=some):
            if is_user:
                users.add(key)
            if has_events:
                known.add(key)
            if reason is not None:
                barred[key] = reason, until
    return users, known, barred


def _ask_sqlite(store: Store, keys: set[str]) -> tuple[set[str], set[str], _Barred]:
    def ask(query: str, among: set[str], **values: object) -> list[tuple[Any, ...]]:
        text = query.replace("{among_keys}", "IN (SELECT value FROM json_each({keys}))")
        return store.ask(text, keys=json.dumps(sorted(among)), **values)

    users = {key for (key,) in ask(_USERS, keys)}
    no_users = keys - users
    found = ask(_FEW_EVENTS if len(no_users) <= FEW else _MANY_EVENTS, no_users)
    known = {key for _, key in found}
    judged = _BARRED.replace("{view}", f"({_view_of_these_events(store)})")
    barred = ask(judged, users | known, ids=json.dumps([id_ for id_, _ in found]))
    return users, known, {key: (reason, until) for key, reason, until in barred}


def _view_of_these_events(store: Store) -> str:
    """Return the query of the view with some events in place of all events."""
    ((text,),) = store.ask(_VIEW)
    query = _BEGINNING.sub("", text).replace("{", "{{").replace("}", "}}")
    return query.replace("events_by_recipient", _THESE_EVENTS)
