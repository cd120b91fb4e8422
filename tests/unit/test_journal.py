"""Lines as the journal takes them."""

import io
import os
import socket
from contextlib import closing

import pytest
import structlog

from worker.observability import log
from worker.observability.journal import Journal, journal_behind


@pytest.fixture
def journald(tmp_path):
    """The journal's socket; what it was sent is parsed."""
    address = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(address)
        ours.setblocking(False)
        yield address, lambda: fields(ours.recv(1_000_000))


def fields(datagram):
    found = {}
    while datagram:
        name, _, rest = datagram.partition(b"\n")
        end = 8 + int.from_bytes(rest[:8], "little")
        found[name.decode()] = rest[8:end].decode()
        assert rest[end : end + 1] == b"\n"
        datagram = rest[end + 1 :]
    return found


def test_a_line_has_its_text_its_level_and_its_event(journald):
    address, received = journald
    with closing(Journal(address)) as journal:
        assert journal.write("a text", level="warning", event="store.slow")
    assert received() == {
        "MESSAGE": "a text",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "ses-worker",
        "EVENT": "store.slow",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2), ("strange", 6)],
)
def test_each_level_has_its_priority_of_syslogs(journald, level, priority):
    address, received = journald
    with closing(Journal(address)) as journal:
        journal.write("x", level=level, event="x")
    assert received()["PRIORITY"] == str(priority)


def test_a_line_in_the_journal_is_not_repeated_on_standard_error(journald, monkeypatch, capsys):
    address, received = journald
    with closing(Journal(address)) as journal:
        monkeypatch.setattr(log, "_journal", lambda: journal)
        try:
            log.configure_logging("info", json=True)
            structlog.get_logger().info("it.happened")
            assert received()["EVENT"] == "it.happened"
            assert capsys.readouterr().err == ""
            journal.close()
            structlog.get_logger().info("it.happened", again=True)
            assert '"again":true' in capsys.readouterr().err
        finally:
            monkeypatch.undo()
            log.configure_logging("info", json=None)


def test_no_text_is_a_field_of_its_own(journald):
    address, received = journald
    with closing(Journal(address)) as journal:
        journal.write("x\nPRIORITY=0\n\ud800ü", level="info", event="a\nUNIT=b")
    line = received()
    assert line["MESSAGE"] == "x\nPRIORITY=0\n\\ud800ü"
    assert (line["PRIORITY"], line["EVENT"]) == ("6", "a\nUNIT=b")
    assert len(line) == 4


def test_files_that_do_not_fit_or_arrive_are_reported_as_left(journald, tmp_path):
    address, _ = journald
    with closing(Journal(address)) as journal:
        assert not journal.write("x" * 10_000_000, level="info", event="x")
    with closing(Journal(str(tmp_path / "gone"))) as journal:
        assert not journal.write("x", level="info", event="x")


def test_it_is_the_journal_only_where_the_stream_is_the_stream_that_systemd_connected(tmp_path):
    with (tmp_path / "stream").open("w") as stream:
        found = os.fstat(stream.fileno())
        connected = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        with closing(journal_behind(stream, connected)) as journal:
            assert isinstance(journal, Journal)
        assert journal_behind(stream, {"JOURNAL_STREAM": f"{found.st_dev}:0"}) is None
        assert journal_behind(stream, {}) is None
        assert journal_behind(io.StringIO(), connected) is None
