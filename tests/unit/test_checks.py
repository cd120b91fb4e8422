"""What each check makes of the facts."""

import json
import shlex
from datetime import UTC, datetime

import pytest
from msgspec import structs
from support.lanes import SLACK

from worker.core.effects import Blocked, Later, Sent
from worker.core.errors import Unavailable
from worker.topology.checks import commands
from worker.topology.checks.account import judge_account
from worker.topology.checks.admission import judge_dead_letter_policy, judge_policy
from worker.topology.checks.channels import judge_channel, judge_no_channel
from worker.topology.checks.commands import provision, set_queue
from worker.topology.checks.database import PG_HBA, Schema, judge_database, judge_no_database
from worker.topology.checks.dead_letters import judge_dead_letters
from worker.topology.checks.encryption import Encrypted, judge_encryption
from worker.topology.checks.facts import (
    Absent,
    DestinationFacts,
    FeedbackFacts,
    IdentityFacts,
    KeyFacts,
    NotPermitted,
    QueueFacts,
    SubscriptionFacts,
    TopicFacts,
    Unreachable,
)
from worker.topology.checks.feedback import judge_feedback
from worker.topology.checks.filters import judge_filter
from worker.topology.checks.permissions import judge_permissions
from worker.topology.checks.queue import days, judge_queue
from worker.topology.checks.sending import senders, shapes
from worker.topology.checks.sending_status import ReportedStatus, judge_sending
from worker.topology.checks.statements import Caller
from worker.topology.checks.subscriptions import judge_subscriptions, judge_unlisted
from worker.topology.checks.topic import judge_topic

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
        ("attributes", "status", "expected"),
        [
            ({}, "ok", "keeps messages for 4 days"),
            ({"MessageRetentionPeriod": "3600"}, "wrong", "for only 1 hour"),
            ({"MaximumMessageSize": "65536"}, "wrong", "above 65,536 bytes"),
            ({"DelaySeconds": "30"}, "note", "by 30 s"),
        ],
    )
    def test_its_attributes_are_judged(self, attributes, status, expected):
        (found,) = self.judge(queue(**attributes))
        assert (str(found.status), expected in found.message) == (status, True), found

    def test_a_short_visibility_timeout_is_reported(self):
        assert statuses(self.judge(queue(), visibility_seconds=10)) == ["note"]

    @pytest.mark.parametrize(
        "unknown", [Absent("x"), NotPermitted("sqs:GetQueueAttributes"), Unreachable("x")]
    )
    def test_a_queue_that_cannot_be_read_is_wrong_whatever_the_reason(self, unknown):
        assert statuses(self.judge(unknown)) == ["wrong"]


class TestDeadLetters:
    def judge(self, facts, dead_letters, url=None, url_region=None):
        return judge_dead_letters(
            facts, dead_letters, region=REGION, dead_letter_url=url, url_region=url_region
        )

    def test_all_checks_are_ok(self):
        assert statuses(self.judge(queue(), dead())) == ["ok"]
        assert statuses(self.judge(queue(), dead(), f"{URL}-dlq", REGION)) == ["ok"]

    def test_too_few_receives_are_wrong_and_the_target_is_kept(self):
        redrive = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": "4"})
        (found,) = self.judge(queue(RedrivePolicy=redrive), dead())
        assert "after 4 receives" in found.message
        assert DEAD in found.fix

    @pytest.mark.parametrize(
        ("ours", "theirs", "status"),
        [
            ("345600", "345601", "ok"),
            ("345600", "345600", "wrong"),
            ("345600", "60", "wrong"),
            ("1209600", "1209600", "note"),
        ],
    )
    def test_dead_letters_are_kept_longer_than_messages(self, ours, theirs, status):
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
        dead_letters = dead(RedriveAllowPolicy=json.dumps(policy))
        assert statuses(self.judge(queue(), dead_letters)) == [status]

    def test_queues_that_may_use_it_already_go_on_to(self):
        policy = {"redrivePermission": "byQueue", "sourceQueueArns": [DEAD]}
        (found,) = self.judge(queue(), dead(RedriveAllowPolicy=json.dumps(policy)))
        named = json.loads(shlex.split(found.fix)[-1])["RedriveAllowPolicy"]
        assert json.loads(named)["sourceQueueArns"] == [DEAD, queue().arn]

    def test_waiting_dead_letters_are_reported(self):
        (found,) = self.judge(queue(), dead(ApproximateNumberOfMessages="3"))
        assert (str(found.status), found.fix) == ("note", "ses-worker dlq list")

    def test_missing_unreadable_or_unnamed_queues_are_reported(self):
        assert statuses(self.judge(queue(), Absent("x"))) == ["wrong"]
        assert statuses(self.judge(queue(), NotPermitted("sqs:GetQueueAttributes"))) == ["unknown"]
        assert statuses(self.judge(queue(RedrivePolicy=""), None)) == ["wrong"]

    def test_a_dead_letter_url_in_another_region_is_wrong(self):
        elsewhere = f"{URL}-dlq".replace(REGION, "us-east-1")
        (found,) = self.judge(queue(), dead(), elsewhere, "us-east-1")
        assert "is in us-east-1, the queue in eu-west-1" in found.message


