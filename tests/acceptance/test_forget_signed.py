"""`users forget` and signatures: a redacted message counts as verified if its signature held."""

import json

import pytest
from support import mail
from support.dead import fill, quarantined
from support.signing import URL, Authority, signed
from support.signing_host import SigningHost

JANE, BOB = "jane.doe@example.com", "bob@example.com"
FIVE = ["ann@example.com", BOB, JANE, "joe@example.org", "mary@example.net"]
PATH = URL.removeprefix("https://sns.eu-west-1.amazonaws.com")


@pytest.fixture(autouse=True)
def host(tmp_path, environment):
    with SigningHost(tmp_path, Authority()) as host:
        host.files[PATH] = Authority().issue()
        environment.update(host.environment)
        environment["SES_WORKER_SNS__VERIFY"] = "require"
        environment["SES_WORKER_SNS__TOPIC_ARNS"] = json.dumps([mail.TOPIC])
        environment["SES_WORKER_PRIVACY__KEY"] = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"
        yield host


def five(number):
    return mail.bounce(*FIVE, feedback_id=f"f{number}", message_id=f"m{number}")


def replayed(run, database):
    done = run("dlq", "replay", "--json").json
    recipients = {row["recipient"] for row in database.rows("SELECT recipient FROM events")}
    return done["applied"], done["dead_lettered"], recipients


def test_what_was_signed_is_accepted_without_its_signature(
    run, emulator, environment, queue, database, either_store
):
    quarantined(environment, ("processing_failed", signed(five(1))))
    fill(emulator, signed(five(2)), reason="processing_failed")
    for person in (JANE, BOB):  # the second command finds no signature any more
        done = run("users", "forget", person, "--yes", "--json")
        assert done.status == 0, done.err
    assert replayed(run, database) == (2, 0, {*FIVE} - {JANE, BOB})


def test_what_was_not_signed_stays_refused(
    run, emulator, environment, queue, database, either_store
):
    quarantined(environment, ("wrong_signature", five(1)))
    fill(emulator, five(2), reason="wrong_signature")
    done = run("users", "forget", JANE, "--yes", "--json")
    assert done.status == 0, done.err
    assert replayed(run, database) == (0, 2, set())


def test_what_is_forged_or_cannot_be_verified_now_is_listed_and_left(
    run, emulator, environment, queue, host, database
):
    body = signed(five(1))
    forged = body.replace("bob@", "rob@")
    quarantined(environment, ("wrong_signature", forged), ("processing_failed", body))
    host.files[PATH] = 503
    done = run("users", "forget", JANE, "--yes", "--json")
    assert done.status == 3
    assert [each["message_id"] for each in done.json["left"]] == ["kept-0", "kept-1"]
    host.files[PATH] = Authority().issue()
    done = run("users", "forget", JANE, "--yes", "--json")
    (left,) = done.json["left"]
    assert left["message_id"] == "kept-0"
    assert "its signature does not hold" in left["why"]
    bodies = [bytes(row["body"]).decode() for row in database.rows("SELECT body FROM quarantine")]
    assert bodies[0] == forged
    assert JANE not in bodies[1]
