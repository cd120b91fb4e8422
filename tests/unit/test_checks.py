"""What each check makes of the facts."""

import json

import pytest

from worker.checks import commands
from worker.checks.account import judge_account
from worker.checks.commands import provision, set_queue
from worker.checks.database import judge_database
from worker.checks.dead_letters import judge_dead_letters
from worker.checks.encryption import Encrypted, judge_encryption
from worker.checks.facts import (
    Absent,
    Away,
    DestinationFacts,
    FeedbackFacts,
    IdentityFacts,
    KeyFacts,
    QueueFacts,
    SubscriptionFacts,
    TopicFacts,
    Unseen,
)
from worker.checks.feedback import judge_feedback
from worker.checks.filters import judge_filter
from worker.checks.queue import days, judge_queue
from worker.checks.slack import judge_slack
from worker.checks.statements import Caller
from worker.checks.topic import judge_subscriptions, judge_topic
from worker.effects import Blocked, Later, Sent

REGION = "eu-west-1"
URL = f"https://sqs.{REGION}.amazonaws.com/111122223333/feedback"
TOPIC = f"arn:aws:sns:{REGION}:111122223333:bounces"
DEAD = f"arn:aws:sqs:{REGION}:111122223333:feedback-dlq"


def queue(**attributes):
    named = {"QueueArn": f"arn:aws:sqs:{REGION}:111122223333:feedback"}
    redrive = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 5})
    return QueueFacts(URL, named | {"RedrivePolicy": redrive} | attributes)


def dead(**attributes):
    return QueueFacts(f"{URL}-dlq", {"MessageRetentionPeriod": "1209600"} | attributes)


def statuses(findings):
    return [str(finding.status) for finding in findings]


class TestQueue:
    def judge(self, facts, visibility_seconds=60):
        return judge_queue(
            facts, URL, REGION, visibility_seconds=visibility_seconds, wait_seconds=20
        )

    @pytest.mark.parametrize(
        ("attributes", "status", "said"),
        [
            ({}, "ok", "kept for 4 days"),
            ({"MessageRetentionPeriod": "3600"}, "wrong", "for 1 hour only"),
            ({"MaximumMessageSize": "65536"}, "wrong", "above 65,536 bytes"),
            ({"DelaySeconds": "30"}, "note", "by 30 s"),
        ],
    )
    def test_its_attributes_are_judged(self, attributes, status, said):
        (found,) = self.judge(queue(**attributes))
        assert (str(found.status), said in found.said) == (status, True), found

    def test_a_short_visibility_is_told(self):
        assert statuses(self.judge(queue(), visibility_seconds=10)) == ["note"]

    @pytest.mark.parametrize("blank", [Absent("x"), Unseen("sqs:GetQueueAttributes"), Away("x")])
    def test_a_queue_that_is_not_seen_is_wrong_whatever_the_reason(self, blank):
        assert statuses(self.judge(blank)) == ["wrong"]


class TestDeadLetters:
    def judge(self, facts, letters, url=None, url_region=None):
        return judge_dead_letters(
            facts, letters, region=REGION, dead_letter_url=url, url_region=url_region
        )

    def test_all_is_well(self):
        assert statuses(self.judge(queue(), dead())) == ["ok"]
        assert statuses(self.judge(queue(), dead(), f"{URL}-dlq", REGION)) == ["ok"]

    def test_too_few_receives_are_wrong_and_the_target_is_kept(self):
        redrive = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": "4"})
        (found,) = self.judge(queue(RedrivePolicy=redrive), dead())
        assert "after 4 receives" in found.said
        assert DEAD in found.mend

    @pytest.mark.parametrize(
        ("ours", "theirs", "status"),
        [
            ("345600", "345601", "ok"),
            ("345600", "345600", "wrong"),
            ("345600", "60", "wrong"),
            ("1209600", "1209600", "note"),
        ],
    )
    def test_letters_are_kept_longer_than_messages(self, ours, theirs, status):
        facts = queue(MessageRetentionPeriod=ours), dead(MessageRetentionPeriod=theirs)
        assert statuses(self.judge(*facts)) == [status]

    @pytest.mark.parametrize(
        ("policy", "status"),
        [
            ({"redrivePermission": "allowAll"}, "ok"),
            ({"redrivePermission": "denyAll"}, "wrong"),
            ({"redrivePermission": "byQueue", "sourceQueueArns": [queue().arn]}, "ok"),
            ({"redrivePermission": "byQueue", "sourceQueueArns": [DEAD]}, "wrong"),
        ],
    )
    def test_the_dead_letter_queue_must_allow_its_source(self, policy, status):
        letters = dead(RedriveAllowPolicy=json.dumps(policy))
        assert statuses(self.judge(queue(), letters)) == [status]

    def test_letters_that_wait_are_told(self):
        (found,) = self.judge(queue(), dead(ApproximateNumberOfMessages="3"))
        assert (str(found.status), found.mend) == ("note", "ses-worker dlq list")

    def test_what_is_not_there_not_seen_or_not_named_is_said(self):
        assert statuses(self.judge(queue(), Absent("x"))) == ["wrong"]
        assert statuses(self.judge(queue(), Unseen("sqs:GetQueueAttributes"))) == ["unseen"]
        assert statuses(self.judge(queue(RedrivePolicy=""), None)) == ["wrong"]

    def test_a_dead_letter_url_in_another_region_is_wrong(self):
        elsewhere = f"{URL}-dlq".replace(REGION, "us-east-1")
        (found,) = self.judge(queue(), dead(), elsewhere, "us-east-1")
        assert "is in us-east-1, the queue in eu-west-1" in found.said


