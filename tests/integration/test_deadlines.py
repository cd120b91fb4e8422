"""Each call over the network ends in time, however slowly the answer comes."""

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from support.dripping import KINDS, Dripping, Flooding, full
from support.waiting import wait_until

from worker.aws import NoIdentity, make_client
from worker.aws import clients as aws
from worker.cli import live
from worker.core.effects import Later
from worker.core.errors import Unavailable
from worker.core.messages import DeadLetter
from worker.core.model import Reason
from worker.notifiers.slack.blocks import Post
from worker.notifiers.slack.client import SlackClient
from worker.ses.suppression import SuppressionList, listing
from worker.sqs.client.connection import Connection
from worker.sqs.client.endpoint import Endpoint
from worker.sqs.queue import ClientOptions, Queue, asking
from worker.store.postgresql import connection as sessions
from worker.store.postgresql.errors import translated
from worker.timing.deadlines import within
from worker.timing.deadlines.sockets import resolve

DEADLINE = 0.5
SLACK_OF_THE_MACHINE = 1.5
REGION = "eu-west-1"
POST = Post("BOUNCE", [])


@contextmanager
def in_time(tries=1):
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < tries * DEADLINE + SLACK_OF_THE_MACHINE, f"{took:.1f} s"


@pytest.fixture(autouse=True)
def quick(nobodys_environment, monkeypatch):
    monkeypatch.setattr(asking, "CALL_SECONDS", DEADLINE)
    monkeypatch.setattr("worker.sqs.queue.CALL_SECONDS", DEADLINE)
    monkeypatch.setattr(listing, "REQUEST_SECONDS", DEADLINE)
    monkeypatch.setattr(aws, "IDENTITY_SECONDS", DEADLINE)
    monkeypatch.setattr(aws, "READ_SECONDS", 5)


def by_webhook(url, monkeypatch):
    answer = SlackClient.by_webhook(f"{url}/hook", timeout=DEADLINE, sleep=lambda _: None).post(
        POST
    )
    assert isinstance(answer, Later), answer
    return answer


def by_token(url, monkeypatch):
    channel = SlackClient.by_token(
        "xoxb", "C0", base_url=f"{url}/api/", timeout=DEADLINE, sleep=lambda _: None
    )
    answer = channel.post(POST)
    assert isinstance(answer, Later), answer
    return answer


def ses(url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    ses = SuppressionList(region=REGION, await_slot=lambda: None)
    ses._connected()
    with pytest.raises(Unavailable):
        ses.look_up("jane@example.com")


def queue_at(url, monkeypatch, *, lean):
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    dead = f"{url}/1/dead"
    queue = Queue(
        f"{url}/1/q", region=REGION, dead_letter_url=dead, client=ClientOptions(lean=lean)
    )
    queue._connected()  # it takes as long as the deadline here, to read what boto3 knows of SQS
    return queue


def counts(url, monkeypatch):
    with pytest.raises(Unavailable):
        queue_at(url, monkeypatch, lean=True).counts()


def receive_by_boto3(url, monkeypatch):
    with pytest.raises(Unavailable):
        queue_at(url, monkeypatch, lean=False).receive(10, 0)


def receive(url, monkeypatch):
    with pytest.raises(Unavailable):
        queue_at(url, monkeypatch, lean=True).receive(10, 0)


@pytest.fixture
def dead_letter(message):
    return message("nonsense"), DeadLetter(Reason.NOT_JSON, "")


CLIENTS = [by_webhook, by_token, ses, counts, receive_by_boto3, receive]
TWICE = {ses: 2}


def named(first):
    return first if isinstance(first, str) else first.__name__


@pytest.mark.parametrize("ask", CLIENTS, ids=named)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "proxy" not in kind])
def test_an_answer_that_never_ends_is_given_up_at_its_deadline(kind, ask, monkeypatch):
    secure = "handshake" in kind
    with Dripping(kind) as server:
        url = server.url.replace("http:", "https:") if secure else server.url
        # What boto3 reads to make a client takes longer than the deadline of these tests.
        with pytest.MonkeyPatch.context() as slowly:
            slowly.setattr(aws, "IDENTITY_SECONDS", 20)
            began = time.monotonic()
            answer = ask(url, monkeypatch)
            took = time.monotonic() - began
        assert took < TWICE.get(ask, 1) * DEADLINE + 6, f"{took:.1f} s"
        assert server.requests <= TWICE.get(ask, 1)  # a slow machine may let nobody in by then
    if answer and not secure:
        assert "may be there" in answer.error


