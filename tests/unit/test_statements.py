import json

import pytest

from worker.checks.statements import Caller, Verdict, judge, read_policy, sources, strangers

TOPIC = "arn:aws:sns:eu-west-1:111122223333:ses-feedback"
SNS = Caller(service="sns.amazonaws.com", account="111122223333", arn=TOPIC)
SES = Caller(service="ses.amazonaws.com", account="111122223333")
SEND = "sqs:SendMessage"


def statement(effect="Allow", principal=None, action=SEND, **more):
    condition = more.pop("Condition", {"ArnEquals": {"aws:SourceArn": TOPIC}})
    return {
        "Effect": effect,
        "Principal": principal or {"Service": "sns.amazonaws.com"},
        "Action": action,
        "Resource": "*",
        "Condition": condition,
    } | more


def read(*statements):
    return read_policy(json.dumps({"Statement": list(statements)}))


def verdict(*statements, caller=SNS, action=SEND):
    return judge(read(*statements), caller, action)


@pytest.mark.parametrize(
    "condition",
    [
        {"ArnEquals": {"aws:SourceArn": TOPIC}},
        {"ArnLike": {"aws:SourceArn": ["arn:aws:sns:*:*:other", "arn:aws:sns:*:*:ses-*"]}},
        {"StringEquals": {"AWS:SourceArn": [TOPIC]}},
        {"StringEquals": {"aws:SourceAccount": "111122223333"}},
        {"StringLike": {"aws:SourceAccount": "1111*"}},
        {},
    ],
)
def test_a_topic_is_let_in_by_what_names_it(condition):
    assert verdict(statement(Condition=condition)) is Verdict.YES


@pytest.mark.parametrize(
    "other",
    [
        {"Condition": {"ArnEquals": {"aws:SourceArn": f"{TOPIC}-2"}}},
        {"Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:sns:*"}}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": "444455556666"}}},
        {"principal": {"Service": "events.amazonaws.com"}},
        {"principal": {"AWS": "arn:aws:iam::111122223333:root"}},
        {"action": ["sqs:ReceiveMessage"]},
    ],
)
def test_a_topic_is_not_let_in_by_what_is_about_others(other):
    assert verdict(statement(**other)) is Verdict.NO


@pytest.mark.parametrize("action", ["sqs:*", "SQS:Send*", "*", "SQS:sendmessage"])
def test_actions_are_patterns_whatever_their_case(action):
    assert verdict(statement(action=action)) is Verdict.YES


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["1", "*"]}])
def test_everybody_is_the_topic_too(principal):
    assert verdict(statement(principal=principal)) is Verdict.YES


def test_a_deny_goes_before_every_allow():
    assert verdict(statement(), statement("Deny", "*", Condition={})) is Verdict.DENIED


def test_a_deny_of_what_comes_without_tls_concerns_no_service():
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    assert verdict(statement(), statement("Deny", "*", "SQS:*", Condition=plain)) is Verdict.YES


def test_conditions_that_are_not_known_are_not_guessed_at():
    org = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    assert verdict(statement(Condition=org)) is Verdict.PERHAPS
    assert verdict(statement(), statement("Deny", "*", Condition=org)) is Verdict.PERHAPS
    turned = statement(NotAction="sqs:DeleteQueue")
    assert verdict(turned) is Verdict.PERHAPS


def test_ses_is_let_in_for_any_of_the_accounts_identities():
    identity = "arn:aws:ses:eu-west-1:111122223333:identity/example.com"
    mine = {"StringEquals": {"AWS:SourceAccount": "111122223333", "AWS:SourceArn": identity}}
    ses = {"Service": "ses.amazonaws.com"}
    said = statement(principal=ses, action="SNS:Publish", Condition=mine)
    assert verdict(said, caller=SES, action="sns:Publish") is Verdict.YES
    owner = {"StringEquals": {"AWS:SourceOwner": "111122223333"}}
    default = statement(principal={"AWS": "*"}, action="SNS:Publish", Condition=owner)
    assert verdict(default, caller=SES, action="sns:Publish") is Verdict.YES


def test_whoever_else_is_let_in_is_named():
    found = read(
        statement(),
        statement(principal={"AWS": "arn:aws:iam::111122223333:root"}, Condition={}),
        statement(principal={"AWS": "arn:aws:iam::444455556666:root"}, Condition={}),
        statement(Condition={}),
        statement(principal="*", Condition={}),
        statement(Condition={"ArnLike": {"aws:SourceArn": [TOPIC, "arn:aws:sns:*:*:*"]}}),
        statement(Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}}),
        statement(principal="*", Condition={}, action="sqs:ReceiveMessage"),
    )
    assert strangers(found, SEND, "111122223333", [TOPIC]) == [
        "arn:aws:iam::444455556666:root",
        "sns.amazonaws.com for any account",
        "everybody",
        "arn:aws:sns:*:*:*",
    ]


def test_sources_are_the_topics_that_are_named_in_full():
    named = {"ArnLike": {"aws:SourceArn": [TOPIC, "arn:aws:sns:*:*:*"]}}
    assert sources(read(statement(Condition=named)), "sns.amazonaws.com", SEND) == [TOPIC]


@pytest.mark.parametrize(
    "text", ["{", "[]", '"x"', '{"Statement": [{}]}', "null", '{"Statement": 1}']
)
def test_what_is_no_policy_is_not_read(text):
    assert read_policy(text) is None


def test_no_policy_is_an_empty_one():
    assert read_policy("") == []
