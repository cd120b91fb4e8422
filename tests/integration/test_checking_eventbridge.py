"""What `check` says of EventBridge's way to the queue, healthy and broken in each of its parts."""

import json

import pytest
from support.publishing import Refusal
from support.wiring import (
    ACCOUNT,
    BUS,
    DEAD,
    DEAD_URL,
    QUEUE,
    REGION,
    RULE,
    TOPIC,
    policy_for_rules,
)

from worker.commands.check import CheckOptions
from worker.commands.check import look as look_at_it
from worker.settings.loading import load_settings
from worker.store import ensure_schema, open_store
from worker.store.users import import_users


@pytest.fixture
def every(wiring, environment, monkeypatch):
    """Check, and return all findings."""
    store = open_store(environment["SES_WORKER_STORE__URL"])
    ensure_schema(store, migrate=True)
    for _ in import_users(store, [{"email": "jane@example.com", "email_key": "jane@example.com"}]):
        pass

    def look(*, eventbridge=False, sets=(), **changes):
        given = environment | changes
        for name, text in given.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, text)
        settings = load_settings({n: t for n, t in given.items() if n.startswith("SES_WORKER_")})
        options = CheckOptions(configuration_sets=sets, eventbridge=eventbridge)
        return list(look_at_it(settings, options))

    return look


@pytest.fixture
def look(every):
    """Check, and return what stands out."""

    def look(**changes):
        return [item for item in every(**changes) if item.status not in {"ok", "skipped"}]

    return look


@pytest.fixture
def bridge(wiring):
    """A healthy way by EventBridge, without a topic."""
    return wiring.by_eventbridge()


def only(findings, check, status="wrong"):
    """The one thing that stands out."""
    assert [(finding.check, finding.status) for finding in findings] == [(check, status)], findings
    return findings[0]


def messages(findings, check):
    return [finding.message for finding in findings if finding.check == check]


PROVISION = "ses-worker provision --queue feedback --eventbridge"


def test_a_healthy_rule_is_all_that_a_queue_needs(bridge, look):
    assert look() == []
    assert look(eventbridge=True) == []


def test_the_finding_explains_what_auto_means(bridge, every):
    (message,) = messages(every(), "eventbridge")
    assert "the rule feedback sends to the queue" in message
    assert "eventbridge.accept is auto: events are accepted" in message


def test_without_a_rule_the_finding_explains_it_too_and_nothing_is_wrong(wiring, every, look):
    (message,) = messages(every(), "eventbridge")
    assert message == (
        "no rule sends to the queue; eventbridge.accept is auto: events are accepted"
    )
    topics = json.dumps([TOPIC])
    (message,) = messages(every(SES_WORKER_SNS__TOPIC_ARNS=topics), "eventbridge")
    assert message.endswith("accepted only in envelopes of sns.topic_arns")
    assert look() == []


