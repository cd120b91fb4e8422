"""F15 kept connections that a firewall or NAT has forgotten without a word.

Our client and boto3, through a real forwarder on the loopback interface that loses what is sent on
the connections it had, and forwards new ones.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.forwarder import Forwarder

from simulators.sqs import SqsSimulator
from worker.aws import clients as aws
from worker.core.errors import Unavailable
from worker.sqs.queue import ClientOptions, Queue

REGION = "eu-west-1"
STALE = 5
READ_SECONDS = 1.0


@pytest.fixture(autouse=True)
def isolated(nobodys_environment, monkeypatch):
    monkeypatch.setattr(aws, "READ_SECONDS", READ_SECONDS)


@pytest.fixture
def emulator():
    with SqsSimulator() as emulator:
        emulator.create_queue("feedback")
        yield emulator


@pytest.fixture
def forwarder(emulator):
    with Forwarder(emulator.endpoint) as forwarder:
        yield forwarder


@pytest.fixture(params=["lean", "boto3"])
def queue(request, monkeypatch, emulator, forwarder):
    """A queue whose client keeps several connections, of which the forwarder knows none."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", forwarder.endpoint)
    client = ClientOptions(lean=request.param == "lean", wait_seconds=1)
    queue = Queue(emulator.url("feedback"), region=REGION, client=client)
    keep(queue, STALE)
    assert forwarder.connections >= STALE
    forwarder.forget()
    return queue


def keep(queue, connections):
    """Have the client keep so many connections: calls of so many threads at once."""
    together = threading.Barrier(connections)

    def work(_):
        together.wait(20)
        return queue.receive(1, 1)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(work, range(connections)))


def tries(call):
    """Call until it succeeds; return how often that was, and the seconds."""
    began, count = time.monotonic(), 0
    while True:
        count += 1
        try:
            call()
        except Unavailable:
            continue
        return count, time.monotonic() - began


def test_a_receive_costs_a_single_time_out_however_many_connections_are_stale(queue, forwarder):
    count, seconds = tries(lambda: queue.receive(10, 1))
    assert (count, forwarder.lost) == (2, 1)
    assert seconds < 2 * (1 + READ_SECONDS) + 1


@pytest.mark.parametrize("call", ["delete", "extend"])
def test_a_delete_or_an_extension_is_repeated_by_the_client_itself(
    monkeypatch, emulator, forwarder, call
):
    """Without the time of a long poll: what is held must be settled before its lease ends."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", forwarder.endpoint)
    queue = Queue(emulator.url("feedback"), region=REGION)  # which long-polls for 20 s
    emulator.send(queue.url, "x")
    (held,) = queue.receive(10, 1)
    keep(queue, STALE)
    forwarder.forget()
    began = time.monotonic()
    assert getattr(queue, call)([held]) == []
    assert time.monotonic() - began < READ_SECONDS + 1
    assert forwarder.lost == 1


def test_a_receive_that_does_not_wait_is_given_up_sooner_than_a_long_poll(
    monkeypatch, emulator, forwarder
):
    """Messages are held meanwhile: more of them are gathered for one commit."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", forwarder.endpoint)
    queue = Queue(emulator.url("feedback"), region=REGION)
    queue.receive(10, 0)
    forwarder.forget()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="Read timeout"):
        queue.receive(10, 0)
    assert time.monotonic() - began < READ_SECONDS + 1
