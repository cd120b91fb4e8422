"""What reaches stderr."""

import io
import json
import logging
import threading
import time

import pytest
import structlog

from worker.core.limits import LONGEST_SHOWN
from worker.observability import log as observability_log
from worker.observability.log import configure_logging
from worker.observability.stderr import lines_together


@pytest.fixture
def lines():
    """Log as JSON; return the lines so far."""
    stream = io.StringIO()
    configure_logging("info", json=True, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    logging.captureWarnings(capture=False)


def log():
    return structlog.get_logger()


def test_hints_and_errors_name_commands_as_the_program_was_called(lines, monkeypatch):
    monkeypatch.setattr(observability_log, "_wording", [])
    command = "run `ses-worker check`"
    observability_log.word_commands(lambda text: text.replace("ses-worker", ".venv/bin/ses-worker"))
    log().warning("store.unavailable", hint=command, error=command, detail=command, count=1)
    (line,) = lines()
    reworded = "run `.venv/bin/ses-worker check`"
    assert (line["hint"], line["error"], line["detail"]) == (reworded, reworded, command)


def test_a_line_has_time_level_and_event_first(lines):
    log().info("message.applied", count=3, flag=True, nothing=None)
    (line,) = lines()
    assert list(line) == ["timestamp", "level", "event", "count", "flag", "nothing"]
    assert (line["level"], line["event"], line["count"]) == ("info", "message.applied", 3)


def test_the_time_has_six_digits_behind_its_seconds(lines, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_343_888_000_005_999)
    log().info("message.applied")
    assert lines()[0]["timestamp"] == "2026-11-22T10:38:08.000005Z"


@pytest.mark.parametrize("written", ["jane&#64;example.com", "jane&commat;example.com"])
def test_an_address_in_html_is_masked_too(lines, written):
    log().info("message.applied", text=written)
    assert "jane" not in lines()[0]["text"]


def test_addresses_are_masked_in_every_value_and_key(lines):
    who = "jane@example.com"
    log().info(
        f"to {who}",
        text=who,
        deep={"list": [who, {who: (who,)}], "set": {who}},
        thing=ValueError(who),
    )
    assert who not in json.dumps(lines())
    assert "***@example.com" in json.dumps(lines())


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_addresses_are_masked_in_every_kind_of_collection(lines, kind):
    log().info("x", who=kind(["jane@example.com"]))
    (line,) = lines()
    assert line["who"] == ["***@example.com"]


def test_untrusted_text_cannot_begin_a_new_line(lines):
    log().info("bounce_notification", diagnostic='550\n{"event": "forged"}\r\u2028')
    assert len(lines()) == 1


def test_a_nested_value_is_shown_to_a_depth(lines):
    value = "deep"
    for _ in range(50):
        value = [value]
    log().info("x", value=value)
    assert "…" in json.dumps(lines(), ensure_ascii=False)


@pytest.mark.parametrize("deep", [1, 950])
def test_a_value_with_a_lot_in_it_is_cut_as_a_whole(lines, deep):
    value = {f"jane{number}@example.com": "x" * 100 for number in range(1_000)}
    for _ in range(deep):
        value = [value]
    log().info("x", value=value)
    output = json.dumps(lines(), ensure_ascii=False)
    assert len(output) < 12 * LONGEST_SHOWN
    assert "…" in output
    assert "jane" not in output


def test_an_exception_is_logged_without_local_variables_and_addresses(lines):
    def fail():
        secret_local = "s3cret-local"  # noqa: F841
        raise ValueError("Key (email)=(jane@example.com) already exists")

    try:
        fail()
    except ValueError as error:
        log().error("message.failed", exc_info=error)
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert "***@example.com" in line["exception"]
    assert "jane" not in json.dumps(line)
    assert "s3cret-local" not in json.dumps(line).replace('secret_local = \\"s3cret-local\\"', "")


def test_libraries_speak_through_the_same_pipeline_from_warning_on(lines):
    logging.getLogger("botocore").info("not logged")
    logging.getLogger("botocore").warning("about %s", "jane@example.com")
    (line,) = lines()
    assert (line["event"], line["message"], line["logger"], line["level"]) == (
        "library.message",
        "about ***@example.com",
        "botocore",
        "warning",
    )


def test_a_dump_of_a_certificate_is_no_name_of_an_event(lines):
    """Which urllib3 writes when a name does not match: dashboards count events by their names."""
    certificate = {"subject": ((("commonName", "proxy.example.com"),),), "version": 3}
    text = "Certificate did not match expected hostname: %s. Certificate: %s"
    logging.getLogger("urllib3.connection").warning(text, "sqs.example.com", certificate)
    (line,) = lines()
    assert line["event"] == "library.message"
    assert line["message"].startswith("Certificate did not match expected hostname")


def test_lines_below_the_level_are_not_logged(lines):
    log().debug("x")
    assert lines() == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("closed")])
