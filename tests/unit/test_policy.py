"""What operators choose reaches the rules, and what SES calls its own refusals is written here."""

from datetime import timedelta

import pytest
from support import mail

from worker.core.decode import decode
from worker.core.model import Action, User
from worker.core.policy import REFUSED_BY_SES, Policy, is_refusal, rule_for
from worker.settings.loading import load_settings

REFUSALS = [
    "Suppressed",
    "OnAccountSuppressionList",
    "OnTenantSuppressionList",
    "EmailValidationSuppressed",
]
"""As AWS writes them, and not as our code does."""


def test_pauses_are_as_long_as_the_environment_says():
    policy = load_settings(
        {
            "SES_WORKER_POLICY__HARD_BOUNCE_PAUSE_DAYS": "7",
            "SES_WORKER_POLICY__SOFT_BOUNCE_PAUSE_DAYS": "2.5",
        }
    ).as_policy()
    assert policy.hard_bounce_pause == timedelta(days=7)
    assert policy.soft_bounce_pause == timedelta(days=2, hours=12)


def test_ses_refuses_by_four_sub_types_and_no_other():
    assert sorted(REFUSED_BY_SES) == sorted(REFUSALS)


@pytest.mark.parametrize("subtype", REFUSALS)
def test_a_permanent_bounce_of_these_sub_types_is_a_refusal(subtype):
    (feedback,) = decode(mail.bounce("jane@example.com", subtype=subtype))
    jane = User(email="jane@example.com", email_key="jane@example.com")
    assert is_refusal(feedback)
    assert rule_for(feedback, jane, Policy()).reason == "refused_by_ses"


@pytest.mark.parametrize(
    ("type", "subtype"),
    [
        ("Permanent", "General"),
        ("Permanent", "NoEmail"),
        ("Permanent", "UnsubscribedRecipient"),
        ("Permanent", None),
        ("Transient", "Suppressed"),
        ("Undetermined", "OnAccountSuppressionList"),
    ],
)
def test_any_other_bounce_is_none(type, subtype):
    (feedback,) = decode(mail.bounce("jane@example.com", type=type, subtype=subtype))
    assert not is_refusal(feedback)


@pytest.mark.parametrize("subtype", ["UnsubscribedRecipient", "unsubscribedrecipient"])
@pytest.mark.parametrize("diagnostic", [None, "550 spam"])
def test_who_opted_out_of_a_list_is_neither_paused_nor_blocked(subtype, diagnostic):
    entry = mail.recipient("jane@example.com", diagnosticCode=diagnostic)
    (feedback,) = decode(mail.bounce(entry, subtype=subtype))
    jane = User(email="jane@example.com", email_key="jane@example.com")
    rule = rule_for(feedback, jane, Policy())
    assert (rule.reason, rule.action) == ("unsubscribed", Action.NO_ACTION)
    chosen = Policy(bounce_actions={"Permanent/*": Action.HARD_BOUNCE})
    assert rule_for(feedback, jane, chosen).action is Action.HARD_BOUNCE
