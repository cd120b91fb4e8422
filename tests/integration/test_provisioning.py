"""What provisioning makes of what is there already."""

import json

import pytest
from msgspec import structs
from support.wiring import ACCOUNT, DEAD, DEAD_URL, QUEUE, QUEUE_URL, REGION, TOPIC, policy

from worker.commands.provision import Provision
from worker.commands.provision.naming import ProvisionOptions
from worker.core.errors import Refused
from worker.settings.loading import load_settings
from worker.topology import Aws


@pytest.fixture
def provision(proxy, environment, monkeypatch):
    """Plan for what is there, carry it out, and return the plan."""
    for name, text in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, text)

    def provision(settings=None, **options):
        named = {"topic": "bounces", "queue": "feedback"} | options
        provision = Provision(load_settings(settings or {}), ProvisionOptions(**named))
        plan = provision.plan()
        for step in plan.steps:
            provision.carry_out(step)
        return plan

    return provision


def output(plan):
    return [step.description for step in plan.steps]


def topics(*arns):
    return {"SES_WORKER_SNS__TOPIC_ARNS": json.dumps(arns)}


def attributes(wiring, url=QUEUE_URL):
    return wiring.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_what_was_made_by_hand_and_is_whole_needs_nothing(wiring, provision):
    assert output(provision()) == []


def test_resources_configured_otherwise_stay_and_are_reported(wiring, provision):
    wiring.set_queue(VisibilityTimeout="7", MessageRetentionPeriod="600000")
    left = provision().left
    for line in (
        "queue feedback: MessageRetentionPeriod is 600000, not 345600",
        "queue feedback: ReceiveMessageWaitTimeSeconds is 0, not 20",
        "queue feedback: VisibilityTimeout is 7, not 60",
    ):
        assert line in left
    (redrive,) = [line for line in left if "RedrivePolicy" in line]
    assert '"maxReceiveCount": 5}, not ' in redrive
    assert len(left) == 4
    there = attributes(wiring)
    assert (there["VisibilityTimeout"], there["MessageRetentionPeriod"]) == ("7", "600000")


def test_the_same_redrive_policy_is_known_however_it_is_written(wiring, provision):
    wiring.set_queue(
        RedrivePolicy=json.dumps({"maxReceiveCount": "10", "deadLetterTargetArn": DEAD})
    )
    assert not [line for line in provision().left if "RedrivePolicy" in line]


def test_others_who_are_let_in_stay_let_in(wiring, provision):
    other = {"Sid": "theirs", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sqs:*"}
    wiring.set_queue(Policy=json.dumps({"Id": "x", "Version": "2012-10-17", "Statement": other}))
    assert "set Policy of the queue feedback" in output(provision())
    found = json.loads(attributes(wiring)["Policy"])
    assert (found["Id"], found["Statement"][0]) == ("x", other)
    assert found["Statement"][1]["Condition"] == {"ArnEquals": {"aws:SourceArn": TOPIC}}
    assert output(provision()) == []


def test_each_further_topic_leaves_the_others_their_place(wiring, provision):
    wiring.set_queue(Policy="")
    topics = ["bounces", "second", "third"]
    for topic in topics:
        provision(topic=topic)
    for url in (QUEUE_URL, DEAD_URL):
        found = json.loads(attributes(wiring, url)["Policy"])["Statement"]
        let_in = [item["Condition"]["ArnEquals"]["aws:SourceArn"] for item in found]
        let_in = [item if isinstance(item, str) else item[0] for item in let_in]
        assert let_in == [TOPIC.replace("bounces", topic) for topic in topics]
        assert len({item.get("Sid") for item in found}) == 3
    assert [output(provision(topic=topic)) for topic in topics] == [[], [], []]


def test_a_statement_of_our_name_that_somebody_has_widened_stays(wiring, provision):
    statement = json.loads(policy(QUEUE, f"{TOPIC}-2", f"{TOPIC}-3"))["Statement"][0]
    theirs = statement | {"Sid": "SesFeedbackTopicMaySend"}
    document = {"Version": "2012-10-17", "Statement": [theirs]}
    wiring.set_queue(Policy=json.dumps(document))
    provision()
    found = json.loads(attributes(wiring)["Policy"])["Statement"]
    assert (found[0], found[1]["Sid"]) == (theirs, "SesFeedbackTopicMaySend2")


def test_a_deny_is_nobodys_to_overrule(wiring, provision):
    wiring.set_queue(Policy=policy(QUEUE, TOPIC, Effect="Deny"))
    plan = provision()
    assert plan.undone == ["queue feedback: a Deny in its policy excludes sns.amazonaws.com"]
    assert "set Policy of the queue feedback" not in output(plan)


def test_the_dead_letter_queue_that_is_in_use_is_kept(wiring, provision):
    plan = provision(dead_letter_queue="another")
    assert not [text for text in output(plan) if "another" in text]
    assert plan.undone == ["queue feedback: feedback-dlq is its dead-letter queue, not another"]
    assert provision(dead_letter_queue="feedback-dlq").undone == []
    assert json.loads(attributes(wiring)["RedrivePolicy"])["deadLetterTargetArn"] == DEAD


def test_a_dead_letter_queue_that_is_gone_is_made_again(wiring, provision):
    wiring.set_queue(RedrivePolicy="")
    wiring.sqs.delete_queue(QueueUrl=DEAD_URL)
    plan = provision(dead_letter_queue="feedback-dlq-2")
    assert output(plan) == [
        "create the dead-letter queue feedback-dlq-2",
        "set RedrivePolicy of the queue feedback",
    ]


def test_a_subscription_is_completed_and_its_filter_is_left(wiring, provision):
    wiring.unsubscribe()
    arn = wiring.subscribe(RawMessageDelivery="true", FilterPolicy='{"a": ["b"]}')
    wiring.sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue=""
    )
    plan = provision()
    assert "keep what SNS cannot deliver in the queue feedback-dlq" in output(plan)
    assert plan.left[-2:] == [
        f"subscription {arn}: delivers raw",
        f"subscription {arn}: has a filter policy",
    ]