def test_a_stream_that_cannot_be_written_does_not_stop_the_work(error):
    class Broken(io.StringIO):
        def write(self, text):
            raise error

        def flush(self):
            raise error

    configure_logging("info", json=True, stream=Broken())
    structlog.get_logger().info("sent nowhere")
    structlog.reset_defaults()


class Writes(io.StringIO):
    """Remembers what each call had in it."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def write(self, text):
        self.calls.append(text)
        return super().write(text)


@pytest.fixture
def writes(lines):
    stream = Writes()
    configure_logging("info", json=True, stream=stream)
    return stream


def events(text):
    return [json.loads(line)["event"] for line in text.splitlines()]


def test_lines_written_together_take_a_single_call_at_the_end(writes):
    with lines_together():
        for number in range(3):
            log().info(f"event.{number}")
        assert writes.calls == []
    log().info("event.3")
    assert [events(call) for call in writes.calls] == [
        ["event.0", "event.1", "event.2"],
        ["event.3"],
    ]


def test_lines_before_a_failure_are_written(writes):
    with pytest.raises(ValueError, match="broken"), lines_together():
        log().info("event.before")
        raise ValueError("broken")
    log().info("event.after")
    assert [events(call) for call in writes.calls] == [["event.before"], ["event.after"]]


def test_what_another_thread_says_is_not_kept_waiting(writes):
    with lines_together():
        log().info("event.held")
        other = threading.Thread(target=lambda: log().error("event.urgent"))
        other.start()
        other.join()
        assert [events(call) for call in writes.calls] == [["event.urgent"]]


def test_no_more_is_held_than_some_kilobytes(writes):
    with lines_together():
        for _ in range(200):
            log().info("event", text="x" * 1_000)
        assert 2 <= len(writes.calls) <= 5
    assert len(events(writes.getvalue())) == 200


def test_lines_that_are_held_survive_a_change_of_settings(writes):
    with lines_together():
        log().info("event.before")
        configure_logging("info", json=True, stream=writes)
        log().info("event.after")
    assert events(writes.getvalue()) == ["event.before", "event.after"]


def test_people_get_a_line_they_can_read():
    stream = io.StringIO()
    configure_logging("info", json=False, stream=stream)
    structlog.get_logger().info("message.applied", diagnostic="two\nlines")
    assert stream.getvalue().count("\n") == 1
    assert "message.applied" in stream.getvalue()
    structlog.reset_defaults()


def test_level_and_format_can_change_under_a_logger_that_is_in_use(capsys):
    kept = structlog.get_logger()
    try:
        configure_logging("info", json=True)
        bound = kept.bind(lane="slack")
        kept.debug("not.logged")
        kept.info("logged.first")
        configure_logging("debug", json=False)
        kept.debug("logged.then")
        bound.debug("logged.bound")
        configure_logging("error", json=True)
        kept.warning("not.logged")
        lines = capsys.readouterr().err.splitlines()
    finally:
        structlog.reset_defaults()
        logging.basicConfig(handlers=[logging.NullHandler()], force=True)
        logging.captureWarnings(capture=False)
    assert len(lines) == 3
    assert json.loads(lines[0])["event"] == "logged.first"
    assert "logged.then" in lines[1]
    assert not lines[1].startswith("{")
    assert "lane" in lines[2]
