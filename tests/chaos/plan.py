"""Schedules: what happens when, drawn by a seed, so that a failure can be repeated."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from chaos.faults import PROBLEMS, SLACK, SQS

KILLS = (
    "received", "in-transaction", "durable", "committed", "deleting", "deleted", "dead-letter-sent",
    "posting", "posted", "claimed", "marked",
)  # fmt: skip
"""Points of `failing.py` at which a worker kills itself."""
OUTLASTING = 16
"""Three pollers try five times each to send a dead letter: so many failures make a poller give up."""
DEATHS = ("polling", "writing", "settling")
"""Points at which a thread dies, and its process has to follow."""


class Step(NamedTuple):
    """Something that happens once so many messages were deleted, or some time later anyway."""

    at: int
    what: str
    """A method of `play.Stage`."""
    arguments: tuple[object, ...] = ()

    def __str__(self) -> str:
        """Show it in a line."""
        return f"{self.at:4} {self.what} {', '.join(map(str, self.arguments))}"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A run: a seed draws the same schedule each time, though threads and processes vary in speed."""

    seed: int
    store: str
    messages: int = 300
    users: int = 40
    slack: bool = False
    unknown_recipients: str = "record"
    max_receive_count: int = 100
    may_redrive: bool = False
    """So much goes wrong that SQS may move what was received so often."""
    quiet: float = 0.8
    """The share of people about whom nobody is notified."""
    posts_per_minute: int = 6_000
    receive_seconds: float = 0.03
    """What each receive takes, so that faults strike in the midst of work."""
    receive_most: int = 10
    """Messages in a receive, until the last act."""
    pollers: int = 3
    """Pollers of each process. A poller that receives single messages makes a commit for each."""
    hostile_every: int = 0
    """Every n-th message is hostile (`tests/support/hostile.py`); 0: none."""
    log_level: str = "info"
    death_seconds: float = 30.0
    """From the end of a thread to the end of its process, at most."""
    steps: tuple[Step, ...] = field(default=())

    def __str__(self) -> str:
        """Show all of it."""
        reported = "Slack is notified, " if self.slack else ""
        head = (
            f"seed {self.seed}, {self.store}, {reported}unknown recipients: {self.unknown_recipients},"
            f" maxReceiveCount {self.max_receive_count}, {self.receive_most} a receive"
        )
        return "\n".join([head, *map(str, self.steps)])


def draw(seed: int, store: str, messages: int = 300) -> Schedule:
    """Draw a schedule."""
    chance = random.Random(f"schedule {seed} {store}")
    slack = chance.random() < 0.5
    unknown_recipients = chance.choice(["record", "record", "create"])
    max_receive_count = chance.choice([100, 100, 100, 4])
    # A commit in ten that is lost shows among a hundred: some only repeat what came before, and some
    # messages come again. A user in ten shows where commits have dozens.
    many_commits = seed % 4 in {2, 3}
    if many_commits:
        messages = messages * 2 // 3  # each costs a receive, a sync and a delete of its own
    return Schedule(
        seed=seed,
        store=store,
        messages=messages,
        users=400,
        slack=slack,
        receive_most=1 if many_commits else 10,
        pollers=1 if many_commits else 3,
        receive_seconds=0.005 if many_commits else 0.03,
        unknown_recipients=unknown_recipients,
        max_receive_count=max_receive_count,
        may_redrive=max_receive_count < 100,
        steps=tuple(_steps(chance, messages, slack=slack)),
    )


