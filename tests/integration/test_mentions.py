"""A person whom a text names is found by `users forget` and by a data request, on both databases."""

import base64
import json
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, insert, select, update
from support import mail
from support.spellings import DISGUISED, KNOWN_AS, RAJ

from worker.app.signatures import make_verifier
from worker.commands.forgotten_messages import ForgottenMessages
from worker.core.acceptance import Acceptance
from worker.core.naming import names_people
from worker.core.redacting import CannotRedact
from worker.observability.health import Health
from worker.settings import Settings
from worker.store.mentions import ACCOUNT_EVENTS, EVENTS, OUTBOX, QUARANTINE, Place, rows_naming
from worker.store.person import on_record
from worker.store.schema import events, quarantine
from worker.store.traces import Fate, traces

BOB, ANN = "bob@example.org", "ann@example.net"
SPELLED = [(RAJ, spelling) for spelling in DISGUISED] + KNOWN_AS
KEYS = sorted({key for key, _ in SPELLED})


def event_row(number, **texts):
    row = {
        "dedupe_key": f"d{number}", "route_key": f"r{number}", "kind": "bounce",
        "recipient": BOB, "recipient_as_reported": BOB, "user_match": "found",
        "action": "no_action", "reason": "x", "occurred_at": mail.NOW, "received_at": mail.NOW,
        "feedback_id": "f", "ses_message_id": "m", "diagnostic": "550 unknown", "status": "5.1.1",
    }  # fmt: skip
    return row | texts


def account_row(number, **texts):
    names = [
        "status",
        "scope",
        "tenant",
        "resource",
        "cause",
        "finding",
        "impact",
        "account_id",
        "region",
        "route",
    ]
    row = dict.fromkeys(names, "x") | {"dedupe_key": f"a{number}", "kind": "sending_status"}
    return row | {"occurred_at": mail.NOW, "received_at": mail.NOW} | texts


def effect_row(_, **texts):
    notice = {
        "kind": "bounce", "type": "t", "subtype": "s", "occurred_at": mail.NOW.isoformat(),
        "feedback_id": "f", "ses_message_id": "m",
        "recipients": [{"reported": BOB, "match": "found", "action": "no_action", "reason": "x"}],
    }  # fmt: skip
    row = {
        "kind": "bounce_notice", "state": "waiting", "due_at": mail.NOW, "created_at": mail.NOW,
        "payload": json.dumps(notice), "recipient": BOB,
    }  # fmt: skip
    return row | texts


def quarantine_row(number, **texts):
    row = {
        "queue": "q", "message_id": f"m{number}", "reason": "not_json", "detail": "x",
        "body": b"for bob@example.org", "attributes": "{}", "received_at": mail.NOW,
        "worker_version": "0",
    }  # fmt: skip
    return row | texts


PLACES = [EVENTS, ACCOUNT_EVENTS, OUTBOX, QUARANTINE]
MAKE = {
    "events": event_row, "account_events": account_row, "outbox": effect_row,
    "quarantine": quarantine_row,
}  # fmt: skip


def write(store, place, texts):
    """Write a row for each text or mapping of columns; return their ids."""
    make = MAKE[place.table.name]
    with store.write_transaction() as connection:
        return [
            connection.execute(
                insert(place.table).values(**make(number, **each))
            ).inserted_primary_key[0]
            for number, each in enumerate(texts)
        ]


def found(store, place, keys):
    return [row["id"] for rows in rows_naming(store, place, keys, lambda *_: None) for row in rows]


def forget(store, keys, redact_message=lambda *_: {}):
    how = {"redact_message": redact_message, "watch": lambda _: None}
    return list(traces(store, keys, changing=True, **how))


def rows(store, table):
    with store.read_transaction() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