class TestTopic:
    def test_a_topic_that_ses_may_not_publish_to_is_wrong(self):
        assert statuses(judge_topic(TOPIC, TopicFacts(TOPIC, {}), queue())) == ["wrong"]

    def test_a_fifo_topic_is_wrong(self):
        arn = f"{TOPIC}.fifo"
        (found,) = judge_topic(arn, TopicFacts(arn, {}), queue())
        assert "standard topics only" in found.message

    REDRIVE = json.dumps({"deadLetterTargetArn": DEAD})
    dead_letters = dead(
        QueueArn=DEAD,
        Policy=json.dumps(
            {
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": DEAD,
                }
            }
        ),
    )

    def judge(self, requires_topic=False, shapes=(), dead_letters=dead_letters, **attributes):
        first = SubscriptionFacts(f"{TOPIC}:1", {"RedrivePolicy": self.REDRIVE} | attributes)
        looked_at = {DEAD: dead_letters} if dead_letters else {}
        return judge_subscriptions(
            TOPIC, [first], queue(), looked_at, requires_topic=requires_topic, shapes=shapes
        )

    @pytest.mark.parametrize(
        ("dead_letters", "status", "expected"),
        [
            (Absent("x"), "note", "does not exist"),
            (None, "unknown", "was not checked"),
            (NotPermitted("sqs:GetQueueAttributes"), "unknown", "not permitted"),
            (Unreachable("silence"), "unknown", "could not be read: silence"),
            (dead(QueueArn=DEAD), "note", "policy of feedback-dlq does not admit the topic"),
        ],
    )
    def test_where_undelivered_messages_go_must_be_there(self, dead_letters, status, expected):
        (found,) = self.judge(dead_letters=dead_letters)
        assert (str(found.status), expected in found.message) == (status, True), found

    def test_where_undelivered_messages_go_a_deny_is_heard(self):
        policy = json.loads(self.dead_letters.text("Policy"))
        deny = policy["Statement"] | {"Effect": "Deny"}
        both = json.dumps({"Statement": [policy["Statement"], deny]})
        (found,) = self.judge(dead_letters=dead(QueueArn=DEAD, Policy=both))
        assert "policy of feedback-dlq does not admit the topic" in found.message

    def test_undelivered_messages_go_to_the_queue_of_that_very_name(self):
        longer = json.dumps({"deadLetterTargetArn": f"{DEAD}-2"})
        (found,) = self.judge(RedrivePolicy=longer)
        assert "was not checked" in found.message

    def test_a_filter_on_the_other_shape_holds_everything_back(self):
        policy = {
            "FilterPolicy": '{"eventType": ["Bounce", "Complaint"]}',
            "FilterPolicyScope": "MessageBody",
        }
        (found,) = self.judge(shapes=["notificationType"], **policy)
        assert "blocks bounces and complaints" in found.message
        assert statuses(self.judge(shapes=["eventType"], **policy)) == ["ok"]
        assert statuses(self.judge(**policy)) == ["note"]

    def publishing(self, *senders, topic=TOPIC, source="arn:aws:ses:*", **more):
        account = more.pop("account", "111122223333")
        condition = {
            "ArnLike": {"aws:SourceArn": source},
            "StringEquals": {"AWS:SourceAccount": account},
        }
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "ses.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic,
            "Condition": condition,
        } | more
        facts = TopicFacts(topic, {"Policy": json.dumps({"Statement": [statement]})})
        found, *self.others = judge_topic(topic, facts, queue(), senders)
        return found

    def test_each_sender_is_judged_by_its_own_arn(self):
        ours = f"arn:aws:ses:{REGION}:111122223333:"
        first, second = f"{ours}identity/a.example", f"{ours}configuration-set/main"
        for source in ("arn:aws:ses:*:*:*", f"arn:aws:ses:{REGION}:*:*", [first, second]):
            assert self.publishing(first, second, source=source).status == "ok"
        found = self.publishing(first, second, source="arn:aws:ses:*:*:identity/*")
        assert (found.status, "for configuration-set/main;" in found.message) == ("wrong", True)
        assert found.fix == provision(queue().arn, TOPIC, configuration_set="main")
        for source in (f"{first}.net", f"arn:aws:s3:{REGION}:111122223333:x"):
            assert self.publishing(first, source=source).status == "wrong"

    def test_a_topic_of_another_account_lets_that_ones_ses_in(self):
        theirs = TOPIC.replace("111122223333", "444455556666")
        assert self.publishing(topic=theirs, account="444455556666").status == "ok"
        assert self.others == []
        assert self.publishing(topic=theirs).status == "wrong"
        (other,) = self.others
        assert "also admits all of account 111122223333: a publisher may forge" in other.message

    @pytest.mark.parametrize(
        ("changes", "status", "who"),
        [
            ({"Condition": {}}, "wrong", "ses.amazonaws.com for any account"),
            ({"Condition": {}, "Principal": "*"}, "wrong", "everybody"),
            ({"Principal": "*"}, None, ""),  # its condition names our account alone
            ({"Principal": {"AWS": "*"}, "Condition": {"StringEquals": {"AWS:SourceOwner": "111122223333"}}}, None, ""),
            ({"Principal": {"AWS": "arn:aws:iam::444455556666:role/x"}, "Condition": {}}, "note", "arn:aws:iam::444455556666:role/x"),
            ({"Principal": {"AWS": "arn:aws:iam::111122223333:role/x"}, "Condition": {}}, None, ""),
            ({"Principal": "*", "Condition": {"Bool": {"aws:x": "1"}}}, "unknown", "check cannot evaluate"),
        ],
    )  # fmt: skip
    def test_a_service_or_a_person_of_another_account_who_may_publish_is_named(
        self, changes, status, who
    ):
        self.publishing(**changes)
        assert [str(other.status) for other in self.others] == ([status] if status else [])
        assert all(who in other.message for other in self.others)
        assert self.publishing().status == "ok"
        assert self.others == []

    def test_a_permission_of_ses_without_a_condition_is_completed_and_not_removed(self):
        sender = f"arn:aws:ses:{REGION}:111122223333:identity/a.example"
        for senders_named in ((), (sender,)):
            assert self.publishing(*senders_named, Condition={}).status == "ok"
            (other,) = self.others
            assert other.status == "wrong"
            assert "do not remove it, since SES publishes by it" in other.message
            assert "StringEquals aws:SourceAccount 111122223333" in other.message
            assert f"aws:SourceArn arn:aws:ses:{REGION}:111122223333:*" in other.message
            words = shlex.split(other.fix)
            assert words[:3] == ["aws", "sns", "set-topic-attributes"]
            given = dict(zip(words[3::2], words[4::2], strict=True))
            assert given["--topic-arn"] == TOPIC
            whole = TopicFacts(TOPIC, {"Policy": given["--attribute-value"]})
            assert statuses(judge_topic(TOPIC, whole, queue(), senders_named)) == ["ok"]

    def test_a_permission_of_ses_is_completed_for_the_accounts_that_send_and_the_rest_stays(self):
        own = f"arn:aws:ses:{REGION}:111122223333:identity/a.example"
        theirs = own.replace("111122223333", "444455556666")
        open_to_ses = {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "sns:Publish", "Resource": TOPIC}  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": [owners := {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sns:*", "Resource": TOPIC}, open_to_ses]}  # fmt: skip
        facts = TopicFacts(TOPIC, {"Policy": json.dumps(policy)})
        _, found = judge_topic(TOPIC, facts, queue(), [own, theirs])
        written = json.loads(shlex.split(found.fix)[-1])
        assert written["Version"] == "2012-10-17"
        assert written["Statement"] == [
            owners,
            open_to_ses
            | {
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": ["111122223333", "444455556666"]},
                    "ArnLike": {
                        "aws:SourceArn": [
                            f"arn:aws:ses:{REGION}:{account}:*"
                            for account in ("111122223333", "444455556666")
                        ]
                    },
                }
            },
        ]

    def test_no_fix_of_a_topics_policy_removes_all_by_which_ses_publishes(self):
        for open_to in ({"Principal": "*"}, {"Principal": {"Service": ["ses.amazonaws.com", "s3.amazonaws.com"]}}):  # fmt: skip
            self.publishing(Condition={}, **open_to)
            assert self.others
            for other in self.others:
                assert other.fix == (
                    "narrow it with StringEquals aws:SourceAccount 111122223333, or remove it if "
                    "SES publishes by another statement"
                )

    def test_a_topics_policy_about_another_topic_lets_nobody_in(self):
        assert self.publishing(Resource=f"{TOPIC}-old").status == "wrong"

    def test_a_deny_in_a_topics_policy_is_wrong(self):
        found = self.publishing(Effect="Deny")
        assert (str(found.status), "a Deny in its policy" in found.message) == ("wrong", True)

    def test_a_topic_or_subscription_that_could_not_be_read_is_unknown(self):
        for unknown in (Unreachable("silence"), NotPermitted("sns:GetTopicAttributes")):
            assert statuses(judge_topic(TOPIC, unknown, queue())) == ["unknown"]
            found = judge_subscriptions(TOPIC, unknown, queue(), {}, requires_topic=False)
            assert statuses(found) == ["unknown"]
            assert str(judge_unlisted(unknown).status) == "unknown"

    def test_a_subscription_that_waits_for_its_confirmation_is_wrong(self):
        (found,) = self.judge(PendingConfirmation="true", RedrivePolicy="")
        assert "is not confirmed" in found.message

    def test_a_subscription_that_loses_undeliverable_messages_is_reported(self):
        (found,) = self.judge(RedrivePolicy="")
        assert (str(found.status), found.fix) == ("note", provision("feedback", TOPIC))

    def test_of_a_topic_elsewhere_no_namesake_is_made_for_what_it_loses(self):
        theirs = TOPIC.replace(REGION, "us-east-1")
        first = SubscriptionFacts(f"{theirs}:1", {"PendingConfirmation": "false"})
        (found,) = judge_subscriptions(theirs, [first], queue(), {}, requires_topic=False)
        assert (str(found.status), "ses-worker" in found.fix) == ("note", False)

    def test_raw_delivery_is_fine_unless_topics_are_named(self):
        assert statuses(self.judge(RawMessageDelivery="true")) == ["ok"]
        assert statuses(self.judge(RawMessageDelivery="true", requires_topic=True)) == ["wrong"]

    def test_a_filter_that_cannot_be_judged_is_reported(self):
        policy = '{"mail": {"source": [{"prefix": "noreply"}]}}'
        found = self.judge(FilterPolicy=policy, FilterPolicyScope="MessageBody")
        assert statuses(found) == ["note"]


