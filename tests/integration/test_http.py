"""The HTTP server: it answers, whatever untrusted clients do, and lets go of its address."""

import socket
import threading
import time
import urllib.request
from contextlib import ExitStack, suppress

import pytest
from structlog.testing import capture_logs
from support.waiting import wait_until

from worker.core.limits import LARGEST_REQUEST_HEAD_BYTES
from worker.observability.health import Health, Phase
from worker.observability.http import Observability, server
from worker.observability.metrics import Metrics
from worker.timing import retries


@pytest.fixture
def serving(monkeypatch):
    """Start a server; return its port when it listens."""
    monkeypatch.setattr(server, "back_off", lambda _: 0.02)
    monkeypatch.setattr(retries, "back_off", lambda _: 0.02)
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.05)
    begun = []

    def serving(host="127.0.0.1", port=0):
        health = Health()
        health.phase = Phase.WORKING
        observability = Observability(health=health, metrics=Metrics(), listen=(host, port))
        begun.append(observability)
        observability.__enter__()
        return observability

    with capture_logs() as lines:
        serving.log = lines
        yield serving
        for observability in begun:
            observability.__exit__(None, None, None)


def listening(log):
    wait_until(lambda: [line for line in log if line["event"] == "http.listening"])
    return next(line["port"] for line in log if line["event"] == "http.listening")


@pytest.fixture
def port(serving):
    serving()
    return listening(serving.log)


def get(port, path="/readyz", host="127.0.0.1"):
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


def output(connection):
    """All that comes until the other side closes."""
    connection.settimeout(10)
    found = b""
    while chunk := connection.recv(65_536):
        found += chunk
    return found


