"""A reported status is verified by SES's own API, over HTTP; the notice goes out whatever it says."""

import time
from datetime import timedelta

import pytest
from support.account_events import AT, account_event, enabled, finding, of_the_account
from support.lanes import SLACK
from support.mail import NOW
from support.notices import effect

from simulators.ses import SesSimulator
from simulators.ses.faults import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    TOO_MANY_REQUESTS,
    ForeignHtml,
    Hang,
    Reset,
)
from worker.core.account_events import AccountStatus, NewAccountEvent, Scope, Verification
from worker.core.outbox.others import entries_for_account_event
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.ses.account import SendingStatusApi, StatusVerifier, asking
from worker.store.account_events import AccountEvents
from worker.store.schema import account_events

REGION, ACCOUNT = "eu-west-1", "111122223333"
CONFIRMED, CONTRADICTED, REPORTED = (
    Verification.CONFIRMED,
    Verification.CONTRADICTED,
    Verification.REPORTED,
)
SET = account_event(
    scope=Scope.CONFIGURATION_SET,
    tenant="",
    resource=f"arn:aws:ses:{REGION}:{ACCOUNT}:configuration-set/main",
)


@pytest.fixture
def ses(nobodys_environment, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with SesSimulator() as ses:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", ses.endpoint)
        ses.account.tenants["acme"] = {"SendingStatus": "DISABLED"}
        yield ses
    assert ses.failures == []


@pytest.fixture
def api(ses):
    return SendingStatusApi(region=REGION, account_id=ACCOUNT, await_slot=lambda: None)


class Waits:
    """Pauses that take no time, and what happens meanwhile."""

    def __init__(self):
        self.seconds = []
        self.meanwhile = lambda: None

    def __call__(self, seconds):
        self.seconds.append(seconds)
        self.meanwhile()


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def complete(store, api, waits, message):
    """Record events in this order, and complete the notice of the first of them."""
    verifier = StatusVerifier(AccountEvents(store), api.ask, waits)

    def complete(*events):
        unit = UnitOfWork(Policy(), known_keys=(), users={})
        for event in events:
            unit.decide_message(message(""), event)
        with store.transaction() as transaction:
            transaction.save(unit)
        return again(events[0])

    def again(event):
        return verifier.complete(effect(notice_of(event))).read()

    complete.again = again
    return complete


def notice_of(event):
    new = NewAccountEvent(event=event, occurred_at=event.occurred_at, received_at=NOW)
    (entry,) = entries_for_account_event(new, Policy(notify=(SLACK,)))
    return entry.payload


def kept(store):
    with store.read_transaction() as connection:
        return [
            (row["verification"], row["verified_at"] is not None)
            for row in connection.execute(account_events.select()).mappings()
        ]


def calls(ses):
    return [call.operation for call in ses.calls]


def test_a_status_that_ses_confirms_is_confirmed_on_record(complete, store, ses):
    notice = complete(account_event())
    assert (notice.verification, notice.answer) == (CONFIRMED, "DISABLED")
    assert kept(store) == [("confirmed", True)]
    assert calls(ses) == ["GetTenant"]


def test_for_a_second_channel_there_is_no_second_request_to_ses(complete, ses):
    event = account_event()
    complete(event)
    assert complete.again(event).verification is CONFIRMED
    assert calls(ses) == ["GetTenant"]


def test_a_forged_status_is_contradicted_after_a_second_look(complete, store, ses, waits):
    ses.account.tenants["acme"] = {"SendingStatus": "ENABLED"}
    notice = complete(account_event())
    assert (notice.verification, notice.answer) == (CONTRADICTED, "ENABLED")
    assert kept(store) == [("contradicted", True)]
    assert len(waits.seconds) == 1


def test_an_api_that_lags_a_moment_behind_the_event_contradicts_nothing(complete, ses, waits):
    tenants = ses.account.tenants
    tenants["acme"] = {"SendingStatus": "ENABLED"}
    waits.meanwhile = lambda: tenants.update(acme={"SendingStatus": "DISABLED"})
    assert complete(account_event()).verification is CONFIRMED
    assert waits.seconds


@pytest.mark.parametrize(
    ("event", "set_up", "expected"),
    [
        (enabled(), {"tenants": {"acme": {"SendingStatus": "ENABLED"}}}, (CONFIRMED, "ENABLED")),
        (
            enabled(),
            {"tenants": {"acme": {"SendingStatus": "REINSTATED"}}},
            (CONFIRMED, "REINSTATED"),
        ),
        (enabled(), {}, (CONTRADICTED, "DISABLED")),
        (of_the_account(), {"sending": False}, (CONFIRMED, "DISABLED, HEALTHY")),
        (of_the_account(), {"enforcement": "SHUTDOWN"}, (CONFIRMED, "DISABLED, SHUTDOWN")),
        (of_the_account(), {}, (CONTRADICTED, "ENABLED, HEALTHY")),
        (SET, {"configuration_sets": {"main": False}}, (CONFIRMED, "DISABLED")),
        (SET, {"configuration_sets": {"main": True}}, (CONTRADICTED, "ENABLED")),
        (SET, {}, (REPORTED, "SES has no such configuration set")),
        (account_event("ghost"), {}, (REPORTED, "SES has no such tenant")),
        (
            account_event(),
            {"tenants": {"acme": {"SendingStatus": "DISABLED", "TenantArn": "arn:other"}}},
            (REPORTED, "SES has another tenant of this name"),
        ),
        (
            account_event(),
            {"tenants": {"acme": {"SendingStatus": "ASLEEP"}}},
            (REPORTED, "an unknown status: ASLEEP"),
        ),
    ],
)
def test_what_ses_may_answer(complete, ses, event, set_up, expected):
    for name, value in set_up.items():
        setattr(ses.account, name, value)
    notice = complete(event)
    assert (notice.verification, notice.answer) == expected


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (account_event(account_id="999999999999"), "not asked: the worker's queue is in account"),
        (account_event(region="evil.example/#"), "not asked: the region is unknown"),
        (
            account_event(scope=Scope.IDENTITY, tenant="", resource="arn:aws:ses:r:1:identity/x"),
            "not asked: SES's API shows no sending status of identities",
        ),
    ],
)
def test_what_our_credentials_cannot_answer_is_not_requested(complete, ses, event, why):
    """A tenant of another account may have the name of a tenant of ours."""
    notice = complete(event)
    assert notice.verification is REPORTED
    assert notice.answer.startswith(why)
    assert calls(ses) == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (ACCESS_DENIED, "ses:GetTenant is not permitted"),
        (EXPIRED_TOKEN, "SES refuses the request: ExpiredTokenException"),
        (TOO_MANY_REQUESTS, "SES's API did not answer: AWS: TooManyRequestsException"),
        (Reset(), "SES's API did not answer: AWS"),
        (ForeignHtml(200), "SES's API did not answer"),
        (ForeignHtml(404), "SES "),
    ],
)
def test_whatever_goes_wrong_it_stays_reported_and_says_why(complete, store, ses, fault, why):
    ses.fail(fault)
    notice = complete(account_event())
    assert notice.verification is REPORTED
    assert notice.answer.startswith(why)
    assert kept(store) == [("reported", False)]


