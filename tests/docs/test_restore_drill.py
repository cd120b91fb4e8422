"""A drill: a backup, a lost disk, a restore, and the messages that came between; with figures.

`pytest -s` prints the figures that stand in docs/backup.md.
"""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from support import mail
from support.documents import blocks, table, text_of
from support.waiting import wait_until
from support.wiring import ACCOUNT, REGION

DOCUMENT = text_of("docs/backup.md")
*_, SPARE, CAUGHT_UP, LISTED = blocks(DOCUMENT, "sh")
FIGURES = table(DOCUMENT, "## A lost disk")
QUEUE = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/ses-feedback"
NOT_COMPARED = {"id", "received_at"}
"""What a message that is processed at another time has otherwise."""
BEFORE, BETWEEN, AFTER = 60, 40, 20
"""Messages that are processed before the backup, between backup and loss, and not before it."""


def bodies(first, count):
    """Bounces, hard and soft, and complaints about users; each about another user."""
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for number in range(first, first + count):
        address = f"user{number}@example.com"
        more = {"at": at, "feedback_id": f"f{number}", "message_id": f"m{number}"}
        match number % 4:
            case 0:
                yield mail.complaint(address, **more)
            case 1:
                yield mail.bounce(address, type="Transient", **more)
            case _:
                yield mail.bounce(address, **more)


@pytest.fixture
def topic(run, proxy, environment):
    """What `provision` makes, as the page has it; publish to it as SES does."""
    assert run("provision").status == 0
    environment["SES_WORKER_QUEUE__URL"] = QUEUE
    line, longer = SPARE.replace("\\\n", " ").splitlines()
    made = run(*line.removeprefix("ses-worker ").split())
    assert made.status == 0
    assert "ses-feedback-spare is not the queue of the settings" in made.err
    names = ("aws_access_key_id", "aws_secret_access_key")
    given = {"region_name": REGION, **dict.fromkeys(names, "by-hand")}
    sqs = boto3.client("sqs", endpoint_url=proxy.behind["sqs"], **given)
    keep_longer(sqs, longer)
    sns = boto3.client("sns", endpoint_url=proxy.endpoint, **given)
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:ses-feedback"
    subscribed = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    queues = [item["Endpoint"].rpartition(":")[2] for item in subscribed]
    assert sorted(queues) == ["ses-feedback", "ses-feedback-spare"]
    sqs.create_queue(QueueName="reference")

    def publish(*messages):
        for body in messages:
            for name in (*queues, "reference"):
                url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
                sqs.send_message(QueueUrl=url, MessageBody=mail.enveloped(body, arn))

    yield publish
    sqs.close()
    sns.close()


