"""What the check makes of a path, asked over HTTP of an AWS whose parts are broken one by one."""

import json

import pytest
from wiring import ACCOUNT, DEAD, DEAD_URL, QUEUE, QUEUE_URL, REGION, TOPIC, policy, publishing

from worker.checking import Wishes
from worker.checking import look as look_at_it
from worker.demo.standins.slack import CHANNEL, TOKEN
from worker.errors import Unavailable
from worker.plumbing import Aws
from worker.sources import load_settings
from worker.store import ensure_schema, open_store


@pytest.fixture
def look(wiring, environment, monkeypatch):
    """Check the path that was made by hand, and return what stands out."""
    ensure_schema(open_store(environment["SES_WORKER_STORE__URL"]), migrate=True)

    def look(identities=(), **changes):
        given = {n: text for n, text in (environment | changes).items() if text is not None}
        for name in [name for name in environment if name.startswith("AWS_")]:
            monkeypatch.delenv(name, raising=False)
        for name, text in given.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, text)
        settings = load_settings({n: t for n, t in given.items() if n.startswith("SES_WORKER_")})
        found = list(look_at_it(settings, Wishes(identities=identities)))
        return [one for one in found if one.status not in {"ok", "skipped"}]

    return look


def only(findings, check, status="wrong"):
    """The one thing that stands out."""
    assert [(one.check, one.status) for one in findings] == [(check, status)], findings
    return findings[0]


def test_a_healthy_path_has_nothing_to_say(look):
    assert look() == []


def test_what_may_not_be_looked_at_is_said_and_not_guessed(wiring, door, look):
    door.denied |= {
        "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "ses:ListIdentities",
        "ses:ListConfigurationSets", "ses:GetAccount",
    }  # fmt: skip
    found = look()
    assert {one.status for one in found} == {"unseen"}
    assert {one.said.rpartition(": ")[2].split()[0] for one in found} == door.denied
    assert [one.check for one in found] == [
        "topic", "subscription", "feedback", "feedback", "encryption", "account",
    ]  # fmt: skip


def test_without_the_queue_all_behind_it_is_skipped(look, door):
    found = only(look(SES_WORKER_QUEUE__URL=f"{QUEUE_URL}-2"), "queue")
    assert "no such queue in eu-west-1" in found.said
    assert door.actions == {"sqs:GetQueueAttributes"}


def test_a_queue_that_we_may_not_read_is_a_fault(wiring, door, look):
    door.denied.add("sqs:GetQueueAttributes")
    found = only(look(), "queue")
    assert "sqs:GetQueueAttributes is not permitted" in found.said


def test_credentials_that_are_missing_are_one_fault(wiring, look):
    gone = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    found = only(look(**gone), "queue")
    assert "credentials" in found.said


def test_a_dead_letter_queue_that_the_policy_does_not_name_is_a_fault(wiring, look):
    wiring.sqs.create_queue(QueueName="other", Attributes={"MessageRetentionPeriod": "1209600"})
    url = QUEUE_URL.replace("feedback", "other")
    found = only(look(SES_WORKER_QUEUE__DEAD_LETTER_URL=url), "dead letters")
    assert "looks only into the first" in found.said
    assert look(SES_WORKER_QUEUE__DEAD_LETTER_URL=DEAD_URL) == []


def test_raw_delivery_and_named_topics_exclude_each_other(wiring, look):
    wiring.unsubscribe()
    wiring.subscribe(RawMessageDelivery="true")
    assert look() == []
    named = only(look(SES_WORKER_SNS__TOPIC_ARNS=f'["{TOPIC}"]'), "subscription")
    assert "delivers raw" in named.said


def test_a_filter_that_holds_bounces_back_is_a_fault(wiring, look):
    wiring.unsubscribe()
    wiring.subscribe(FilterPolicy='{"kind": ["bounce"]}')
    found = only(look(), "subscription")
    assert "holds back bounces and complaints" in found.said


def test_an_open_door_is_a_fault(wiring, look):
    everybody = (
        policy(QUEUE, TOPIC)[:-2]
        + ', {"Effect": "Allow", "Principal": "*", "Action": "SQS:*", "Resource": "*"}]}'
    )
    wiring.set_queue(Policy=everybody)
    found = only(look(), "queue policy")
    assert "everybody" in found.said


def test_both_routes_at_once_are_told_and_harmless(wiring, door, look):
    door.publishing.configuration_sets["main"] = {
        "to-topic": {
            "Enabled": True,
            "MatchingEventTypes": ["BOUNCE", "COMPLAINT"],
            "SnsDestination": {"TopicArn": TOPIC},
        }
    }
    kept_out = only([one for one in look() if one.check != "feedback"], "topic")
    assert "does not let SES publish for configuration-set/main" in kept_out.said
    both = publishing("identity/example.com", "configuration-set/main")
    wiring.sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=both)
    found = only(look(), "feedback", "note")
    assert "twice, which is harmless" in found.said
    door.publishing.identities.clear()
    assert look() == []


