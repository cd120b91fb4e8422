"""The long run: two daemons and a drain on one queue, while faults of all kinds come again and again.

A seed draws the faults, and the number of deleted messages times them, so a faster machine has no
fewer. The emulator's journal is checked and cleared every few seconds, so that a million messages
need no more memory than their names do.
"""

import random
import time
from collections import Counter
from collections.abc import Callable

from oracles import Finding, calls

from chaos.faults import PROBLEMS, SLACK, SQS
from chaos.plan import DEATHS, KILLS, Schedule
from chaos.stage import DEAD_LETTERS, QUEUE, VISIBILITY_SECONDS, Stage
from simulators.sqs import Request, What

BACKLOG = 3_000
"""Messages on the queue, at most."""
STANDSTILL_SECONDS = 2.0
"""Without a delete: what was held by the dead is let go."""
TAKE_SECONDS = 10.0
_TAIL_SECONDS = 5.0
DAEMONS = ("run-a", "run-b")


def schedule(seed: int, store: str, messages: int, hostile_every: int = 0) -> Schedule:
    """Make the schedule of the long run."""
    return Schedule(
        seed=seed,
        store=store,
        messages=messages,
        users=2_000,
        slack=True,
        unknown_recipients="create",
        quiet=0.97,
        posts_per_minute=1_200,
        receive_seconds=0,
        hostile_every=hostile_every,
        log_level="warning",
    )


class FaultInjector:
    """Keeps the queue filled, the workers running, and faults coming."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.totals: Counter[tuple[str, What]] = Counter()
        """By queue: what the emulator's log says has happened to messages."""
        self._chance = random.Random(f"fault injector {stage.schedule.seed}")
        self._deletes_between = {
            self._strike: 300,
            self._kill_a_worker: 1_500,
            self._strike_slack: 2_000,
            self._ghosts: 4_000,
            self._freeze_a_worker: 6_000,
            self._hold: 6_000,
            self._end_sessions: 6_000,
            self._inject_for_all: 12_000,
            self._break_down: 12_000,
        }
        """Deletes from a fault to the next, on average."""
        self._next: dict[Callable[[], None], int] = {}
        """The number of deletes at which each fault is due."""
        for fault in self._deletes_between:
            self._put_off(fault)
        self._deletes, self._since = 0, time.monotonic()
        self._taken = time.monotonic()
        self._tail: list[Request] = []
        self._numbers = iter(range(1, 1_000_000))

    def blow(self, deadline: float, show: Callable[[int], None]) -> None:
        """Go on until all messages were sent and nearly all deleted, or time is up."""
        stage = self.stage
        while time.monotonic() < deadline:
            self._feed()
            self._keep_running()
            self._let_happen()
            self._take_the_log()
            show(stage.published.sent)
            counts = stage.emulator.counts(QUEUE)
            if stage.published.sent >= stage.schedule.messages and not counts.visible:
                return
            time.sleep(0.02)

    def take_the_log(self) -> None:
        """Check the calls since the last check."""
        self._taken = float("-inf")
        self._take_the_log(before=float("inf"))

    def _feed(self) -> None:
        stage = self.stage
        left = stage.schedule.messages - stage.published.sent
        room = BACKLOG - sum(stage.emulator.counts(QUEUE))
        stage.publish(max(0, min(left, room, 200)))

    def _keep_running(self) -> None:
        """Start what has ended, as systemd and cron do; some with a failure in it."""
        for worker in self.stage.workers[-12:]:
            worker.watch()
        for name in DAEMONS:
            if not self._named(name):
                self._start(name, "run")
        if not self._named("drain"):
            self._start("drain", "drain")

    def _start(self, name: str, command: str) -> None:
        failure = None
        if self._chance.random() < 0.4:
            failure = f"{self._chance.choice(KILLS)}:{self._chance.randint(1, 60)}", "kill"
        elif self._chance.random() < 0.1:
            failure = f"{self._chance.choice(DEATHS)}:{self._chance.randint(1, 60)}", "raise"
        self.stage.start(f"{name}-{next(self._numbers)}", command, failure)

    def _named(self, name: str) -> bool:
        return any(
            worker.running and worker.name.startswith(name) for worker in self.stage.workers[-12:]
        )

    def _let_happen(self) -> None:
        deletes = self.stage.look_after()
        for fault, at in self._next.items():
            if deletes >= at:
                fault()
                self._put_off(fault)
        if deletes != self._deletes:
            self._deletes, self._since = deletes, time.monotonic()
        elif time.monotonic() - self._since > STANDSTILL_SECONDS:
            self._ghosts()
            self._since = time.monotonic()

    def _put_off(self, fault: Callable[[], None]) -> None:
        between = self._deletes_between[fault]
        self._next[fault] = self.stage.observer.deletes + int(
            self._chance.uniform(0.5, 1.5) * between
        )

    def _strike(self) -> None:
        self.stage.strike(self._chance.choice(sorted(SQS)), self._chance.randint(1, 3))

    def _strike_slack(self) -> None:
        self.stage.strike_slack(self._chance.choice(sorted(SLACK)))

    def _kill_a_worker(self) -> None:
        running = [worker for worker in self.stage.workers if worker.running]
        if running:
            self._chance.choice(running).kill()

    def _freeze_a_worker(self) -> None:
        self.stage.freeze(self._chance.choice(DAEMONS), 0.3)

    def _ghosts(self) -> None:
        self.stage.leap(VISIBILITY_SECONDS + 1)

    def _hold(self) -> None:
        self.stage.hold_database(0.4)

    def _break_down(self) -> None:
        self.stage.break_database(0.5)

    def _end_sessions(self) -> None:
        self.stage.end_sessions()

    def _inject_for_all(self) -> None:
        self.stage.inject(self._chance.choice(sorted(PROBLEMS)), 1.0)

    def _take_the_log(self, before: float | None = None) -> None:
        """Ask about the calls so far, but for the last, which may yet be followed by others."""
        now = time.monotonic()
        if now - self._taken < TAKE_SECONDS:
            return
        self._taken = now
        requests, happened = self.stage.emulator.journal.take()
        self.totals += happened
        requests = self._tail + requests
        before = now - _TAIL_SECONDS if before is None else before
        self.stage.findings += calls.forgotten(requests, self.stage.ends, before=before)
        old = [request for request in requests if request.clock < before]
        self.stage.findings += calls.too_many(old)
        self._tail = [request for request in requests if request.clock >= before]


def out_of_time(stage: Stage, seconds: float) -> Finding:
    """Report that it took too long."""
    left, dead = stage.emulator.counts(QUEUE), stage.emulator.counts(DEAD_LETTERS)
    text = f"it took more than {seconds:g} s, and there are {left}, dead letters: {dead}"
    return Finding("I9", text)