class TestTopic:
    def test_a_topic_that_ses_may_not_publish_to_is_wrong(self):
        assert statuses(judge_topic(TOPIC, TopicFacts(TOPIC, {}), queue())) == ["wrong"]

    def test_a_fifo_topic_is_wrong(self):
        arn = f"{TOPIC}.fifo"
        (found,) = judge_topic(arn, TopicFacts(arn, {}), queue())
        assert "standard topics only" in found.said

    def judge(self, arn="a:1", wants_topics=False, **attributes):
        kept = {"RedrivePolicy": "{}"} | attributes
        one = SubscriptionFacts(f"{TOPIC}:{arn}", kept)
        return judge_subscriptions(TOPIC, [one], queue(), None, wants_topics=wants_topics)

    def test_a_subscription_that_waits_for_its_confirmation_is_wrong(self):
        (found,) = self.judge(PendingConfirmation="true", RedrivePolicy="")
        assert "waits for its confirmation" in found.said

    def test_one_that_loses_what_cannot_be_delivered_is_told(self):
        assert statuses(self.judge(RedrivePolicy="")) == ["note"]

    def test_one_that_may_not_write_to_its_dead_letter_queue_is_told(self):
        redrive = json.dumps({"deadLetterTargetArn": DEAD})
        one = SubscriptionFacts(f"{TOPIC}:1", {"RedrivePolicy": redrive})
        letters = dead(QueueArn=DEAD)
        found = judge_subscriptions(TOPIC, [one], queue(), letters, wants_topics=False)
        assert "policy of feedback-dlq does not let it in" in found[0].said
        assert statuses(found) == ["note"]

    def test_raw_delivery_is_fine_unless_topics_are_named(self):
        assert statuses(self.judge(RawMessageDelivery="true")) == ["ok"]
        assert statuses(self.judge(RawMessageDelivery="true", wants_topics=True)) == ["wrong"]

    def test_a_filter_that_cannot_be_judged_is_told(self):
        policy = '{"mail": {"source": [{"prefix": "noreply"}]}}'
        found = self.judge(FilterPolicy=policy, FilterPolicyScope="MessageBody")
        assert statuses(found) == ["note"]


@pytest.mark.parametrize(
    ("policy", "scope", "lost"),
    [
        ({"notificationType": ["Bounce", "Complaint"]}, "MessageBody", []),
        ({"eventType": [{"anything-but": ["Send", "Open"]}]}, "MessageBody", []),
        ({"eventType": ["Bounce"]}, "MessageBody", ["complaints"]),
        ({"eventType": [{"prefix": "Comp"}]}, "MessageBody", ["bounces"]),
        ({"eventType": ["Bounce"], "mail": {"x": [1]}}, "MessageBody", None),
        ({"kind": ["bounce"]}, "MessageAttributes", ["bounces", "complaints"]),
        ({"kind": [{"exists": False}]}, "", []),
        ({"kind": ["bounce"]}, "", ["bounces", "complaints"]),
        ({}, "", []),
        ([], "", None),
    ],
)
def test_a_filter_policy_holds_back_what_it_does_not_name(policy, scope, lost):
    assert judge_filter(json.dumps(policy), scope) == lost


