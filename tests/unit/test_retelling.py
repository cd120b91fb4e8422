"""How a record came about, event by event, and the sentence that follows from it."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from worker.cli.answer import answer_of, cause_of, undo_of
from worker.core.folding import FirstRecord, Recorded, empty_user, fold
from worker.core.policy import Policy
from worker.core.retelling import retold
from worker.store.answers import Verdict

JANE = "jane@example.com"
BEGINNING = datetime(2026, 11, 1, tzinfo=UTC)


SORTS = [
    ("bounce", "Permanent"),
    ("bounce", "Transient"),
    ("complaint", "abuse"),
    ("reinstatement", "root"),
]


def event(number, days, kind="bounce", type="Permanent", subtype="General", received=None):
    return Recorded(
        id=number,
        recipient=JANE,
        kind=kind,
        type=type,
        subtype=subtype,
        user_match="found",
        action="no_action",
        status="5.1.1",
        fault="recipient",
        mentions_spam=False,
        occurred_at=BEGINNING + timedelta(days=days),
        received_at=BEGINNING + timedelta(days=received or days),
    )


def as_row(recorded):
    """As `why` reads it."""
    names = ("id", "kind", "type", "subtype", "action", "status", "occurred_at")
    return {name: getattr(recorded, name) for name in names} | {"diagnostic": "", "tenant": ""}


def test_each_change_begins_where_the_last_ended_and_the_newest_is_the_record():
    rng = random.Random(16)
    for _ in range(50):
        events = []
        for number in range(1, 8):
            sort = rng.choice(SORTS)
            days = rng.randrange(90)
            if sort[0] == "reinstatement":  # which is written when it occurs
                days = max([days, *((item.occurred_at - BEGINNING).days + 1 for item in events)])
            events.append(event(number, days, *sort, received=200))
        user = fold(empty_user(JANE), events, Policy())
        history = retold(JANE, user, None, events, Policy())
        in_order = sorted(events, key=lambda item: (item.occurred_at, item.id))
        before = empty_user(JANE)
        for item in in_order:
            assert history.changes[item.id].before == before
            before = history.changes[item.id].after
        assert history.is_the_record


def test_what_an_imported_record_has_already_is_no_change():
    old, new = event(1, 1), event(2, 5, type="Transient")
    history = retold(JANE, empty_user(JANE), FirstRecord(empty_user(JANE), 1), [old, new], Policy())
    assert set(history.changes) == {2}
    assert not history.is_the_record


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([event(1, 1), event(2, 3), event(3, 2)], "mail bounced on 2026-11-04"),
        ([event(1, 1), event(2, 3, type="Transient")], "mail bounced on 2026-11-02"),
        (
            [event(1, 2), event(2, 1, "complaint", "abuse"), event(3, 4)],
            "of a complaint on 2026-11-02",
        ),
        ([event(1, 1, subtype="OnAccountSuppressionList")], "SES did not send"),
    ],
)
def test_the_cause_is_the_event_that_set_what_stops_mail_now(events, words):
    user = fold(empty_user(JANE), events, Policy())
    history = retold(JANE, user, None, events, Policy())
    reason = "auto_block_spam" if user.auto_block_spam else user.pause_reason
    until = None if user.auto_block_spam else user.paused_until
    verdict = Verdict(is_user=True, is_known=True, reason=reason, until=until)
    rows = [as_row(item) for item in sorted(events, key=lambda item: item.occurred_at)]
    cause = cause_of(verdict, rows, history.changes)
    assert words in answer_of(JANE, verdict, cause)


def test_without_an_event_the_reason_is_a_general_sentence_and_an_address_is_quoted():
    verdict = Verdict(is_user=True, is_known=True, reason="by_hand", until=BEGINNING)
    assert answer_of(JANE, verdict, cause_of(verdict, [], {})) == (
        "No mail may go to jane@example.com until 2026-11-01 00:00:00 UTC, because the record says"
        " so (by_hand). It is a user."
    )
    assert undo_of("o'neil;x@b.c", verdict).startswith(
        "ses-worker users reinstate 'o'\"'\"'neil;x@b.c'"
    )


def test_off_a_tenants_list_needs_the_tenant():
    verdict = Verdict(is_user=True, is_known=True, reason="hard_bounce", until=BEGINNING)
    row = as_row(event(1, 1, subtype="OnTenantSuppressionList")) | {"tenant": "acme co"}
    assert " --also-suppression-list --tenant 'acme co' --reason " in undo_of(JANE, verdict, [row])
