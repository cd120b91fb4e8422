"""Is a daemon that has worked for long as small as one that has just begun?

    python -m bench.soak [--polls 200] [--messages 1000000] [--backlog 100000] [--slack]

`ses-worker run` against the twin of the tests, whose clock is moved on so that each long poll of
20 s ends at once: 180 of them are an hour. Then messages, in backlogs that are there at once. A
table tells the memory, threads and open files of the worker, and a line whether they were flat.
With --slack the messages are about 100,000 users, their notices go to a Slack on loopback, and the
log is at its default: without, what the way of a message keeps is seen alone.
`python -m bench.report` takes the memory into RESULTS.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.books import email, fill
from bench.findings import Memory
from bench.goals import FLAT_MB
from bench.parts import keep
from bench.places import OUT, ROOT, USERS
from worker.demo.standins.slack import StandinSlack

sys.path.insert(0, str(ROOT / "tests"))

import mail
from twin import Twin

COMMAND = Path(sys.executable).with_name("ses-worker")
POLL_SECONDS = 20
SAMPLES = 10
"""Of each part."""
WARM = 0.3
"""What comes before this share of a part is warming up."""


class Sample(NamedTuple):
    """The worker's process, as the kernel has it."""

    done: int
    megabytes: float
    threads: int
    files: int
    in_flight: int
    seconds: float


class Subject:
    """The worker, and where it finds its queue."""

    def __init__(self, twin: Twin, folder: str, slack_url: str | None = None) -> None:
        self.twin = twin
        self._known = slack_url is not None
        self.queue = twin.create_queue("soak", dead_letter="soak-dlq")
        self._began = time.monotonic()
        self._log = Path(folder, "log").open("w")  # noqa: SIM115 it is the worker's until the end
        store_url = f"sqlite:///{folder}/worker.db"
        surroundings = os.environ | twin.environment
        surroundings |= {
            "SES_WORKER_QUEUE__URL": self.queue,
            "SES_WORKER_STORE__URL": store_url,
            "SES_WORKER_QUEUE__WAIT_SECONDS": str(POLL_SECONDS),
            "SES_WORKER_LOG__FORMAT": "json",
        }
        if slack_url:
            OUT.mkdir(exist_ok=True)
            fill(store_url, surroundings)
            surroundings["SES_WORKER_SLACK__WEBHOOK_URL"] = slack_url
        else:
            surroundings["SES_WORKER_LOG__LEVEL"] = "warning"
        self.process = subprocess.Popen([COMMAND, "run"], env=surroundings, stderr=self._log)

    def address(self, number: int) -> str:
        """Whom a message is about."""
        return email(number % USERS) if self._known else f"person{number}@example.com"

    def sample(self, done: int, in_flight: int = 0) -> Sample:
        """Look at it."""
        assert self.process.poll() is None, "the worker has died"
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        return Sample(
            done=done,
            megabytes=int(facts["VmRSS"].split()[0]) / 1024,
            threads=int(facts["Threads"]),
            files=len(list(Path(f"/proc/{self.process.pid}/fd").iterdir())),
            in_flight=in_flight,
            seconds=time.monotonic() - self._began,
        )

    def stop(self) -> None:
        """Ask it to end."""
        self.process.terminate()
        self.twin.clock.advance(POLL_SECONDS)
        self.process.wait(60)
        self._log.close()


def polls(subject: Subject, count: int) -> Iterator[Sample]:
    """Let long polls end empty."""
    twin, asked, told = subject.twin, 0, 0
    assert twin.wait_for(lambda: twin.long_polls > 0, seconds=60)
    while asked < count:
        twin.clock.advance(POLL_SECONDS + 0.01)
        assert twin.wait_for(lambda: len(twin.journal.requests("ReceiveMessage")) > 0, seconds=60)
        assert twin.wait_for(lambda: twin.long_polls > 0, seconds=60)
        asked += len(twin.journal.requests("ReceiveMessage"))
        twin.journal.clear()
        if asked * SAMPLES >= count * (told + 1):
            told += 1
            yield subject.sample(asked)


def messages(subject: Subject, count: int, backlog: int) -> Iterator[Sample]:
    """Send so many at once, again and again; each is a bounce of somebody else's."""
    twin, done = subject.twin, 0
    while done < count:
        for number in range(done, done + backlog):
            twin.send(subject.queue, mail.bounce(subject.address(number)))
        done += backlog
        assert twin.wait_for(lambda: twin.long_polls > 0 and _is_empty(subject), seconds=1_800)
        yield subject.sample(done, twin.journal.most_in_flight())
        twin.journal.clear()


def _is_empty(subject: Subject) -> bool:
    return not any(subject.twin.counts(subject.queue))


def tell(what: str, samples: Iterator[Sample]) -> tuple[bool, list[Sample]]:
    """Print a line a sample; tell whether they were flat, and return them."""
    print(f"\n{what:>12} {'RSS MB':>8} {'threads':>8} {'files':>6} {'in flight':>10} {'s':>7}")
    seen = []
    for one in samples:
        seen.append(one)
        print(
            f"{one.done:>12,} {one.megabytes:>8.1f} {one.threads:>8} {one.files:>6}"
            f" {one.in_flight:>10} {one.seconds:>7.0f}",
            flush=True,
        )
    first, *rest = seen[int(len(seen) * WARM) :]
    flat = all(
        one.megabytes <= first.megabytes + FLAT_MB
        and one.threads <= first.threads
        and one.files <= first.files
        for one in rest
    )
    grown = max((one.megabytes for one in rest), default=first.megabytes) - first.megabytes
    print(f"{what}: {'flat' if flat else 'NOT FLAT'}; {grown:+.1f} MB after {first.done:,}")
    return flat, seen


def remembered(seen: list[Sample], *, slack: bool = False) -> Memory:
    """Say it as the goal is said: the most there was, and what came after the first sample."""
    first = seen[0]
    return Memory(
        messages=seen[-1].done,
        slack=slack,
        first=first.done,
        most_mb=max(one.megabytes for one in seen),
        grown_mb=max(one.megabytes for one in seen[1:] or seen) - first.megabytes,
    )


def main() -> int:
    """Run both parts; 1 where one of them was not flat."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--polls", type=int, default=200, help="empty long polls (200)")
    parser.add_argument("--messages", type=int, default=1_000_000, help="messages (1000000)")
    parser.add_argument("--backlog", type=int, default=100_000, help="there at once (100000)")
    parser.add_argument("--slack", action="store_true", help="with users, Slack and a whole log")
    asked = parser.parse_args()
    if asked.polls < 0 or asked.messages < 0 or asked.backlog < 1:
        parser.error("--polls and --messages are at least 0, --backlog at least 1")
    flat = True
    with tempfile.TemporaryDirectory() as folder, Twin() as twin, StandinSlack() as slack:
        subject = Subject(twin, folder, slack.webhook_url if asked.slack else None)
        if asked.polls:
            flat, _ = tell("empty polls", polls(subject, asked.polls))
        if asked.messages:
            backlog = min(asked.backlog, asked.messages)
            well, seen = tell("messages", messages(subject, asked.messages, backlog))
            flat = flat and well
            keep("memory", remembered(seen, slack=asked.slack))
        subject.stop()
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