class TestFeedback:
    def judge(self, identities=(), destinations=(), **more):
        facts = FeedbackFacts(identities=identities, destinations=destinations, **more)
        return judge_feedback(facts, [TOPIC], queue())

    def destination(self, *kinds, enabled=True):
        return DestinationFacts(
            configuration_set="main",
            name="topic",
            topic=TOPIC,
            enabled=enabled,
            kinds=frozenset(kinds),
        )

    def test_one_way_is_enough(self):
        assert statuses(self.judge((IdentityFacts("a.example", TOPIC, TOPIC),))) == ["ok"]
        both = self.destination("BOUNCE", "COMPLAINT")
        assert statuses(self.judge(destinations=(both,))) == ["ok"]

    def test_identities_that_go_elsewhere_are_nobodys_business(self):
        others = IdentityFacts("b.example", f"{TOPIC}-2", f"{TOPIC}-2"), IdentityFacts("c.example")
        assert statuses(self.judge((IdentityFacts("a.example", TOPIC, TOPIC), *others))) == ["ok"]

    @pytest.mark.parametrize(
        ("kinds", "enabled", "status"),
        [
            ({"BOUNCE", "COMPLAINT"}, False, "wrong"),
            ({"BOUNCE"}, True, "wrong"),
            ({"BOUNCE", "COMPLAINT", "SEND"}, True, "note"),
        ],
    )
    def test_an_event_destination_must_send_both_kinds_and_only_those(self, kinds, enabled, status):
        found = self.judge(destinations=(self.destination(*kinds, enabled=enabled),))
        assert statuses(found) == [status]

    def test_where_one_way_is_not_seen_nothing_is_said_of_it(self):
        assert statuses(self.judge(Unseen("ses:ListIdentities"))) == ["unseen"]
        both = self.destination("BOUNCE", "COMPLAINT")
        found = self.judge(Unseen("ses:ListIdentities"), (both,))
        assert statuses(found) == ["unseen", "ok"]

    def test_configuration_sets_that_were_not_looked_at_are_told(self):
        beyond = ("7 configuration sets",)
        found = self.judge((IdentityFacts("a.example", TOPIC, TOPIC),), unlooked=beyond)
        assert "7 configuration sets were not looked at" in found[0].said
        assert statuses(self.judge(unlooked=beyond)) == ["note"], "one of those may be the one"

    def test_ses_of_another_account_cannot_be_seen_from_here(self):
        facts = FeedbackFacts(identities=(), destinations=())
        others = TOPIC.replace("111122223333", "444455556666")
        assert statuses(judge_feedback(facts, [others], queue())) == ["unseen"]
        assert statuses(judge_feedback(facts, [TOPIC], queue())) == ["wrong"]


class TestEncryption:
    caller = Caller(service="sns.amazonaws.com", account="111122223333", arn=TOPIC)

    def judge(self, key):
        return judge_encryption(Encrypted("the queue feedback", self.caller, key))

    @pytest.mark.parametrize(
        ("key", "metadata"), [("alias/aws/sqs", {}), ("k", {"KeyManager": "AWS"})]
    )
    def test_awss_own_key_lets_no_topic_in(self, key, metadata):
        assert statuses(self.judge(KeyFacts(key, metadata, Unseen("kms:GetKeyPolicy")))) == [
            "wrong"
        ]

    def test_a_key_that_is_off_is_wrong(self):
        found = self.judge(KeyFacts("k", {"KeyState": "Disabled"}, Unseen("kms:GetKeyPolicy")))
        assert statuses(found) == ["wrong", "unseen"]

    def test_a_key_that_is_known_by_an_alias_is_enabled_by_its_arn(self):
        arn = f"arn:aws:kms:{REGION}:111122223333:key/1"
        metadata = {"KeyState": "Disabled", "Arn": arn}
        found = self.judge(KeyFacts("alias/mine", metadata, "{}"))
        assert found[0].mend == f"aws kms enable-key --region {REGION} --key-id {arn}"

    def test_a_key_that_lets_nobody_in_is_to_let_in_this_account(self):
        closed = json.dumps({"Statement": []})
        (found,) = self.judge(KeyFacts("k", {}, closed))
        assert found.mend.endswith("with StringEquals aws:SourceAccount 111122223333")

    def test_what_is_not_encrypted_is_told(self):
        bare = Encrypted("the queue feedback", self.caller, None, "do this")
        (found,) = judge_encryption(bare)
        assert (str(found.status), found.mend) == ("note", "do this")

    def test_no_key_is_in_nobodys_way(self):
        assert statuses(self.judge(None)) == ["ok"]


