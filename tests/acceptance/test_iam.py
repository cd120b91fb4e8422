"""The IAM policies allow what the commands ask of AWS, and nothing else.

Requests are noted at the proxy, on the wire, so those of every client are noted alike.
"""

import json
import signal
import time
from pathlib import Path

import pytest
from support import mail
from support.account_events import account_event, of_the_account
from support.dead import DLQ, MovedSlowly
from support.lanes import SLACK
from support.waiting import wait_until
from support.wiring import DEAD_URL, QUEUE_URL, TOPIC, policy

from worker.core.account_events import Scope
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.store import open_store

CONFIG = Path(__file__).parents[2] / "config"


def granted(name):
    """What a policy allows: action, and on what."""
    found = set()
    for statement in json.loads((CONFIG / name).read_text())["Statement"]:
        assert statement["Effect"] == "Allow"
        for resource in listed(statement["Resource"]):
            for action in listed(statement["Action"]):
                assert "*" not in action
                found.add((action, resource_of(resource)))
    return found


def listed(found):
    return found if isinstance(found, list) else [found]


def resource_of(text):
    """The kind of a resource, by its ARN."""
    if text == "*":
        return "everything"
    _, _, service, *_, name = text.split(":")
    return queue_of(name) if service == "sqs" else name.partition("/")[0].lower()


def queue_of(text):
    return "dead-letter queue" if text.endswith("-dlq") else "queue"


def called(proxy):
    """What was requested, in the same words."""
    return {(request.action, resource_in(request)) for request in proxy.requests}


def resource_in(request):
    named = request.arguments
    match request.service:
        case "sqs":
            texts = [named.get(key) for key in ("QueueUrl", "QueueName", "SourceArn")]
            # A task's handle says in which queue it is: moves are out of the dead-letter queue.
            return queue_of(next(filter(None, texts), DEAD_URL))
        case "sns" if "TopicArn" in named or request.operation == "CreateTopic":
            return "topic"
        case "ses" if "TenantName" in named and request.operation == "GetTenant":
            return "tenant"
        case "ses" if "configuration-sets" in named.get("path", [])[:-1]:
            return "configuration-set"
        case "kms":
            return "key"
        case "events" if "TargetArn" not in named:
            return "rule"
    return "everything"


def test_what_the_worker_asks_for_is_what_iam_run_allows(
    run, start, daemon, proxy, environment, emulator, queue, ses, slack, message
):
    proxy.behind |= {"sqs": emulator.endpoint, "ses suppression": ses.endpoint, "ses": ses.endpoint}
    for service in ("SQS", "SESV2"):
        del environment[f"AWS_ENDPOINT_URL_{service}"]  # by the proxy
    environment["SES_WORKER_QUEUE__URL"] = queue.replace(emulator.endpoint, proxy.endpoint)
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["jane@example.com"]'
    ses.list_address("jane@example.com")
    for body in (mail.bounce("jane@example.com"), "nonsense"):
        emulator.send(queue, body)
    assert run("drain").status == 3
    assert run("suppression", "restore", "jane@example.com").status == 0
    assert run("dlq", "list").status == 0
    assert run("dlq", "replay", "--to-queue").status == 0
    _hear_that_sending_stopped(run, environment, message)
    _move_slowly(start, emulator)
    _stop_in_mid_poll(daemon, emulator)
    assert called(proxy) == granted("iam-run.json")


def _hear_that_sending_stopped(run, environment, message):
    """SES's own API is asked before people are notified."""
    names = {
        "scope": Scope.CONFIGURATION_SET,
        "tenant": "",
        "resource": "arn:x:configuration-set/a",
    }
    events = [account_event(), of_the_account(), account_event(**names)]
    unit = UnitOfWork(Policy(notify=(SLACK,)), known_keys=(), users={})
    for event in events:
        unit.decide_message(message(""), event)
    store = open_store(environment["SES_WORKER_STORE__URL"])
    with store.transaction() as transaction:
        transaction.save(unit)
    store.close()
    assert run("drain", "--json").json["effects_waiting"] == 0


def _move_slowly(start, emulator):
    """Have SQS move dead letters, and change one's mind."""
    for _ in range(3):
        emulator.send(DLQ, "nonsense")
    emulator.faults.add(MovedSlowly(1), on="StartMessageMoveTask")
    process = start("dlq", "replay", "--to-queue", "--by-sqs", "--json")
    assert emulator.wait_for(lambda: emulator.journal.requests("ListMessageMoveTasks"), 30)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert emulator.journal.requests("CancelMessageMoveTask")


def _stop_in_mid_poll(daemon, emulator):
    """What the last long poll brings is given back."""
    watched = daemon(SES_WORKER_QUEUE__WAIT_SECONDS="10")
    wait_until(lambda: emulator.long_polls)
    watched.process.send_signal(signal.SIGTERM)
    watched.wait_for("worker.stopping")
    time.sleep(0.5)  # it is reported before it is done
    emulator.send("feedback", mail.bounce("late@example.com"))
    assert watched.process.wait(30) == 0
    assert emulator.journal.requests("ChangeMessageVisibilityBatch", "feedback")


def test_what_a_check_asks_for_is_what_iam_check_allows(run, wiring, proxy):
    wiring.set_queue(KmsMasterKeyId=wiring.kms.create_key()["KeyMetadata"]["Arn"])
    proxy.publishing.configuration_sets["main"] = {}
    wiring.put_rule()
    wiring.put_target()
    run("check")
    assert called(proxy) == granted("iam-check.json")


@pytest.fixture
def half_there(wiring, proxy):
    """A path that somebody has made, with a gap in everything."""
    wiring.unsubscribe()
    arn = wiring.subscribe()
    wiring.sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue=""
    )
    wiring.sns.set_topic_attributes(
        TopicArn=TOPIC, AttributeName="Policy", AttributeValue=policy(TOPIC, "none")
    )
    wiring.set_queue(QUEUE_URL, Policy="")
    wiring.set_queue(DEAD_URL, Policy="")
    destination = {"Enabled": False, "SnsDestination": {"TopicArn": TOPIC}}
    proxy.publishing.configuration_sets["main"] = {"ses-feedback-worker": destination}
    proxy.by_hand = wiring
    return proxy


def test_what_provisioning_asks_for_is_what_iam_provision_allows(run, half_there):
    half_there.publishing.configuration_sets["new"] = {}
    half_there.publishing.identities["example.org"] = {}
    expected = (
        "--configuration-set",
        "main",
        "--configuration-set",
        "new",
        "--identity",
        "example.org",
    )
    assert run("provision", "--topic", "bounces", *expected).status == 0
    for _ in range(2):  # the second looks at what SES publishes to it
        assert run("provision", "--topic", "others", "--queue", "others").status == 0
    half_there.by_hand.put_rule(state="DISABLED")
    for queue in ("feedback", "others"):
        assert run("provision", "--eventbridge", "--queue", queue).status == 0
    assert called(half_there) == granted("iam-provision.json")
