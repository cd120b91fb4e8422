"""A flood of different events about one address: what is kept of it, and that nothing is decided otherwise."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs
from support import mail

from worker.core.decode import decode, feedback_in, parts_of
from worker.core.errors import Unavailable
from worker.core.floods import NOT_KEPT, Floods
from worker.core.limits import LONGEST_ADDRESS, MOST_FLOODED, MOST_IN_DETAIL
from worker.core.messages import Delete
from worker.core.model import Action, Outcome
from worker.core.policy import Policy
from worker.process import process
from worker.store.on_record import folded
from worker.store.schema import events, new_counts, outbox, users
from worker.store.users import import_users

FEW = 20
TAGS = {"campaign": ["spring"]}


def flood(count, address="jane@example.com", **more):
    """Bounces that differ from each other, as somebody invents them."""
    for number in range(count):
        entry = mail.recipient(address, diagnosticCode=f"550 {number} {'x' * 500}", status="5.1.1")
        body = json.loads(mail.bounce(entry, event=True, **more))
        body["mail"]["tags"] = TAGS
        yield json.dumps(body)


def rows(store, table):
    with store.reading() as connection:
        return connection.execute(table.select().order_by(table.c.id)).mappings().all()


@pytest.fixture
def run(store, message):
    list(import_users(store, [{"email": "jane@example.com", "email_key": "jane@example.com"}]))
    floods = Floods()

    def run(bodies, policy=Policy(), at=mail.NOW, each=100):
        received = [message(body, received_at=at) for body in bodies]
        return [
            result
            for start in range(0, len(received), each)
            for result in process(received[start : start + each], store, policy, floods)
        ]

    return run


def in_detail(store, recipient="jane@example.com"):
    found = [row for row in rows(store, events) if row["recipient"] == recipient]
    kept = [row for row in found if row["diagnostic"] != NOT_KEPT]
    assert all(row["tags"] == "{}" for row in found if row not in kept)
    assert all(json.loads(row["tags"]) == TAGS for row in kept)
    return len(kept), len(found)


@pytest.mark.parametrize("each", [1, 100, 1_000])
def test_what_is_beyond_the_bound_is_kept_without_its_texts(store, run, each):
    run(flood(MOST_IN_DETAIL + FEW), each=each)
    assert in_detail(store) == (MOST_IN_DETAIL, MOST_IN_DETAIL + FEW)
    first, last = rows(store, events)[0], rows(store, events)[-1]
    of_the_event = {
        name: first[name]
        for name in first
        if name not in {"id", "dedupe_key", "route_key", "feedback_id", "ses_message_id"}
    }
    assert {name: last[name] for name in of_the_event} == of_the_event | {
        "diagnostic": NOT_KEPT, "tags": "{}",
    }  # fmt: skip


def test_nothing_that_decides_is_lost(store, run):
    bodies = list(flood(MOST_IN_DETAIL + FEW))
    bodies.append(mail.bounce(mail.recipient("jane@example.com", diagnosticCode="550 spam")))
    run(bodies)
    (user,) = rows(store, users)
    assert (user["hard_bounce_count"], user["auto_block_spam"]) == (MOST_IN_DETAIL + FEW, True)
    last = rows(store, events)[-1]
    assert (last["diagnostic"], last["action"]) == (NOT_KEPT, Action.AUTO_BLOCK_SPAM)
    with store.writing() as connection:
        ((_, anew),) = folded(connection, ["jane@example.com"], Policy()).values()
    assert (anew.hard_bounce_count, anew.auto_block_spam) == (MOST_IN_DETAIL + FEW, True)
    assert anew.paused_until == user["paused_until"]
    again = run(bodies)
    assert {result.disposition for result in again} == {Delete(Outcome.DUPLICATE)}
    assert len(rows(store, events)) == len(bodies)
    counted = "".join(row["counts"] for row in rows(store, new_counts))
    assert counted, "figures count the rest, too"


def test_others_keep_theirs_and_so_does_the_next_hour(store, run):
    run(flood(MOST_IN_DETAIL + FEW))
    run(flood(FEW, "joe@example.com"))
    assert in_detail(store, "joe@example.com") == (FEW, FEW)
    run(flood(FEW), at=mail.NOW + timedelta(minutes=59))
    assert in_detail(store)[0] == MOST_IN_DETAIL
    run(flood(FEW), at=mail.NOW + timedelta(minutes=60))
    assert in_detail(store)[0] == MOST_IN_DETAIL + FEW


def test_messages_that_waited_begin_no_new_hour(store, run):
    run(flood(MOST_IN_DETAIL))
    run(flood(FEW), at=mail.NOW - timedelta(minutes=5))
    run(flood(FEW))
    assert in_detail(store)[0] == MOST_IN_DETAIL


def test_a_clock_that_was_set_back_begins_an_hour(store, run):
    run(flood(MOST_IN_DETAIL + FEW))
    run(flood(FEW), at=mail.NOW - timedelta(hours=2))
    assert in_detail(store)[0] == MOST_IN_DETAIL + FEW


def test_events_without_an_address_are_bounded_alike(store, run):
    run(flood(MOST_IN_DETAIL + FEW, "nobody" * 100))
    assert in_detail(store, "") == (MOST_IN_DETAIL, MOST_IN_DETAIL + FEW)
    reported = rows(store, events)[-1]["recipient_as_reported"]
    assert (reported[:12], len(reported)) == ("nobodynobody", LONGEST_ADDRESS)


def test_what_could_not_be_committed_is_not_counted(store, message):
    class Full:
        def __init__(self):
            self.is_full = True

        def __getattr__(self, name):
            return getattr(store, name)

        def transaction(self):
            if self.is_full:
                raise Unavailable("the disk is full")
            return store.transaction()

    floods, full = Floods(), Full()
    batch = [message(body) for body in flood(FEW)]
    for _ in range(MOST_IN_DETAIL // FEW + 5):
        process(batch, full, Policy(), floods)
    full.is_full = False
    process(batch, full, Policy(), floods)
    assert in_detail(store) == (FEW, FEW)


def test_notices_lose_the_texts_too(store, run):
    from worker.core.effects import Lane

    lane = Lane("slack")
    run(flood(MOST_IN_DETAIL + FEW), policy=Policy(notify=(lane,)))
    payloads = [json.loads(row["payload"]) for row in rows(store, outbox)]
    assert len(payloads) == MOST_IN_DETAIL + FEW
    thinned = payloads[MOST_IN_DETAIL:]
    assert not any(payload.get("message") for payload in thinned)
    assert {each["diagnostic"] for each in (p["recipients"][0] for p in thinned)} == {NOT_KEPT}
    assert payloads[0]["message"]


def test_it_is_logged_once_with_the_domain_alone(run):
    with capture_logs() as logged:
        run(flood(3 * MOST_IN_DETAIL))
    floods = [line for line in logged if line["event"] == "events.flooded"]
    assert [(line["domain"], line["kept"]) for line in floods] == [("example.com", MOST_IN_DETAIL)]


def test_many_addresses_take_bounded_memory_and_hide_no_flood(store, message):
    floods = Floods()
    (decision,) = process([message(next(flood(1)))], store, Policy(), floods)[0].decisions
    for _ in range(MOST_IN_DETAIL):
        floods.committed([decision])
    for number in range(2 * MOST_FLOODED):
        feedback = decision.feedback
        address = replace(feedback.recipient.address, key=f"{number}@b.c")
        other = replace(feedback, recipient=replace(feedback.recipient, address=address))
        floods.committed([replace(decision, feedback=other)])
    assert len(floods._counts) <= MOST_FLOODED + 1
    (thinned,) = floods.thin([decision])
    assert thinned.feedback.recipient.diagnostic == NOT_KEPT


def test_many_addresses_with_many_events_each_take_bounded_memory_too():
    floods = Floods()
    (feedback,) = feedback_in(parts_of(decode(next(flood(1)))))
    for number in range(MOST_FLOODED + 2):
        address = replace(feedback.recipient.address, key=f"{number}@b.c")
        other = replace(feedback, recipient=replace(feedback.recipient, address=address))
        many = [SimpleNamespace(received_at=mail.NOW, feedback=other)] * (MOST_IN_DETAIL // 4)
        floods.committed(many)
    assert len(floods._counts) < MOST_FLOODED
