"""Every column with text is searched for people who are named in it, or cannot name any."""

import pytest
from sqlalchemy import LargeBinary, Text

from worker.store.mentions import ACCOUNT_EVENTS, EVENTS, OUTBOX, QUARANTINE
from worker.store.schema import metadata

SEARCHED = {
    place.table.name: set(place.texts) for place in (ACCOUNT_EVENTS, EVENTS, OUTBOX, QUARANTINE)
}

WHOSE = "whose row it is: an index finds it"
OURS = "this program writes it, and no text of others into it"
TOLD = "of a row whose person is found by an index; an application, an operator or SES wrote it"
COUNTED = "addresses in it are masked when it is counted (unit/test_figures.py)"
NOT_SEARCHED = {
    "users": {"email": WHOSE, "email_key": WHOSE, "account_id": TOLD, "pause_reason": OURS},
    "shadow_users": {"email_key": WHOSE, "pause_reason": OURS},
    "imported_users": {"email_key": WHOSE, "pause_reason": OURS},
    "events": {
        "recipient": WHOSE, "kind": OURS, "user_match": OURS, "action": OURS, "reason": OURS,
        "route": OURS, "fault": OURS,
    },
    "account_events": {
        "kind": OURS, "status": OURS, "scope": OURS, "route": OURS, "verification": OURS,
    },
    "quarantine": {"message_id": "SQS gives it"},
    "outbox": {
        "kind": OURS, "state": OURS, "lane": OURS, "claim": OURS, "parked_by": OURS,
        "parked_reason": OURS,
    },
    "limits": {"name": OURS, "blocked": "an error of AWS or Slack, in which addresses are masked"},
    "removals": {
        "email_key": WHOSE, "address": TOLD, "entry": TOLD, "outcome": OURS,
        "tenant": "SES knew it, when the entry was read",
    },
    "policy": {"name": OURS, "value": "numbers and words of the settings"},
    "progress": {"name": OURS, "value": OURS},
    "hourly_counts": {"dimension": OURS, "measure": OURS, "value": COUNTED},
    "daily_counts": {"dimension": OURS, "measure": OURS, "value": COUNTED},
    "new_counts": {"counts": "it goes within seconds, when it is added up"},
    "kept_keys": {"key": "a digest"},
    "forgotten": {"digest": "a digest, by the key of the settings", "key_id": "a digest"},
}  # fmt: skip
"""Why a column is not searched."""


@pytest.mark.parametrize("table", metadata.tables)
def test_every_column_with_text_is_searched_or_has_its_reason(table):
    columns = metadata.tables[table].columns
    texts = {column.name for column in columns if isinstance(column.type, Text | LargeBinary)}
    searched, not_searched = SEARCHED.get(table, set()), set(NOT_SEARCHED.get(table, {}))
    assert searched | not_searched == texts
    assert not searched & not_searched


def test_the_reasons_are_for_tables_of_the_schema():
    assert set(NOT_SEARCHED) <= set(metadata.tables)
    assert set(SEARCHED) <= set(metadata.tables)
