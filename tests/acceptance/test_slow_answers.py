"""A daemon whose remote service answers byte by byte, for as long as it lives."""

import json
import socket
import time

import pytest
from support import mail
from support.dripping import Dripping
from support.running import patched
from test_manager import Manager
from test_run_observability import ask, port_of

QUICK = """
from worker.notifiers.slack.client import SlackClient
SlackClient.by_webhook.__func__.__kwdefaults__["timeout"] = 1.0
from worker.relay import lane
lane.longest_delivery = lambda _: 2.5
"""
"""A second instead of ten for an answer, and so the pulse of the lane."""


@pytest.fixture
def manager(tmp_path, environment):
    address = str(tmp_path / "notify")
    environment |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(address)
        ours.setblocking(False)
        yield Manager(ours)


def test_a_slack_that_drips_delays_notices_and_nothing_else(
    daemon, emulator, queue, environment, database, manager
):
    with Dripping("a body that never ends", every=0.3) as slack:
        environment["SES_WORKER_SLACK__WEBHOOK_URL"] = f"{slack.url}/hook"
        environment["SES_WORKER_SLACK__MESSAGES_PER_SECOND"] = "100"
        environment["SES_WORKER_HTTP__LISTEN"] = "127.0.0.1:0"
        worker = daemon(program=patched(QUICK))
        port = port_of(worker)
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: slack.requests)
        beats = manager.heard.count("WATCHDOG=1")
        statuses, until = [], time.monotonic() + 4  # by then a lane that waits on is late
        while time.monotonic() < until:
            statuses.append(ask(port, "/healthz")[0])
            time.sleep(0.1)
        for address in mail.addresses(20):
            emulator.send(queue, mail.bounce(address))
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        statuses.append(ask(port, "/healthz")[0])
        assert set(statuses) == {200}
        assert manager.heard.count("WATCHDOG=1") >= beats + 3
        postponed = [json.loads(x) for x in worker.lines if '"event":"effect.postponed"' in x]
        assert "the message may be there" in postponed[0]["error"]
        assert not [line for line in worker.lines if "thread.stalled" in line]
        status, seconds = worker.stop()
    assert (status, seconds < 10) == (0, True)
    assert database.count("events") == 21
