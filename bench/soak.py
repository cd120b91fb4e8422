"""Measure whether a worker's memory, threads and open files stay the same for long.

    python -m bench.soak [--polls 200] [--messages 1000000] [--daemon]

First `ses-worker run` against the emulator of the tests, whose clock is advanced so that each long
poll of 20 s ends at once: 180 of them are an hour. Then a `drain` of messages about 100,000 users,
with Slack set and the whole log in a file; with --daemon `run`, which delivers notices meanwhile.
Printed are the memory, threads and open files, and whether they were flat. `python -m bench.report`
takes the memory into RESULTS.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.findings import Memory
from bench.goals import FLAT_MB
from bench.parts import keep
from bench.places import OUT, ROOT, USERS
from bench.stores import email, fill
from simulators.slack import SlackSimulator

sys.path.insert(0, str(ROOT / "tests"))

from support import mail

from simulators.sqs import SqsSimulator

COMMAND = Path(sys.executable).with_name("ses-worker")
POLL_SECONDS = 20
BACKLOG = 20_000
SAMPLES = 10
"""Samples of each part."""
WARM = 0.3
"""The share of a part before which the worker is warming up."""


class Sample(NamedTuple):
    """What the kernel reports of the worker's process."""

    done: int
    megabytes: float
    threads: int
    files: int
    in_flight: int
    seconds: float


class Subject:
    """The worker, and where it finds its queue."""

    def __init__(self, emulator: SqsSimulator, folder: Path, slack_url: str, *command: str) -> None:
        self.emulator = emulator
        self.queue = emulator.create_queue(folder.name, dead_letter=f"{folder.name}-dlq")
        self._began = time.monotonic()
        folder.mkdir()
        self._log = (folder / "log").open("w")  # closed in stop()
        store_url = f"sqlite:///{folder}/worker.db"
        surroundings = os.environ | emulator.environment
        surroundings |= {
            "SES_WORKER_QUEUE__URL": self.queue,
            "SES_WORKER_STORE__URL": store_url,
            "SES_WORKER_LOG__FORMAT": "json",
            "SES_WORKER_SLACK__WEBHOOK_URL": slack_url,
            "SES_WORKER_HTTP__LISTEN": "127.0.0.1:0",
        }
        OUT.mkdir(exist_ok=True)
        fill(store_url, surroundings)
        self.process = subprocess.Popen([COMMAND, *command], env=surroundings, stderr=self._log)

    def send(self, number: int) -> None:
        """Send a bounce of another user than the last."""
        self.emulator.send(self.queue, mail.bounce(email(number % USERS)))

    @property
    def unfinished(self) -> int:
        """Messages on the queue."""
        return sum(self.emulator.counts(self.queue))

    def sample(self, done: int, in_flight: int = 0) -> Sample:
        """Read what the kernel reports."""
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
        """Kill it: after a SIGTERM it may deliver notices for minutes."""
        self.process.kill()
        self.process.wait()
        self._log.close()


def polls(subject: Subject, count: int) -> Iterator[Sample]:
    """Let long polls end empty."""
    emulator, requests, counted = subject.emulator, 0, 0
    assert emulator.wait_for(lambda: emulator.long_polls > 0, seconds=60)
    while requests < count:
        emulator.clock.advance(POLL_SECONDS + 0.01)
        assert emulator.wait_for(
            lambda: len(emulator.journal.requests("ReceiveMessage")) > 0, seconds=60
        )
        assert emulator.wait_for(lambda: emulator.long_polls > 0, seconds=60)
        requests += len(emulator.journal.requests("ReceiveMessage"))
        emulator.journal.clear()
        if requests * SAMPLES >= count * (counted + 1):
            counted += 1
            yield subject.sample(requests)


def messages(subject: Subject, count: int) -> Iterator[Sample]:
    """Keep a backlog until so many messages were sent."""
    emulator, sent = subject.emulator, 0
    ends = [count * number // SAMPLES for number in range(1, SAMPLES)] + [count - count // 200]
    for end in ends:
        while (done := sent - subject.unfinished) < end:
            more = min(BACKLOG - (sent - done), count - sent)
            for number in range(sent, sent + more):
                subject.send(number)
            sent += more
            time.sleep(0.05)
        yield subject.sample(done, emulator.journal.most_in_flight())
        emulator.journal.clear()


def report(what: str, samples: Iterator[Sample]) -> tuple[bool, list[Sample]]:
    """Print a line a sample; return whether they were flat, and the samples."""
    print(f"\n{what:>12} {'RSS MB':>8} {'threads':>8} {'files':>6} {'in flight':>10} {'s':>7}")
    observed = []
    for sample in samples:
        observed.append(sample)
        print(
            f"{sample.done:>12,} {sample.megabytes:>8.1f} {sample.threads:>8} {sample.files:>6}"
            f" {sample.in_flight:>10} {sample.seconds:>7.0f}",
            flush=True,
        )
    first, *rest = observed[int(len(observed) * WARM) :]
    flat = all(
        sample.megabytes <= first.megabytes + FLAT_MB
        and sample.threads <= first.threads
        and sample.files <= first.files
        for sample in rest
    )
    grown = max((sample.megabytes for sample in rest), default=first.megabytes) - first.megabytes
    print(f"{what}: {'flat' if flat else 'NOT FLAT'}; {grown:+.1f} MB after {first.done:,}")
    return flat, observed


def memory_of(observed: list[Sample], count: int, command: str) -> Memory:
    """Return what the goals are about: the most, and the growth after the first sample."""
    sizes = [sample.megabytes for sample in observed]
    most, grown = max(sizes), max(sizes[1:] or sizes) - sizes[0]
    return Memory(messages=count, command=command, most_mb=most, grown_mb=grown)


@contextmanager
def subject(emulator: SqsSimulator, folder: Path, *command: str) -> Iterator[Subject]:
    """Run a worker for the block."""
    with SlackSimulator() as slack:
        worker = Subject(emulator, folder, slack.webhook_url, *command)
        try:
            yield worker
        finally:
            worker.stop()


def main() -> int:
    """Run both parts; return 1 if either was not flat."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--polls", type=int, default=200, help="empty long polls (200)")
    parser.add_argument("--messages", type=int, default=1_000_000, help="messages (1000000)")
    parser.add_argument(
        "--daemon", action="store_true", help="by `run`, which delivers notices meanwhile"
    )
    options = parser.parse_args()
    if options.polls < 0 or options.messages < 0:
        parser.error("--polls and --messages are at least 0")
    flat = True
    with tempfile.TemporaryDirectory() as folder, SqsSimulator() as emulator:
        if options.polls:
            with subject(emulator, Path(folder, "polls"), "run") as worker:
                flat, _ = report("empty polls", polls(worker, options.polls))
        if options.messages:
            command = (
                ["run"] if options.daemon else ["drain", "--max-messages", str(options.messages)]
            )
            with subject(emulator, Path(folder, "messages"), *command) as worker:
                healthy, observed = report("messages", messages(worker, options.messages))
            flat = flat and healthy
            keep("memory", memory_of(observed, options.messages, command[0]))
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