@pytest.mark.parametrize("ask", [by_webhook, by_token], ids=named)
def test_a_proxy_that_never_says_yes_is_given_up_at_the_deadline(ask, monkeypatch):
    with Dripping("a proxy's yes that never ends") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with in_time():
            ask("https://slack.invalid", monkeypatch)
        assert proxy.requests


@pytest.mark.parametrize("ask", CLIENTS, ids=named)
def test_who_is_never_let_in_gives_up_at_the_deadline(ask, monkeypatch):
    monkeypatch.setattr(aws, "IDENTITY_SECONDS", 20)
    with full() as port:
        began = time.monotonic()
        ask(f"http://127.0.0.1:{port}", monkeypatch)
        assert time.monotonic() - began < TWICE.get(ask, 1) * DEADLINE + 6


@pytest.mark.parametrize("ask", [ses, counts, receive_by_boto3, receive], ids=named)
def test_an_answer_without_an_end_is_too_large(ask, monkeypatch):
    monkeypatch.setattr(aws, "IDENTITY_SECONDS", 20)
    monkeypatch.setattr(asking, "CALL_SECONDS", 60)
    monkeypatch.setattr(listing, "REQUEST_SECONDS", 60)
    monkeypatch.setattr("worker.timing.deadlines.MOST_BYTES", 3_000_000)
    monkeypatch.setattr("worker.sqs.client.http.LARGEST_BODY_BYTES", 3_000_000)
    with Flooding() as server:
        began = time.monotonic()
        ask(server.url, monkeypatch)
        assert time.monotonic() - began < 5


def test_a_dead_letter_of_which_nobody_knows_whether_it_was_taken_is_no_refusal(
    dead_letter, monkeypatch
):
    monkeypatch.setattr(aws, "IDENTITY_SECONDS", 20)
    with Dripping("a body that never ends") as server:
        queue = queue_at(server.url, monkeypatch, lean=True)
        with in_time(), pytest.raises(Unavailable):
            queue.send_dead_letter(*dead_letter)


def test_who_asks_a_worker_how_it_is_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(live, "ANSWER_SECONDS", DEADLINE)
    with Dripping("a body that never ends") as server, in_time():
        assert live._ask(server.host, server.port).status == "silent"


@pytest.fixture
def no_names(monkeypatch):
    """A resolver that answers nobody before the test is over."""
    over, known = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
        if flags & socket.AI_NUMERICHOST or host == "127.0.0.1":
            return known(host, port, family, type, proto, flags)
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    over.set()


class TestNames:
    @pytest.mark.parametrize("ask", CLIENTS, ids=named)
    def test_a_resolver_that_says_nothing_is_given_up_at_the_deadline(
        self, no_names, ask, monkeypatch
    ):
        monkeypatch.setattr(aws, "IDENTITY_SECONDS", 20)
        began = time.monotonic()
        ask("http://far.example", monkeypatch)
        assert time.monotonic() - began < TWICE.get(ask, 1) * DEADLINE + 6

    def test_lookups_that_hang_are_few_and_those_beyond_fail_at_once(self, no_names, monkeypatch):
        monkeypatch.setattr("worker.timing.deadlines.beside.MOST_ABANDONED", 3)
        left_behind = set()
        monkeypatch.setattr("worker.timing.deadlines.beside._abandoned", left_behind)
        for _ in range(3):
            with within(0.05), pytest.raises(TimeoutError, match="no answer in"):
                resolve("far.example", 80)
        began = time.monotonic()
        with within(30), pytest.raises(TimeoutError, match="3 calls hang already"):
            resolve("far.example", 80)
        assert time.monotonic() - began < 1
        assert len(left_behind) == 3