def _steps(chance: random.Random, messages: int, *, slack: bool) -> list[Step]:
    steps = [
        Step(0, "publish", (messages // 2,)),
        Step(0, "start", ("doomed-1", "run", _planted(chance, slack=slack))),
        Step(0, "start", ("run-1", "run", None)),
    ]
    half = messages // 2
    steps += [Step(chance.randrange(messages), "strike", _fault(chance)) for _ in range(5)]
    steps += [Step(chance.randrange(messages), *_blow(chance)) for _ in range(3)]
    steps += [
        Step(half // 2, "publish", (messages - half,)),
        Step(half // 2 + chance.randrange(40), "leap", (31,)),
        Step(half + chance.randrange(20), "start", ("doomed-2", "drain", _planted(chance))),
    ]
    if chance.random() < 0.5:
        steps.append(Step(half + chance.randrange(60), "start", ("drain-1", "drain", None)))
    if slack:
        name = chance.choice(sorted(SLACK))
        steps.append(Step(chance.randrange(half), "strike_slack", (name,)))
    if chance.random() < 0.4:
        where = ("doomed-3", "run", (f"{chance.choice(DEATHS)}:{chance.randint(1, 4)}", "raise"))
        steps.append(Step(chance.randrange(half), "start", where))
    if chance.random() < 0.4:
        steps.append(Step(half + chance.randrange(half // 2), "start", _replay(chance)))
    return sorted(steps, key=lambda step: step.at)


def _replay(chance: random.Random) -> tuple[object, ...]:
    """Dead letters are replayed while others work; it may be killed at it."""
    command = chance.choice(["replay", "send-back"])
    point = {"replay": "letters-committed", "send-back": "letters-sent"}[command]
    return "replay-1", command, chance.choice([None, (point, "kill")])


def _planted(chance: random.Random, *, slack: bool = False) -> tuple[str, str]:
    points = KILLS if slack else KILLS[:7]
    return f"{chance.choice(points)}:{chance.randint(1, 6)}", "kill"


def _fault(chance: random.Random) -> tuple[object, ...]:
    name = chance.choice(sorted(SQS))
    return name, chance.randint(1, OUTLASTING if name.startswith("dead letter") else 3)


def _blow(chance: random.Random) -> tuple[str, tuple[object, ...]]:
    """Something that hits a process, or all of them."""
    return chance.choice([
        ("kill", ("run-1",)),
        ("freeze", ("run-1", 0.3)),
        ("hold_database", (0.4,)),
        ("break_database", (0.5,)),
        ("end_sessions", ()),
        ("inject", (chance.choice(sorted(PROBLEMS)), 1.0)),
        ("leap", (31,)),
    ])  # fmt: skip


def quiet(store: str) -> Schedule:
    """Make a schedule in which nothing goes wrong: many users, and a commit for each message."""
    steps = (
        Step(0, "publish", (120,)),
        Step(0, "start", ("run-1", "run", None)),
        Step(120, "await_empty"),
    )
    return Schedule(
        seed=1, store=store, messages=120, users=200, receive_seconds=0, receive_most=1, pollers=1,
        steps=steps,
    )  # fmt: skip


def settling(store: str) -> Schedule:
    """Make a schedule in which SQS fails now and then at what comes after a commit."""
    strikes = [
        ("delete: some failed", 1), ("delete: all failed", 1), ("dead letter: answer lost", 1),
        ("delete: some not mentioned", 1), ("delete: 503", 1), ("delete: answer lost", 1),
    ]  # fmt: skip
    steps = [
        Step(0, "strike", ("dead letter: 500", OUTLASTING)),
        Step(0, "publish", (100,)),
        Step(0, "start", ("run-1", "run", None)),
    ]
    steps += [Step(15 * number, "strike", strike) for number, strike in enumerate(strikes)]
    steps.append(Step(90, "await_given_up"))
    return Schedule(seed=2, store=store, messages=100, steps=tuple(steps))


def mortal(store: str) -> Schedule:
    """Make a schedule in which a thread dies, and its process goes with it."""
    steps = (
        Step(0, "publish", (60,)),
        Step(0, "start", ("mortal", "run", ("settling:2", "raise"))),
    )
    return Schedule(seed=4, store=store, messages=60, steps=steps, death_seconds=8)


def outage(store: str) -> Schedule:
    """Make a schedule in which the database takes nothing for a while, and SQS has little room for receives."""
    steps = (
        Step(0, "publish", (20,)),
        Step(0, "start", ("run-1", "run", None)),
        Step(20, "await_empty"),
        Step(20, "break_database_until_calm", (0.7,)),
    )
    return Schedule(seed=5, store=store, messages=40, max_receive_count=8, steps=steps)


def torn(store: str) -> Schedule:
    """Make a schedule in which a worker dies as it is about to write what it enqueues."""
    steps = (
        Step(0, "publish", (30,)),
        Step(0, "start", ("doomed", "run", ("enqueuing", "kill"))),
        Step(0, "await_crash"),
        Step(0, "leap", (31,)),
    )
    return Schedule(seed=7, store=store, messages=30, slack=True, steps=steps)


def replaying(store: str) -> Schedule:
    """Make a schedule in which dead letters are replayed: applied where they are, then sent back."""
    steps = (
        Step(0, "publish", (60,)),
        Step(0, "start", ("run-1", "run", None)),
        Step(60, "await_empty"),
        Step(60, "add_users", (2,)),
        Step(60, "replay", ("replay-1", ("--limit", "20"))),
        Step(60, "add_users", (1,)),
        Step(60, "strike", ("send back: some failed, our fault", 1)),
        Step(60, "replay", ("replay-2", ("--to-queue", "--limit", "10"))),
    )
    return Schedule(seed=6, store=store, messages=60, unknown_recipients="dead_letter", steps=steps)


def gauntlet(store: str) -> Schedule:
    """Make a schedule with everything once: kills, deaths, suspension, outages, duplicates."""
    steps = [
        Step(0, "publish", (120,)),
        Step(0, "start", ("doomed-1", "run", ("committed:2", "kill"))),
        Step(0, "start", ("run-1", "run", None)),
        Step(10, "strike", ("receive: handed out twice", 2)),
        Step(10, "strike", ("receive: stays visible", 2)),
        Step(20, "strike", ("delete: some failed", 2)),
        Step(30, "strike", ("dead letter: answer lost", 1)),
        Step(40, "freeze", ("run-1", 0.3)),
        Step(60, "strike_slack", ("slack: 500",)),
        Step(60, "publish", (120,)),
        Step(60, "start", ("doomed-2", "run", ("posting:2", "kill"))),
        Step(80, "break_database", (0.5,)),
        Step(100, "leap", (31,)),
        Step(120, "hold_database", (0.4,)),
        Step(130, "inject", ("receives fail", 1.0)),
        Step(160, "kill", ("run-1",)),
    ]
    return Schedule(
        seed=3, store=store, messages=240, users=30, slack=True, unknown_recipients="create",
        steps=tuple(steps),
    )  # fmt: skip


NAMED: dict[str, Callable[[str], Schedule]] = {
    "quiet": quiet, "settling": settling, "mortal": mortal, "outage": outage,
    "torn": torn, "replaying": replaying, "gauntlet": gauntlet,
}  # fmt: skip
