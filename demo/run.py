"""The sequence of events: services, settings, users, the daemon, four chapters, and the stop."""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from msgspec import Struct

from demo import script
from demo.commands import screen_of
from demo.daemon import Daemon, LogLine, daemon
from demo.database import DatabaseRows, effects_by_state, read_database
from demo.installing import import_users, write_settings
from demo.messages import Chapter, Message, chapters
from demo.services import Services, simulated_services
from demo.stage import Stage
from simulators.slack import SlackRequest
from simulators.sqs import MessageState

PAUSE_SECONDS = 0.03
"""Between two messages, so that people can follow the log."""
SETTLE_SECONDS = 20.0
"""At most, until the queue is empty after a chapter."""
DELIVERY_SECONDS = 75.0
"""At most, until the outbox is empty: on a slow machine a second digest goes out a minute later."""


class Result(Struct, frozen=True, kw_only=True):
    """The messages, and the state of all services and of the database after the run."""

    now: datetime
    messages: list[Message]
    before_the_last: DatabaseRows
    """Before the last chapter, which must not change anything."""
    database: DatabaseRows
    dead_letters: list[MessageState]
    log: list[LogLine]
    remaining: int
    """Messages still on the queue."""
    status: int | None
    """The daemon's exit status; None if it did not stop on SIGTERM."""
    effects: Mapping[str, int]
    """Outbox entries by state."""
    slack_requests: list[SlackRequest]
    listed: list[str]
    """The SES suppression list."""
    screens: Mapping[str, str]
    """What commands of `ses-worker` show of the result, by their arguments."""

    @property
    def posts(self) -> list[Any]:
        """The messages in the Slack channel."""
        return [request.payload for request in self.slack_requests if request.accepted]

    @property
    def totals(self) -> Mapping[str, int]:
        """The daemon's own counters, from the last line of its log."""
        ends = [line for line in self.log if line["event"] == "worker.stopped"]
        return {k: v for k, v in ends[-1].items() if isinstance(v, int)} if ends else {}


class _Parts(Struct, frozen=True):
    stage: Stage
    services: Services
    worker: Daemon
    settings: Path
    database: Path


def run(stage: Stage) -> Result:
    """Run the demo in a temporary folder; afterwards the folder and all processes are gone.

    Raises:
        Refused: a part of it did not start.

    """
    with (
        signals_as_exceptions(),
        tempfile.TemporaryDirectory(prefix="ses-worker-demo-") as name,
        simulated_services() as services,
    ):
        folder, environment = Path(name), services.environment
        stage.step("SQS", f"queue and dead-letter queue on {services.sqs.endpoint}")
        stage.step("Slack and SES", f"on {services.slack.origin} and {services.ses.endpoint}")
        settings, database = write_settings(folder, services.queue_url, services.slack.webhook_url)
        stage.step("ses-worker users import", import_users(folder, environment, settings))
        with daemon(folder, environment, settings) as worker:
            worker.await_start()
            stage.step("ses-worker run", f"process {worker.pid}, store: SQLite")
            return _play(_Parts(stage, services, worker, settings, database))


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does: what it has opened is cleaned up."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _play(parts: _Parts) -> Result:
    now = datetime.now(UTC).replace(microsecond=0)
    story = chapters(now)
    messages = [message for chapter in story for message in chapter.messages]
    parts.services.fill_suppression_list(messages)
    with parts.stage.live(len(messages)):
        before_the_last = _play_chapters(parts, story)
        parts.stage.add_lines(parts.worker.stop())
    return Result(
        now=now,
        messages=messages,
        before_the_last=before_the_last,
        database=read_database(parts.database),
        dead_letters=parts.services.dead_letters(),
        log=parts.worker.log,
        remaining=parts.services.remaining(),
        status=parts.worker.status,
        effects=effects_by_state(parts.database),
        slack_requests=parts.services.slack.requests,
        listed=parts.services.ses.listed,
        screens=_screens(parts) if parts.stage.shows_screens else {},
    )


def _screens(parts: _Parts) -> dict[str, str]:
    folder, columns = parts.database.parent, parts.stage.console.width
    return {
        command: screen_of(
            [*command.split(), "--config", str(parts.settings)],
            folder,
            parts.services.environment,
            columns,
        )
        for command in ("why " + script.WHY_ADDRESS, "check")
    }


def _play_chapters(parts: _Parts, story: list[Chapter]) -> DatabaseRows:
    """Publish all chapters; return the database's rows before the last chapter.

    Slack gets a message for each notice of the first chapter. Then Slack is slow: notices
    accumulate in the outbox, and go out as a digest as soon as it answers.
    """
    first, *others = story
    _play_chapter(parts, first)
    _await_delivery(parts)
    before = read_database(parts.database)
    with parts.services.slack.held():
        for chapter in others:
            before = read_database(parts.database)
            _play_chapter(parts, chapter)
    with parts.stage.chapter("Slack answers again"):
        _await_delivery(parts)
    return before


def _play_chapter(parts: _Parts, chapter: Chapter) -> None:
    with parts.stage.chapter(chapter.title):
        for message in chapter.messages:
            parts.services.publish(message)
            parts.stage.published()
            parts.stage.add_lines(parts.worker.new_lines(PAUSE_SECONDS))
        # On an empty queue every message is committed, or dead-lettered.
        _follow(parts, parts.services.remaining, SETTLE_SECONDS)


def _await_delivery(parts: _Parts) -> None:
    def undelivered() -> int:
        states = effects_by_state(parts.database)
        return states.get("waiting", 0) + states.get("claimed", 0)

    _follow(parts, undelivered, DELIVERY_SECONDS)


def _follow(parts: _Parts, left: Callable[[], int], seconds: float) -> None:
    """Show the log until nothing is left to do."""
    deadline = time.monotonic() + seconds
    while parts.worker.status is None and left() and time.monotonic() < deadline:
        parts.stage.add_lines(parts.worker.new_lines(0.1))
    parts.stage.add_lines(parts.worker.new_lines(0.1))  # a line is written just after its commit