class TestCredentials:
    def test_metadata_that_drips_is_given_up(self, monkeypatch):
        with Dripping("a body that never ends") as server:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
                monkeypatch.delenv(name)
            monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
            monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "60")
            monkeypatch.setattr(aws, "IDENTITY_SECONDS", 2)  # some of which is boto3's to read
            began = time.monotonic()
            with suppress(NoIdentity):  # or there is a client without credentials
                make_client("sqs", REGION)
            assert time.monotonic() - began < 4
            assert server.requests == 1

    def test_sts_that_drips_is_given_up_and_called_once(self, monkeypatch, tmp_path):
        (tmp_path / "token").write_text("token")
        with Dripping("a body that never ends") as server:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                monkeypatch.delenv(name)
            monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
            monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r")
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
            monkeypatch.setattr(aws, "IDENTITY_SECONDS", 2)
            monkeypatch.setattr(asking, "CALL_SECONDS", 20)
            began = time.monotonic()
            queue = Queue("https://sqs.eu-west-1.amazonaws.com/1/q", region=REGION)
            with pytest.raises(Unavailable):
                queue.counts()
            assert time.monotonic() - began < 4
            assert server.requests == 1

    @pytest.fixture
    def helper(self, monkeypatch, tmp_path):
        """A credential_process that starts another, which outlives it."""
        script, pids = tmp_path / "helper", tmp_path / "pids"
        script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! >> {pids}\nwait\n")
        script.chmod(0o755)
        (tmp_path / "config").write_text(f"[default]\ncredential_process = {script}\n")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        return pids

    def test_a_helper_that_hangs_is_ended_with_whatever_it_has_started(self, helper, monkeypatch):
        monkeypatch.setattr(aws, "IDENTITY_SECONDS", 2)  # some of which is boto3's to read
        began = time.monotonic()
        with pytest.raises(NoIdentity, match=r"does not answer|no answer"):
            make_client("sqs", REGION)
        assert time.monotonic() - began < 5
        wait_until(lambda: helper.exists() and not any(map(is_alive, helper.read_text().split())))

    def test_keys_that_must_be_fresh_are_waited_for_no_longer(self):
        class Keys:
            def refresh_needed(self):
                return True

            def get_frozen_credentials(self):
                time.sleep(3)

        with in_time(), pytest.raises(TimeoutError, match="AWS's credentials: no answer"):
            aws.frozen_keys(Keys())


def is_alive(pid):
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


class TestPostgresql:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr(sessions, "SESSION_SECONDS", DEADLINE)

    def test_a_server_that_says_nothing_is_given_up(self):
        with (
            Dripping("nothing at all", every=60) as server,
            in_time(),
            pytest.raises(psycopg.OperationalError, match="no answer"),
        ):
            sessions.connect(f"postgresql://{server.host}:{server.port}/app")

    def test_several_addresses_take_no_longer_than_a_single_address(self):
        with Dripping("nothing at all", every=60) as server, in_time():
            hosts = ",".join([f"{server.host}:{server.port}"] * 5)
            with pytest.raises(psycopg.OperationalError, match="no answer"):
                sessions.connect(f"postgresql://{hosts}/app")

    def test_a_name_that_is_not_resolved_is_given_up(self, no_names):
        with in_time(), pytest.raises(psycopg.OperationalError, match="no answer"):
            sessions.connect("postgresql://far.example/app")

    def test_a_statement_has_an_end_though_the_server_stands_still(
        self, postgresql_url, monkeypatch
    ):
        monkeypatch.setattr(sessions, "SESSION_SECONDS", 20)
        session = sessions.connect(postgresql_url)
        with (
            in_time(),
            within(DEADLINE),
            pytest.raises(Unavailable, match="no answer in"),
            translated(),
            session.transaction(),
        ):
            session.execute("SELECT pg_sleep(20)")
        assert session.closed


def test_the_wait_for_room_is_not_the_far_side_s_doing(monkeypatch):
    """Its answer was there in time; what others held was in the way."""
    monkeypatch.setattr("worker.sqs.client.connection.SLOWEST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            asking, _ = server.accept()
            with asking:
                asking.recv(1_000)
                asking.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
                time.sleep(1)
                asking.sendall(b"{}")

        threading.Thread(target=answer, daemon=True).start()
        host, port = server.getsockname()
        place = Endpoint(
            url=f"http://{host}:{port}",
            secure=False,
            host=host,
            port=port,
            authority=f"{host}:{port}",
            path="/",
        )
        connection = Connection(place, None, connect_seconds=5, expect=lambda _: time.sleep(0.95))
        assert connection.ask(b"GET / HTTP/1.1\r\n\r\n", 0.6).body == b"{}"
        connection.close()
