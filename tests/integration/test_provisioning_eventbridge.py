"""What `provision --eventbridge` makes of what is there already."""

import json

import pytest
from support.wiring import ACCOUNT, BUS, DEAD, DEAD_URL, QUEUE, QUEUE_URL, RULE, TOPIC, policy

from worker.commands.provision import Provision
from worker.commands.provision.naming import ProvisionOptions
from worker.core.errors import Refused
from worker.settings.loading import load_settings


@pytest.fixture
def made(proxy, environment, monkeypatch):
    """Plan for what is there, carry it out, and return the plan and the settings."""
    for name, text in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, text)

    def made(settings=None, **options):
        named = {"queue": "feedback", "eventbridge": True} | options
        provision = Provision(load_settings(settings or {}), ProvisionOptions(**named))
        plan = provision.plan()
        for step in plan.steps:
            provision.carry_out(step)
        return plan, provision.settings()

    return made


def output(made):
    return [step.description for step in made[0].steps]


def principals(wiring, url):
    attributes = wiring.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    statements = json.loads(attributes["Attributes"]["Policy"])["Statement"]
    return [(item["Principal"]["Service"], item["Condition"]) for item in statements]


def test_in_an_empty_account_rule_queues_and_destination_are_made(proxy, made):
    proxy.publishing.configuration_sets["main"] = {}
    assert output(made(configuration_sets=["main"])) == [
        "create the rule feedback for SES's events",
        "create the dead-letter queue feedback-dlq",
        "create the queue feedback",
        "have the rule feedback send to the queue feedback",
        "send BOUNCE and COMPLAINT of the configuration set main to EventBridge",
    ]
    (destination,) = proxy.publishing.configuration_sets["main"].values()
    assert destination["EventBridgeDestination"] == {"EventBusArn": BUS}
    assert output(made(configuration_sets=["main"])) == []


def test_what_is_whole_needs_nothing(wiring, made):
    wiring.by_eventbridge()
    assert output(made(configuration_sets=["main"])) == []


def test_the_queues_admit_the_rule_beside_the_topic(wiring, made):
    made(topic="bounces")
    for url in (QUEUE_URL, DEAD_URL):
        topic, rule = principals(wiring, url)
        assert topic == ("sns.amazonaws.com", {"ArnEquals": {"aws:SourceArn": [TOPIC]}})
        assert rule == ("events.amazonaws.com", {"ArnEquals": {"aws:SourceArn": RULE}})


class TestHalfThere:
    def test_a_disabled_rule_is_enabled_and_keeps_its_pattern(self, wiring, made):
        wiring.by_eventbridge()
        wiring.put_rule(state="DISABLED")
        assert output(made()) == ["enable the rule feedback"]
        rule = wiring.events.describe_rule(Name="feedback")
        assert (rule["State"], rule["EventPattern"]) == ("ENABLED", '{"source": ["aws.ses"]}')

    def test_a_missing_target_is_added_beside_the_others(self, wiring, made):
        wiring.by_eventbridge()
        wiring.put_target(f"{QUEUE}-2")
        wiring.put_target(f"{QUEUE}-3", "feedback")
        assert output(made()) == ["have the rule feedback send to the queue feedback"]
        targets = wiring.events.list_targets_by_rule(Rule="feedback")["Targets"]
        assert {item["Arn"] for item in targets} == {QUEUE, f"{QUEUE}-2", f"{QUEUE}-3"}

    def test_a_target_gets_its_dead_letter_queue_and_keeps_the_rest(self, wiring, made):
        wiring.by_eventbridge()
        target = {"Id": "queue", "Arn": QUEUE, "RetryPolicy": {"MaximumRetryAttempts": 7}}
        wiring.events.put_targets(Rule="feedback", Targets=[target])
        assert output(made()) == ["keep what EventBridge cannot deliver in the queue feedback-dlq"]
        (now,) = wiring.events.list_targets_by_rule(Rule="feedback")["Targets"]
        assert now["DeadLetterConfig"] == {"Arn": DEAD}
        assert now["RetryPolicy"]["MaximumRetryAttempts"] == 7

    def test_a_missing_statement_is_added(self, wiring, made):
        wiring.by_eventbridge()
        wiring.set_queue(Policy="")
        assert output(made()) == ["set Policy of the queue feedback"]


