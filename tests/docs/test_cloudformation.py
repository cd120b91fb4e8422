"""The stack and `ses-worker provision` make the same."""

import json
from pathlib import Path

import pytest
from cfnlint.api import lint_file
from cfnlint.decode.cfn_yaml import load

from worker.topology.checks.commands import texts
from worker.topology.plan import desired
from worker.topology.plan.desired import Names
from worker.topology.plan.plan import Found, make_plan

TEMPLATE = Path(__file__).parents[2] / "config" / "cloudformation.yaml"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"


def names(key=""):
    return Names(
        partition="aws",
        region="eu-west-1",
        account="111122223333",
        topic="bounces",
        queue="feedback",
        dead_letter_queue="feedback-dlq",
        key=key,
    )


class Stack:
    """The template, its functions worked out."""

    def __init__(self, key=""):
        self.template = load(str(TEMPLATE))
        self.key = key
        named = names()
        self.arns = {
            "Topic": named.topic_arn,
            "Queue": named.queue_arn,
            "DeadLetterQueue": named.dead_letter_arn,
        }
        self.parameters = {
            "TopicName": named.topic,
            "QueueName": named.queue,
            "KmsKey": key,
            "ConfigurationSet": "main",
            "AWS::AccountId": named.account,
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
                return text.replace("${QueueName}", self.parameters["QueueName"])
            case {"Fn::If": ["HasKey", yes, no]}:
                return self.work_out(yes if self.key else no)
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
    assert lint_file(TEMPLATE) == []


@pytest.mark.parametrize("key", ["", KEY])
@pytest.mark.parametrize(
    ("queue", "attributes", "policy"),
    [
        ("Queue", desired.queue_attributes, "QueuePolicy"),
        ("DeadLetterQueue", desired.dead_letter_attributes, "DeadLetterQueuePolicy"),
    ],
)
def test_the_queues_are_the_same(key, queue, attributes, policy):
    stack, requested = Stack(key), attributes(names(key))
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


@pytest.mark.parametrize("queue", ["Queue", "DeadLetterQueue"])
def test_a_queue_outlives_its_stack_but_not_a_stack_that_was_never_made(queue):
    made = load(str(TEMPLATE))["Resources"][queue]
    assert made["DeletionPolicy"] == "RetainExceptOnCreate"
    assert made["UpdateReplacePolicy"] == "Retain"


def test_nothing_else_is_in_the_stack():
    assert set(load(str(TEMPLATE))["Resources"]) == {
        "Topic", "TopicPolicy", "Queue", "QueuePolicy", "DeadLetterQueue",
        "DeadLetterQueuePolicy", "Subscription", "EventDestination",
    }  # fmt: skip