def test_ses_that_tells_another_topic_is_a_fault(wiring, door, look):
    door.publishing.identities["example.com"]["Complaint"] = f"{TOPIC}-elsewhere"
    found = only(look(), "feedback")
    assert "complaint notifications go to" in found.said
    assert f"--identity example.com --notification-type Complaint --sns-topic {TOPIC}" in found.mend
    door.publishing.identities.clear()
    assert "no identity and no event destination" in only(look(), "feedback").said


def test_an_identity_that_is_named_must_be_covered(wiring, door, look):
    door.publishing.identities["example.org"] = {}
    assert "notifications of example.org do not" in only(look(), "feedback", "note").said
    found = only(look(["example.org"]), "feedback")
    assert found.mend.endswith("--identity example.org")
    missing = only(look(["example.net"]), "feedback")
    assert "no identity example.net" in missing.said


def test_a_key_that_keeps_sns_out_is_a_fault(wiring, look):
    key = wiring.kms.create_key()["KeyMetadata"]["Arn"]
    wiring.set_queue(KmsMasterKeyId=key)
    found = only(look(), "encryption")
    assert "does not let sns.amazonaws.com use it" in found.said
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


def test_a_key_whose_policy_may_not_be_read_is_unseen(wiring, door, look):
    wiring.set_queue(KmsMasterKeyId=wiring.kms.create_key()["KeyMetadata"]["Arn"])
    door.denied.add("kms:GetKeyPolicy")
    found = only(look(), "encryption", "unseen")
    assert "kms:GetKeyPolicy is not permitted" in found.said


def test_topics_that_may_not_be_listed_are_said_to_be_unknown(wiring, door, look):
    account = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    wiring.set_queue(Policy=policy(QUEUE, Condition=account))
    assert look() == []
    door.denied.add("sns:ListSubscriptions")
    found = only(look(), "subscription", "unseen")
    assert "sns:ListSubscriptions is not permitted" in found.said


def test_a_filter_on_what_ses_does_not_send_is_a_fault(wiring, look):
    wiring.unsubscribe()
    events = '{"eventType": ["Bounce", "Complaint"]}'
    wiring.subscribe(FilterPolicy=events, FilterPolicyScope="MessageBody")
    assert "holds back" in only(look(), "subscription").said


def test_a_dead_letter_queue_of_the_subscription_that_is_gone_is_told(wiring, look):
    wiring.unsubscribe()
    wiring.subscribe(RedrivePolicy=json.dumps({"deadLetterTargetArn": f"{DEAD}-gone"}))
    assert "does not exist" in only(look(), "subscription", "note").said


def test_a_policy_about_another_queue_lets_no_topic_in(wiring, look):
    wiring.set_queue(Policy=policy(f"{QUEUE}-old", TOPIC))
    assert "does not let" in only(look(), "queue policy").said


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
    assert "invalid_auth" in found.said
    assert "xoxb-old" not in str(found)


def test_a_key_of_the_dead_letter_queue_matters_only_where_sns_writes_there(wiring, look):
    wiring.set_queue(DEAD_URL, KmsMasterKeyId=wiring.kms.create_key()["KeyMetadata"]["Arn"])
    assert "feedback-dlq" in only(look(), "encryption").said
    wiring.unsubscribe()
    wiring.subscribe(RedrivePolicy="")
    assert {one.check for one in look()} == {"subscription"}


AWAY = "http://127.0.0.1:9"
"""Discard: nobody listens."""


def test_services_that_are_away_are_unseen_by_the_checks_that_ask_them(wiring, look):
    found = look(AWS_ENDPOINT_URL_SNS=AWAY, AWS_ENDPOINT_URL_SESV2=AWAY)
    assert {(one.check, str(one.status)) for one in found} == {
        ("topic", "unseen"), ("subscription", "unseen"), ("feedback", "unseen"),
        ("encryption", "unseen"), ("account", "unseen"),
    }  # fmt: skip
    assert all(AWAY in one.said for one in found)


def test_a_service_that_is_away_is_waited_for_once(environment, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.setenv("AWS_ENDPOINT_URL", AWAY)
    pauses = []
    aws = Aws(REGION, sleep=pauses.append)
    for tries in (4, 4):
        with pytest.raises(Unavailable):
            aws.ask("sns", "list_subscriptions")
        assert len(pauses) == tries
