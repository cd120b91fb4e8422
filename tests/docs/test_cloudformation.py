"""The stack and `ses-worker provision` make the same."""

import json
from pathlib import Path

import pytest

from worker.topology.checks.commands import texts
from worker.topology.plan import desired
from worker.topology.plan.desired import Names
from worker.topology.plan.plan import Found, make_plan

TEMPLATE = Path(__file__).parents[2] / "config" / "cloudformation.yaml"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"


def load(path):
    """Read the stack; cfn-lint takes a second to import, which no other test should wait for."""
    from cfnlint.decode.cfn_yaml import load

    return load(path)


def names(key="", *, rule=False):
    """The names of what a stack makes, with a topic or with a rule of EventBridge."""
    return Names(
        partition="aws",
        region="eu-west-1",
        account="111122223333",
        topic="" if rule else "bounces",
        rule="feedback" if rule else "",
        queue="feedback",
        dead_letter_queue="feedback-dlq",
        key=key,
    )


class Stack:
    """The template, its functions worked out."""

    def __init__(self, key="", *, rule=False):
        self.template = load(str(TEMPLATE))
        self.conditions = {"HasKey": bool(key), "HasRule": rule, "HasTopic": not rule}
        named = names(key, rule=rule)
        self.arns = {
            "Topic": named.topic_arn,
            "Queue": named.queue_arn,
            "DeadLetterQueue": named.dead_letter_arn,
            "Rule": named.rule_arn,
        }
        self.parameters = {
            "TopicName": named.topic,
            "QueueName": named.queue,
            "KmsKey": key,
            "ConfigurationSet": "main",
            "AWS::AccountId": named.account,
            "AWS::Partition": named.partition,
            "AWS::Region": named.region,
            "AWS::NoValue": None,
            "Topic": named.topic_arn,
        }

    def properties(self, resource):
        return self.work_out(self.template["Resources"][resource]["Properties"])

    def statements(self, resource):
        return self.properties(resource)["PolicyDocument"]["Statement"]

    def work_out(self, found):
        match found:
            case {"Ref": name}:
                return self.parameters.get(name, name)
            case {"Fn::GetAtt": [name, "Arn"]}:
                return self.arns[name]
            case {"Fn::Sub": text}:
                for name, value in self.parameters.items():
                    text = text.replace(f"${{{name}}}", str(value))
                return text
            case {"Fn::If": [condition, yes, no]}:
                return self.work_out(yes if self.conditions[condition] else no)
            case dict():
                worked = {name: self.work_out(value) for name, value in found.items()}
                return {name: value for name, value in worked.items() if value is not None}
            case list():
                return [self.work_out(value) for value in found]
        return found


def as_sqs_has_them(properties):
    """A queue's properties as texts, without its name."""
    plain = {n: str(v).lower() if isinstance(v, bool | int) else v for n, v in properties.items()}
    return texts({name: value for name, value in plain.items() if name != "QueueName"})


def test_the_template_is_the_readmes():
    from cfnlint.api import lint_file

    assert lint_file(TEMPLATE) == []


@pytest.mark.parametrize("rule", [False, True])
@pytest.mark.parametrize("key", ["", KEY])
@pytest.mark.parametrize(
    ("queue", "attributes", "policy"),
    [
        ("Queue", desired.queue_attributes, "QueuePolicy"),
        ("DeadLetterQueue", desired.dead_letter_attributes, "DeadLetterQueuePolicy"),
    ],
)
def test_the_queues_are_the_same(key, rule, queue, attributes, policy):
    stack, requested = Stack(key, rule=rule), attributes(names(key, rule=rule))
    document = requested.pop("Policy")
    assert as_sqs_has_them(stack.properties(queue)) == texts(requested)
    assert stack.statements(policy) == document["Statement"]


def test_their_names_are_the_same():
    stack = Stack()
    assert stack.properties("Queue")["QueueName"] == names().queue
    assert stack.properties("DeadLetterQueue")["QueueName"] == names().dead_letter_queue
    assert stack.properties("Topic") == {"TopicName": names().topic}


