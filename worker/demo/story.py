"""The run: an AWS, users, the daemon, a month of mail, and the end of all of it."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from worker.demo import environment, people
from worker.demo.books import Books, read_books
from worker.demo.chapters import Chapter, Message, chapters
from worker.demo.cloud import Cloud, DeadLetter, cloud
from worker.demo.daemon import Daemon, LogLine, daemon, run_once
from worker.demo.guard import guarded_folder, signals_as_exceptions
from worker.demo.stage import Stage

GENTLY_SECONDS = 0.03
"""Between two messages: moto has time for both sides, and people can watch."""
SETTLE_SECONDS = 20.0
"""At most, until the queue is empty after a chapter."""


class Findings(Struct, frozen=True, kw_only=True):
    """What was sent, and all that was there to be seen afterwards."""

    now: datetime
    chapters: list[Chapter]
    before_the_last: Books
    """The last chapter must change nothing."""
    books: Books
    dead_letters: list[DeadLetter]
    log: list[LogLine]
    remaining: int
    status: int | None
    """The daemon's exit status; None where it did not stop when told to."""

    @property
    def messages(self) -> list[Message]:
        """All that was sent."""
        return [message for chapter in self.chapters for message in chapter.messages]

    @property
    def tally(self) -> Mapping[str, int]:
        """What the daemon itself counted, from the last line of its log."""
        ends = [line for line in self.log if line["event"] == "worker.stopped"]
        return {k: v for k, v in ends[-1].items() if isinstance(v, int)} if ends else {}


def play(stage: Stage) -> Findings:
    """Play it in a folder that is removed, with processes that end.

    Raises:
        Refused: a part of it did not start.

    """
    with signals_as_exceptions(), guarded_folder() as guard, cloud() as aws:
        stage.step("AWS", f"topic, queue and dead-letter queue on {aws.endpoint}")
        surroundings = environment.for_the_worker(aws.endpoint)
        settings, database = _write_settings(guard.folder, aws.queue_url)
        imported = _import_users(guard.folder, surroundings, settings)
        stage.step("ses-worker users import", imported)
        with daemon(guard.folder, surroundings, settings) as worker:
            guard.watch(worker.pid)
            worker.await_start()
            stage.step("ses-worker run", f"process {worker.pid}, books in SQLite")
            return _perform(stage, aws, worker, database)


def _perform(stage: Stage, aws: Cloud, worker: Daemon, database: Path) -> Findings:
    now = datetime.now(UTC).replace(microsecond=0)
    story = chapters(now)
    before = read_books(database)
    with stage.live(sum(len(chapter.messages) for chapter in story)):
        for chapter in story:
            before = read_books(database)
            with stage.chapter(chapter.title):
                _publish(chapter, aws, worker, stage)
                _settle(aws, worker, stage)
        stage.tell(worker.stop())
    return Findings(
        now=now,
        chapters=story,
        before_the_last=before,
        books=read_books(database),
        dead_letters=aws.dead_letters(),
        log=worker.log,
        remaining=aws.remaining(),
        status=worker.status,
    )


def _publish(chapter: Chapter, aws: Cloud, worker: Daemon, stage: Stage) -> None:
    for message in chapter.messages:
        (aws.send if message.straight else aws.publish)(message.text)
        stage.published()
        stage.tell(worker.news(GENTLY_SECONDS))


def _settle(aws: Cloud, worker: Daemon, stage: Stage) -> None:
    """Wait until the queue is empty: then everything is committed, or set aside."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while worker.status is None and aws.remaining() and time.monotonic() < deadline:
        stage.tell(worker.news(0.1))
    stage.tell(worker.news(0.1))  # a line is written a moment after its commit


def _write_settings(folder: Path, queue_url: str) -> tuple[Path, Path]:
    """Write the worker's settings as an operator would; return them and the database."""
    settings, database = folder / "worker.toml", folder / "ses-worker.db"
    settings.write_text(
        f'[queue]\nurl = "{queue_url}"\nwait_seconds = 1\n\n'
        f'[store]\nurl = "sqlite:///{database}"\n\n'
        '[log]\nformat = "json"\n',
        encoding="utf-8",
    )
    return settings, database


def _import_users(folder: Path, surroundings: Mapping[str, str], settings: Path) -> str:
    """Bring the users in; return what the command says."""
    file = folder / "users.csv"
    file.write_text("".join(people.as_csv()), encoding="utf-8")
    arguments = ("users", "import", str(file), "--config", str(settings))
    return run_once(folder, surroundings, *arguments)