class TestTheRest:
    @pytest.mark.parametrize(
        ("more", "statuses_"),
        [
            ({}, ["ok"]),
            ({"EnforcementStatus": "PROBATION"}, ["note"]),
            ({"SendingEnabled": False}, ["note"]),
            ({"SuppressionAttributes": {}}, ["note"]),
        ],
    )
    def test_the_account(self, more, statuses_):
        both = {"SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]}}
        assert statuses(judge_account(both | more, REGION, removes=True)) == statuses_

    def test_the_database(self):
        def judge(revision="0002", pending=(), newer=False, makes_itself=True):
            found = judge_database("x", revision, pending, newer=newer, makes_itself=makes_itself)
            return str(found.status)

        assert judge() == "ok"
        assert judge("0001", ("0002",)) == "wrong"
        assert judge("0009", newer=True) == "wrong"
        assert judge(None, ("0001",)) == "note"
        assert judge(None, ("0001",), makes_itself=False) == "wrong"

    def test_slack(self):
        blocked = judge_slack(Blocked(error="Slack: no_team: do this"), way="w", sent=False)
        assert (str(blocked.status), blocked.mend) == ("wrong", "do this")
        assert str(judge_slack(Later(error="x"), way="w", sent=False).status) == "wrong"
        assert "is in the channel" in judge_slack(Sent(), way="w", sent=True).said

    def test_what_is_advised_can_be_pasted_into_a_shell(self):
        assert (
            provision("feedback", TOPIC) == "ses-worker provision --queue feedback --topic bounces"
        )
        assert set_queue(URL, REGION, RedrivePolicy={"maxReceiveCount": 10}) == (
            f"aws sqs set-queue-attributes --region {REGION} --queue-url {URL} --attributes "
            '\'{"RedrivePolicy": "{\\"maxReceiveCount\\": 10}"}\''
        )

    @pytest.mark.parametrize("part", [("eu-west-1", "us-east-1"), ("111122223333", "444455556666")])
    def test_a_topic_elsewhere_is_not_provisioned_for_a_namesake_would_be_no_help(self, part):
        topic = TOPIC.replace(*part)
        region = "us-east-1" if "us-east-1" in part else REGION
        arn = queue().arn
        assert commands.subscribe(arn, topic) == (
            f"aws sns subscribe --region {region} --topic-arn {topic} --protocol sqs "
            f"--notification-endpoint {arn}"
        )
        made = f"aws sns create-topic --region {region} --name bounces (in the account of {topic})"
        assert commands.create_topic(arn, topic) == made
        assert "ses-worker" not in provision(arn, topic)
        for advise in (provision, commands.subscribe, commands.create_topic):
            assert advise(arn, TOPIC) == "ses-worker provision --queue feedback --topic bounces"

    def test_what_is_advised_names_the_region(self):
        assert commands.set_suppression(REGION, ["BOUNCE", "COMPLAINT"]) == (
            f"aws sesv2 put-account-suppression-attributes --region {REGION} "
            "--suppressed-reasons BOUNCE COMPLAINT"
        )
        event = {
            "Enabled": True,
            "MatchingEventTypes": ["BOUNCE", "SEND"],
            "SnsDestination": {"TopicArn": TOPIC},
        }
        assert commands.set_destination(TOPIC, {"SEND", "BOUNCE"}, "a set", "d") == (
            f"aws sesv2 update-configuration-set-event-destination --region {REGION} "
            "--configuration-set-name 'a set' --event-destination-name d "
            f"--event-destination '{json.dumps(event)}'"
        )
        key = f"arn:aws:kms:{REGION}:111122223333:key/1"
        assert commands.enable_key(key) == f"aws kms enable-key --region {REGION} --key-id {key}"
        assert commands.get_subscription(f"{TOPIC}:1") == (
            f"aws sns get-subscription-attributes --region {REGION} --subscription-arn {TOPIC}:1"
        )

    def test_what_is_advised_of_our_own_reads_the_same_settings(self):
        advised = f"or: {provision('ses-worker', TOPIC)}"
        assert commands.with_config(advised, "/etc/a b.toml") == (
            "or: ses-worker --config '/etc/a b.toml' provision --queue ses-worker --topic bounces"
        )
        assert commands.with_config("aws sqs x", "y") == "aws sqs x"

    @pytest.mark.parametrize(
        ("seconds", "said"),
        [(1_209_600, "14 days"), (86_400, "1 day"), (5_400, "1.5 hours"), (9, "9 s")],
    )
    def test_times_are_told_in_the_unit_that_fits(self, seconds, said):
        assert days(seconds) == said