class TestBroken:
    def test_a_disabled_rule(self, bridge, look):
        bridge.put_rule(state="DISABLED")
        found = only(look(), "eventbridge")
        assert "the rule feedback is disabled" in found.message
        assert found.fix == f"aws events enable-rule --region {REGION} --name feedback"

    @pytest.mark.parametrize(
        "pattern",
        [
            '{"source": ["aws.ec2"]}',
            '{"source": ["aws.ses"], "detail-type": ["Email Sent"]}',
            '{"source": ["aws.ses"], "detail-type": ["Email Bounced"]}',
            '{"source": ["aws.ses"], "detail": {"eventType": ["Delivery"]}}',
        ],
    )
    def test_a_pattern_that_does_not_match(self, bridge, look, pattern):
        bridge.put_rule(pattern)
        found = only(look(), "eventbridge")
        assert "the pattern of the rule feedback does not match" in found.message
        assert "Email Complaint Received" in found.message
        assert found.fix == (
            f"aws events put-rule --region {REGION} --name feedback "
            """--event-pattern '{"source": ["aws.ses"]}' --state ENABLED"""
        )

    def test_the_command_for_a_pattern_keeps_the_rest_of_the_rule(self, bridge, look):
        more = {"Description": "Bounces of the shop", "State": "DISABLED"}
        bridge.events.put_rule(Name="feedback", EventPattern='{"source": ["aws.ec2"]}', **more)
        fixes = [found.fix for found in look() if "put-rule" in found.fix]
        assert fixes[0].endswith("--state DISABLED --description 'Bounces of the shop'")

    def test_no_target(self, bridge, look):
        bridge.events.remove_targets(Rule="feedback", Ids=["queue"])
        found = only(look(), "eventbridge")
        assert f"the rule feedback sends to no target, and not to {QUEUE}" in found.message
        assert found.fix == PROVISION

    def test_another_queue_as_target(self, bridge, look):
        bridge.events.remove_targets(Rule="feedback", Ids=["queue"])
        bridge.put_target(f"{QUEUE}-2")
        found = only(look(), "eventbridge")
        assert f"sends to {QUEUE}-2, not to {QUEUE}" in found.message

    def test_a_target_that_transforms(self, bridge, look):
        bridge.put_target(InputTransformer={"InputTemplate": '"bounce"'})
        found = only(look(), "eventbridge")
        assert "changes events by its InputTransformer" in found.message
        assert found.fix.startswith("aws events put-targets")
        assert "InputTransformer" not in found.fix
        assert DEAD in found.fix

    def test_a_queue_policy_without_the_rule(self, bridge, look):
        bridge.set_queue(Policy="")
        found = only(look(), "queue policy")
        assert f"does not admit {RULE}" in found.message
        assert found.fix == PROVISION

    def test_a_rule_that_is_gone(self, bridge, look):
        bridge.events.remove_targets(Rule="feedback", Ids=["queue"])
        bridge.events.delete_rule(Name="feedback")
        found = only(look(), "eventbridge")
        assert f"admits {RULE}, and there is no such rule" in found.message
        assert found.fix == PROVISION

    def test_a_rule_that_is_gone_and_that_provision_would_not_make(self, bridge, look):
        bridge.events.remove_targets(Rule="feedback", Ids=["queue"])
        bridge.events.delete_rule(Name="feedback")
        bridge.set_queue(Policy=policy_for_rules(QUEUE, f"{RULE}-of-before"))
        found = only(look(), "eventbridge")
        assert f"admits {RULE}-of-before, and there is no such rule" in found.message
        assert found.fix == "take its statement out of the policy of feedback, or make the rule"

    def test_an_event_destination_that_does_not_publish_to_the_bus(self, bridge, proxy, look):
        proxy.publishing.configuration_sets["main"] = {}
        found = only(look(), "feedback")
        assert f"sends to {BUS}" in found.message
        assert found.fix.startswith("ses-worker provision --queue feedback --configuration-set")
        found = only(look(sets=["main"]), "feedback")
        assert found.fix == (
            "ses-worker provision --queue feedback --configuration-set main --eventbridge"
        )

    def test_an_event_destination_that_is_switched_off(self, bridge, proxy, look):
        proxy.publishing.configuration_sets["main"]["bus"]["Enabled"] = False
        found = only(look(), "feedback")
        assert "EventBridgeDestination" in found.fix

    def test_settings_that_do_not_accept_it(self, bridge, look):
        found = only(look(SES_WORKER_EVENTBRIDGE__ACCEPT="false"), "eventbridge")
        assert "eventbridge.accept is false: events are not accepted" in found.message
        assert f'eventbridge.accounts = ["{ACCOUNT}"]' in found.fix
        accounts = '["444455556666"]'
        found = only(look(SES_WORKER_EVENTBRIDGE__ACCOUNTS=accounts), "eventbridge")
        assert f"eventbridge.accounts does not list {ACCOUNT}" in found.message

    def test_no_rule_where_a_rule_is_expected(self, wiring, look):
        found = only(look(eventbridge=True), "eventbridge")
        assert "no rule of the default event bus sends to feedback" in found.message
        assert found.fix == PROVISION

    def test_where_nothing_is_set_up_and_a_rule_is_expected_no_topic_is_advised(self, wiring, look):
        wiring.unsubscribe()
        wiring.sns.delete_topic(TopicArn=TOPIC)
        wiring.set_queue(Policy="")
        found = only(look(eventbridge=True), "eventbridge")
        assert found.fix == PROVISION

    def test_a_policy_that_admits_eventbridge_for_everybody(self, bridge, look):
        bridge.set_queue(Policy=policy_for_rules(QUEUE, Condition={}))
        found = only(look(), "queue policy")
        assert "admits events.amazonaws.com for any account" in found.message
        assert "aws:SourceArn" in found.fix


