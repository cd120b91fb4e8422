"""Any untrusted text is stored: no index holds an untrusted text of unlimited length."""

import random

import pytest
from sqlalchemy import Text, UniqueConstraint
from support import mail
from support.lanes import SLACK

from worker.core.decode import decode
from worker.core.messages import Delete
from worker.core.model import Outcome
from worker.core.policy import Policy, UnknownRecipients
from worker.process import process
from worker.store.adding_up import add_up_some
from worker.store.history import history_of
from worker.store.schema import INDEXED, metadata

BOUNDED = {
    "users.email_key", "events.recipient", "removals.email_key",  # addresses: 320 characters
    "events.dedupe_key", "events.route_key", "account_events.dedupe_key",  # digests
    "kept_keys.key",
    "limits.name", "policy.name", "outbox.lane", "outbox.claim", "quarantine.queue",  # our own
    "quarantine.message_id",  # SQS's own: a UUID
    "shadow_users.email_key", "imported_users.email_key",
    "hourly_counts.dimension", "hourly_counts.measure", "daily_counts.dimension",  # our own
    "daily_counts.measure", "progress.name",
    "hourly_counts.value", "daily_counts.value",  # a type and a sub-type: 401 characters
}  # fmt: skip
"""Texts that may stand in an index as they are."""
UNBOUNDED_IN_SQLITE = {"outbox.ses_message_id"}
"""SQLite's indexes bear texts of any length."""


def test_every_text_in_an_index_has_a_bound():
    found = set()
    for table in metadata.tables.values():
        unique = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
        for item in [*table.indexes, *unique, table.primary_key]:
            found |= {f"{table.name}.{c.name}" for c in item.columns if isinstance(c.type, Text)}
    assert found == BOUNDED | UNBOUNDED_IN_SQLITE


def astral(count, seed=7):
    """Four bytes each in UTF-8, and nothing that could be compressed."""
    chance = random.Random(seed)
    return "".join(chr(chance.randrange(0x20000, 0x2A6D0)) for _ in range(count))


@pytest.mark.parametrize("length", [1_000, 10_000])
def test_a_message_of_astral_texts_is_applied_and_found_again(store, message, length):
    person = f"{astral(300)}@example.com"
    entry = mail.recipient(person, diagnosticCode=astral(length), status=astral(length))
    body = mail.bounce(
        entry,
        mail.recipient(astral(length)),
        type=astral(length),
        subtype=astral(length),
        feedback_id=astral(length),
        message_id=astral(length),
    )
    policy = Policy(unknown_recipients=UnknownRecipients.CREATE, notify=(SLACK,))
    (handled,) = process([message(body)], store, policy)
    assert (handled.disposition, handled.error) == (Delete(Outcome.APPLIED), None)
    key = decode(body)[1].address.key
    history = history_of(store, key)
    assert len(history.events) == 1
    assert [effect["kind"] for effect in history.effects] == ["bounce_notice"]
    (again,) = process([message(body)], store, policy)
    assert again.disposition == Delete(Outcome.DUPLICATE)
    assert add_up_some(store).rows == 1


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_effects_of_a_mail_are_found_by_the_index(store):
    from worker.store import history

    with store.writing() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        query = history.select(history.outbox.c.id).where(
            history._of_mails(connection.dialect, {"0100-a", "0100-b" * INDEXED})
        )
        compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql("EXPLAIN " + str(compiled).replace("%", "%%"))
        assert any("outbox_mail" in line for (line,) in plan)
