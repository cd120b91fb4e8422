"""Which bounces by faults of our own are close together, whatever their order."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import mail

from worker.core.decode import decode
from worker.core.own_faults import WINDOW, OwnFault, incident, latest, own_faults
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork

BEGAN = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OURS = "550 5.7.1 blocked using zen.spamhaus.org"


def fault(seconds, **more):
    fields = dict.fromkeys(("configuration_set", "tenant", "sender", "provider"), "")
    at = BEGAN + seconds * SECOND
    fields |= {"received_at": at, "diagnostic": "550 sorry"}
    return OwnFault(occurred_at=at, **(fields | more))


def found(faults, new, limit):
    return incident(latest(faults, limit), new, limit)


def test_of_decisions_only_bounces_by_a_fault_of_ours_count(message):
    entries = [
        mail.recipient("jane@example.com", diagnosticCode=OURS),
        mail.recipient("joe@example.com", diagnosticCode="550 5.1.1 user unknown"),
    ]
    for body, count in ((mail.bounce(*entries), 1), (mail.complaint("jane@example.com"), 0)):
        handled = UnitOfWork(Policy(), (), {}).decide_message(message(body), decode(body))
        assert [found.diagnostic for found in own_faults(handled.decisions)] == [OURS] * count


def test_a_diagnostic_does_not_name_the_recipient_however_it_spells_the_address(message):
    spelled = f"{OURS} raj at example dot com, r a j @ example . com"
    body = mail.bounce(mail.recipient("raj@example.com", diagnosticCode=spelled))
    handled = UnitOfWork(Policy(), (), {}).decide_message(message(body), decode(body))
    (found,) = own_faults(handled.decisions)
    assert found.diagnostic == f"{OURS} *** at example dot com, *** @ example . com"


@pytest.mark.parametrize(
    ("seconds", "limit", "count"),
    [
        ([0, 1], 3, None),
        ([0, 1, 2], 3, 3),
        ([0, 150, 300], 3, 3),
        ([0, 150, 301], 3, None),
        ([0, 150, 301, 302], 3, 3),
        ([0] * 12, 10, 12),
        ([0], 1, 1),
        ([], 1, None),
    ],
)
def test_so_many_within_five_minutes_are_an_incident(seconds, limit, count):
    faults = [fault(each) for each in seconds]
    notice = found(faults, faults, limit)
    assert (notice.count if notice else None) == count


def test_what_was_an_incident_before_is_none_again_because_of_a_single_fault():
    before = [fault(0) for _ in range(20)]
    late = fault(3_600)
    assert found([*before, late], [late], 10) is None
    assert found([*before, late], before, 10).count == 20


@given(
    seconds=st.lists(st.integers(0, 1_500), max_size=40),
    limit=st.integers(1, 12),
    seed=st.integers(),
)
def test_no_order_of_receipt_hides_an_incident(seconds, limit, seed):
    faults = [fault(each) for each in seconds]
    random.Random(seed).shuffle(faults)
    kept, notices = [], []
    for each in faults:
        kept = latest([*kept, each], limit)
        notices.append(incident(kept, [each], limit))
    times = sorted(each.occurred_at for each in faults)
    expected = any(b - a <= WINDOW for a, b in zip(times, times[limit - 1 :], strict=False))
    assert any(notices) == expected
    for notice in filter(None, notices):
        assert notice.count >= limit
        assert notice.occurred_at - notice.since <= WINDOW


def test_a_notice_names_the_most_frequent_and_masks_addresses():
    faults = [
        fault(
            number,
            configuration_set=f"set-{max(number - 2, 0)}",
            sender="sender.example.org",
            provider="example.com",
            diagnostic="550 <jane@example.com> blocked",
        )
        for number in range(10)
    ]
    notice = found(faults, faults, 10)
    assert notice.configuration_sets == ("set-0", "set-1", "set-2", "set-3", "set-4", "…")
    assert (notice.senders, notice.providers) == (("sender.example.org",), ("example.com",))
    assert notice.tenants == ()
    assert notice.diagnostic == "550 <***@example.com> blocked"
    assert (notice.since, notice.occurred_at) == (BEGAN, BEGAN + 9 * SECOND)


def test_a_flood_of_faults_keeps_no_more_than_it_needs():
    assert len(latest([fault(number) for number in range(5_000)], 10)) == 100
    assert len(latest([fault(number) for number in range(5_000)], 1_000)) == 2_000
