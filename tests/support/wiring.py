"""The path from SES to the queue, made by hand in moto, and ways to break it."""

import json
import logging
from urllib.request import Request, urlopen

import pytest

from simulators.sqs import SqsSimulator
from support.reverse_proxy import ReverseProxy

REGION, ACCOUNT = "eu-west-1", "123456789012"
"""The account is moto's."""
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:bounces"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:feedback"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/feedback"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:feedback-dlq"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/feedback"
DEAD_URL = f"{QUEUE_URL}-dlq"


@pytest.fixture(scope="session")
def moto_endpoint():
    """A server for all tests of the process."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # its request log
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def proxy(moto_endpoint, environment):
    """An empty AWS account, and an environment that points to it."""
    with urlopen(Request(f"{moto_endpoint}/moto-api/reset", method="POST")):
        pass
    # moto forgets a queue's policy when another attribute is set.
    with (
        SqsSimulator(region=REGION, account=ACCOUNT) as emulator,
        ReverseProxy(moto_endpoint) as proxy,
    ):
        proxy.behind["sqs"] = emulator.endpoint
        environment.update(proxy.environment, AWS_REGION=REGION)
        yield proxy


class Wiring:
    """All that feeds the queue, as made by hand in the console."""

    def __init__(self, proxy, endpoint):
        import boto3

        self.proxy = proxy
        # Not through the proxy, which records the calls of the command.
        given = {
            "region_name": REGION,
            "aws_access_key_id": "by-hand",
            "aws_secret_access_key": "by-hand",
        }
        self.sqs = boto3.client("sqs", endpoint_url=proxy.behind["sqs"], **given)
        self.sns = boto3.client("sns", endpoint_url=endpoint, **given)
        self.kms = boto3.client("kms", endpoint_url=endpoint, **given)
        self.events = boto3.client("events", endpoint_url=endpoint, **given)

    def make(self):
        """Make the healthy path."""
        kept = {"MessageRetentionPeriod": "1209600", "Policy": policy(DEAD, TOPIC)}
        self.sqs.create_queue(QueueName="feedback-dlq", Attributes=kept)
        redrive = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 5})
        attributes = {"RedrivePolicy": redrive, "Policy": policy(QUEUE, TOPIC)}
        self.sqs.create_queue(QueueName="feedback", Attributes=attributes)
        self.sns.create_topic(Name="bounces", Attributes={"Policy": publishing()})
        self.subscribe()
        self.proxy.publishing.identities["example.com"] = {"Bounce": TOPIC, "Complaint": TOPIC}
        return self

    def by_eventbridge(self):
        """Replace the topic by a rule of EventBridge, and SES's notifications by events."""
        self.unsubscribe()
        self.sns.delete_topic(TopicArn=TOPIC)
        self.proxy.publishing.identities["example.com"] = {}
        bus = {"EventBridgeDestination": {"EventBusArn": BUS}}
        kinds = {"Enabled": True, "MatchingEventTypes": ["BOUNCE", "COMPLAINT"]}
        self.proxy.publishing.configuration_sets["main"] = {"bus": kinds | bus}
        self.set_queue(QUEUE_URL, Policy=policy_for_rules(QUEUE, RULE))
        self.set_queue(DEAD_URL, Policy=policy_for_rules(DEAD, RULE))
        self.put_rule()
        self.put_target()
        return self

    def put_rule(self, pattern='{"source": ["aws.ses"]}', state="ENABLED"):
        self.events.put_rule(Name="feedback", EventPattern=pattern, State=state)

    def put_target(self, arn=QUEUE, name="queue", **more):
        target = {"Id": name, "Arn": arn, "DeadLetterConfig": {"Arn": DEAD}} | more
        self.events.put_targets(Rule="feedback", Targets=[target])

    def subscribe(self, **attributes):
        attributes = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": DEAD})} | attributes
        answer = self.sns.subscribe(
            TopicArn=TOPIC,
            Protocol="sqs",
            Endpoint=QUEUE,
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )
        return answer["SubscriptionArn"]

    def unsubscribe(self):
        for item in self.sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]:
            self.sns.unsubscribe(SubscriptionArn=item["SubscriptionArn"])

    def set_queue(self, url=QUEUE_URL, **attributes):
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def policy(queue, *topics, **more):
    """A queue's policy as in AWS's documentation."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": list(topics)}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | more]})


def policy_for_rules(queue, *rules, **more):
    """A queue's policy as in EventBridge's documentation."""
    return policy(queue, *rules, Principal={"Service": "events.amazonaws.com"}, **more)


def publishing(*names):
    """A topic's policy as in AWS's documentation; `names` such as `identity/example.com`."""
    condition = {
        "AWS:SourceAccount": ACCOUNT,
        "AWS:SourceArn": [
            f"arn:aws:ses:{REGION}:{ACCOUNT}:{name}" for name in names or ["identity/example.com"]
        ],
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": TOPIC,
        "Condition": {"StringEquals": condition},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def wiring(proxy, moto_endpoint, environment):
    """The healthy path; commands use its queue."""
    environment["SES_WORKER_QUEUE__URL"] = QUEUE_URL
    return Wiring(proxy, moto_endpoint).make()