class TestUntrustedClients:
    @pytest.mark.parametrize(
        "request_",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
            b"\r\n\r\nNONSENSE\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /readyz HTTP/9.9\r\n\r\n",
            b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 10_000 + b"\r\n",
            b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
            b"\x00" * 100_000,
        ],
        ids=lambda request: repr(request[:16]),
    )
    def test_no_request_hangs_or_ends_anything(self, port, request_):
        with socket.create_connection(("127.0.0.1", port)) as client:
            with suppress(OSError):  # it has had enough
                client.sendall(request_)
            assert '"ready":true' in get(port)

    def test_those_who_only_connect_or_drip_keep_nobody_out_for_ever(self, serving, monkeypatch):
        monkeypatch.setattr(server, "OLDEST_SECONDS", 1)
        monkeypatch.setattr(server, "CONNECTIONS", 20)
        serving()
        port = listening(serving.log)
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        over = threading.Event()

        def drip():
            while not over.wait(0.1):
                for client in clients:
                    with suppress(OSError):
                        client.send(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert '"ready":true' in get(port)
        finally:
            over.set()
            dripping.join()
            for client in clients:
                client.close()

    def test_who_asks_and_never_reads_is_closed(self, serving, monkeypatch):
        monkeypatch.setattr(server, "OLDEST_SECONDS", 0.3)
        observability = serving()
        port = listening(serving.log)
        for number in range(60_000):  # more than the sockets' buffers hold
            observability.metrics._bounces.labels(f"{number}" + "x" * 100, "a", "b", "c")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert '"ready":true' in get(port)
            time.sleep(1)  # it reads nothing meanwhile
            client.settimeout(10)
            try:
                found = output(client)
            except ConnectionResetError:
                found = b""
            assert b'email_bounce_total{bounce_subtype="a",bounce_type="59999' not in found

    def test_where_it_is_crowded_who_is_slow_makes_room_soon(self, serving, monkeypatch):
        monkeypatch.setattr(server, "CROWDED_SECONDS", 0.2)
        monkeypatch.setattr(server, "OLDEST_SECONDS", 10_000)
        serving()
        port = listening(serving.log)
        with ExitStack() as clients:
            few = [
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
                for _ in range(server.CROWD - 10)
            ]
            assert '"ready":true' in get(port)
            time.sleep(0.5)  # nobody is closed meanwhile
            few[0].setblocking(False)
            with pytest.raises(BlockingIOError):
                few[0].recv(1)
            for _ in range(100):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert '"ready":true' in get(port)
            few[0].settimeout(10)
            assert few[0].recv(1) == b""

    def test_it_holds_no_more_connections_than_it_may(self, serving, monkeypatch):
        monkeypatch.setattr(server, "CONNECTIONS", 10)
        most, real = [0], server._close_old

        def counted(connections):
            real(connections)
            most.append(sum(isinstance(x, server.HTTPChannel) for x in connections.values()))

        monkeypatch.setattr(server, "_close_old", counted)
        serving()
        port = listening(serving.log)
        with ExitStack() as clients:
            for _ in range(40):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            wait_until(lambda: max(most) >= 5)
            looks = len(most)
            wait_until(lambda: len(most) > looks + 5)
            assert max(most) <= 10

    def test_a_header_that_is_too_long_is_refused_before_it_is_whole(self, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /readyz HTTP/1.1\r\nx: ")
            client.sendall(b"y" * LARGEST_REQUEST_HEAD_BYTES)
            with suppress(ConnectionResetError):  # it is not read to its end
                # Nothing: what was not read yet ended the connection before the answer came.
                assert output(client)[:12] in {b"HTTP/1.1 431", b""}

    @pytest.mark.parametrize("path", ["/metrics", "/readyz", "/nowhere"])
    def test_a_head_is_answered_without_a_body(self, port, path):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"HEAD {path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
            head, _, body = output(client).partition(b"\r\n\r\n")
        assert body == b""
        assert b"Content-Length: " in head
        assert b"chunked" not in head

    def test_each_connection_is_for_a_single_request(self, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = output(client)
        assert b"Connection: close" in answer
        assert b"Server:" not in answer


class TestAddresses:
    def test_a_port_in_use_is_reported_once_and_taken_when_it_is_free(self, serving):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            health = serving(port=port).health
            wait_until(lambda: serving.log)
            time.sleep(0.1)  # it tries again meanwhile
            (line,) = serving.log
            assert (line["event"], line["port"]) == ("http.unavailable", port)
            assert "in use" in line["error"]
            assert "http.listen" in line["error"]
            (problem,) = health.report().problems
            assert (problem.what, problem.error.split(": ")[0]) == ("http", f"127.0.0.1:{port}")
            assert health.report().ready, "messages are worked on"
        assert listening(serving.log) == port
        assert '"ready":true' in get(port)
        assert '"problems":[]' in get(port)

    def test_an_address_of_another_machine_is_reported(self, serving):
        serving(host="192.0.2.1", port=9)
        wait_until(lambda: serving.log)
        assert serving.log[0]["event"] == "http.unavailable"

    def test_an_unknown_name_is_reported(self, serving):
        serving(host="nobody.invalid", port=9)
        wait_until(lambda: serving.log)
        assert serving.log[0]["event"] == "http.unavailable"

    def test_it_listens_on_the_other_loopback_too(self, serving):
        with socket.socket(socket.AF_INET6) as other:
            try:
                other.bind(("::1", 0))
            except OSError:
                pytest.skip("no IPv6 here")
        serving(host="::1")
        assert '"ready":true' in get(listening(serving.log), host="[::1]")

    def test_at_the_end_the_address_is_free_at_once(self, serving):
        observability = serving()
        port = listening(serving.log)
        assert get(port)
        idle = socket.create_connection(("127.0.0.1", port))
        began = time.monotonic()
        observability.__exit__(None, None, None)
        assert time.monotonic() - began < server.OLDEST_SECONDS / 2
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", port))
            other.listen()
        idle.close()

    def test_a_bug_in_the_server_is_logged_and_it_listens_again(self, serving, monkeypatch):
        real, failures = server._close_old, [RuntimeError("a bug")]

        def broken(connections):
            if failures:
                raise failures.pop()
            real(connections)

        monkeypatch.setattr(server, "_close_old", broken)
        serving()
        wait_until(lambda: [x["event"] for x in serving.log].count("http.listening") == 2)
        assert "http.failed" in [line["event"] for line in serving.log]
        assert '"ready":true' in get(serving.log[-1]["port"])
