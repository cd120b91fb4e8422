"""Signatures in the real daemon: certificates over TLS, wrong ones, outages of their host."""

import json
import signal
import time

import pytest
from support import mail
from support.running import QUICK, patched
from support.signing import URL, Authority, signed
from support.signing_host import SigningHost

PATH = URL.removeprefix("https://sns.eu-west-1.amazonaws.com")


@pytest.fixture
def host(tmp_path):
    with SigningHost(tmp_path, Authority()) as host:
        host.files[PATH] = Authority().issue()
        yield host


@pytest.fixture
def requiring(environment, host):
    environment.update(host.environment)
    environment["SES_WORKER_SNS__VERIFY"] = "require"
    environment["SES_WORKER_SNS__TOPIC_ARNS"] = json.dumps([mail.TOPIC])


def receives(emulator):
    return sorted(fate.received for fate in emulator.journal.fates().values())


def reasons(emulator):
    found = (item.attributes for item in emulator.messages("feedback-dlq"))
    return [item["ses_worker_reason"]["StringValue"] for item in found]


def names(watched):
    return [json.loads(line)["event"] for line in watched.lines if line.startswith("{")]


def test_right_signatures_are_applied_and_wrong_and_missing_ones_are_dead_letters(
    daemon, emulator, queue, host, requiring
):
    emulator.send(queue, signed(mail.bounce("jane@example.com")))
    emulator.send(queue, signed(mail.bounce("joe@example.com"), version="2", Subject="SES"))
    emulator.send(queue, mail.enveloped(mail.bounce("victim@example.com")))
    emulator.send(queue, mail.bounce("victim@example.com"))
    worker = daemon()
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    assert emulator.wait_for(lambda: len(emulator.messages("feedback-dlq")) == 2)
    assert reasons(emulator) == ["wrong_signature"] * 2
    assert worker.stop()[0] == 0
    assert host.requested == [PATH], "the certificate is fetched once"


def test_without_a_certificate_receiving_pauses_and_no_message_is_received_a_third_time(
    daemon, emulator, queue, host, requiring, run
):
    host.files[PATH] = 503
    for address in mail.addresses(30):
        emulator.send(queue, signed(mail.bounce(address)))
    worker = daemon(patched(QUICK))
    worker.wait_for("signatures.unavailable")
    time.sleep(4)
    requested = len(receives(emulator))
    # Held for 25 s, then given back; meanwhile, and after it, nothing is received.
    assert emulator.wait_for(lambda: emulator.counts(queue).visible == 30, seconds=40)
    time.sleep(8)
    assert max(receives(emulator)) == 1
    assert len(receives(emulator)) == requested
    host.files[PATH] = Authority().issue()
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=70)
    assert max(receives(emulator)) == 2
    assert emulator.messages("feedback-dlq") == []
    worker.wait_for("signatures.available")
    assert worker.stop()[0] == 0


def test_a_reload_without_require_ends_the_pause(
    daemon, emulator, queue, host, environment, tmp_path
):
    host.files[PATH] = 503
    settings = tmp_path / "worker.toml"
    settings.write_text(f'[sns]\nverify = "require"\ntopic_arns = ["{mail.TOPIC}"]\n')
    environment.update(host.environment, SES_WORKER_CONFIG=str(settings))
    emulator.send(queue, signed(mail.bounce("jane@example.com")))
    worker = daemon()
    worker.wait_for("signatures.unavailable")
    settings.write_text(settings.read_text().replace("require", "off"))
    worker.process.send_signal(signal.SIGHUP)
    worker.wait_for("signatures.available")
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    assert emulator.messages("feedback-dlq") == []
    assert worker.stop()[0] == 0


AWS_ITSELF = "import worker.aws.trust; worker.aws.trust.stand_in = lambda *_: ''"
"""The emulator is a local endpoint, so `auto` verifies nothing unless the worker overlooks that."""


def test_auto_goes_on_without_a_certificate_and_says_so(daemon, emulator, queue, host, environment):
    environment.update(host.environment)
    host.files[PATH] = 503
    emulator.send(queue, signed(mail.bounce("jane@example.com")))
    emulator.send(queue, mail.bounce("joe@example.com"))
    worker = daemon(patched(AWS_ITSELF))
    worker.wait_for("certificate.unavailable")
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    assert emulator.messages("feedback-dlq") == []
    host.files[PATH] = Authority().issue()
    time.sleep(2.5)
    emulator.send(
        queue, mail.enveloped(mail.bounce("jane@example.com"), SigningCertURL=URL, Signature="AAAA")
    )
    assert emulator.wait_for(lambda: reasons(emulator) == ["wrong_signature"])
    worker.wait_for("certificate.available")
    assert worker.stop()[0] == 0


def test_auto_verifies_nothing_where_a_local_endpoint_stands_in_for_aws(
    daemon, emulator, queue, host, environment
):
    environment.update(host.environment)
    emulator.send(queue, mail.enveloped(mail.bounce("jane@example.com")))
    worker = daemon()
    worker.wait_for("signatures.not_verified")
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    assert worker.stop()[0] == 0
    assert emulator.messages("feedback-dlq") == []
    assert host.requested == []


def test_a_reload_to_auto_warns_where_a_local_endpoint_stands_in_for_aws(
    daemon, emulator, queue, host, environment, tmp_path
):
    settings = tmp_path / "worker.toml"
    settings.write_text('[sns]\nverify = "off"\n')
    environment.update(host.environment, SES_WORKER_CONFIG=str(settings))
    worker = daemon()
    worker.wait_for("worker.started")
    assert "signatures.not_verified" not in names(worker)
    settings.write_text(settings.read_text().replace("off", "auto"))
    worker.process.send_signal(signal.SIGHUP)
    worker.wait_for("signatures.not_verified")
    assert worker.stop()[0] == 0


def test_a_drain_that_needs_a_certificate_ends_and_says_why(run, emulator, queue, host, requiring):
    host.files[PATH] = 503
    emulator.send(queue, signed(mail.bounce("jane@example.com")))
    drained = run("drain", "--json")
    assert drained.status == 1
    assert "no certificate of SNS from sns.eu-west-1.amazonaws.com" in drained.err
    assert max(receives(emulator)) == 1
