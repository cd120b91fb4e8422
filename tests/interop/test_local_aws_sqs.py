"""npm's local-aws-sqs in SQS's place: it sends no body where SQS sends `{}`."""

import json
import subprocess
from pathlib import Path

import boto3
import pytest
from conftest import free_port, needs
from support import mail
from support.dead import users

NPM = Path(__file__).parent / "npm"


@pytest.fixture
def sqs(environment):
    node = needs("node")
    if not (NPM / "node_modules" / "local-aws-sqs").exists():
        pytest.skip("local-aws-sqs is not installed: make interop (needs npm)")
    port = free_port()
    command = [node, NPM / "local-aws-sqs.mjs", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"listening\n"
        environment["AWS_ENDPOINT_URL_SQS"] = f"http://127.0.0.1:{port}"
        session = boto3.Session("local", "local", region_name="us-east-1")
        client = session.client("sqs", endpoint_url=environment["AWS_ENDPOINT_URL_SQS"])
        yield client
        client.close()
        server.stdin.close()
        server.wait(10)


@pytest.fixture
def queues(sqs, environment):
    """The URLs of a queue and of its dead-letter queue."""
    dead = sqs.create_queue(QueueName="feedback-dlq")["QueueUrl"]
    names = ["QueueArn"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=names)["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    url = sqs.create_queue(QueueName="feedback", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    environment["SES_WORKER_QUEUE__URL"] = url
    return url, dead


@pytest.mark.parametrize("client", ["lean", "boto3"])
def test_a_dead_letter_s_whole_life(run, sqs, queues, environment, database, client):
    environment["SES_WORKER_QUEUE__CLIENT"] = client
    environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "dead_letter"
    url, dead = queues
    sqs.send_message(QueueUrl=url, MessageBody=mail.bounce("jane@example.com"))
    drained = run("drain", "--json")
    assert (drained.status, drained.json["dead_lettered"], drained.json["remaining"]) == (3, 1, 0)

    listed = run("dlq", "list", "--json")
    # It counts a message that is in flight twice, so there seems to be another.
    assert (listed.status, listed.json["dead_letter_queue"]["examined"]) == (4, 1)

    users(environment, ["jane@example.com"])
    done = run("dlq", "replay", "--json")
    assert (done.status, done.json["applied"], done.json["remaining"]) == (0, 1, 0)
    assert database.user("jane@example.com")["hard_bounce_count"] == 1
    empty = run("dlq", "list", "--json")
    assert (empty.status, empty.json["groups"]) == (0, [])
    assert [
        line for line in [*drained.log, *listed.log] if line["event"] == "sqs_client.replaced"
    ] == []
    assert sqs.receive_message(QueueUrl=dead).get("Messages", []) == []
