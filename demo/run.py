"""The run: AWS, Slack and SES, users, the daemon, a month of mail, and the end of all of it."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from demo import environment
from demo.chapters import Chapter, Message, chapters
from demo.cloud import Cloud, DeadLetter, cloud
from demo.daemon import Daemon, LogLine, daemon
from demo.database import DatabaseRows, effects_by_state, read_database
from demo.far_sides import FarSides, far_sides, fill_suppression_list
from demo.guard import guarded_folder, signals_as_exceptions
from demo.installing import import_users, write_settings
from demo.stage import Stage
from simulators.slack import Heard

GENTLY_SECONDS = 0.03
"""Between two messages: moto has time for both sides, and people can watch."""
SETTLE_SECONDS = 20.0
"""At most, until the queue is empty after a chapter."""
DELIVERY_SECONDS = 75.0
"""At most, until the outbox is empty: a second digest, on a slow machine, goes out a minute
later."""


class Findings(Struct, frozen=True, kw_only=True):
    """What was sent, and the state afterwards."""

    now: datetime
    chapters: list[Chapter]
    before_the_last: DatabaseRows
    """The last chapter must change nothing."""
    database: DatabaseRows
    dead_letters: list[DeadLetter]
    log: list[LogLine]
    remaining: int
    status: int | None
    """The daemon's exit status; None where it did not stop on the signal."""
    effects: Mapping[str, int]
    """What is in the outbox, by state."""
    heard: list[Heard]
    """The requests to Slack."""
    listed: list[str]
    """The suppression list afterwards."""

    @property
    def messages(self) -> list[Message]:
        """All that was sent."""
        return [message for chapter in self.chapters for message in chapter.messages]

    @property
    def posts(self) -> list[Any]:
        """The messages that stand in the Slack channel."""
        return [heard.payload for heard in self.heard if heard.accepted]

    @property
    def totals(self) -> Mapping[str, int]:
        """What the daemon itself counted, from the last line of its log."""
        ends = [line for line in self.log if line["event"] == "worker.stopped"]
        return {k: v for k, v in ends[-1].items() if isinstance(v, int)} if ends else {}


def play(stage: Stage) -> Findings:
    """Play it in a folder that is removed, with processes that end.

    Raises:
        Refused: a part of it did not start.

    """
    with (
        signals_as_exceptions(),
        guarded_folder() as guard,
        cloud() as aws,
        far_sides() as sides,
    ):
        stage.step("AWS", f"topic, queue and dead-letter queue on {aws.endpoint}")
        stage.step("Slack and SES", f"stand-ins on {sides.slack.origin} and :{sides.ses.port}")
        surroundings = environment.for_the_worker(aws.endpoint) | sides.ses.environment
        settings, database = write_settings(guard.folder, aws.queue_url, sides.slack.webhook_url)
        imported = import_users(guard.folder, surroundings, settings)
        stage.step("ses-worker users import", imported)
        with daemon(guard.folder, surroundings, settings) as worker:
            guard.watch(worker.pid)
            worker.await_start()
            stage.step("ses-worker run", f"process {worker.pid}, store: SQLite")
            return _perform(Scene(stage, aws, sides, worker, database))


class Scene(Struct, frozen=True):
    """All who play."""

    stage: Stage
    aws: Cloud
    sides: FarSides
    worker: Daemon
    database: Path


def _perform(scene: Scene) -> Findings:
    now = datetime.now(UTC).replace(microsecond=0)
    story = chapters(now)
    messages = [message for chapter in story for message in chapter.messages]
    fill_suppression_list(scene.sides.ses, messages)
    with scene.stage.live(len(messages)):
        before = _play(scene, story)
        scene.stage.add_lines(scene.worker.stop())
    return Findings(
        now=now,
        chapters=story,
        before_the_last=before,
        database=read_database(scene.database),
        dead_letters=scene.aws.dead_letters(),
        log=scene.worker.log,
        remaining=scene.aws.remaining(),
        status=scene.worker.status,
        effects=effects_by_state(scene.database),
        heard=scene.sides.slack.heard,
        listed=scene.sides.ses.listed,
    )


def _play(scene: Scene, story: list[Chapter]) -> DatabaseRows:
    """Report all chapters; return what the database held before the last one.

    The first is shown in Slack message by message. Then Slack is slow: notices pile up, and go out
    together as soon as it answers.
    """
    first, *others = story
    before = read_database(scene.database)
    with scene.stage.chapter(first.title):
        _publish(scene, first)
        _settle(scene)
        _await_delivery(scene)
    with scene.sides.slack.held():
        for chapter in others:
            before = read_database(scene.database)
            with scene.stage.chapter(chapter.title):
                _publish(scene, chapter)
                _settle(scene)
    with scene.stage.chapter("Slack answers again"):
        _await_delivery(scene)
    return before


def _publish(scene: Scene, chapter: Chapter) -> None:
    for message in chapter.messages:
        (scene.aws.send if message.straight else scene.aws.publish)(message.text)
        scene.stage.published()
        scene.stage.add_lines(scene.worker.news(GENTLY_SECONDS))


def _settle(scene: Scene) -> None:
    """Wait until the queue is empty: then everything is committed, or dead-lettered."""
    _follow(scene, scene.aws.remaining, SETTLE_SECONDS)


def _await_delivery(scene: Scene) -> None:
    """Wait until the outbox is empty."""

    def undelivered() -> int:
        states = effects_by_state(scene.database)
        return states["waiting"] + states["claimed"]

    _follow(scene, undelivered, DELIVERY_SECONDS)


def _follow(scene: Scene, left: Callable[[], int], seconds: float) -> None:
    """Show what the daemon does until nothing is left to do."""
    deadline = time.monotonic() + seconds
    while scene.worker.status is None and left() and time.monotonic() < deadline:
        scene.stage.add_lines(scene.worker.news(0.1))
    scene.stage.add_lines(scene.worker.news(0.1))  # a line is written a moment after its commit
