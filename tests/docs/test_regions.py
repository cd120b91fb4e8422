"""The pages on several regions and on several workers: their commands run, their settings are settings."""

import re
import tomllib

import pytest
from support import mail
from support.documents import ROOT, blocks, text_of

from worker.settings.loading import load_settings

REGIONS = text_of("docs/regions.md")
(PROVISION,) = blocks(REGIONS, "sh")
(SETTINGS,) = blocks(REGIONS, "toml")


@pytest.mark.parametrize("line", PROVISION.splitlines())
def test_provision_works_in_the_region_that_is_named(run, proxy, line):
    region, arguments = re.fullmatch(r"AWS_REGION=(\S+) ses-worker (.*)", line).groups()
    proxy.publishing.identities["example.com"] = {}
    done = run(*arguments.split(), "--dry-run", AWS_REGION=region)
    assert (done.status, "Traceback" in done.err) == (0, False), done.err
    assert region in done.out


def test_the_settings_of_an_instance_are_settings(tmp_path):
    file = tmp_path / "us.toml"
    file.write_text(SETTINGS)
    settings = load_settings({}, file)
    assert "us-east-1" in settings.queue.url
    ours = tomllib.loads((ROOT / "config" / "worker.toml").read_text(encoding="utf-8"))
    assert settings.http.listen != ours["http"]["listen"]  # a port each


@pytest.mark.usefixtures("either_store")
def test_two_workers_on_a_queue_apply_each_message_once(
    run, start, emulator, queue, slack, database
):
    run("users", "import", "-", input="email\njane@example.com\n")
    workers = [start("run", SES_WORKER_QUEUE__WAIT_SECONDS="1") for _ in range(2)]
    for number in range(100):
        name = f"f{number}"
        for _ in range(2):  # SQS delivers twice
            emulator.send(queue, mail.bounce("jane@example.com", feedback_id=name, message_id=name))
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    assert all(worker.poll() is None for worker in workers)
    assert database.count("events") == 100
    assert database.user("jane@example.com")["hard_bounce_count"] == 100
    assert database.count("outbox") <= 100
