"""What is said on stderr: one line an event, JSON for machines, coloured for people.

Whatever a stranger wrote is made harmless on its way out. Exceptions are written without their
local variables, which would hold addresses too.
"""

import logging
import os
import sys
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TextIO

import msgspec
import structlog
from structlog.processors import format_exc_info
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.journal import Journal, journal_behind
from worker.limits import LONGEST_SHOWN
from worker.masking import harmless, is_harmless
from worker.stderr import OUT

_DEEPEST = 4
"""Levels of a nested value that are shown; a stranger decides how deep `bounce_extra` goes."""


def configure_logging(level: str, *, json: bool | None, stream: TextIO | None = None) -> None:
    """Set up structlog, and bring what libraries say into the same pipeline; again for a change.

    Loggers are kept once they were used, and their class and list of processors with them; so a
    change is made to these two.

    Args:
        level: the least that is said: debug, info, warning or error.
        json: JSON or console; None: console if the stream is a terminal.
        stream: where to; None: whatever is standard error at the moment of a line, since a
            progress bar takes its place. Trouble with it is no trouble of the worker's.

    """
    journal = None if stream else _journal()
    terminal = (stream or sys.stderr).isatty()
    console = terminal if json is None else not json
    colors = terminal and not os.environ.get("NO_COLOR")  # https://no-color.org
    renderer = structlog.dev.ConsoleRenderer(colors=colors) if console else _render_json
    OUT.stream = stream
    _processors[:] = [_harmless_line, _to_journal(journal, renderer) if journal else renderer]
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


class _Voice(structlog.make_filtering_bound_logger("info")):  # type: ignore[misc]
    """A logger whose methods do nothing below the least level that is said."""


class _Libraries(logging.Handler):
    """What libraries log with the standard library, said by structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        said = structlog.get_logger(record.name)
        said.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _harmless_line(_: WrappedLogger, method: str, line: EventDict) -> EventDict:
    """Time, level and event first; then the rest, made harmless; an exception without locals.

    One processor and not one each, since a line is written for every recipient.
    """
    shown: EventDict = {
        "timestamp": _timestamp(),
        "level": method,
        "event": harmless(str(line.pop("event"))),
    }
    exception = line.pop("exc_info", None)
    texts = [value for value in line.values() if isinstance(value, str)]
    if len(texts) == len(line) and is_harmless(" ".join(texts)):
        shown.update(line)  # as nearly all are
    else:
        for key, value in line.items():
            shown[key] = harmless(value) if isinstance(value, str) else _harmless_whole(value)
    if exception:
        trace = format_exc_info(_, method, {"exc_info": exception})["exception"]
        shown["exception"] = "\n".join(map(harmless, trace.splitlines()))
    return shown


def _timestamp() -> str:
    seconds, microseconds = divmod(time.time_ns() // 1_000, 1_000_000)
    return f"{_second(seconds)}.{microseconds:06}Z"


@lru_cache(maxsize=4)  # of which there may be thousands of lines
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _harmless_whole(value: object) -> object:
    """A stranger decides how much there is in `bounce_extra`, too: a lot is cut as one text."""
    if (
        isinstance(value, Mapping | list | tuple | set)
        and len(whole := _written(value)) > LONGEST_SHOWN
    ):
        return harmless(whole)
    return _harmless(value)


def _harmless(value: object, depth: int = 0) -> object:
    if isinstance(value, str):
        return harmless(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {harmless(str(key)): _harmless(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_harmless(item, depth + 1) for item in value]
    return harmless(str(value))


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
        level, event = line["level"], line["event"]
        text = str(render(logger, method, line))

        def hand_over() -> None:
            if not journal.write(text, level=level, event=event):
                OUT.write_instead(f"{text}\n")

        OUT.hand(hand_over, len(text))
        raise structlog.DropEvent

    return write


def _render_json(_: WrappedLogger, __: str, line: EventDict) -> str:
    return msgspec.json.encode(line).decode()
