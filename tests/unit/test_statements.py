import json

import pytest

from worker.topology.checks.statements import Caller, Verdict, judge, read_policy
from worker.topology.checks.third_parties import Reach, source_arns, third_parties

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
        {"StringLike": {"aws:SourceArn": "arn:*:ses-feedback"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*"}},
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
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:ses-feedback"}}},
        {"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:ses-*"}}},
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
    output = statement(principal=ses, action="SNS:Publish", Condition=mine)
    assert verdict(output, caller=SES, action="sns:Publish") is Verdict.YES
    owner = {"StringEquals": {"AWS:SourceOwner": "111122223333"}}
    default = statement(principal={"AWS": "*"}, action="SNS:Publish", Condition=owner)
    assert verdict(default, caller=SES, action="sns:Publish") is Verdict.YES


def test_every_other_admitted_principal_is_named():
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
    assert [who for who, _ in named(found)] == [
        "arn:aws:iam::444455556666:root",
        "sns.amazonaws.com for any account",
        "everybody",
        "any account's arn:aws:sns:*:*:*",
    ]


def named(found):
    return [
        (party.who, party.reach)
        for party in third_parties(found, SEND, "111122223333", [TOPIC], QUEUE)
    ]


QUEUE = "arn:aws:sqs:eu-west-1:111122223333:feedback"
OWN = {"StringEquals": {"aws:SourceAccount": "111122223333"}}


@pytest.mark.parametrize(
    "own",
    [
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}} | OWN},
        {"principal": "*", "Condition": OWN},
        {"principal": {"AWS": "111122223333"}, "Condition": {}},
        {
            "principal": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/x"}},
        },
        {"principal": "*", "Condition": {}, "Resource": f"{QUEUE}-old"},
        {"effect": "Deny", "principal": "*", "Condition": {}},
    ],
)
def test_statements_for_the_own_account_or_other_actions_admit_no_third_party(own):
    assert named(read(statement(**own))) == []


@pytest.mark.parametrize(
    ("other", "who", "reach"),
    [
        (
            {"principal": {"AWS": "arn:aws:iam::444455556666:role/x-111122223333"}},
            "arn:aws:iam::444455556666:role/x-111122223333",
            Reach.SINGLE,
        ),
        ({"principal": {"AWS": "444455556666"}}, "444455556666", Reach.MANY),
        (
            {"Condition": {"StringEquals": {"aws:SourceAccount": "444455556666"}}},
            "all of account 444455556666",
            Reach.MANY,
        ),
        (
            {"Condition": {"ArnLike": {"aws:SourceArn": f"{TOPIC}-2"}}},
            f"{TOPIC}-2",
            Reach.SINGLE,
        ),
        (
            {"principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
            "everybody, under conditions that check cannot evaluate",
            Reach.UNKNOWN,
        ),
        (
            {"NotPrincipal": {"AWS": "111122223333"}},
            "everybody that a NotPrincipal, NotAction or NotResource does not exclude",
            Reach.MANY,
        ),
    ],
)
def test_a_third_party_is_single_or_many_or_unknown(other, who, reach):
    assert named(read(statement(**({"Condition": {}} | other)))) == [(who, reach)]


@pytest.mark.parametrize("test", ["StringEqualsIfExists", "ArnLikeIfExists"])
def test_a_caller_without_a_source_passes_a_condition_on_it_only_where_it_is_lenient(test):
    condition = {test: {"aws:SourceArn": TOPIC}}
    (found,) = third_parties(
        read(statement(principal="*", Condition=condition)), SEND, "111122223333", [TOPIC]
    )
    assert (found.who, found.reach) == ("everybody", Reach.MANY)
    assert not third_parties(read(statement(Condition=condition)), SEND, "111122223333", [TOPIC])


def test_a_statement_about_another_resource_lets_nobody_in():
    found = read(statement(Resource=f"{QUEUE}-old"))
    assert judge(found, SNS, SEND, QUEUE) is Verdict.NO
    assert judge(found, SNS, SEND) is Verdict.YES, "a key's policy is about the key"
    assert judge(read(statement(Resource="arn:aws:sqs:*:*:feed*")), SNS, SEND, QUEUE) is Verdict.YES


def test_a_deny_that_is_not_judged_leaves_what_nobody_allows_as_it_is():
    org = {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}
    assert verdict(statement("Deny", "*", Condition=org)) is Verdict.NO


@pytest.mark.parametrize(
    "sanitized",
    [
        {"BoolIfExists": {"aws:SecureTransport": "false"}},
        {"Bool": {"aws:SecureTransport": False}},
        {"Bool": {"aws:SecureTransport": ["false"]}},
        {"Bool": {"aws:PrincipalIsAWSService": "false"}},
        {"ArnNotEquals": {"aws:SourceArn": TOPIC}},
        {"ArnNotLikeIfExists": {"aws:SourceArn": "arn:aws:sns:*:*:ses-*"}},
        {"StringNotEquals": {"aws:SourceAccount": "111122223333"}},
    ],
)
def test_a_deny_of_all_but_us_concerns_others(sanitized):
    assert verdict(statement(), statement("Deny", "*", Condition=sanitized)) is Verdict.YES


@pytest.mark.parametrize(
    "meant",
    [
        {"ArnNotEquals": {"aws:SourceArn": f"{TOPIC}-2"}},
        {"StringNotEquals": {"aws:SourceAccount": "444455556666"}},
        {"Bool": {"aws:SecureTransport": True}},
    ],
)
def test_a_deny_of_all_but_another_is_about_us(meant):
    assert verdict(statement(), statement("Deny", "*", Condition=meant)) is Verdict.DENIED


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:ses:*:*:identity/*", Verdict.YES),
        ("arn:aws:ses:eu-west-1:*:*", Verdict.YES),
        ("arn:aws:ses:*", Verdict.YES),
        ("arn:aws:ses:eu-west-1:444455556666:identity/*", Verdict.NO),
        ("arn:aws:s3:eu-west-1:111122223333:x", Verdict.NO),
        ("arn:aws:s3:::111122223333", Verdict.NO),
        ("111122223333", Verdict.NO),
    ],
)
def test_ses_of_the_account_is_let_in_by_what_may_be_its_own(arn, expected):
    ses = {"Service": "ses.amazonaws.com"}
    output = statement(principal=ses, Condition={"ArnLike": {"aws:SourceArn": arn}})
    assert verdict(output, caller=SES) is expected


def test_source_arns_are_the_topics_that_are_named_in_full():
    named = {"ArnLike": {"aws:SourceArn": [TOPIC, "arn:aws:sns:*:*:*"]}}
    assert source_arns(read(statement(Condition=named)), "sns.amazonaws.com", SEND) == [TOPIC]
    anybody = read(statement(principal="*"))
    assert source_arns(anybody, "sns.amazonaws.com", SEND) == [TOPIC]
    others = {"principal": {"Service": "events.amazonaws.com"}}, {"effect": "Deny"}
    for other in (*others, {"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::x"}}}):
        assert source_arns(read(statement(**other)), "sns.amazonaws.com", SEND) == []


@pytest.mark.parametrize(
    "text", ["{", "[]", '"x"', '{"Statement": [{}]}', "null", '{"Statement": 1}']
)
def test_what_is_no_policy_is_not_read(text):
    assert read_policy(text) is None


def test_no_policy_is_an_empty_policy():
    assert read_policy("") == []
