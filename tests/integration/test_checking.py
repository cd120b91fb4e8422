"""What `check` finds of a path, over HTTP from an AWS whose parts are broken one by one."""

import json
from pathlib import Path

import pytest
from support.wiring import (
    ACCOUNT,
    DEAD,
    DEAD_URL,
    QUEUE,
    QUEUE_URL,
    REGION,
    TOPIC,
    policy,
    publishing,
)

from simulators.slack import CHANNEL, TOKEN
from worker.commands.check import CheckOptions
from worker.commands.check import look as look_at_it
from worker.core.errors import Unavailable
from worker.settings.loading import load_settings
from worker.store import ensure_schema, open_store
from worker.store.users import import_users
from worker.topology import Aws


@pytest.fixture
def look(wiring, environment, monkeypatch):
    """Check the path that was made by hand, and return what stands out."""
    store = open_store(environment["SES_WORKER_STORE__URL"])
    ensure_schema(store, migrate=True)
    for _ in import_users(store, [{"email": "jane@example.com", "email_key": "jane@example.com"}]):
        pass

    def look(identities=(), **changes):
        given = {n: text for n, text in (environment | changes).items() if text is not None}
        for name in [name for name in environment if name.startswith("AWS_")]:
            monkeypatch.delenv(name, raising=False)
        for name, text in given.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, text)
        settings = load_settings({n: t for n, t in given.items() if n.startswith("SES_WORKER_")})
        found = list(look_at_it(settings, CheckOptions(identities=identities)))
        return [item for item in found if item.status not in {"ok", "skipped"}]

    return look


def only(findings, check, status="wrong"):
    """The one thing that stands out."""
    assert [(finding.check, finding.status) for finding in findings] == [(check, status)], findings
    return findings[0]


def test_a_healthy_path_has_no_findings(look):
    assert look() == []


def test_what_may_not_be_read_is_reported_and_not_guessed(wiring, proxy, look):
    proxy.denied |= {
        "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "ses:ListIdentities",
        "ses:ListConfigurationSets", "ses:GetAccount",
    }  # fmt: skip
    found = look()
    assert {item.status for item in found} == {"unknown"}
    assert {item.message.rpartition(": ")[2].split()[0] for item in found} == proxy.denied
    assert [item.check for item in found] == [
        "topic", "subscription", "feedback", "feedback", "encryption", "account",
    ]  # fmt: skip


def test_without_the_queue_all_behind_it_is_skipped(look, proxy):
    found = only(look(SES_WORKER_QUEUE__URL=f"{QUEUE_URL}-2"), "queue")
    assert "no such queue in eu-west-1" in found.message
    assert proxy.actions == {"sqs:GetQueueAttributes"}


def test_a_queue_that_we_may_not_read_is_a_fault(wiring, proxy, look):
    proxy.denied.add("sqs:GetQueueAttributes")
    found = only(look(), "queue")
    assert "sqs:GetQueueAttributes is not permitted" in found.message


def test_missing_credentials_are_a_single_fault(wiring, look):
    gone = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    found = only(look(**gone), "queue")
    assert "credentials" in found.message


def test_a_dead_letter_queue_that_the_policy_does_not_name_is_a_fault(wiring, look):
    wiring.sqs.create_queue(QueueName="other", Attributes={"MessageRetentionPeriod": "1209600"})
    url = QUEUE_URL.replace("feedback", "other")
    found = only(look(SES_WORKER_QUEUE__DEAD_LETTER_URL=url), "dead letters")
    assert "reads only the first" in found.message
    assert look(SES_WORKER_QUEUE__DEAD_LETTER_URL=DEAD_URL) == []


def test_raw_delivery_and_named_topics_exclude_each_other(wiring, look):
    wiring.unsubscribe()
    wiring.subscribe(RawMessageDelivery="true")
    assert look() == []
    named = only(look(SES_WORKER_SNS__TOPIC_ARNS=f'["{TOPIC}"]'), "subscription")
    assert "delivers raw" in named.message


def test_a_filter_that_holds_bounces_back_is_a_fault(wiring, look):
    wiring.unsubscribe()
    wiring.subscribe(FilterPolicy='{"kind": ["bounce"]}')
    found = only(look(), "subscription")
    assert "blocks bounces and complaints" in found.message


def test_a_wide_open_policy_is_wrong(wiring, look):
    everybody = (
        policy(QUEUE, TOPIC)[:-2]
        + ', {"Effect": "Allow", "Principal": "*", "Action": "SQS:*", "Resource": "*"}]}'
    )
    wiring.set_queue(Policy=everybody)
    found = only(look(), "queue policy")
    assert "everybody" in found.message


def test_both_routes_at_once_are_reported_as_no_fault(wiring, proxy, look):
    proxy.publishing.configuration_sets["main"] = {
        "to-topic": {
            "Enabled": True,
            "MatchingEventTypes": ["BOUNCE", "COMPLAINT"],
            "SnsDestination": {"TopicArn": TOPIC},
        }
    }
    kept_out = only([item for item in look() if item.check != "feedback"], "topic")
    assert "does not let SES publish for configuration-set/main" in kept_out.message
    both = publishing("identity/example.com", "configuration-set/main")
    wiring.sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=both)
    found = only(look(), "feedback", "note")
    assert "both report the same mail, which does no harm" in found.message
    proxy.publishing.identities.clear()
    assert look() == []


