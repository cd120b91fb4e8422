"""`policy.spare_faults`: bounces by these faults are recorded, and change nobody's record."""

import pytest
from support import mail

from worker.core.policy import SPAREABLE, Policy
from worker.process import process
from worker.store.answers import verdict_on
from worker.store.history import history_of
from worker.store.in_force import as_kept
from worker.store.users import find_user, import_users

JANE, NO_USER = "jane@example.com", "unknown@example.com"
REPLIES = {
    "sender": "554 5.7.1 blocked using zen.spamhaus.org",
    "receiver": "554 5.7.1 blocked using zen.spamhaus.org; Error: open resolver",
    "message": "550 5.7.1 message content rejected as spam",
}
OTHERS = {"recipient": "550 5.1.1 user unknown", "unknown": "550 sorry"}


def taken_in(store, message, diagnostic, **chosen):
    """Take in a bounce of a user and of no user; return Jane's record and her event."""
    policy = Policy(**chosen)
    store.keep_policy(as_kept(policy))
    list(import_users(store, [{"email": JANE, "email_key": JANE}]))
    entries = [mail.recipient(who, diagnosticCode=diagnostic) for who in (JANE, NO_USER)]
    process([message(mail.bounce(*entries))], store, policy)
    (event,) = history_of(store, JANE).events
    return find_user(store, JANE), event


@pytest.mark.parametrize("fault", SPAREABLE)
def test_a_spared_bounce_is_recorded_and_neither_pauses_nor_blocks(store, message, fault):
    user, event = taken_in(store, message, REPLIES[fault], spare_faults=frozenset({fault}))
    found = (event["fault"], event["action"], event["reason"])
    assert found == (fault, "no_action", f"spared:{fault}")
    assert not user["auto_block_spam"]
    assert not user["paused_until"]
    assert (user["hard_bounce_count"], user["last_hard_bounce"]) == (0, None)
    for who in (JANE, NO_USER):
        assert verdict_on(store, who).reason is None


@pytest.mark.parametrize("fault", SPAREABLE)
def test_without_the_setting_the_same_bounce_blocks(store, message, fault):
    user, event = taken_in(store, message, REPLIES[fault])
    found = (event["fault"], event["action"], event["reason"])
    assert found == (fault, "auto_block_spam", "spam_diagnostic")
    assert user["auto_block_spam"]
    for who in (JANE, NO_USER):
        assert verdict_on(store, who).reason == "auto_block_spam"


@pytest.mark.parametrize("fault", OTHERS)
def test_what_is_not_named_is_not_spared(store, message, fault):
    _, event = taken_in(store, message, OTHERS[fault], spare_faults=frozenset(SPAREABLE))
    assert event["fault"] == fault
    assert event["action"] != "no_action"
    assert verdict_on(store, NO_USER).reason == event["action"]


def test_the_view_follows_the_setting_at_once_for_those_who_are_no_users(store, message):
    taken_in(store, message, REPLIES["sender"])
    store.keep_policy(as_kept(Policy(spare_faults=frozenset({"sender"}))))
    assert verdict_on(store, NO_USER).reason is None
    assert verdict_on(store, JANE).reason == "auto_block_spam"
    store.keep_policy(as_kept(Policy(spare_faults=frozenset({"message"}))))
    assert verdict_on(store, NO_USER).reason == "auto_block_spam"
