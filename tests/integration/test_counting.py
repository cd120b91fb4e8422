"""What is not kept is counted, in the commit before its message is deleted."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from support import mail
from support.counting import event

from worker.core.counting import FACTS_IN_A_ROW, Dimension
from worker.core.messages import DeadLetter, Delete
from worker.core.model import Outcome
from worker.core.policy import Policy, UnknownRecipients
from worker.process import process
from worker.store.adding_up import add_up_some
from worker.store.figures_by_hour import Step, by_value, over_time
from worker.store.schema import hourly_counts, new_counts, users
from worker.store.users import import_users

SINCE, UNTIL = mail.NOW - timedelta(days=30), mail.NOW + timedelta(days=1)
KINDS = {
    "Send": "send",
    "Delivery": "delivery",
    "Open": "open",
    "Click": "click",
    "DeliveryDelay": "delivery_delay",
    "Reject": "reject",
    "Rendering Failure": "rendering_failure",
}


def rows(store, table):
    with store.read_transaction() as connection:
        return connection.execute(select(table)).mappings().all()


def run(store, message, *bodies, policy=Policy(), **more):
    handled = process([message(body, **more) for body in bodies], store, policy)
    assert {type(result.disposition) for result in handled} == {Delete}
    return handled


def everything(store):
    return by_value(store, Dimension.ALL, SINCE, UNTIL).get("", {})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrapped", ["raw", "sns", "eventbridge", "nested"])
def test_each_kind_is_counted_however_it_is_wrapped(store, message, kind, wrapped):
    body = event(kind, "jane@example.com", configuration_set="news", tenant="acme")
    if wrapped == "eventbridge":
        body = in_eventbridge(kind, body)
    elif wrapped == "sns":
        body = mail.enveloped(body)
    elif wrapped == "nested":
        body = mail.in_records(mail.enveloped(body))
    (handled,) = run(store, message, body)
    assert handled.disposition == Delete(Outcome.IGNORED)
    counts = {KINDS[kind]: 1}
    for dimension, value in (
        (Dimension.ALL, ""),
        (Dimension.DOMAIN, "example.com"),
        (Dimension.PROVIDER, "other"),
        (Dimension.CONFIGURATION_SET, "news"),
        (Dimension.TENANT, "acme"),
    ):
        assert by_value(store, dimension, SINCE, UNTIL) == {value: counts}
    assert over_time(store, SINCE, UNTIL, Step.HOUR) == {
        datetime(2026, 11, 20, 8, tzinfo=UTC): counts
    }


def in_eventbridge(kind, body):
    names = {
        "Send": "Email Sent",
        "Delivery": "Email Delivered",
        "Open": "Email Opened",
        "Click": "Email Clicked",
        "DeliveryDelay": "Email Delivery Delayed",
        "Reject": "Email Rejected",
        "Rendering Failure": "Email Rendering Failed",
    }
    detail = {
        "version": "0",
        "detail-type": names[kind],
        "source": "aws.ses",
        "detail": json.loads(body),
    }
    return json.dumps(detail | {"account": "111122223333", "region": "eu-west-1"})


def test_a_delivery_notification_counts_as_its_event_does(store, message):
    body = event("Delivery", "jane@gmail.com", "joan@gmail.com", "jo@web.de", notification=True)
    run(store, message, body)
    assert by_value(store, Dimension.PROVIDER, SINCE, UNTIL) == {
        "gmail": {"delivery": 2},
        "web_de": {"delivery": 1},
    }


def test_a_commit_writes_a_single_row_whatever_it_counts(store, message):
    bodies = [event(kind, "jane@example.com") for kind in KINDS] * 3
    run(store, message, *bodies, mail.bounce("jane@example.com"))
    assert len(rows(store, new_counts)) == 1
    assert everything(store) == dict.fromkeys(KINDS.values(), 3) | {
        "hard_bounce": 1,
        "unknown_bounce": 1,
    }


def test_a_batch_that_cannot_be_committed_is_not_deleted(store, message):
    class UnavailableStore:
        def transaction(self):
            from worker.core.errors import Unavailable

            raise Unavailable("unreachable")

        def probe(self):
            self.transaction()

    (handled,) = process([message(event("Send", "a@b.c"))], UnavailableStore(), Policy())
    assert not isinstance(handled.disposition, Delete)
    assert handled.met_an_outage


def test_what_was_only_counted_proves_that_the_store_works(store, message):
    (handled,) = run(store, message, event("Send", "a@b.c"))
    assert handled.proves_store_works


def test_receives_above_the_first_are_counted_beside(store, message):
    body = event("Send", "jane@example.com")
    run(store, message, body)
    run(store, message, body, receive_count=3)
    assert everything(store) == {"send": 2, "received_again": 2}


def test_a_repeated_bounce_is_told_from_a_new_bounce_and_a_duplicate_is_none(store, message):
    list(import_users(store, [{"email": "jane@example.com", "email_key": "jane@example.com"}]))
    first = mail.bounce("jane@example.com")
    run(store, message, first)
    run(store, message, first)
    run(store, message, mail.bounce("jane@example.com", at="2026-11-20T09:15:33.000Z"))
    run(store, message, mail.complaint("jane@example.com"), mail.complaint("jane@example.com"))
    assert everything(store) == {
        "hard_bounce": 2, "repeated_bounce": 1, "paused": 2,
        "complaint": 2, "repeated_complaint": 1, "blocked": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("type", "subtype", "counts"),
    [
        ("Permanent", "General", {"hard_bounce"}),
        ("permanent", "Suppressed", {"hard_bounce", "refused", "refused_globally"}),
        ("Permanent", "OnAccountSuppressionList", {"hard_bounce", "refused"}),
        ("Permanent", "OnTenantSuppressionList", {"hard_bounce", "refused"}),
        ("Transient", "MailboxFull", {"soft_bounce"}),
        ("Undetermined", "Undetermined", {"other_bounce"}),
        (None, None, {"other_bounce"}),
    ],
)
def test_bounces_count_by_their_type(store, message, type, subtype, counts):
    run(store, message, mail.bounce("jane@gmail.com", type=type, subtype=subtype))
    assert set(everything(store)) == counts | {"unknown_bounce"}
    (value,) = by_value(store, Dimension.TYPE, SINCE, UNTIL)
    assert value == (f"{type}/{subtype}" if type else "")


def test_the_time_of_an_event_is_between_fifteen_days_before_its_receipt_and_that(store, message):
    bodies = [event("Send", "a@b.c", at=at) for at in ("2030-01-01T00:00:00Z", "nonsense")]
    run(store, message, *bodies, event("Send", "a@b.c", at="1999-01-01T00:00:00Z"))
    assert over_time(store, SINCE, UNTIL, Step.HOUR) == {
        (mail.NOW - timedelta(days=15)): {"send": 1},
        mail.NOW: {"send": 2},
    }


HOSTILE = [
    {"eventType": "Send"},
    {"eventType": "Send", "mail": None},
    {"eventType": "Send", "mail": []},
    {"eventType": "Send", "mail": {"destination": "jane@example.com", "timestamp": 5}},
    {"eventType": "Send", "mail": {"destination": [5, None, {}, [], "no address"]}},
    {"eventType": "Delivery", "mail": {}, "delivery": 5},
    {"eventType": "Delivery", "delivery": {"recipients": {"a": 1}}},
    {"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [{}, 5, "x@y.z"]}},
    {"eventType": "Open", "open": "x"},
    {"eventType": "Send", "mail": {"destination": ["x@" + "y" * 3000, "\x00@\x00.c", "a@b\u202e"]}},
    {"eventType": "Send", "mail": {"tags": {"ses:configuration-set": ["\x00" * 900]}}},
    {"eventType": "Send", "mail": {"destination": [f"a@b{n}.c" for n in range(5000)]}},
]


@pytest.mark.parametrize("body", HOSTILE)
def test_values_of_any_type_count_as_missing_and_nothing_is_raised(store, message, body):
    run(store, message, json.dumps(body))
    assert sum(everything(store).values()) >= 1
    while add_up_some(store).rows:
        pass
    assert sum(everything(store).values()) >= 1
    assert rows(store, hourly_counts)


def test_a_lone_half_of_a_surrogate_pair_harms_nothing(store, message):
    run(store, message, event("Send", "jane@example.com")[:-1] + ', "subject": "\\ud83d"}')
    assert by_value(store, Dimension.DOMAIN, SINCE, UNTIL) == {"example.com": {"send": 1}}


def test_without_counting_bounces_are_counted_all_the_same(store, message):
    policy = Policy(count_events=False)
    bodies = event("Send", "a@b.c"), mail.bounce("jane@example.com")
    run(store, message, *bodies, policy=policy)
    assert everything(store) == {"hard_bounce": 1, "unknown_bounce": 1}


def test_a_list_with_a_part_that_is_dead_lettered_is_counted_when_it_is_replayed(store, message):
    body = mail.in_records_of_sqs(event("Send", "a@b.c"), "{")
    process([message(body)], store, Policy())
    assert everything(store) == {}
    run(store, message, mail.in_records_of_sqs(event("Send", "a@b.c"), mail.bounce("a@b.c")))
    assert everything(store)["send"] == 1


def test_a_list_whose_bounce_is_of_nobody_known_is_counted_once_it_can_be_applied(store, message):
    policy = Policy(unknown_recipients=UnknownRecipients.DEAD_LETTER)
    body = mail.in_records_of_sqs(event("Send", "a@b.c"), mail.bounce("jane@example.com"))
    for _ in range(3):
        (handled,) = process([message(body)], store, policy)
        assert isinstance(handled.disposition, DeadLetter)
        assert everything(store) == {}
    list(import_users(store, [{"email": "jane@example.com", "email_key": "jane@example.com"}]))
    run(store, message, body, policy=policy)
    assert everything(store)["send"] == 1


def test_more_facts_than_a_row_takes_are_several_rows(store, message):
    """One row of 100,000 facts would be read and written whole for each bite of it."""
    domains = [f"a@{number}.example" for number in range(2 * FACTS_IN_A_ROW + 1)]
    run(store, message, event("Send", *domains))
    assert len(rows(store, new_counts)) == 3
    assert everything(store)["send"] == len(domains)
    while not add_up_some(store).is_all:
        pass
    assert everything(store)["send"] == len(domains)
    assert rows(store, new_counts) == []


class TestLastDelivery:
    POLICY = Policy(track_deliveries=True)

    @pytest.fixture(autouse=True)
    def jane(self, store):
        list(import_users(store, [{"email": "jane@example.com", "email_key": "jane@example.com"}]))

    def last(self, store):
        (jane,) = rows(store, users)
        return jane["last_delivery"]

    def test_it_is_kept_for_users_and_never_moves_backwards(self, store, message):
        def deliver(at):
            body = event("Delivery", "Jane@example.com", "nobody@example.com", at=at)
            run(store, message, body, policy=self.POLICY)

        deliver("2026-11-20T08:00:00Z")
        deliver("2026-11-20T07:00:00Z")
        assert self.last(store) == datetime(2026, 11, 20, 8, tzinfo=UTC)
        deliver("2026-11-21T07:00:00Z")
        assert self.last(store) == datetime(2026, 11, 21, 7, tzinfo=UTC)
        deliver("2040-01-01T00:00:00Z")
        assert self.last(store) == mail.NOW

    def test_of_several_in_a_batch_the_latest_counts(self, store, message):
        times = ("2026-11-20T08:00:00Z", "2026-11-21T08:00:00Z", "2026-11-19T08:00:00Z")
        bodies = [event("Delivery", "jane@example.com", at=at) for at in times]
        run(store, message, *bodies, mail.bounce("jane@example.com"), policy=self.POLICY)
        assert self.last(store) == datetime(2026, 11, 21, 8, tzinfo=UTC)

    def test_it_is_not_kept_by_default(self, store, message):
        run(store, message, event("Delivery", "jane@example.com"))
        assert self.last(store) is None

    def test_it_is_kept_where_nothing_is_counted(self, store, message):
        policy = Policy(track_deliveries=True, count_events=False)
        run(store, message, event("Delivery", "jane@example.com"), policy=policy)
        assert self.last(store) is not None
        assert everything(store) == {}