def test_without_an_envelope_no_topic_is_required(wiring, provision, environment):
    wiring.unsubscribe()
    wiring.subscribe(RawMessageDelivery="true")
    made = Provision(load_settings({}), ProvisionOptions(topic="bounces", queue="feedback"))
    made.plan()
    assert made.settings() == {
        "aws": {"region": REGION},
        "queue": {"url": made.settings()["queue"]["url"]},
    }


@pytest.fixture
def listed(wiring, monkeypatch):
    """What SNS lists before the subscriptions that are there: moto has neither of the two."""
    ask = Aws.ask
    arns = []

    def requested(self, service, operation, **arguments):
        answer = ask(self, service, operation, **arguments)
        if operation == "list_subscriptions_by_topic":
            more = {"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": QUEUE}
            some = [more | {"SubscriptionArn": arn} for arn in arns]
            answer["Subscriptions"] = some + answer["Subscriptions"]
        return answer

    monkeypatch.setattr(Aws, "ask", requested)
    return arns


def test_a_queue_whose_subscription_was_deleted_is_subscribed_again(wiring, provision, listed):
    wiring.unsubscribe()
    listed.append("Deleted")
    plan = provision()
    assert output(plan) == ["subscribe the queue feedback to the topic bounces"]
    assert (output(provision()), plan.undone) == ([], [])


def test_a_subscription_that_delivers_counts_whatever_is_listed_beside_it(
    wiring, provision, listed
):
    listed += ["Deleted", "PendingConfirmation"]
    plan = provision()
    assert (output(plan), plan.undone) == ([], [])


def test_a_subscription_that_waits_for_its_confirmation_is_reported(wiring, provision, listed):
    wiring.unsubscribe()
    listed.append("PendingConfirmation")
    plan = provision()
    assert output(plan) == []
    assert plan.undone == ["bounces: the subscription is not confirmed"]


def test_conditions_that_cannot_be_judged_are_reported_and_left(wiring, provision):
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    wiring.set_queue(Policy=policy(QUEUE, TOPIC, Condition=condition))
    plan = provision()
    assert "queue feedback: its policy has conditions that cannot be evaluated" in plan.left
    assert output(plan) == []


def test_the_queue_of_the_settings_is_meant_where_none_is_named(wiring, provision):
    assert output(provision({"SES_WORKER_QUEUE__URL": QUEUE_URL}, queue="")) == []


def test_the_topic_of_the_settings_is_meant_where_none_is_named(wiring, provision):
    assert output(provision(topics(TOPIC), topic="")) == []


@pytest.mark.parametrize(
    ("arns", "expected"),
    [
        ([TOPIC.replace(REGION, "us-east-1")], f"is not in account {ACCOUNT} and {REGION}"),
        ([TOPIC.replace(ACCOUNT, "111122223333")], f"is not in account {ACCOUNT} and {REGION}"),
        ([TOPIC, f"{TOPIC}-2"], "names several topics"),
    ],
)
def test_no_namesake_is_made_of_a_topic_that_is_elsewhere(wiring, provision, arns, expected):
    with pytest.raises(Refused, match=expected):
        provision(topics(*arns), topic="")


def test_a_further_topic_is_added_to_those_of_the_settings(wiring, provision):
    provision(topic="second")
    made = Provision(
        load_settings(topics(TOPIC)), ProvisionOptions(topic="second", queue="feedback")
    )
    assert made.settings()["sns"] == {"topic_arns": [TOPIC, TOPIC.replace("bounces", "second")]}


