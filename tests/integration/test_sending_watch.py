"""Whether SES sends, by what is on record: for the gauge, the status text and `check`."""

import itertools
from datetime import timedelta

import pytest
from support.account_events import AT, account_event, enabled, finding, of_the_account

from worker.core.account_events import Scope, Verification
from worker.core.errors import Unavailable
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.service.sending_watch import SendingWatch
from worker.store.account_events import AccountEvents
from worker.store.sending import sending_statuses

LATER = AT + timedelta(minutes=30)


@pytest.fixture
def record(store, message):
    def record(*events):
        unit = UnitOfWork(Policy(), known_keys=(), users={})
        for event in events:
            unit.decide_message(message(""), event)
        with store.transaction() as transaction:
            transaction.save(unit)

    return record


def disabled(store):
    return {
        status.name.partition(" of ")[0]: status.is_disabled for status in sending_statuses(store)
    }


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_newest_status_counts_whatever_came_first(store, record, order):
    events = [account_event(), enabled(occurred_at=LATER), account_event("bolt")]
    for number in order:
        record(events[number])
    assert disabled(store) == {"tenant acme": False, "tenant bolt": True}


def test_of_two_statuses_of_a_time_the_worse_counts(store, record):
    record(enabled(), account_event(), enabled())
    assert disabled(store) == {"tenant acme": True}


def test_regions_and_accounts_are_apart_and_findings_are_no_status(store, record):
    record(account_event(), enabled(region="us-east-1", occurred_at=LATER), finding("bolt"))
    assert sorted(status.is_disabled for status in sending_statuses(store)) == [False, True]


def test_what_ses_contradicts_is_not_so(store, record):
    forged, hoped = account_event(dedupe_key="forged"), enabled("bolt", dedupe_key="hoped")
    record(forged, hoped)
    for event in (forged, hoped):
        AccountEvents(store).verified(event.dedupe_key, Verification.CONTRADICTED)
    assert disabled(store) == {"tenant acme": False, "tenant bolt": True}


def test_all_scopes_have_names(store, record):
    record(
        of_the_account(),
        account_event(scope=Scope.IDENTITY, tenant="", resource="arn:aws:ses:r:1:identity/a.example"),
        account_event(scope=Scope.CONFIGURATION_SET, tenant="", resource="arn:x:configuration-set/m"),
        account_event(scope=Scope.OTHER, tenant="", resource="arn:aws:ses:r:1:ip-pool/p"),
        of_the_account(region="", account_id=""),
    )  # fmt: skip
    where = "account 111122223333 in eu-west-1"
    assert {status.name for status in sending_statuses(store)} == {
        where,
        f"identity a.example of {where}",
        f"configuration set m of {where}",
        f"unknown resource p of {where}",
        "the account",
    }


def test_a_row_of_a_newer_program_keeps_no_worker_from_starting(store, record):
    record(account_event(), account_event("bolt"))
    with store.write_transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE account_events SET scope = 'dedicated_ip' WHERE tenant = 'bolt'"
        )
    assert disabled(store) == {"tenant acme": True}


class TestWatch:
    def test_the_remark_names_who_is_not_sent_for_and_limits_the_names(self, store, record):
        watch = SendingWatch(store)
        assert (watch.statuses, watch.remark) == (None, "")
        watch.look()
        assert (list(watch.statuses), watch.remark) == ([], "")
        record(enabled(), of_the_account())
        watch.look()
        assert watch.remark == "SES does not send for account 111122223333 in eu-west-1"
        record(*[account_event(f"t{n}\x1b" + "x" * 500) for n in range(9)])
        watch.look()
        assert watch.remark.endswith(" and 7 more")
        assert len(watch.remark) < 300
        assert watch.remark.isprintable()

    def test_while_the_store_is_unavailable_what_is_known_stays(self, store, record):
        record(account_event())
        watch = SendingWatch(store)
        watch.look()

        def ask(*_, **__):
            raise Unavailable("unreachable")

        store_ask, store.ask = store.ask, ask
        watch._look_again()
        store.ask = store_ask
        assert watch.remark.startswith("SES does not send for tenant acme of account ")