class TestConfiguredOtherwise:
    def test_another_pattern_is_reported_and_left(self, wiring, made):
        wiring.by_eventbridge()
        wiring.put_rule('{"source": ["aws.ec2"]}')
        plan, _ = made()
        (undone,) = plan.undone
        message, _, command = undone.partition("; to replace it: ")
        assert message == "rule feedback: its pattern does not match bounces and complaints"
        assert command.startswith("aws events put-rule --region eu-west-1 --name feedback")
        assert plan.steps == []

    def test_a_target_that_transforms_is_reported_and_left(self, wiring, made):
        wiring.by_eventbridge()
        wiring.put_target(InputTransformer={"InputTemplate": '"bounce"'})
        plan, _ = made()
        (undone,) = plan.undone
        assert "rule feedback: it changes events by its InputTransformer; to have it" in undone
        assert "aws events put-targets" in undone

    def test_another_target_is_named_with_the_command_that_removes_it(self, wiring, made):
        wiring.by_eventbridge()
        wiring.put_target(f"{QUEUE}-of-before", "before")
        plan, _ = made()
        assert (plan.undone, plan.steps) == ([], [])
        (left,) = (text for text in plan.left if text.startswith("rule"))
        message, _, command = left.partition("; if nothing there needs it: ")
        assert message == f"rule feedback: it also sends to {QUEUE}-of-before"
        removing = "aws events remove-targets --region eu-west-1 --rule feedback --ids before"
        assert command == removing

    def test_a_destination_of_our_name_that_sends_to_a_topic_is_reported(self, wiring, made, proxy):
        wiring.by_eventbridge()
        ours = {"Enabled": True, "SnsDestination": {"TopicArn": TOPIC}}
        proxy.publishing.configuration_sets["main"] = {"ses-feedback-worker": ours}
        plan, _ = made(configuration_sets=["main"])
        assert plan.undone == [f"main: its event destination ses-feedback-worker sends to {TOPIC}"]

    def test_a_deny_is_nobodys_to_overrule(self, wiring, made):
        wiring.by_eventbridge()
        deny = policy(QUEUE, RULE, Effect="Deny", Principal="*")
        wiring.set_queue(Policy=deny)
        plan, _ = made()
        assert any("a Deny in its policy excludes events.amazonaws.com" in t for t in plan.undone)


class TestSettings:
    def test_by_default_the_events_are_accepted_and_no_topic_is_named(self, made):
        assert made()[1].keys() == {"aws", "queue"}

    def test_where_topics_are_named_they_must_be_accepted(self, wiring, made):
        topics = {"SES_WORKER_SNS__TOPIC_ARNS": json.dumps([TOPIC])}
        expected = {"accept": True, "accounts": [ACCOUNT]}
        assert made(topics)[1]["eventbridge"] == expected
        assert made(topic="bounces")[1]["eventbridge"] == expected

    def test_what_refuses_them_is_changed(self, made):
        refused = {"SES_WORKER_EVENTBRIDGE__ACCEPT": "false"}
        assert made(refused)[1]["eventbridge"] == {"accept": True, "accounts": [ACCOUNT]}
        others = {"SES_WORKER_EVENTBRIDGE__ACCOUNTS": '["444455556666"]'}
        assert made(others)[1]["eventbridge"] == {"accounts": ["444455556666", ACCOUNT]}

    def test_what_accepts_them_is_left(self, made):
        accepted = {
            "SES_WORKER_EVENTBRIDGE__ACCEPT": "true",
            "SES_WORKER_SNS__TOPIC_ARNS": json.dumps([TOPIC]),
        }
        assert "eventbridge" not in made(accepted)[1]


def test_an_identity_needs_a_topic_beside_the_rule(proxy, made):
    proxy.publishing.identities["example.com"] = {}
    steps = output(made(identities=["example.com"]))
    assert "create the topic ses-feedback, to which SES may publish" in steps
    assert "create the rule feedback for SES's events" in steps


def test_a_target_that_eventbridge_refuses_is_a_failure(made, monkeypatch):
    from worker.topology import Aws

    real = Aws.ask

    def ask(self, service, operation, **arguments):
        if operation == "put_targets":
            return {"FailedEntryCount": 1, "FailedEntries": [{"ErrorMessage": "no such queue"}]}
        return real(self, service, operation, **arguments)

    monkeypatch.setattr(Aws, "ask", ask)
    with pytest.raises(Refused, match="put_targets: no such queue"):
        made()