def test_an_ses_that_never_answers_holds_the_notice_for_seconds(complete, ses, monkeypatch):
    monkeypatch.setattr(asking, "ASK_SECONDS", 1.0)
    ses.fail(Hang(30))
    began = time.monotonic()
    assert complete(account_event()).verification is REPORTED
    assert time.monotonic() - began < 4


def test_keys_that_were_rotated_are_read_again(api, ses):
    ses.fail(EXPIRED_TOKEN, times=1)
    assert api.ask(notice_of(account_event())).enabled is None
    assert api.ask(notice_of(account_event())).enabled is False


@pytest.mark.parametrize("first", [0, 1])
def test_an_older_status_is_history_whatever_came_first(complete, ses, first):
    """Never `sending is disabled` when it has been enabled since."""
    events = [account_event(), enabled(occurred_at=AT + timedelta(minutes=30))]
    if first:
        events.reverse()
    old, new = complete.again, complete(*events)
    older = new if not first else old(events[1])
    newer = new if first else old(events[1])
    assert older.superseded_by is AccountStatus.ENABLED
    assert older.superseded_at == AT + timedelta(minutes=30)
    assert newer.superseded_by is None
    assert len(calls(ses)) <= 2, "only the newest is verified"


def test_of_two_statuses_of_a_time_the_worse_counts(complete, ses):
    events = [account_event(), enabled()]
    assert complete(*events).superseded_by is None
    assert complete.again(events[1]).superseded_by is AccountStatus.DISABLED
    others = [enabled("bolt"), account_event("bolt")]
    assert complete(*others).superseded_by is AccountStatus.DISABLED
    assert complete.again(others[1]).superseded_by is None


def test_other_tenants_regions_and_kinds_supersede_nothing(complete):
    later = {"occurred_at": AT + timedelta(hours=1)}
    others = [
        enabled("bolt", **later),
        enabled(region="us-east-1", **later),
        enabled(account_id="999999999999", **later),
        finding(status=AccountStatus.RESOLVED, **later),
        of_the_account(status=AccountStatus.ENABLED, **later),
    ]
    assert complete(account_event(), *others).superseded_by is None


def test_a_finding_is_superseded_by_a_finding_of_its_own_type(complete, ses):
    later = {"occurred_at": AT + timedelta(hours=1), "status": AccountStatus.RESOLVED}
    event = finding()
    assert complete(event, finding(cause="COMPLAINT", **later)).superseded_by is None
    solved = finding(**later)
    complete(solved)
    assert complete.again(event).superseded_by is AccountStatus.RESOLVED
    assert calls(ses) == [], "findings are called reported"