def test_topic_subscription_and_event_destination_are_the_same():
    stack = Stack()
    assert stack.statements("TopicPolicy") == [desired.ses_may_publish(names())]
    found = Found(
        queue=None,
        dead_letter_queue=None,
        topic_policy=None,
        subscription=None,
        destinations={"main": ()},
    )
    steps = {step.operation: step.arguments for step in make_plan(names(), found).steps}
    requested = dict(steps["subscribe"]) | {
        "RedrivePolicy": desired.subscription_attributes(names())["RedrivePolicy"]
    }
    del requested["ReturnSubscriptionArn"], requested["Attributes"]
    assert stack.properties("Subscription") == requested
    made = steps["create_configuration_set_event_destination"]
    destination = stack.properties("EventDestination")
    assert destination["ConfigurationSetName"] == made["ConfigurationSetName"]
    event = destination["EventDestination"]
    assert event.pop("Name") == made["EventDestinationName"]
    event["MatchingEventTypes"] = [kind.upper() for kind in event["MatchingEventTypes"]]
    assert json.dumps(event).replace("TopicARN", "TopicArn") == json.dumps(made["EventDestination"])


def test_rule_target_and_event_destination_are_the_same():
    stack, named = Stack(rule=True), names(rule=True)
    found = Found(
        queue=None,
        dead_letter_queue=None,
        topic_policy=None,
        subscription=None,
        destinations={"main": ()},
    )
    steps = {step.operation: step.arguments for step in make_plan(named, found).steps}
    assert "create_topic" not in steps
    rule = stack.properties("Rule")
    targets = rule.pop("Targets")
    assert {"Rule": named.rule, "Targets": targets} == steps["put_targets"]
    assert rule == dict(steps["put_rule"]) | {
        "EventPattern": json.loads(steps["put_rule"]["EventPattern"])
    }
    made = steps["create_configuration_set_event_destination"]["EventDestination"]
    event = stack.properties("EventDestinationToBus")["EventDestination"]
    assert event.pop("Name") == desired.DESTINATION
    assert event | {"MatchingEventTypes": list(desired.KINDS)} == made


def test_either_the_topic_or_the_rule_is_made():
    conditions = {
        name: made.get("Condition") for name, made in load(str(TEMPLATE))["Resources"].items()
    }
    assert {name for name, condition in conditions.items() if condition == "HasTopic"} == {
        "Topic",
        "TopicPolicy",
        "Subscription",
    }
    assert (conditions["EventDestination"], conditions["EventDestinationToBus"]) == (
        "SendsToTopic",
        "SendsToBus",
    )
    assert {name for name, condition in conditions.items() if condition == "HasRule"} == {"Rule"}


@pytest.mark.parametrize("queue", ["Queue", "DeadLetterQueue"])
def test_a_queue_outlives_its_stack_but_not_a_stack_that_was_never_made(queue):
    made = load(str(TEMPLATE))["Resources"][queue]
    assert made["DeletionPolicy"] == "RetainExceptOnCreate"
    assert made["UpdateReplacePolicy"] == "Retain"


def test_nothing_else_is_in_the_stack():
    assert set(load(str(TEMPLATE))["Resources"]) == {
        "Topic", "TopicPolicy", "Queue", "QueuePolicy", "DeadLetterQueue",
        "DeadLetterQueuePolicy", "Subscription", "Rule", "EventDestination",
        "EventDestinationToBus",
    }  # fmt: skip


def test_ses_may_publish_to_the_topic_for_this_account_only():
    """Else SES could be a deputy of any other account."""
    for (statement,) in (Stack().statements("TopicPolicy"), [desired.ses_may_publish(names())]):
        assert statement["Principal"] == {"Service": "ses.amazonaws.com"}
        assert statement["Condition"] == {
            "StringEquals": {"aws:SourceAccount": names().account},
            "ArnLike": {"aws:SourceArn": f"arn:aws:ses:{names().region}:{names().account}:*"},
        }