def keep_longer(sqs, line):
    """What the page's command of AWS's does, by its own options."""
    _, service, operation, *options = line.split()
    assert (service, operation) == ("sqs", "set-queue-attributes")
    given = dict(zip(options[::2], options[1::2], strict=True))
    name, _, value = given["--attributes"].partition("=")
    url = sqs.get_queue_url(QueueName=given["--queue-url"].rpartition("/")[2])["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: value})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["MessageRetentionPeriod"] == "1209600"


def rows(path, name):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
    kept = [{k: value for k, value in row.items() if k not in NOT_COMPARED} for row in found]
    return sorted(kept, key=json.dumps)


def import_users(run, **more):
    names = "\n".join(f"user{number}@example.com" for number in range(BEFORE + BETWEEN + AFTER))
    assert run("users", "import", "-", input=f"email\n{names}\n", **more).status == 0


def test_what_is_lost_with_a_disk_and_what_is_not(run, topic, tmp_path):
    import_users(run)
    topic(*bodies(0, BEFORE))
    assert run("drain", "--json").json["applied"] == BEFORE
    assert run("db", "backup", tmp_path / "backup.db").status == 0

    topic(*bodies(BEFORE, BETWEEN))
    assert run("drain", "--json").json["applied"] == BETWEEN
    topic(*bodies(BEFORE + BETWEEN, AFTER))
    for file in tmp_path.glob("worker.db*"):  # the disk is lost
        file.unlink()

    (tmp_path / "backup.db").rename(tmp_path / "worker.db")
    restored = run("drain", "--json").json
    events = len(rows(tmp_path / "worker.db", "events"))
    lost = BEFORE + BETWEEN + AFTER - events
    # A complaint of the time between is lost, and nothing stops mail to that person.
    unknown = [
        number
        for number in range(BEFORE, BEFORE + BETWEEN)
        if run("may-send", f"user{number}@example.com").status == 0
    ]
    assert (restored["applied"], lost, len(unknown)) == (AFTER, BETWEEN, BETWEEN)
    # SES still has it on its list, and the next refusal pauses the user again.
    refused = mail.bounce(f"user{BEFORE}@example.com", subtype="OnAccountSuppressionList")
    topic(refused)
    run("drain")
    assert run("may-send", f"user{BEFORE}@example.com").status == 3

    spare = run("drain", "--json", SES_WORKER_QUEUE__URL=f"{QUEUE}-spare").json
    reference = {"SES_WORKER_STORE__URL": f"sqlite:///{tmp_path / 'reference.db'}"}
    run("db", "upgrade", **reference)
    import_users(run, **reference)
    run("drain", SES_WORKER_QUEUE__URL=QUEUE.replace("ses-feedback", "reference"), **reference)
    for name in ("users", "events"):
        assert rows(tmp_path / "worker.db", name) == rows(tmp_path / "reference.db", name), name
    figures = {
        "processed before the backup": (BEFORE, 0, 0),
        "processed after the backup, before the loss": (BETWEEN, lost, 0),
        "not processed when the disk was lost": (AFTER, AFTER - restored["applied"], 0),
    }
    assert (spare["applied"], spare["duplicate"]) == (lost, BEFORE + AFTER + 1)
    shown = {row[0]: tuple(map(int, row[1:4])) for row in FIGURES}
    assert shown == figures


def test_of_a_worker_that_dies_with_its_disk_only_what_it_had_deleted_is_lost(
    run, emulator, queue, daemon, environment, tmp_path
):
    """A message is deleted after its commit: what was committed and not deleted comes again."""
    environment["SES_WORKER_QUEUE__VISIBILITY_SECONDS"] = "2"
    run("db", "upgrade")
    assert run("db", "backup", tmp_path / "backup.db").status == 0
    deleted = []
    emulator.on_delete(deleted.append)
    worker = daemon()
    for body in bodies(0, 200):
        emulator.send(queue, body)
    wait_until(lambda: len(deleted) > 20)
    worker.process.kill()
    worker.process.wait()
    for file in tmp_path.glob("worker.db*"):
        file.unlink()
    (tmp_path / "backup.db").rename(tmp_path / "worker.db")
    lost = len(deleted)
    assert run("drain", "--json").json["remaining"] == 0
    assert len(rows(tmp_path / "worker.db", "events")) == 200 - lost


def test_the_lists_of_ses_name_who_may_still_be_mailed_by_mistake(run, tmp_path):
    """The end of the page's pipe: what SES lists, held against the database."""
    run("users", "import", "-", input="email\njane@example.com\n")
    *_, command = LISTED.replace("\\\n", " ").split("|")
    done = run(*command.strip().removeprefix("ses-worker ").split(), input="jane@example.com\n")
    assert done.status == 0, done.err
    assert "jane@example.com,jane@example.com,yes" in (tmp_path / "listed.csv").read_text()
    sesv2 = boto3.client("sesv2", region_name=REGION)
    (call, *_) = LISTED.replace("\\\n", " ").split("|")
    _, service, operation, *options = call.split()
    assert service == "sesv2"
    model = sesv2.meta.service_model.operation_model("ListSuppressedDestinations")
    assert operation == "list-suppressed-destinations"
    assert "StartDate" in model.input_shape.members
    assert "--start-date" in options
    assert (
        "EmailAddress"
        in model.output_shape.members["SuppressedDestinationSummaries"].member.members
    )


def test_the_spare_queue_is_drained_with_the_settings_of_the_worker(run, emulator, queue):
    emulator.create_queue("spare")
    emulator.send("spare", mail.complaint("jane@example.com"))
    assignment, _, command = CAUGHT_UP.strip().partition(" ")
    name, _, url = assignment.partition("=")
    assert (name, url.endswith("-spare")) == ("SES_WORKER_QUEUE__URL", True)
    assert command == "ses-worker drain"
    assert run("drain", SES_WORKER_QUEUE__URL=emulator.url("spare")).status == 0
    assert run("may-send", "jane@example.com").status == 3