def test_a_topic_that_ses_may_not_publish_to_lets_it(wiring, provision):
    theirs = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "theirs", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sns:*",
         "Resource": TOPIC}]})  # fmt: skip
    wiring.sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=theirs)
    assert "let SES publish to the topic bounces" in output(provision())
    found = wiring.sns.get_topic_attributes(TopicArn=TOPIC)["Attributes"]["Policy"]
    assert [check["Sid"] for check in json.loads(found)["Statement"]] == ["theirs", "SesMayPublish"]


def test_a_permission_of_ses_without_a_condition_is_left_and_reported(wiring, provision):
    statement = {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "sns:Publish", "Resource": TOPIC}  # fmt: skip
    theirs = json.dumps({"Version": "2012-10-17", "Statement": statement})
    wiring.sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=theirs)
    plan = provision()
    assert output(plan) == []
    assert (
        "topic bounces: its policy lets SES of any account publish; check has the command"
        in plan.left
    )
    found = wiring.sns.get_topic_attributes(TopicArn=TOPIC)["Attributes"]["Policy"]
    assert json.loads(found) == json.loads(theirs)


def test_a_topic_that_lets_ses_publish_for_others_gets_the_requested_accounts(wiring, provision):
    theirs = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "theirs", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
         "Action": "sns:Publish", "Resource": TOPIC, "Condition": {"ArnEquals": {"aws:SourceArn":
         f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/other.example"}}}]})  # fmt: skip
    wiring.sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=theirs)
    assert output(provision()) == []
    let = "let SES publish to the topic bounces"
    assert let in output(provision(identities=["example.com"]))
    assert let not in output(provision(identities=["example.com"]))
    found = wiring.sns.get_topic_attributes(TopicArn=TOPIC)["Attributes"]["Policy"]
    assert [check["Sid"] for check in json.loads(found)["Statement"]] == ["theirs", "SesMayPublish"]


@pytest.mark.parametrize("other", [(REGION, "us-east-1"), (ACCOUNT, "111122223333")])
def test_no_namesake_is_made_of_a_queue_that_is_elsewhere(wiring, provision, other):
    settings = {"SES_WORKER_QUEUE__URL": QUEUE_URL.replace(*other)}
    with pytest.raises(Refused, match=f"is not in account {ACCOUNT} and {REGION}"):
        provision(settings, queue="")
    assert output(provision(settings)) == []


def test_a_key_is_set_where_there_is_none(wiring, provision):
    key = wiring.kms.create_key()["KeyMetadata"]["Arn"]
    assert "set KmsMasterKeyId of the queue feedback" in output(provision(key=key))
    assert attributes(wiring)["KmsMasterKeyId"] == key
    assert output(provision(key=key)) == []
    wiring.set_queue(SqsManagedSseEnabled="false")  # as SQS shows it beside a key
    assert not [line for line in provision().left if line.startswith("queue feedback: SqsManaged")]


def test_another_key_than_requested_is_reported_as_not_done(wiring, provision):
    key, other = (wiring.kms.create_key()["KeyMetadata"] for _ in range(2))
    for url in (QUEUE_URL, DEAD_URL):
        wiring.set_queue(url, KmsMasterKeyId=key["Arn"])
    plan = provision(key=other["KeyId"])
    assert plan.undone == [
        f"queue {name}: KmsMasterKeyId is {key['Arn']}, not {other['KeyId']}"
        for name in ("feedback-dlq", "feedback")
    ]
    assert attributes(wiring)["KmsMasterKeyId"] == key["Arn"]
    assert provision(key=key["KeyId"]).undone == []


def test_an_identity_that_already_reports_to_the_topic_needs_nothing(wiring, provision):
    plan = provision(identities=["example.com"])
    assert (output(plan), plan.undone) == ([], [])


def test_queues_in_china_have_urls_of_their_own(provision):
    names = Provision(load_settings({}), ProvisionOptions()).names
    china = structs.replace(names, partition="aws-cn", region="cn-north-1")
    assert china.url("q") == f"https://sqs.cn-north-1.amazonaws.com.cn/{ACCOUNT}/q"


def test_a_configuration_set_is_wired_once_and_completed(wiring, proxy, provision):
    sets = proxy.publishing.configuration_sets
    sets["main"] = {}
    assert output(provision(configuration_sets=["main"]))[-1] == (
        "send BOUNCE and COMPLAINT of the configuration set main to the topic"
    )
    assert output(provision(configuration_sets=["main"])) == []
    sets["main"]["ses-feedback-worker"] |= {"Enabled": False, "MatchingEventTypes": ["SEND"]}
    provision(configuration_sets=["main"])
    made = sets["main"]["ses-feedback-worker"]
    assert (made["Enabled"], made["MatchingEventTypes"]) == (True, ["BOUNCE", "COMPLAINT", "SEND"])
    made["SnsDestination"] = {"TopicArn": f"{TOPIC}-2"}
    plan = provision(configuration_sets=["main"])
    assert (output(plan), len(plan.undone)) == ([], 1)
