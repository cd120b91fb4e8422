"""`ses-worker subscription confirm`: by SNS's API, for our topics only, and no token in any log."""

import json

import pytest
from support import mail
from support.dead import quarantined
from support.signing import sign
from support.wiring import QUEUE, QUEUE_URL, TOPIC

TOKEN = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92768dd60a"


def confirmation(topic=TOPIC, **more):
    envelope = {
        "Type": "SubscriptionConfirmation", "TopicArn": topic, "Token": TOKEN, "MessageId": "1",
        "Message": "You have chosen to subscribe", "Timestamp": "2026-11-20T08:15:34.000Z",
        "SubscribeURL": f"http://127.0.0.1:9/?Action=ConfirmSubscription&Token={TOKEN}",
    }  # fmt: skip
    return json.dumps(sign(envelope | more))


@pytest.fixture
def topics(environment):
    environment["SES_WORKER_SNS__TOPIC_ARNS"] = json.dumps([TOPIC])


def subscriptions(wiring):
    listed = wiring.sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    return {item["Endpoint"]: item["SubscriptionArn"] for item in listed}


@pytest.fixture
def confirmations(wiring, proxy):
    proxy.confirmed = subscriptions(wiring)[QUEUE]

    def confirmations():
        named = [item for item in proxy.requests if item.operation == "ConfirmSubscription"]
        return [(item.region, item.arguments) for item in named]

    return confirmations


def _id(row):
    return row["sample"]["message_id"]


def is_printed_nowhere(*runs):
    return not any(TOKEN in done.out + done.err for done in runs)


def test_a_dead_letter_in_quarantine_is_confirmed_by_its_id(
    run, environment, confirmations, topics, tmp_path
):
    quarantined(environment, ("subscription_confirmation", confirmation()))
    [row] = run("dlq", "list", "--json").json["groups"]
    done = run("subscription", "confirm", _id(row), "--json", SES_WORKER_LOG__LEVEL="debug")
    assert (done.status, done.json["topic"]) == (0, TOPIC), done.err
    [(region, arguments)] = confirmations()
    assert region == "eu-west-1"
    assert (arguments["TopicArn"], arguments["Token"]) == (TOPIC, TOKEN)
    assert arguments["AuthenticateOnUnsubscribe"] == "true"
    assert is_printed_nowhere(done)


def test_a_token_on_standard_input_is_confirmed(run, confirmations, topics):
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=f"{TOKEN}\n")
    assert (done.status, "confirmed" in done.out) == (0, True), done.err
    assert len(confirmations()) == 1
    assert is_printed_nowhere(done)


def test_another_topic_is_not_confirmed(run, environment, confirmations, topics):
    other = TOPIC + "-2"
    quarantined(environment, ("subscription_confirmation", confirmation(other)))
    [row] = run("dlq", "list", "--json").json["groups"]
    by_id = run("subscription", "confirm", _id(row))
    by_token = run("subscription", "confirm", "--topic", other, "-", input=TOKEN)
    for done in (by_id, by_token):
        assert (done.status, "is not in sns.topic_arns" in done.err) == (1, True)
    assert confirmations() == []
    assert is_printed_nowhere(by_id, by_token)


def test_without_topics_in_the_settings_none_is_confirmed(run, confirmations):
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=TOKEN)
    assert (done.status, "is not in sns.topic_arns" in done.err) == (1, True)
    assert confirmations() == []


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "é", "x" * 1_001, "\x1b[31m"])
def test_what_is_no_token_is_not_sent(run, confirmations, topics, token):
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=token)
    assert (done.status, "is no token" in done.err) == (1, True)
    assert confirmations() == []


def test_a_dead_letter_of_another_kind_is_no_confirmation(run, environment, confirmations, topics):
    quarantined(environment, ("foreign_topic", mail.enveloped(mail.bounce("jane@example.com"))))
    [row] = run("dlq", "list", "--json").json["groups"]
    for named in (_id(row), "unknown"):
        done = run("subscription", "confirm", named)
        assert (done.status, "Traceback" in done.err) == (1, False)
    assert confirmations() == []