@pytest.mark.parametrize(
    ("policy", "scope", "lost"),
    [
        ({"eventType": ["Bounce", "Complaint"]}, "MessageBody", []),
        ({"notificationType": ["Bounce"]}, "MessageBody", ["bounces", "complaints"]),
        ({"eventType": [{"exists": True}]}, "MessageBody", []),
        ({"eventType": [{"exists": False}]}, "MessageBody", ["bounces", "complaints"]),
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
    assert judge_filter(json.dumps(policy), scope, ["eventType"]) == lost


def test_a_filter_policy_must_let_both_shapes_pass_where_both_are_sent():
    first = '{"eventType": ["Bounce", "Complaint"]}'
    both = ["notificationType", "eventType"]
    assert judge_filter(first, "MessageBody", both) == ["bounces", "complaints"]
    assert judge_filter(first, "MessageBody") is None, "which of them is sent is not known"
    assert judge_filter('{"eventType": [1], "notificationType": [1]}', "MessageBody") is None


LETS_IN = {
    "Effect": "Allow",
    "Principal": {"Service": "sns.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": queue().arn,
    "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}},
}
OPEN = LETS_IN | {"Principal": "*", "Condition": {}}
ORGANIZATION = OPEN | {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}


class TestPolicy:
    @pytest.mark.parametrize(
        ("statements", "status", "expected"),
        [
            ([LETS_IN], "ok", "and nobody else"),
            ([LETS_IN, OPEN | {"Effect": "Deny"}], "wrong", "a Deny in the policy"),
            ([LETS_IN, OPEN], "wrong", "admits everybody"),
            ([LETS_IN, ORGANIZATION], "unknown", "under conditions"),
            ([LETS_IN | {"Resource": DEAD}], "wrong", "does not admit"),
        ],
    )
    def test_the_topic_is_let_in_and_nobody_else(self, statements, status, expected):
        (found,) = judge_policy(queue(Policy=json.dumps({"Statement": statements})), [TOPIC])
        assert (str(found.status), expected in found.message) == (status, True), found

    def test_an_unreadable_policy_is_unknown(self):
        assert statuses(judge_policy(queue(Policy="{"), [TOPIC])) == ["unknown"]


class TestPermissions:
    def judge(self, principal="*", effect="Deny", **more):
        statement = {
            "Effect": effect,
            "Principal": principal,
            "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
            "Resource": "*",
        }
        if "NotPrincipal" in more:
            del statement["Principal"]
        text = json.dumps({"Statement": statement | more})
        return judge_permissions(queue(Policy=text))

    def test_a_deny_for_everybody_is_wrong(self):
        found = self.judge()
        assert "everybody sqs:ReceiveMessage and sqs:DeleteMessage" in found.message
        assert str(found.status) == "wrong"

    @pytest.mark.parametrize(
        ("more", "status"),
        [
            ({"effect": "Allow"}, "ok"),
            ({"principal": {"AWS": "arn:aws:iam::444455556666:root"}}, "ok"),
            ({"Action": "sqs:PurgeQueue"}, "ok"),
            ({"Resource": DEAD}, "ok"),
            ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, "ok"),
            ({"Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}}, "unknown"),
            ({"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:role/worker"}}, "unknown"),
        ],
    )
    def test_a_deny_that_may_be_about_others_is_not(self, more, status):
        assert str(self.judge(**more).status) == status

    def test_what_was_not_inspected_is_reported(self):
        assert "config/iam-run.json" in judge_permissions(queue()).message


class TestFeedback:
    def judge(self, identities=(), destinations=(), **more):
        facts = FeedbackFacts(identities=identities, destinations=destinations, **more)
        return judge_feedback(facts, [TOPIC], queue())

    def destination(self, *kinds, enabled=True):
        return DestinationFacts(
            configuration_set="main",
            name="topic",
            target=TOPIC,
            enabled=enabled,
            kinds=frozenset(kinds),
        )

    def test_a_single_publishing_route_is_enough(self):
        assert statuses(self.judge((IdentityFacts("a.example", TOPIC, TOPIC),))) == ["ok"]
        both = self.destination("BOUNCE", "COMPLAINT")
        assert statuses(self.judge(destinations=(both,))) == ["ok"]

    def test_what_a_disabled_destination_would_not_send_is_missed_in_the_next(self):
        off, on = self.destination("BOUNCE", enabled=False), self.destination("SEND")
        first, second = self.judge(destinations=(on, off))
        assert ("is switched off" in first.message, first.status) == (True, "wrong")
        assert ("does not send COMPLAINT" in second.message, second.status) == (True, "wrong")

    WHOLE = IdentityFacts("a.example", TOPIC, TOPIC)

    def test_identities_that_go_elsewhere_are_named(self):
        others = (
            IdentityFacts("b.example", f"{TOPIC}-2", f"{TOPIC}-2"),
            IdentityFacts("c@a.example"),
        )
        (found,) = self.judge((self.WHOLE, *others))
        assert "b.example, c@a.example do not go to this queue" in found.message
        assert "the settings of its domain" in found.message
        assert (str(found.status), found.fix.endswith("--identity b.example")) == ("note", True)
        assert "the settings of its domain" not in self.judge((self.WHOLE, others[0]))[0].message

    @pytest.mark.parametrize(
        ("bounces", "complaints", "kind"), [(TOPIC, "", "complaint"), ("", TOPIC, "bounce")]
    )
    def test_an_identity_that_reports_a_single_kind_is_wrong(self, bounces, complaints, kind):
        half = IdentityFacts("a.example", bounces, complaints)
        (found,) = self.judge((half,))
        assert (str(found.status), f"its {kind} notifications" in found.message) == ("wrong", True)
        other = self.destination("COMPLAINT", "BOUNCE")
        assert statuses(self.judge((half,), (other,))) == ["note"]

    def test_an_identity_that_is_named_is_covered_by_a_configuration_set_in_part(self):
        both = self.destination("BOUNCE", "COMPLAINT")
        bare = (IdentityFacts("b.example"),)
        (found,) = self.judge(bare, (both,), named_identities=("b.example",))
        assert (str(found.status), "sent with main" in found.message) == ("note", True)
        assert statuses(self.judge(bare, named_identities=("b.example",))) == ["wrong"]

    def test_a_configuration_set_that_is_named_must_send_here(self):
        both = self.destination("BOUNCE", "COMPLAINT")
        (found,) = self.judge(destinations=(both,), named_sets=("main", "b"))
        assert (str(found.status), found.message.startswith("b: none of its event")) == (
            "wrong",
            True,
        )
        assert found.fix.endswith("--configuration-set b")

    def test_event_destinations_are_judged_together(self):
        split = self.destination("BOUNCE"), self.destination("COMPLAINT")
        assert statuses(self.judge(destinations=split)) == ["ok"]
        off = self.destination("COMPLAINT", enabled=False)
        assert statuses(self.judge(destinations=(split[0], off))) == ["wrong"]
        assert statuses(self.judge(destinations=(*split, off))) == ["note"]
        elsewhere = structs.replace(split[1], configuration_set="other")
        assert statuses(self.judge(destinations=(split[0], elsewhere))) == ["wrong", "wrong"]

    def test_an_event_destination_beside_identities_may_send_what_it_likes(self):
        assert statuses(self.judge((self.WHOLE,), (self.destination("DELIVERY"),))) == ["note"]
        assert statuses(self.judge((self.WHOLE,), (self.destination("BOUNCE"),))) == ["ok"]

    def test_what_could_not_be_read_is_unknown(self):
        (found,) = self.judge(Unreachable("Throttling"))
        assert str(found.status) == "unknown"
        assert "could not be read: Throttling" in found.message

    def test_senders_and_shapes_are_those_of_the_topic(self):
        facts = FeedbackFacts(
            identities=(IdentityFacts("a.example", TOPIC), IdentityFacts("b.example")),
            destinations=(self.destination("BOUNCE"),),
        )
        prefix = f"arn:aws:ses:{REGION}:111122223333"
        assert senders(facts, TOPIC, "111122223333") == [
            f"{prefix}:identity/a.example",
            f"{prefix}:configuration-set/main",
        ]
        assert shapes(facts, TOPIC) == ["notificationType", "eventType"]
        assert (senders(facts, f"{TOPIC}-2", "1"), shapes(facts, f"{TOPIC}-2")) == ([], [])
        unknown = FeedbackFacts(identities=Unreachable("x"), destinations=NotPermitted("y"))
        assert (senders(unknown, TOPIC, "1"), shapes(unknown, TOPIC)) == ([], [])

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

    def test_where_a_route_could_not_be_read_nothing_is_concluded(self):
        assert statuses(self.judge(NotPermitted("ses:ListIdentities"))) == ["unknown"]
        both = self.destination("BOUNCE", "COMPLAINT")
        found = self.judge(NotPermitted("ses:ListIdentities"), (both,))
        assert statuses(found) == ["unknown", "ok"]

    def test_configuration_sets_that_were_not_inspected_are_reported(self):
        beyond = ("7 configuration sets",)
        found = self.judge((IdentityFacts("a.example", TOPIC, TOPIC),), not_read=beyond)
        assert "7 configuration sets were not checked" in found[0].message
        assert statuses(self.judge(not_read=beyond)) == ["note"], (
            "the one that publishes may be there"
        )

    def test_ses_of_another_account_cannot_be_inspected_from_here(self):
        facts = FeedbackFacts(identities=(), destinations=())
        others = TOPIC.replace("111122223333", "444455556666")
        assert statuses(judge_feedback(facts, [others], queue())) == ["unknown"]
        assert statuses(judge_feedback(facts, [TOPIC], queue())) == ["wrong"]


class TestEncryption:
    caller = Caller(service="sns.amazonaws.com", account="111122223333", arn=TOPIC)

    def judge(self, key):
        return judge_encryption(Encrypted("the queue feedback", self.caller, key))

    @pytest.mark.parametrize(
        ("key", "metadata"), [("alias/aws/sqs", {}), ("k", {"KeyManager": "AWS"})]
    )
    def test_awss_own_key_lets_no_topic_in(self, key, metadata):
        assert statuses(self.judge(KeyFacts(key, metadata, NotPermitted("kms:GetKeyPolicy")))) == [
            "wrong"
        ]

    def test_a_key_that_is_off_is_wrong(self):
        found = self.judge(
            KeyFacts("k", {"KeyState": "Disabled"}, NotPermitted("kms:GetKeyPolicy"))
        )
        assert statuses(found) == ["wrong", "unknown"]

    LETS_IN = json.dumps(
        {
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
                "Resource": "*",
            }
        }
    )

    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            ("Disabled", "aws kms enable-key --key-id arn:k"),
            ("PendingDeletion", "aws kms cancel-key-deletion --key-id arn:k && aws kms enable-key"),
            ("PendingImport", "import the key's material"),
            ("Unavailable", "choose another key"),
        ],
    )
    def test_a_key_is_revived_by_its_arn_and_state(self, state, expected):
        facts = KeyFacts("alias/mine", {"KeyState": state, "Arn": "arn:k"}, self.LETS_IN)
        (found,) = self.judge(facts)
        assert (str(found.status), expected in found.fix) == ("wrong", True)
        assert "alias/mine" not in found.fix

    @pytest.mark.parametrize(
        ("metadata", "policy", "expected"),
        [
            ({}, LETS_IN, ["ok"]),
            ({}, LETS_IN.replace("kms:Decrypt", "kms:Encrypt"), ["wrong"]),
            ({}, LETS_IN.replace("kms:GenerateDataKey*", "kms:Encrypt"), ["wrong"]),
            ({}, LETS_IN.replace('"*"', '"*", "Condition": {"Bool": {"kms:x": "1"}}'), ["unknown"]),
            ({}, "{", ["unknown"]),
            ({}, Unreachable("silence"), ["unknown"]),
            ({}, Absent("gone"), ["wrong"]),
            (Absent("gone"), Absent("gone"), ["wrong"]),
            (Unreachable("silence"), Unreachable("silence"), ["unknown", "unknown"]),
        ],
    )
    def test_a_key_is_ok_only_where_it_is_known_to_be(self, metadata, policy, expected):
        assert statuses(self.judge(KeyFacts("k", metadata, policy))) == expected

    def test_a_key_that_is_known_by_an_alias_is_enabled_by_its_arn(self):
        arn = f"arn:aws:kms:{REGION}:111122223333:key/1"
        metadata = {"KeyState": "Disabled", "Arn": arn}
        found = self.judge(KeyFacts("alias/mine", metadata, "{}"))
        assert found[0].fix == f"aws kms enable-key --region {REGION} --key-id {arn}"

    def test_a_key_that_lets_nobody_in_is_to_let_in_this_account(self):
        closed = json.dumps({"Statement": []})
        (found,) = self.judge(KeyFacts("k", {}, closed))
        assert found.fix.endswith("with StringEquals aws:SourceAccount 111122223333")

    def test_missing_encryption_is_reported(self):
        bare = Encrypted("the queue feedback", self.caller, None, "do this")
        (found,) = judge_encryption(bare)
        assert (str(found.status), found.fix) == ("note", "do this")

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

    def test_an_account_without_faults_says_that_it_sends(self):
        account = {
            "SendingEnabled": True,
            "EnforcementStatus": "HEALTHY",
            "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        }
        (found,) = judge_account(account, REGION, removes=False)
        assert found.message.startswith("sending enabled, reputation HEALTHY; suppresses after")

    def test_sending(self):
        since = datetime(2026, 11, 20, 9, tzinfo=UTC)
        assert judge_sending([]).status == "ok"
        sends = ReportedStatus("tenant bolt", False, "confirmed", since)
        assert judge_sending([sends]).status == "ok"
        stopped = ReportedStatus("tenant a\x1bcme", True, "reported", since)
        found = judge_sending([sends, stopped, *[stopped] * 9])
        assert found.status == "note"
        assert found.message.startswith("SES does not send for tenant a")
        assert "(since 2026-11-20 09:00 UTC, not verified)" in found.message
        assert found.message.endswith("and 5 more")
        assert found.message.isprintable()

    def test_the_database(self):
        def judge(revision="0003", pending=(), newer=False, created_at_start=True):
            found = judge_database(
                "x", revision, pending, newer=newer, created_at_start=created_at_start
            )
            return str(found.status)

        assert judge() == "ok"
        assert judge("0002", ("0003",)) == "wrong"
        assert judge("0009", newer=True) == "wrong"
        assert judge(None, ("0001",)) == "note"
        assert judge(None, ("0001",), created_at_start=False) == "wrong"

    def test_a_database_that_cannot_be_written_is_wrong_with_what_mends_it(self):
        why = ("x belongs to root, and jane may not write it", "chown jane x")
        for revision in ("0003", None):
            found = judge_database(
                "x", revision, (), newer=False, created_at_start=True, access_problem=why
            )
            assert (str(found.status), found.fix) == ("wrong", "chown jane x")

    @pytest.mark.parametrize(
        ("revision", "fix"), [("0003", "make room on it"), (None, "ses-worker db upgrade")]
    )
    def test_a_database_whose_disk_is_nearly_full_is_a_note(self, revision, fix):
        why = ("the disk of /x is nearly full", "make room on it")
        found = judge_database("x", revision, (), newer=False, created_at_start=True, warning=why)
        assert (str(found.status), found.fix) == ("note", fix)
        assert found.message.endswith("; the disk of /x is nearly full")

    def test_slack(self):
        def judge(answer, *, sent=False):
            return judge_channel(SLACK, answer, service="Slack", destination="w", sent=sent)

        blocked = judge(Blocked(error="Slack: no_team: do this"))
        assert (blocked.check, str(blocked.status), blocked.fix) == ("slack", "wrong", "do this")
        assert judge(Blocked(error="no_team")).fix == "see slack.* in the settings"
        unreachable = judge(Later(error="x"))
        assert (str(unreachable.status), "Slack can be reached" in unreachable.fix) == (
            "wrong",
            True,
        )
        assert "was accepted" in judge(Sent(), sent=True).message

    def test_a_section_without_a_channel(self):
        found = judge_no_channel("slack", ("webhook_url", "token"))
        assert (found.check, str(found.status)) == ("slack", "ok")
        assert "slack.webhook_url or slack.token" in found.message

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
        made = f"aws sns create-topic --region {region} --name bounces  # in the account of {topic}"
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

    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [(1_209_600, "14 days"), (86_400, "1 day"), (5_400, "1.5 hours"), (9, "9 s")],
    )
    def test_times_are_shown_in_the_unit_that_fits(self, seconds, expected):
        assert days(seconds) == expected


