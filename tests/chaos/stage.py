"""Where a schedule is played: a emulator, a database, a Slack, and workers that things happen
to."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from oracles import Database, Finding, Observer, PublishedEvents, calls
from oracles.observer import REASON
from oracles.places import Places
from support.hostile import Hostile, bodies

from chaos.faults import PROBLEMS, SLACK, strike
from chaos.mailbox import GONE, QUIET, Mailbox
from chaos.plan import Schedule
from chaos.processes import Worker, wait_for_all
from chaos.stores import Disturbed
from simulators.ses import SesSimulator
from simulators.slack import SlackSimulator
from simulators.sqs import RECEIVE, Delay, Few, Rule, SqsSimulator
from simulators.sqs.quotas import LARGEST_BATCH

QUEUE, DEAD_LETTERS = "feedback", "feedback-dlq"
VISIBILITY_SECONDS = 30
WAIT_SECONDS = 0.25
"""For a step whose number of deletes is not reached."""
BEGIN_SECONDS = 10.0
"""For the first delete of all: a process has to start."""
MOST_SECONDS = 20.0
"""For what a schedule waits for before it goes on."""


COMMANDS = {
    "run": ("run",),
    "drain": ("drain", "--json"),
    "replay": ("dlq", "replay", "--json"),
    "send-back": ("dlq", "replay", "--to-queue", "--json"),
}


class Stage:
    """A run of a schedule; `broken` names a worker of `tests/broken` to play it with."""

    def __init__(
        self, schedule: Schedule, folder: Path, store_url: str, *, broken: str | None = None
    ) -> None:
        self.schedule = schedule
        self.findings: list[Finding] = []
        self.published = PublishedEvents()
        self.mailbox = Mailbox(schedule.seed, schedule.users, quiet=schedule.quiet)
        self.hostile = bodies(schedule.seed)
        self.workers: list[Worker] = []
        self.runs: list[Worker] = []
        self._deaths: dict[str, float] = {}
        self.struck: list[tuple[str, Rule]] = []
        """Faults of SQS's by name."""
        self.others: Counter[str] = Counter()
        """And what else went wrong."""
        self.places = Places()
        self.lost_answers = 0
        """Of Slack's."""
        self.slack: SlackSimulator | None = None
        self._folder = folder
        self._broken = broken
        self._stack = ExitStack()
        self.emulator = self._stack.enter_context(SqsSimulator())
        self.emulator.create_queue(
            QUEUE, dead_letter=DEAD_LETTERS, max_receive_count=schedule.max_receive_count
        )
        if schedule.receive_seconds:
            self.emulator.faults.add(Delay(schedule.receive_seconds), on=RECEIVE)
        if schedule.receive_most < LARGEST_BATCH:
            self.emulator.faults.add(Few(schedule.receive_most), on=RECEIVE)
        self._unknown_people = self.mailbox.people[1::2]
        self.store = Disturbed(store_url, self.mailbox.people[::2])
        self.database = Database(store_url)
        self._stack.callback(self.database.close)
        self.observer = Observer(
            self.emulator,
            self.database,
            queue=QUEUE,
            dead_letters=DEAD_LETTERS,
            hostile=self.published.is_hostile,
        )
        self._environment = environment(self.emulator, store_url, schedule)
        if schedule.slack:
            self._trigger_a_notice()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing running."""
        for worker in self.workers:
            worker.kill()
        self._stack.__exit__(kind, error, trace)

    # What steps do

    def publish(self, count: int) -> None:
        """Put messages on the queue."""
        every = self.schedule.hostile_every
        for body in self.mailbox.take(count):
            if every and self.published.sent % every == every - 1:
                self.send_hostile(next(self.hostile))
            else:
                self.send(body)

    def send(self, body: str) -> None:
        """Put this message on the queue."""
        self.published.publish(body)
        self.emulator.send(QUEUE, body)

    def send_hostile(self, hostile: Hostile) -> None:
        """Put a hostile message on the queue."""
        self.published.publish_hostile(hostile)
        self.emulator.send(QUEUE, hostile.body)

    def start(self, name: str, command: str, failure: tuple[str, str] | None) -> Worker:
        """Start a command of `COMMANDS`, with a point at which it fails."""
        return self.launch(name, COMMANDS[command], failure)

    def launch(
        self, name: str, arguments: tuple[str, ...], failure: tuple[str, str] | None = None
    ) -> Worker:
        """Start any command."""
        worker = Worker(
            name, arguments, self._environment, self._folder, broken=self._broken, failure=failure
        )
        self.workers.append(worker)
        if arguments[0] == "run":
            self.runs.append(worker)
        return worker

    def replay(self, name: str, options: tuple[str, ...]) -> None:
        """Replay dead letters, and wait until that is done."""
        wait_for_all([self.launch(name, ("dlq", "replay", "--json", *options))], MOST_SECONDS)

    def add_users(self, nth: int) -> None:
        """Import every `nth` of those who are no users yet."""
        self.store.add_users(some := self._unknown_people[::nth])
        self._unknown_people = [item for item in self._unknown_people if item not in some]

    def kill(self, name: str) -> None:
        """kill -9, and start it again as systemd does."""
        for worker in self._named(name):
            if worker.kill():
                self.start(f"{name}-{len(self.workers)}", "run", None)

    def freeze(self, name: str, seconds: float) -> None:
        """Suspend a process; the emulator's clock goes on, and its leases run out."""
        self.others["suspended"] += 1
        for worker in self._named(name):
            worker.freeze()
        self.leap(VISIBILITY_SECONDS + 1)
        time.sleep(seconds)
        for worker in self._named(name):
            worker.thaw()

    def leap(self, seconds: float) -> None:
        """Have time pass on the queue: what is in flight becomes visible."""
        self.others["leases ran out"] += 1
        self.emulator.clock.advance(seconds)

    def strike(self, name: str, times: int) -> None:
        """Let a fault of SQS's come."""
        self.struck.append((name, strike(self.emulator, name, times)))

    def strike_slack(self, name: str) -> None:
        """Let a fault of Slack's come."""
        if self.slack:
            self.others[name] += 1
            SLACK[name](self.slack)
            self.lost_answers += name == "slack: answer lost"

    def inject(self, name: str, seconds: float) -> None:
        """Let something be wrong for a while."""
        fault, operations = PROBLEMS[name]
        rule = self.emulator.faults.add(fault, on=operations)
        self.struck.append((name, rule))
        time.sleep(seconds)
        rule.stop()

    def hold_database(self, seconds: float) -> None:
        """Lock the database."""
        self.others["database locked"] += 1
        self.store.hold(seconds)

    def break_database(self, seconds: float) -> None:
        """Have the database take nothing for a while."""
        self.others["database took nothing"] += 1
        self.store.rename_a_column()
        self.publish(20)  # else no worker may meet it
        time.sleep(seconds)
        self.store.recover()

    def break_database_until_calm(self, seconds: float) -> None:
        """Have the database take nothing until nothing is received for so long.

        A worker that receives all the same fails until SQS redrives the message.
        """
        self.others["database took nothing"] += 1
        self.store.rename_a_column()
        for body in self.mailbox.good(20):
            self.send(body)
        began = since = time.monotonic()
        observed = -1
        while not self._moved and time.monotonic() - since < seconds:
            if (received := self._received) != observed and time.monotonic() - began < MOST_SECONDS:
                observed, since = received, time.monotonic()
            time.sleep(0.02)
        self.store.recover()

    def end_sessions(self) -> None:
        """Have the database's server end all sessions."""
        self.others["sessions ended"] += 1
        self.store.end_sessions()

    def await_empty(self) -> None:
        """Wait until all that was published is off the queue."""
        self.emulator.wait_for(lambda: not any(self.emulator.counts(QUEUE)), MOST_SECONDS)

    def await_crash(self) -> None:
        """Wait until a worker has died."""
        _await(lambda: self.crashes > 0)

    def await_given_up(self) -> None:
        """Wait until a message could not be dead-lettered at all its tries."""

        def given_up() -> bool:
            sends = self.emulator.journal.requests("SendMessage", DEAD_LETTERS)
            failed = Counter(item.arguments["MessageBody"] for item in sends if item.status == 500)
            return max(failed.values(), default=0) >= calls.TRIES

        _await(given_up)

    # What the play reads

    def await_deletes(self, count: int) -> None:
        """Wait until so many messages were deleted, with a limit."""
        if count:
            self.emulator.wait_for(lambda: self.look_after() > 0, BEGIN_SECONDS)
            self.emulator.wait_for(lambda: self.look_after() >= count, WAIT_SECONDS)

    def look_after(self) -> int:
        """Notice processes that should be gone; return how many messages were deleted."""
        for worker in self.workers:
            if worker.running and worker.thread_has_died:
                self._look_at(worker)
        return self.observer.deletes

    def _look_at(self, worker: Worker) -> None:
        """I9: a process follows its thread."""
        died = self._deaths.setdefault(worker.name, time.monotonic())
        if time.monotonic() - died > self.schedule.death_seconds:
            text = f"still runs, {self.schedule.death_seconds:g} s after a thread of it died"
            self.findings.append(Finding("I9", f"{worker.name} {text}"))
            worker.kill()

    @property
    def ends(self) -> dict[str, float]:
        """`time.monotonic()` of each kill -9 or death of a thread, by the name of the process."""
        return {
            worker.name: worker.ended_at
            for worker in self.workers
            if worker.crashed or worker.thread_has_died
        }

    @property
    def crashes(self) -> int:
        """How many crashes may each have repeated a notice."""
        return sum(worker.crashed for worker in self.workers) + self.lost_answers

    @property
    def _received(self) -> int:
        """How often what is on the queue was received."""
        return sum(message.receive_count for message in self.emulator.messages(QUEUE))

    @property
    def _moved(self) -> bool:
        """SQS itself has moved something to the dead-letter queue."""
        return any(
            REASON not in message.attributes for message in self.emulator.messages(DEAD_LETTERS)
        )

    def _named(self, name: str) -> list[Worker]:
        return [
            worker for worker in self.workers if worker.name.startswith(name) and worker.running
        ]

    def _trigger_a_notice(self) -> None:
        self.slack = self._stack.enter_context(SlackSimulator())
        ses = self._stack.enter_context(SesSimulator())
        for address in self.mailbox.people:
            if address.endswith(GONE):
                ses.list_address(address)
        self._environment |= ses.environment | {
            "SES_WORKER_SLACK__WEBHOOK_URL": self.slack.webhook_url,
            "SES_WORKER_SLACK__MESSAGES_PER_SECOND": str(self.schedule.posts_per_minute / 60),
            "SES_WORKER_SLACK__MESSAGES_PER_MINUTE": str(self.schedule.posts_per_minute),
            "SES_WORKER_NOTIFY__IGNORE": json.dumps([f"@{QUIET}"]),
            "SES_WORKER_SUPPRESSION__REMOVE": json.dumps([f"@{GONE}"]),
            "SES_WORKER_SUPPRESSION__REQUESTS_PER_SECOND": "100",
        }


def _await(predicate: Callable[[], bool]) -> None:
    """Poll for what the emulator does not signal, with a limit."""
    deadline = time.monotonic() + MOST_SECONDS
    while not predicate() and time.monotonic() < deadline:
        time.sleep(0.02)


def environment(emulator: SqsSimulator, store_url: str, schedule: Schedule) -> dict[str, str]:
    """The environment of a worker, without the developer's own settings."""
    kept: Mapping[str, str] = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SES_WORKER_", "AWS_"))
    }
    return {
        **kept,
        **emulator.environment,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SES_WORKER_QUEUE__URL": emulator.url(QUEUE),
        "SES_WORKER_QUEUE__WAIT_SECONDS": "1",
        "SES_WORKER_QUEUE__VISIBILITY_SECONDS": str(VISIBILITY_SECONDS),
        "SES_WORKER_QUEUE__POLLERS": str(schedule.pollers),
        "SES_WORKER_STORE__URL": store_url,
        "SES_WORKER_POLICY__UNKNOWN_RECIPIENTS": schedule.unknown_recipients,
        "SES_WORKER_HTTP__LISTEN": "",
        "SES_WORKER_LOG__FORMAT": "json",
        "SES_WORKER_LOG__LEVEL": schedule.log_level,
    }
