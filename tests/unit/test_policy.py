"""What operators choose reaches the rules, and what SES calls its own refusals is written here."""

import json
from datetime import timedelta

import pytest
from msgspec.structs import replace
from support import mail

from worker.core.decode import decode
from worker.core.errors import Misconfigured
from worker.core.model import Action, User
from worker.core.policy import REFUSED_BY_SES, RULES, SPAREABLE, Policy, is_refusal, rule_for
from worker.settings.loading import load_settings
from worker.store.in_force import as_kept

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


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.setting], ids=lambda rule: rule.setting
)
def test_the_view_do_not_mail_is_given_each_setting_that_a_rule_needs(rule):
    chosen = timedelta(days=1) if rule.is_timed else True
    assert as_kept(replace(Policy(), **{rule.setting: chosen})) != as_kept(Policy())


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


BOUNCES = {
    "sender": "550 5.7.1 blocked using zen.spamhaus.org, spam source",
    "receiver": "451 4.7.1 greylisted as possible spam, try again later",
    "message": "550 5.7.1 message content rejected as spam",
    "recipient": "550 5.1.1 user unknown",
    "unknown": "550 sorry",
}
"""Answers of mail servers, by whose fault the bounce is."""


def rule_of(diagnostic, policy, **more):
    entry = mail.recipient("jane@example.com", status="", diagnosticCode=diagnostic)
    (feedback,) = decode(mail.bounce(entry, **more))
    jane = User(email="jane@example.com", email_key="jane@example.com")
    return feedback.fault, rule_for(feedback, jane, policy).reason


class TestSpareFaults:
    @pytest.mark.parametrize("spared", SPAREABLE)
    @pytest.mark.parametrize("type", ["Permanent", "Transient", "Undetermined", "TRANSIENT"])
    @pytest.mark.parametrize("fault", BOUNCES)
    def test_spare_bounces_by_these_and_no_others(self, spared, type, fault):
        policy = Policy(spare_faults=frozenset({spared}))
        found, reason = rule_of(BOUNCES[fault], policy, type=type)
        assert found == fault
        if fault == spared:
            assert reason == f"spared:{fault}"
        else:
            assert reason == rule_of(BOUNCES[fault], Policy(), type=type)[1]

    def test_come_after_bounce_actions_and_opt_outs(self):
        policy = Policy(
            spare_faults=frozenset(SPAREABLE), bounce_actions={"transient/*": Action.SOFT_BOUNCE}
        )
        fault, reason = rule_of(BOUNCES["sender"], policy, type="TRANSIENT")
        assert (fault, reason) == ("sender", "bounce_actions:transient/*")
        _, reason = rule_of(BOUNCES["sender"], policy, subtype="UnsubscribedRecipient")
        assert reason == "unsubscribed"

    @pytest.mark.parametrize("subtype", [*REFUSALS, *map(str.upper, REFUSALS)])
    @pytest.mark.parametrize("fault", BOUNCES)
    def test_never_spare_what_ses_itself_refused(self, subtype, fault):
        policy = Policy(spare_faults=frozenset(SPAREABLE))
        _, reason = rule_of(BOUNCES[fault], policy, subtype=subtype)
        assert reason == rule_of(BOUNCES[fault], Policy(), subtype=subtype)[1]

    def test_change_nothing_about_complaints(self):
        (feedback,) = decode(mail.complaint("jane@example.com"))
        jane = User(email="jane@example.com", email_key="jane@example.com")
        policy = Policy(spare_faults=frozenset({"", *SPAREABLE}))
        assert rule_for(feedback, jane, policy).reason == "complaint"

    def test_are_those_of_the_settings(self):
        given = {"SES_WORKER_POLICY__SPARE_FAULTS": '["message", "sender"]'}
        assert load_settings(given).as_policy().spare_faults == {"message", "sender"}
        assert load_settings({}).as_policy().spare_faults == set()

    @pytest.mark.parametrize("wrong", ["recipient", "unknown", "Sender", ""])
    def test_can_be_no_others(self, wrong):
        given = {"SES_WORKER_POLICY__SPARE_FAULTS": json.dumps(["sender", wrong])}
        with pytest.raises(Misconfigured, match=f"policy.spare_faults: '{wrong}' cannot be spared"):
            load_settings(given)


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.swapcase])
@pytest.mark.parametrize("type", ["Permanent", "Transient", "Undetermined"])
@pytest.mark.parametrize("subtype", ["General", *REFUSALS, "UnsubscribedRecipient"])
def test_types_and_sub_types_match_whatever_their_case(spell, type, subtype):
    as_written = rule_of("550 sorry", Policy(), type=type, subtype=subtype)
    assert rule_of("550 sorry", Policy(), type=spell(type), subtype=spell(subtype)) == as_written
    for name in (f"{type}/{subtype}", f"{type}/*"):
        chosen = Policy(bounce_actions={spell(name): Action.NO_ACTION})
        _, reason = rule_of("550 sorry", chosen, type=type, subtype=subtype)
        assert reason == f"bounce_actions:{spell(name)}"
