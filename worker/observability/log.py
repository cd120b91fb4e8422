"""The log on stderr: a line for each event, JSON for machines, coloured for people.

Untrusted text is sanitized. Exceptions are written without their local variables, which may
contain addresses.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TextIO

import msgspec
import structlog
from structlog.processors import format_exc_info
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.core.limits import LONGEST_SHOWN
from worker.core.masking import is_sanitary_json, sanitized
from worker.observability.journal import Journal, journal_behind
from worker.observability.stderr import OUT

_PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types whose JSON shows whether `sanitized` would change them."""
_DEEPEST = 4
"""Levels of a nested value that are shown; `bounce_extra` is untrusted."""


def configure_logging(level: str, *, json: bool | None, stream: TextIO | None = None) -> None:
    """Set up structlog and the libraries' logging; may be called again to change it.

    Loggers are cached at their first use, with their class and list of processors, so a change
    modifies these two.

    Args:
        level: the lowest level that is logged: debug, info, warning or error.
        json: JSON or console; None: console if the stream is a terminal.
        stream: the output; None: standard error at the time of a line, since a progress bar
            replaces it. Errors of the stream never end the worker.

    """
    journal = None if stream else _journal()
    terminal = (stream or sys.stderr).isatty()
    console = terminal if json is None else not json
    colors = terminal and not os.environ.get("NO_COLOR")  # https://no-color.org
    render = _for_people(structlog.dev.ConsoleRenderer(colors=colors)) if console else _json
    OUT.stream = stream
    _processors[:] = [_to_journal(journal, render) if journal else render]
    _Voice.__bases__ = (structlog.make_filtering_bound_logger(level),)
    structlog.configure(
        processors=_processors,
        wrapper_class=_Voice,
        logger_factory=structlog.WriteLoggerFactory(OUT),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


_processors: list[Processor] = []
_wording: list[Callable[[str], str]] = []


def word_commands(wording: Callable[[str], str]) -> None:
    """Have hints and errors name this program's commands as this function writes them."""
    _wording[:] = [wording]


def _word_commands_of(line: EventDict) -> None:
    for key in ("hint", "error"):
        if _wording and isinstance(text := line.get(key), str):
            line[key] = _wording[0](text)


class _Voice(structlog.make_filtering_bound_logger("info")):  # type: ignore[misc]
    """A logger whose methods do nothing below the configured level."""


class _Libraries(logging.Handler):
    """Passes the libraries' standard log records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        # Not as the event's name: urllib3, for example, writes a whole certificate.
        structlog.get_logger(record.name).log(
            record.levelno,
            "library.message",
            logger=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )


def _json(logger: WrappedLogger, method: str, line: EventDict) -> str:
    """Render a line as JSON. Nearly all lines are sanitary, and are encoded once.

    All in a single processor, for speed: a line is written for every recipient.
    """
    if "hint" in line or "error" in line:
        _word_commands_of(line)
    if _PLAIN.issuperset(map(type, line.values())) and "exc_info" not in line:
        whole = {"timestamp": _timestamp(), "level": method, "event": line["event"], **line}
        try:
            text = msgspec.json.encode(whole).decode()
            if is_sanitary_json(text):
                return text
        except UnicodeEncodeError:
            pass  # a lone surrogate, which will be escaped
    return msgspec.json.encode(_sanitized_line(logger, method, line)).decode()


def _for_people(render: Processor) -> Processor:
    def render_sanitized(logger: WrappedLogger, method: str, line: EventDict) -> str:
        _word_commands_of(line)
        return str(render(logger, method, _sanitized_line(logger, method, line)))

    return render_sanitized


def _sanitized_line(_: WrappedLogger, method: str, line: EventDict) -> EventDict:
    """Put time, level and event first; sanitize the rest; format an exception without locals."""
    shown: EventDict = {
        "timestamp": _timestamp(),
        "level": method,
        "event": sanitized(str(line.pop("event"))),
    }
    exception = line.pop("exc_info", None)
    for key, value in line.items():
        shown[key] = sanitized(value) if isinstance(value, str) else _sanitized_whole(value)
    if exception:
        trace = format_exc_info(_, method, {"exc_info": exception})["exception"]
        shown["exception"] = "\n".join(map(sanitized, trace.splitlines()))
    return shown


def _timestamp() -> str:
    seconds, microseconds = divmod(time.time_ns() // 1_000, 1_000_000)
    return f"{_second(seconds)}.{microseconds:06}Z"


@lru_cache(maxsize=4)  # a second may have thousands of lines
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _sanitized_whole(value: object) -> object:
    """Sanitize a container; a large container is cut as a single text."""
    if (
        isinstance(value, Mapping | list | tuple | set)
        and len(whole := _written(value)) > LONGEST_SHOWN
    ):
        return sanitized(whole)
    return _sanitized(value)


def _sanitized(value: object, depth: int = 0) -> object:
    if isinstance(value, str):
        return sanitized(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {sanitized(str(key)): _sanitized(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_sanitized(item, depth + 1) for item in value]
    return sanitized(str(value))


def _written(value: object) -> str:
    try:
        return str(value)
    except RecursionError:
        return ""


@cache
def _journal() -> Journal | None:
    return journal_behind(sys.stderr, os.environ)


def _to_journal(journal: Journal, render: Processor) -> Processor:
    """Write a line to the journal, and to standard error where that fails."""

    def write(logger: WrappedLogger, method: str, line: EventDict) -> str:
        event = sanitized(str(line["event"]))
        text = str(render(logger, method, line))

        def hand_over() -> None:
            if not journal.write(text, level=method, event=event):
                OUT.write_instead(f"{text}\n")

        OUT.hand(hand_over, len(text))
        raise structlog.DropEvent

    return write