def test_a_confirmation_with_a_wrong_signature_is_not_confirmed(
    run, environment, confirmations, topics
):
    quarantined(environment, ("wrong_signature", confirmation()))
    [row] = run("dlq", "list", "--json").json["groups"]
    done = run("subscription", "confirm", _id(row))
    assert (done.status, "is forged" in done.err) == (1, True)
    assert confirmations() == []


def test_a_refusal_of_sns_does_not_repeat_the_token(run, proxy, confirmations, topics):
    proxy.denied.add("sns:ConfirmSubscription")
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=TOKEN)
    assert done.status == 1
    assert "not authorized" in done.err
    assert is_printed_nowhere(done)


@pytest.mark.parametrize("arguments", [["-"], ["id", "--topic", TOPIC], [], ["--topic", TOPIC]])
def test_other_uses_are_wrong(run, arguments):
    assert run("subscription", "confirm", *arguments).status == 2


@pytest.fixture
def foreign(wiring):
    """Subscribe another endpoint; return the ARN of the subscription."""

    def foreign(endpoint=f"{QUEUE}-2"):
        return wiring.sns.subscribe(
            TopicArn=TOPIC, Protocol="sqs", Endpoint=endpoint, ReturnSubscriptionArn=True
        )["SubscriptionArn"]

    return foreign


@pytest.mark.parametrize(
    "endpoint",
    [
        "arn:aws:sqs:eu-west-1:444455556666:feedback",
        "arn:aws:sqs:eu-west-1:123456789012:other",
        "arn:aws:sqs:eu-west-2:123456789012:feedback",
        "arn:aws:sns:eu-west-1:123456789012:feedback",
    ],
)
def test_what_turns_out_to_be_another_endpoints_subscription_is_ended_again(
    run, wiring, proxy, confirmations, topics, foreign, endpoint
):
    proxy.when_confirmed = lambda: foreign(endpoint)
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=TOKEN)
    assert (done.status, done.out) == (1, "")
    assert f"is of {endpoint}, not of {QUEUE_URL}: it was confirmed, and is ended again" in done.err
    assert {*subscriptions(wiring)} == {QUEUE}


def test_a_subscription_of_another_endpoint_that_was_there_before_is_left(
    run, wiring, proxy, confirmations, topics, foreign
):
    """SNS takes a token again: else who knows an old token could have a good subscription ended."""
    proxy.confirmed = foreign()
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=TOKEN)
    assert (done.status, done.out) == (1, "")
    assert "it was there before, and is left as it is" in done.err
    assert {*subscriptions(wiring)} == {QUEUE, f"{QUEUE}-2"}


def test_where_it_is_not_known_what_was_there_before_nothing_is_ended(
    run, wiring, proxy, confirmations, topics, foreign
):
    proxy.denied.add("sns:ListSubscriptionsByTopic")
    proxy.when_confirmed = foreign
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=TOKEN)
    assert done.status == 1
    assert "allow sns:ListSubscriptionsByTopic" in done.err
    assert (
        f"aws sns unsubscribe --region eu-west-1 --subscription-arn {proxy.confirmed}" in done.err
    )
    assert {*subscriptions(wiring)} == {QUEUE, f"{QUEUE}-2"}


def test_where_it_cannot_be_ended_the_command_that_ends_it_is_printed(
    run, wiring, proxy, confirmations, topics, foreign
):
    proxy.when_confirmed = foreign
    proxy.denied.add("sns:Unsubscribe")
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=TOKEN)
    assert done.status == 1
    assert (
        f"aws sns unsubscribe --region eu-west-1 --subscription-arn {proxy.confirmed}" in done.err
    )


def test_where_the_endpoint_cannot_be_read_it_says_how_to_look(run, proxy, confirmations, topics):
    proxy.denied.add("sns:GetSubscriptionAttributes")
    done = run("subscription", "confirm", "--topic", TOPIC, "-", input=TOKEN)
    assert done.status == 1
    assert "is confirmed, but whether it is that of the queue is not known" in done.err
    assert f"--subscription-arn {proxy.confirmed}" in done.err