class TestPostgresql:
    """What is peculiar to a server: schemas, roles, connections that are refused."""

    PLACE = "PostgreSQL ses on db"

    def judge(self, *, created_at_start=True, **schema):
        return judge_database(
            self.PLACE,
            None,
            (),
            newer=False,
            created_at_start=created_at_start,
            schema=Schema(role="ses_worker", name="public", **schema),
        )

    def test_an_empty_database_is_noted_with_who_makes_the_tables_where(self):
        found = self.judge()
        assert (found.status, found.fix) == ("note", "ses-worker db upgrade")
        assert found.message == (
            f"{self.PLACE}: there are no tables of the worker in the schema public yet; the first "
            "start makes them, and ses_worker owns them"
        )

    def test_where_the_operator_makes_them_it_is_wrong(self):
        found = self.judge(created_at_start=False)
        assert (found.status, "store.migrate is manual" in found.message) == ("wrong", True)
        assert found.fix.endswith("that is to own them in store.url: ses-worker db upgrade")

    def test_tables_in_another_schema_are_named_with_the_statement_that_finds_them(self):
        found = self.judge(elsewhere=["mail"], fix="ALTER ROLE x;")
        assert (found.status, found.fix) == ("note", "if this worker's are in mail: ALTER ROLE x;")
        assert found.message.endswith("in the schema public, but in mail")

    @pytest.mark.parametrize(
        ("error", "fix"),
        [
            (
                'FATAL:  password authentication failed for user "x"',
                "correct user and password in store.url",
            ),
            (
                'FATAL:  role "x" does not exist',
                "correct the user in store.url, or create the role",
            ),
            (
                'FATAL:  database "x" does not exist',
                "correct the database in store.url, or create it",
            ),
            (
                'FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "x", no encryption',
                PG_HBA,
            ),
            (
                "SSL error: certificate verify failed",
                "correct sslmode and sslrootcert in store.url",
            ),
            (
                "Connection refused\n\tIs the server running",
                "start the server, or correct host and port in store.url",
            ),
            ("could not translate host name", "correct the host in store.url"),
            ("FEHLER: Anmeldung", "make it available"),
        ],
    )
    def test_a_refused_connection_has_advice_what_to_correct(self, error, fix):
        found = judge_no_database(
            self.PLACE, Unavailable(f"PostgreSQL: connection failed: {error}")
        )
        assert (found.status, found.fix) == ("wrong", f"{fix}; then: ses-worker db status")


class TestPolicyOfTheDeadLetterQueue:
    def judge(self, *statements):
        found = dead(QueueArn=DEAD, Policy=json.dumps({"Statement": [*statements]}))
        return judge_dead_letter_policy(found, [TOPIC])

    def test_the_topic_may_send_and_everybody_may_not(self):
        topic = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}},
        }  # fmt: skip
        assert self.judge(topic) == []
        (found,) = self.judge(topic, topic | {"Principal": "*", "Condition": {}})
        assert found.status == "wrong"
        assert "also admits everybody: a replay may apply what it forges" in found.message
