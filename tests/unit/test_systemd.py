"""The exact notifications that the service manager gets."""

import secrets
import socket
import time

import pytest

from worker.service.systemd import Systemd


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request, tmp_path):
    """The socket of a service manager, and its address as in `$NOTIFY_SOCKET`."""
    name = (
        f"@{secrets.token_hex(8)}" if request.param == "an abstract name" else str(tmp_path / "s")
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(f"\0{name[1:]}" if name[0] == "@" else name)
        ours.setblocking(False)
        yield ours, {"NOTIFY_SOCKET": name}


def heard(ours):
    return ours.recv(4096).decode().split("\n")


def test_each_word_is_written_as_the_service_manager_expects_it(manager):
    ours, environment = manager
    systemd = Systemd(environment, 1)
    systemd.ready("Working")
    assert heard(ours) == ["READY=1", "STATUS=Working"]
    systemd.stopping("Stopping: 3 held")
    assert heard(ours) == ["STOPPING=1", "STATUS=Stopping: 3 held"]
    systemd.alive()
    assert heard(ours) == ["WATCHDOG=1"]
    systemd.extend_timeout(60)
    assert heard(ours) == ["EXTEND_TIMEOUT_USEC=60000000"]


def test_a_reload_says_when_it_began(manager):
    ours, environment = manager
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    Systemd(environment, 1).reloading()
    reloading, since = heard(ours)
    assert reloading == "RELOADING=1"
    name, _, microseconds = since.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000


def test_a_status_is_always_a_single_line(manager):
    ours, environment = manager
    Systemd(environment, 1).status("queue\nREADY=1\r\n  WATCHDOG=1")
    assert heard(ours) == ["STATUS=queue READY=1 WATCHDOG=1"]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon", "WATCHDOG_PID": "7"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_names_us(environment, seconds):
    assert Systemd({"NOTIFY_SOCKET": "@x"} | environment, 7).watchdog_seconds == seconds


def test_without_a_service_manager_nothing_happens(tmp_path):
    nobody = Systemd({"WATCHDOG_USEC": "30000000"}, 7)
    nobody.ready("Working")
    assert (nobody.listens, nobody.watchdog_seconds) == (False, None)
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 7).ready("Working")
