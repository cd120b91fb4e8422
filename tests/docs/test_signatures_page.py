"""The page on signatures: its commands run, its settings are settings."""

import json
import re
import shlex
import subprocess

import boto3
import jmespath
from support import mail
from support.dead import quarantined
from support.documents import blocks, text_of
from support.signing import URL, Authority, signed
from support.signing_host import HOST, SigningHost
from support.wiring import TOPIC

from worker.core.acceptance import Verify
from worker.settings.loading import load_settings

DOCUMENT = text_of("docs/signatures.md")
ADDRESS, UNSIGNED, CHECK, REPLAY, CONFIRM = blocks(DOCUMENT, "sh")
(SETTINGS,) = blocks(DOCUMENT, "toml")


def test_the_settings_are_settings(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text(SETTINGS)
    assert load_settings({}, file).sns.verify is Verify.REQUIRE


def findings(done):
    return [item for item in done.json["checks"] if item["check"] == "signatures"]


def test_check_fetches_the_certificate(run, wiring, environment, tmp_path):
    _, *arguments = shlex.split(CHECK)
    assert URL in arguments
    with SigningHost(tmp_path, Authority()) as host:
        environment.update(host.environment)
        host.files[URL.removeprefix(f"https://{HOST}")] = Authority().issue()
        [finding] = findings(run(*arguments, "--json"))
        assert finding["status"] == "ok", finding
        host.files.clear()
        [finding] = findings(run(*arguments, "--json"))
        assert finding["status"] == "wrong"
        assert "404" in finding["message"]
        elsewhere = URL.replace("eu-west-1", "us-east-1")
        [finding] = findings(run("check", "--certificate", elsewhere, "--json"))
        assert finding["status"] == "wrong"


def test_a_dead_letter_has_the_address_of_the_certificate(run, emulator, queue, environment):
    quarantined(environment, ("foreign_topic", signed(mail.bounce("jane@example.com"))))
    [group] = run("dlq", "list", "--json").json["groups"]
    show, _, found = ADDRESS.partition(" | ")
    _, *arguments = shlex.split(show)
    arguments[arguments.index("show") + 1] = group["sample"]["message_id"]
    done = run(*arguments)
    piped = subprocess.run(
        ["sh", "-c", found], input=done.out, capture_output=True, text=True, check=True
    )
    assert piped.stdout.splitlines() == [URL]


def test_the_messages_without_a_signature_are_listed(run, emulator, queue, environment):
    words = shlex.split(UNSIGNED.replace("\\\n", " "))
    assert words[:3] == ["aws", "sqs", "receive-message"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    bodies = [mail.bounce("jane@example.com"), json.dumps({"SigningCertURL": URL})]
    shown = [{"MessageId": str(number), "Body": body} for number, body in enumerate(bodies)]
    assert jmespath.search(options.pop("--query"), {"Messages": shown}) == ["0"]
    members = (
        boto3.client("sqs", region_name="eu-west-1")
        .meta.service_model.operation_model("ReceiveMessage")
        .input_shape.members
    )
    names = {"".join(re.findall("[a-z]+", name)) for name in options}
    assert names <= {name.lower() for name in members}


def test_check_finds_out_whether_the_host_answers(run, wiring, environment, tmp_path):
    require = {"SES_WORKER_SNS__VERIFY": "require"}
    with SigningHost(tmp_path, Authority()) as host:
        environment.update(host.environment)
        [finding] = findings(run("check", "--json", **require))
        assert (finding["status"], HOST in finding["message"]) == ("ok", True), finding
        [finding] = findings(run("check", "--json"))
        assert finding["status"] == "skipped", "a local endpoint stands in for AWS"
        [finding] = findings(run("check", "--json", SES_WORKER_SNS__VERIFY="off"))
        assert finding["status"] == "note"
    [finding] = findings(run("check", "--json", **require))
    assert (finding["status"], HOST in finding["message"]) == ("wrong", True), finding


def test_a_dead_letter_is_replayed_without_verifying(run, emulator, queue, environment):
    variable, _, *arguments = shlex.split(REPLAY)
    name, _, value = variable.partition("=")
    environment["SES_WORKER_SNS__VERIFY"] = "require"
    quarantined(environment, ("wrong_signature", mail.bounce("jane@example.com")))
    [group] = run("dlq", "list", "--json").json["groups"]
    arguments[arguments.index("--message-id") + 1] = group["sample"]["message_id"]
    assert run(*arguments, "--json").json["dead_lettered"] == 1
    assert run(*arguments, "--json", **{name: value}).json["applied"] == 1
    arguments.remove("--dry-run")
    assert run(*arguments, "--json").json["dead_lettered"] == 1, "a replay verifies, too"
    assert run(*arguments, "--json", **{name: value}).json["applied"] == 1


def test_a_subscription_is_confirmed(run, wiring, proxy, environment):
    topic = TOPIC  # the only topic that moto knows
    named = CONFIRM.replace(mail.TOPIC, topic)
    by_id, by_token = (shlex.split(line) for line in named.splitlines())
    assert topic in by_token
    environment["SES_WORKER_SNS__TOPIC_ARNS"] = json.dumps([topic])
    body = signed(
        "You have chosen", topic=topic, Type="SubscriptionConfirmation", Token="2336412f",
        SubscribeURL="http://127.0.0.1:9/",
    )  # fmt: skip
    quarantined(environment, ("subscription_confirmation", body))
    (proxy.confirmed,) = [
        item["SubscriptionArn"]
        for item in wiring.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    ]
    [group] = run("dlq", "list", "--json").json["groups"]
    for words, given in (
        ([*by_id[1:-1], group["sample"]["message_id"]], None),
        (by_token[1 : by_token.index("<")], "2336412f\n"),
    ):
        done = run(*words, input=given)
        assert (done.status, "Traceback" in done.err) == (0, False), done.err
    confirmations = [item for item in proxy.requests if item.operation == "ConfirmSubscription"]
    assert [item.arguments["Token"] for item in confirmations] == ["2336412f"] * 2