@pytest.mark.parametrize(
    ("place", "column"),
    [(EVENTS, "diagnostic"), (EVENTS, "tags"), (ACCOUNT_EVENTS, "cause"), (OUTBOX, "payload"), (OUTBOX, "last_error")],
)  # fmt: skip
def test_the_search_finds_every_spelling_that_the_core_knows(store, place, column):
    """`signs_of` must let no row through the net, whatever the text is written in."""
    texts = []
    for key, spelling in SPELLED:
        written = f"550 5.1.1 <{spelling}> unknown"
        if column in {"tags", "payload"}:
            written = json.dumps(
                {"Message": json.dumps({"to": written})}, ensure_ascii=len(texts) % 2
            )
        texts.append((key, written))
    ids = write(store, place, [{column: text} for _, text in texts])
    for key in KEYS:
        meant = {
            id_ for id_, (_, text) in zip(ids, texts, strict=True) if names_people(text, [key])
        }
        assert set(found(store, place, [key])) == meant, key
    assert found(store, place, KEYS) == ids


# Keys are left, and whose effect it is loses it.
TEXTS = [
    (place, name)
    for place in PLACES
    for name in place.texts
    if name not in {"dedupe_key", "route_key", "recipient"}
]


@pytest.mark.parametrize(("place", "name"), TEXTS, ids=[f"{p.table.name}.{n}" for p, n in TEXTS])
def test_in_each_text_of_a_row_a_person_is_found_by_both_and_taken_out(store, place, name):
    text = f"for {RAJ}, {BOB}"
    as_json = json.loads(effect_row(0)["payload"]) | {"subtype": text}
    written = {
        "payload": json.dumps(as_json),
        "body": text.encode(),
        "attributes": json.dumps({"a": {"StringValue": text}}),
    }
    summary = {"label": text, "domains": {}, "occurred_at": mail.NOW.isoformat()}
    written["summary"] = json.dumps(summary)
    ids = write(store, place, [{name: written.get(name, text)}, {}])
    answer = on_record(store, RAJ, None, lambda *_: None)
    if place is QUARANTINE:  # which the command reads with the dead letters
        assert found(store, place, [RAJ]) == ids[:1]
    else:
        (shown,) = answer.mentions + answer.account_events + answer.effects
        assert shown["id"] == ids[0]
        assert RAJ in str(shown)
        assert "bob@" not in str(shown)
    done = forget(store, [RAJ], redact_message=of_row())
    assert [(trace.id, trace.fate) for trace in done] == [(ids[0], Fate.REDACTED)]
    assert not names_people([str(row) for row in rows(store, place.table)], [RAJ])
    (kept,) = (row for row in rows(store, place.table) if row["id"] == ids[0])
    assert "bob@" in str(kept), "others lose nothing"
    assert not forget(store, [RAJ], redact_message=of_row())


def test_of_other_peoples_messages_their_names_are_left_out(store):
    """An effect may name the person in its error only; the message in it is about others."""
    notice = json.loads(effect_row(0)["payload"])
    notice["message"] = json.dumps({"to": f'"Miller, Bob" <{BOB}>'})
    write(store, OUTBOX, [{"payload": json.dumps(notice), "last_error": f"for {RAJ}"}])
    (shown,) = on_record(store, RAJ, None, lambda *_: None).effects
    assert "Miller" not in str(shown)
    assert shown["last_error"] == f"for {RAJ}"


@pytest.mark.parametrize("place", [EVENTS, ACCOUNT_EVENTS], ids=["events", "account_events"])
def test_who_is_named_in_a_key_is_found_by_both_and_left(store, place):
    (row_id,) = write(store, place, [{"dedupe_key": f"{RAJ}:1f", place.texts[3]: RAJ}])
    answer = on_record(store, RAJ, None, lambda *_: None)
    assert len(answer.mentions + answer.account_events) == 1
    (trace,) = forget(store, [RAJ])
    assert (trace.id, trace.fate) == (row_id, Fate.LEFT)
    assert "its keys begin with what the message said" in trace.why