def test_ses_that_reports_to_another_topic_is_a_fault(wiring, proxy, look):
    proxy.publishing.identities["example.com"]["Complaint"] = f"{TOPIC}-elsewhere"
    found = only(look(), "feedback")
    assert "complaint notifications go to" in found.message
    assert f"--identity example.com --notification-type Complaint --sns-topic {TOPIC}" in found.fix
    proxy.publishing.identities.clear()
    assert "no identity and no event destination" in only(look(), "feedback").message


def test_an_identity_that_is_named_must_be_covered(wiring, proxy, look):
    proxy.publishing.identities["example.org"] = {}
    assert "notifications of example.org do not" in only(look(), "feedback", "note").message
    found = only(look(["example.org"]), "feedback")
    assert found.fix.endswith("--identity example.org")
    missing = only(look(["example.net"]), "feedback")
    assert "no identity example.net" in missing.message


def test_a_key_that_keeps_sns_out_is_a_fault(wiring, look):
    key = wiring.kms.create_key()["KeyMetadata"]["Arn"]
    wiring.set_queue(KmsMasterKeyId=key)
    found = only(look(), "encryption")
    assert "does not let sns.amazonaws.com use it" in found.message
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
        "Resource": "*",
    }
    wiring.kms.put_key_policy(
        KeyId=key, PolicyName="default", Policy=json.dumps({"Statement": [statement]})
    )
    assert look() == []


def test_a_key_whose_policy_may_not_be_read_is_unknown(wiring, proxy, look):
    wiring.set_queue(KmsMasterKeyId=wiring.kms.create_key()["KeyMetadata"]["Arn"])
    proxy.denied.add("kms:GetKeyPolicy")
    found = only(look(), "encryption", "unknown")
    assert "kms:GetKeyPolicy is not permitted" in found.message


def test_topics_that_may_not_be_listed_are_reported_as_unknown(wiring, proxy, look):
    account = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    wiring.set_queue(Policy=policy(QUEUE, Condition=account))
    assert look() == []
    proxy.denied.add("sns:ListSubscriptions")
    found = only(look(), "subscription", "unknown")
    assert "sns:ListSubscriptions is not permitted" in found.message


def test_a_filter_on_what_ses_does_not_send_is_a_fault(wiring, look):
    wiring.unsubscribe()
    events = '{"eventType": ["Bounce", "Complaint"]}'
    wiring.subscribe(FilterPolicy=events, FilterPolicyScope="MessageBody")
    assert "blocks" in only(look(), "subscription").message


def test_a_missing_dead_letter_queue_of_the_subscription_is_reported(wiring, look):
    wiring.unsubscribe()
    wiring.subscribe(RedrivePolicy=json.dumps({"deadLetterTargetArn": f"{DEAD}-gone"}))
    assert "does not exist" in only(look(), "subscription", "note").message


def test_a_policy_about_another_queue_lets_no_topic_in(wiring, look):
    wiring.set_queue(Policy=policy(f"{QUEUE}-old", TOPIC))
    assert "does not admit" in only(look(), "queue policy").message


def test_a_token_is_tried_without_a_post(look, slack):
    token = {
        "SES_WORKER_SLACK__WEBHOOK_URL": None,
        "SES_WORKER_SLACK__API_URL": slack.api_url,
        "SES_WORKER_SLACK__TOKEN": TOKEN,
        "SES_WORKER_SLACK__CHANNEL": CHANNEL,
    }
    assert look(**token) == []
    assert slack.posts == []
    found = only(look(**token | {"SES_WORKER_SLACK__TOKEN": "xoxb-old"}), "slack")
    assert "invalid_auth" in found.message
    assert "xoxb-old" not in str(found)


def test_a_key_of_the_dead_letter_queue_matters_only_where_sns_writes_there(wiring, look):
    wiring.set_queue(DEAD_URL, KmsMasterKeyId=wiring.kms.create_key()["KeyMetadata"]["Arn"])
    assert "feedback-dlq" in only(look(), "encryption").message
    wiring.unsubscribe()
    wiring.subscribe(RedrivePolicy="")
    assert {item.check for item in look()} == {"subscription"}


UNREACHABLE = "http://127.0.0.1:9"
"""Discard: nobody listens."""


def test_unreachable_services_make_their_checks_unknown(wiring, look):
    found = look(AWS_ENDPOINT_URL_SNS=UNREACHABLE, AWS_ENDPOINT_URL_SESV2=UNREACHABLE)
    assert {(item.check, str(item.status)) for item in found} == {
        ("topic", "unknown"), ("subscription", "unknown"), ("feedback", "unknown"),
        ("encryption", "unknown"), ("account", "unknown"),
    }  # fmt: skip
    assert all(UNREACHABLE in item.message for item in found)


def test_an_unreachable_service_is_waited_for_once(environment, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.setenv("AWS_ENDPOINT_URL", UNREACHABLE)
    pauses = []
    aws = Aws(REGION, sleep=pauses.append)
    for tries in (4, 4):
        with pytest.raises(Unavailable):
            aws.ask("sns", "list_subscriptions")
        assert len(pauses) == tries


def test_a_database_that_every_user_may_write_is_a_fault(look, environment):
    file = Path(environment["SES_WORKER_STORE__URL"].removeprefix("sqlite:///"))
    file.chmod(0o666)
    found = only(look(), "database")
    assert "every user of this machine may write" in found.message
    assert found.fix.startswith(f"chmod o-w {file}")
    for name in ("", "-wal", "-shm"):  # SQLite gives its other files the same mode
        if (other := Path(f"{file}{name}")).exists():
            other.chmod(0o660)
    file.parent.chmod(0o777)
    assert only(look(), "database").fix == f"chmod o-w {file.parent}"
    file.parent.chmod(0o1777)
    assert look() == [], "in a sticky folder nobody can replace the file of another"