class TestNotes:
    def test_a_rule_that_is_gone_where_another_feeds_the_queue(self, bridge, look):
        bridge.set_queue(Policy=policy_for_rules(QUEUE, RULE, f"{RULE}-of-before"))
        found = only(look(), "eventbridge", "note")
        assert f"admits {RULE}-of-before, and there is no such rule" in found.message
        assert "take its statement out of the policy of feedback" in found.fix

    def test_a_target_without_a_dead_letter_queue(self, bridge, look):
        bridge.events.put_targets(Rule="feedback", Targets=[{"Id": "queue", "Arn": QUEUE}])
        found = only(look(), "eventbridge", "note")
        assert "what EventBridge cannot deliver in a day is lost" in found.message

    def test_a_dead_letter_queue_that_does_not_admit_the_rule(self, bridge, look):
        bridge.set_queue(DEAD_URL, Policy="")
        found = only(look(), "eventbridge", "note")
        assert "because the policy of feedback-dlq does not admit the rule" in found.message
        assert found.fix == PROVISION

    def test_a_pattern_without_the_sending_status(self, bridge, look):
        kinds = ["Email Bounced", "Email Complaint Received"]
        bridge.put_rule(json.dumps({"source": ["aws.ses"], "detail-type": kinds}))
        found = only(look(), "eventbridge", "note")
        assert "that SES stops sending will not be noticed" in found.message

    def test_two_rules_that_share_the_kinds_are_a_whole(self, bridge, look):
        bridge.put_rule('{"source": ["aws.ses"], "detail-type": ["Email Bounced"]}')
        others = {"source": ["aws.ses"], "detail-type": [{"anything-but": "Email Bounced"}]}
        bridge.events.put_rule(Name="others", EventPattern=json.dumps(others))
        target = {"Id": "q", "Arn": QUEUE, "DeadLetterConfig": {"Arn": DEAD}}
        bridge.events.put_targets(Rule="others", Targets=[target])
        both = RULE, RULE.replace("feedback", "others")
        bridge.set_queue(Policy=policy_for_rules(QUEUE, *both))
        bridge.set_queue(DEAD_URL, Policy=policy_for_rules(DEAD, RULE))
        found = only(look(), "eventbridge", "note")
        assert "the rule others: what EventBridge cannot deliver in a day is lost" in found.message
        assert "DeadLetterConfig" in found.fix
        bridge.set_queue(DEAD_URL, Policy=policy_for_rules(DEAD, *both))
        assert look() == []

    def test_a_target_that_passes_on_the_detail_only(self, bridge, look):
        bridge.put_target(InputPath="$.detail")
        found = only(look(), "eventbridge", "note")
        assert "reads as raw delivery" in found.message
        found = look(SES_WORKER_SNS__TOPIC_ARNS=json.dumps([TOPIC]))
        assert any("a detail alone names no topic" in item.message for item in found)

    def test_a_pattern_that_cannot_be_evaluated(self, bridge, look):
        bridge.put_rule('{"source": ["aws.ses"], "detail": {"mail": {"source": ["a@b.c"]}}}')
        found = only(look(), "eventbridge", "note")
        assert "cannot evaluate" in found.message


def test_a_key_must_let_eventbridge_use_it_and_not_sns(bridge, look):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
        "Resource": "*",
    }

    def key(service):
        allowed = statement | {"Principal": {"Service": service}}
        own = statement | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [own, allowed]})
        return bridge.kms.create_key(Policy=document)["KeyMetadata"]["Arn"]

    bridge.set_queue(KmsMasterKeyId=key("sns.amazonaws.com"))
    found = only(look(), "encryption")
    assert "does not let events.amazonaws.com use it" in found.message
    bridge.set_queue(KmsMasterKeyId=key("events.amazonaws.com"))
    assert look() == []


class TestPermissions:
    def test_missing_permissions_are_skipped_and_not_wrong(self, bridge, proxy, look):
        proxy.denied |= {"events:ListRuleNamesByTarget"}
        assert look() == [], "the policy names the rule"
        proxy.denied |= {"events:DescribeRule"}
        found = only(look(), "eventbridge", "unknown")
        assert "events:DescribeRule is not permitted" in found.message

    def test_where_nothing_speaks_of_eventbridge_nothing_stands_out(
        self, wiring, proxy, every, look
    ):
        proxy.denied |= {"events:ListRuleNamesByTarget"}
        assert look() == []
        (message,) = messages(every(), "eventbridge")
        assert message.endswith("not known: events:ListRuleNamesByTarget is not permitted")
        found = only(look(eventbridge=True), "eventbridge", "unknown")
        assert "events:ListRuleNamesByTarget is not permitted" in found.message


def test_a_stand_in_for_aws_without_eventbridge_gets_no_other_request(wiring, proxy, every, look):
    refusal = Refusal(400, "UnknownOperationException", "not implemented")
    proxy.unsupported["events:ListRuleNamesByTarget"] = refusal
    assert messages(every(), "eventbridge") == []
    found = only(look(eventbridge=True), "eventbridge", "unknown")
    assert "does not support ListRuleNamesByTarget" in found.message


def test_a_rule_that_sends_to_the_topic_is_found_and_must_be_admitted_there(wiring, proxy, look):
    wiring.put_rule()
    wiring.events.put_targets(Rule="feedback", Targets=[{"Id": "topic", "Arn": TOPIC}])
    found = only(look(), "topic")
    assert f"does not let {RULE} publish" in found.message
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["events.amazonaws.com", "ses.amazonaws.com"]},
                "Action": "sns:Publish",
                "Resource": TOPIC,
                "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
            }
        ],
    }
    wiring.sns.set_topic_attributes(
        TopicArn=TOPIC, AttributeName="Policy", AttributeValue=json.dumps(document)
    )
    assert look() == []
    assert look(SES_WORKER_SNS__TOPIC_ARNS=json.dumps([TOPIC])) == []
    found = only(look(SES_WORKER_EVENTBRIDGE__ACCEPT="false"), "eventbridge")
    assert "what the rule sends is dead-lettered" in found.message
    found = only(look(SES_WORKER_EVENTBRIDGE__ACCOUNTS='["444455556666"]'), "eventbridge")
    assert f"eventbridge.accounts does not list {ACCOUNT}" in found.message
    proxy.publishing.identities["example.com"] = {}
    bus = {"EventBridgeDestination": {"EventBusArn": BUS}}
    kinds = {"Enabled": True, "MatchingEventTypes": ["BOUNCE", "COMPLAINT"]}
    proxy.publishing.configuration_sets["main"] = {"bus": kinds | bus}
    assert look() == []