def test_of_two_values_of_a_name_in_json_the_hidden_one_is_found_and_left(store):
    (row_id,) = write(store, EVENTS, [{"tags": f'{{"to": ["{RAJ}"], "to": ["x"]}}'}])
    assert [(trace.id, trace.fate) for trace in forget(store, [RAJ])] == [(row_id, Fate.LEFT)]
    assert len(on_record(store, RAJ, None, lambda *_: None).mentions) == 1


def test_rows_that_go_while_the_search_goes_on_stop_nothing(store, monkeypatch):
    ids = write(store, EVENTS, [{"diagnostic": f"for {RAJ}"}] * 3)
    small = Place(events, EVENTS.texts, 1)
    search = rows_naming(store, small, [RAJ], lambda *_: None)
    assert [row["id"] for row in next(search)] == ids[:1]
    with store.write_transaction() as connection:
        connection.execute(delete(events).where(events.c.id > ids[0]))
    assert list(search) == [[]]


class TestOthersWaitOnlyForTheWriting:
    def test_no_row_is_redacted_within_a_transaction_that_writes(self, store, monkeypatch):
        """A message of a MiB takes a second to redact."""
        texts = {"diagnostic": f"for {RAJ}"}, {"diagnostic": f"{RAJ} and {ANN}"}
        write(store, EVENTS, texts)
        write(store, QUARANTINE, [{"detail": f"for {RAJ}"}] * 2)
        is_writing = False
        begin = store.write_transaction

        @contextmanager
        def watched():
            nonlocal is_writing
            with begin() as connection:
                is_writing = True
                yield connection
            is_writing = False

        redacted = []

        def redact(row, keys):
            assert not is_writing
            redacted.append(row["id"])
            return {"detail": "x"}

        monkeypatch.setattr(store, "write_transaction", watched)
        assert len(forget(store, [RAJ], redact_message=redact)) == 4
        assert len(redacted) == 2, "once a row"

    def test_a_row_that_changes_meanwhile_is_looked_at_again(self, store):
        """Two commands may take two people out of a row at once: each sees what the other left."""
        (row_id,) = write(store, QUARANTINE, [{"detail": f"for {RAJ}", "body": ANN.encode()}])
        looked = []

        def redact(row, keys):
            if not looked:
                with store.write_transaction() as connection:
                    other = update(quarantine).where(quarantine.c.id == row_id)
                    connection.execute(other.values(body=b"***", detail=f"now for {RAJ}"))
            looked.append(row["detail"])
            return {"detail": row["detail"].replace(RAJ, "***"), "body": row["body"]}

        (trace,) = forget(store, [RAJ], redact_message=redact)
        assert trace.fate is Fate.REDACTED
        assert looked == [f"for {RAJ}", f"now for {RAJ}"]
        (row,) = rows(store, quarantine)
        assert (row["detail"], bytes(row["body"])) == ("now for ***", b"***")

    def test_what_cannot_be_redacted_any_more_is_listed(self, store):
        (row_id,) = write(store, QUARANTINE, [{"detail": f"for {RAJ}"}])
        looked = []

        def redact(row, keys):
            if looked:
                raise CannotRedact("no more")
            looked.append(row)
            with store.write_transaction() as connection:
                connection.execute(update(quarantine).values(detail=f"now {RAJ}"))
            return {"detail": "x"}

        (trace,) = forget(store, [RAJ], redact_message=redact)
        assert (trace.id, trace.fate, trace.why) == (row_id, Fate.LEFT, "no more")


def test_binary_attributes_are_read(store):
    value = base64.b64encode(f"for {RAJ}".encode()).decode()
    attributes = {"a": {"DataType": "Binary", "BinaryValue": value}}
    ids = write(store, QUARANTINE, [{"attributes": json.dumps(attributes)}, {"attributes": "[1"}])
    assert found(store, QUARANTINE, [RAJ]) == ids[:1]
    (trace,) = forget(store, [RAJ], redact_message=of_row())
    assert trace.fate is Fate.LEFT


def of_row():
    return ForgottenMessages(make_verifier(Settings(), Health()), Acceptance()).of_row
