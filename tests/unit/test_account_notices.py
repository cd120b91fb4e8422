"""The notice that SES stopped or resumed sending, as Slack shows it."""

import html
from datetime import timedelta

import pytest
from msgspec.structs import replace
from support.account_events import ARN, account_event, enabled, finding, of_the_account
from support.lanes import SLACK
from support.mail import NOW
from support.notices import effect, faults, marked, shown

from worker.core.account_events import AccountStatus, NewAccountEvent, Scope, Verification
from worker.core.outbox.others import entries_for_account_event
from worker.core.policy import Policy
from worker.notifiers.slack.notices import notice, simplified

RESUME = (
    "aws sesv2 update-reputation-entity-customer-managed-status --reputation-entity-type RESOURCE "
    "--reputation-entity-reference arn:aws:ses:eu-west-1:111122223333:tenant/acme/tn-000000000000 "
    "--sending-status ENABLED --region eu-west-1"
)


def payload(event):
    new = NewAccountEvent(event=event, occurred_at=event.occurred_at, received_at=NOW)
    (entry,) = entries_for_account_event(new, Policy(notify=(SLACK,)))
    return entry.payload


def drawn(event, **found):
    post = notice(effect(replace(payload(event), **found)))
    assert list(faults(post)) == []
    assert list(faults(simplified(effect(replace(payload(event), **found))))) == []
    return post


def test_a_paused_tenant_its_cause_and_what_to_do():
    post = drawn(account_event(), verification=Verification.CONFIRMED, answer="DISABLED")
    assert post.text == "SENDING STOPPED: tenant acme"
    text = shown(post)
    for part in (
        "SES stopped sending",
        "2026-11-20T09:00:00.000Z",
        "`tenant acme`",
        "`Reputation finding: bounce rate.`",
        "`111122223333, eu-west-1`",
        "Yes, SES's API says the same (`DISABLED`)",
        "Resume sending",
        "`aws sesv2 get-tenant --tenant-name acme --region eu-west-1`",
        f"`{RESUME}`",
        "outbox #123",
    ):
        assert part in text


def test_what_was_not_verified_says_so_and_why():
    text = shown(drawn(account_event(), answer="ses:GetTenant is not permitted"))
    assert "Reported, not verified (`ses:GetTenant is not permitted`)" in text


def test_what_ses_contradicts_is_not_notified_as_a_fact():
    found = {"verification": Verification.CONTRADICTED, "answer": "ENABLED"}
    post = drawn(account_event(), **found)
    assert post.text == "CONTRADICTED, SENDING STOPPED: tenant acme"
    assert "Not so, says SES: SES stopped sending" in shown(post)
    assert "No, SES's API says otherwise" in shown(post)
    assert "--sending-status" not in shown(post), "there is nothing to resume"


def test_what_is_older_than_what_is_known_is_notified_as_history():
    later = {
        "superseded_by": AccountStatus.ENABLED,
        "superseded_at": account_event().occurred_at + timedelta(minutes=30),
    }
    post = drawn(account_event(), **later)
    assert post.text == "EARLIER, SENDING STOPPED: tenant acme"
    text = shown(post)
    assert "Earlier: SES had stopped sending" in text
    assert "since 2026-11-20T09:30:00.000Z sending is enabled" in text
    assert "SES stopped sending" not in text
    assert "aws sesv2" not in text


@pytest.mark.parametrize(
    ("event", "word", "command"),
    [
        (enabled(), "SENDING RESUMED: tenant acme", "get-tenant --tenant-name acme"),
        (of_the_account(), "SENDING STOPPED: the account", "get-account"),
        (
            finding(),
            "FINDING OPENED: tenant acme",
            f"list-recommendations --filter RESOURCE_ARN={ARN.format('acme')}",
        ),
        (
            finding(status=AccountStatus.RESOLVED),
            "FINDING CLOSED: tenant acme",
            "list-recommendations",
        ),
        (
            account_event(
                scope=Scope.CONFIGURATION_SET,
                tenant="",
                resource="arn:aws:ses:eu-west-1:111122223333:configuration-set/main",
            ),
            "SENDING STOPPED: configuration set main",
            "put-configuration-set-sending-options --configuration-set-name main --sending-enabled",
        ),
        (
            account_event(
                scope=Scope.IDENTITY,
                tenant="",
                resource="arn:aws:ses:eu-west-1:111122223333:identity/example.com",
            ),
            "SENDING STOPPED: identity example.com",
            "get-email-identity --email-identity example.com",
        ),
    ],
)
def test_each_kind_names_its_subject_and_how_to_look(event, word, command):
    post = drawn(event)
    assert post.text == word
    assert f"`aws sesv2 {command}" in shown(post)


def test_a_finding_is_shown_with_its_sentence_and_impact():
    text = shown(drawn(finding()))
    assert "The bounce rate exceeded 15.0%." in text
    assert "`BOUNCE, impact HIGH`" in text


@pytest.mark.parametrize(
    "name", ["a; rm -rf ~", "$(id)", "a b", "-x`id`", "<!channel>", "x" * 500, "--debug"]
)
def test_no_command_names_what_a_shell_would_misread(name):
    """People paste commands, and tenants are named by customers."""
    event = account_event(name, resource=f"arn:aws:ses:eu-west-1:1:tenant/{name}/tn-0")
    post = drawn(event)
    assert not any("aws sesv2" in html.unescape(text) for text in marked(post.blocks))


def test_a_masked_notice_has_no_command_with_an_address():
    identity = "arn:aws:ses:eu-west-1:111122223333:identity/jane@example.com"
    event = account_event(scope=Scope.IDENTITY, tenant="", resource=identity)
    assert "--email-identity jane@example.com" in shown(drawn(event))
    assert "jane@example.com" not in shown(notice(effect(payload(event)), masked=True))


def test_the_resuming_command_is_awss():
    """Operation and arguments exist in botocore's model, from which AWS's command line is made."""
    import botocore.session
    from botocore import xform_name

    model = botocore.session.get_session().get_service_model("sesv2")
    names = {xform_name(name, "-"): name for name in model.operation_names}
    events = [account_event(), enabled(), of_the_account(), finding()]
    events += [account_event(scope=scope, tenant="", resource="arn:aws:ses:r:1:x/n") for scope in (
        Scope.CONFIGURATION_SET, Scope.IDENTITY
    )]  # fmt: skip
    operations = set()
    for event in events:
        for text in marked(drawn(event).blocks):
            if text.startswith("`aws sesv2 "):
                _, _, operation, *arguments = text.strip("`").split()
                members = model.operation_model(names[operation]).input_shape.members
                options = {word for word in arguments if word.startswith("--")} - {"--region"}
                assert options <= {f"--{xform_name(member, '-')}" for member in members}
                operations.add(operation)
    assert len(operations) == 7
