"""What is requested from AWS, and how often."""

import socket

import pytest

from worker.core.errors import Unavailable
from worker.topology import Aws, inspection
from worker.topology.aws import known
from worker.topology.checks.facts import Absent, Unreachable

REGION = "eu-west-1"
TOPIC = f"arn:aws:sns:{REGION}:111122223333:bounces"
QUEUE = f"arn:aws:sqs:{REGION}:111122223333:feedback"


class Answering(Aws):
    """Answers from functions, by operation; with the pages that SES and SNS make."""

    def __init__(self, **answers):
        super().__init__(REGION)
        self.answers = answers
        self.requests = []

    def ask(self, service, operation, *, at="", **arguments):
        self.requests.append((operation, at or self.region, arguments))
        return self.answers[operation](**arguments)


def paged(key, items, size):
    """An operation that lists so many at a time."""

    def answer(NextToken="0", **_):  # noqa: N803
        start = int(NextToken)
        more = {"NextToken": str(start + size)} if start + size < len(items) else {}
        return {key: items[start : start + size]} | more

    return answer


def reported(Identities):  # noqa: N803
    assert len(Identities) <= 100
    return {"NotificationAttributes": {n: {"BounceTopic": TOPIC} for n in Identities}}


def test_every_identity_of_every_list_is_read_a_hundred_at_a_time():
    names = [f"{number}.example" for number in range(250)]
    aws = Answering(
        list_identities=paged("Identities", names, 100),
        get_identity_notification_attributes=reported,
    )
    found = inspection.identities(aws)
    assert [item.name for item in found] == names
    assert [operation for operation, *_ in aws.requests].count("list_identities") == 3


def test_identities_beyond_the_first_thousand_are_not_looked_at():
    names = [f"{number}.example" for number in range(1_100)]
    aws = Answering(
        list_identities=paged("Identities", names, 1_000),
        get_identity_notification_attributes=reported,
    )
    assert len(inspection.identities(aws)) == inspection.MOST_IDENTITIES


def test_an_identity_that_is_not_there_is_absent():
    aws = Answering(get_identity_notification_attributes=lambda **_: {})
    assert isinstance(inspection.identities(aws, ["a.example"]), Absent)


def test_configuration_sets_beyond_the_first_twenty_are_counted():
    names = [f"set-{number}" for number in range(27)]
    aws = Answering(
        list_configuration_sets=paged("ConfigurationSets", names, 10),
        get_configuration_set_event_destinations=lambda **_: {},
    )
    assert inspection.destinations(aws) == ((), 7)
    named = [arguments.get("ConfigurationSetName") for _, _, arguments in aws.requests]
    assert [name for name in named if name] == names[:20]


def test_what_was_unsubscribed_or_ends_elsewhere_is_no_subscription():
    def first(arn, endpoint=QUEUE, protocol="sqs"):
        return {
            "SubscriptionArn": arn, "Endpoint": endpoint, "Protocol": protocol, "TopicArn": TOPIC,
        }  # fmt: skip

    listed = [
        first("Deleted"), first(f"{TOPIC}:1", f"{QUEUE}-2"), first(f"{TOPIC}:2", protocol="https"),
        first(f"{TOPIC}:3"), first("PendingConfirmation"),
    ]  # fmt: skip
    aws = Answering(
        list_subscriptions_by_topic=paged("Subscriptions", listed, 2),
        list_subscriptions=paged("Subscriptions", listed[:3], 2),
        get_subscription_attributes=lambda **_: {"Attributes": {}},
    )
    found = inspection.subscriptions(aws, TOPIC, QUEUE)
    assert [item.arn for item in found] == [f"{TOPIC}:3", "PendingConfirmation"]
    assert inspection.topics_subscribed(aws, f"{QUEUE}-3") == []
    only_deleted = Answering(list_subscriptions=paged("Subscriptions", [first("Deleted")], 2))
    assert inspection.topics_subscribed(only_deleted, QUEUE) == []


def test_a_topic_is_looked_up_in_its_own_region():
    elsewhere = TOPIC.replace(REGION, "us-east-1")
    aws = Answering(
        get_topic_attributes=lambda **_: {},
        list_subscriptions_by_topic=lambda **_: {},
    )
    inspection.topic(aws, elsewhere)
    inspection.subscriptions(aws, elsewhere, QUEUE)
    assert {region for _, region, _ in aws.requests} == {"us-east-1"}
    other = Aws(REGION).elsewhere("us-east-1")
    assert other.region == "us-east-1"


class Client:
    """Answers any request."""

    def __getattr__(self, operation):
        return lambda **_: {}


@pytest.fixture
def pauses(monkeypatch):
    monkeypatch.setattr("worker.topology.aws.make_client", lambda *_, **__: Client())
    return []


def test_the_same_is_requested_from_ses_once_a_second(pauses):
    aws = Aws(REGION, sleep=pauses.append)
    for operation in ("get_account", "list_configuration_sets", "get_account"):
        aws.ask("sesv2", operation)
    aws.elsewhere("us-east-1").ask("sesv2", "get_account")
    for _ in range(2):
        aws.ask("sns", "list_subscriptions")
    assert len(pauses) == 1
    assert 0 < pauses[0] <= 1


def test_a_service_that_is_silent_is_given_up_after_its_time(monkeypatch):
    monkeypatch.setattr("worker.topology.aws._SILENCE_SECONDS", 0.3)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    pauses = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        aws = Aws(REGION, sleep=pauses.append)
        with pytest.raises(Unavailable, match="Read timeout"):
            aws.ask("sns", "list_subscriptions")
    assert pauses == [], "no second try"


def test_nothing_is_requested_when_the_time_is_over(pauses):
    aws = Aws(REGION, limit_seconds=-1)
    with pytest.raises(Unavailable, match="AWS: not called"):
        aws.ask("sns", "list_subscriptions")
    assert isinstance(known("sns", lambda: aws.ask("sns", "list_subscriptions")), Unreachable)
