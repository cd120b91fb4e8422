"""`ses-worker drain` as the operators have it: default settings, Slack, a JSON log in a file.

The clocks are read when the stub has seen the last delete. What a drain does after that, telling
Slack of what is in the outbox, is cut short by SIGTERM, or waited for and measured apart.
"""

import json
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

from bench.attempts import Attempt, Job, Watch, Wrong
from bench.findings import DrainResult
from bench.places import OUT, ROOT, RUN_SECONDS, WORKER, environment
from bench.processes import Failed, Finished, cpu_seconds, ended, started, usage
from bench.stub import Stub

DRAINED = (0, 4)
"""Done, or done while another process still holds messages: the store tell whether it is true."""
STATUS_SECONDS = 60


def settings(stub: Stub, queue: str, store_url: str, client: str = "lean") -> dict[str, str]:
    """The surroundings of a worker: defaults, but for places."""
    return environment(
        stub.endpoint,
        PYTHONPATH=str(ROOT),
        SES_WORKER_QUEUE__URL=stub.queue_url(queue),
        SES_WORKER_STORE__URL=store_url,
        SES_WORKER_SLACK__WEBHOOK_URL=stub.slack_url,
        **({} if client == "lean" else {"SES_WORKER_QUEUE__CLIENT": client}),
    )


def drain(
    stub: Stub,
    job: Job,
    store_url: str,
    processes: int = 1,
    client: str = "lean",
    database_seconds: Callable[[], float] = lambda: 0.0,
) -> Attempt:
    """Drain a queue once, by some processes, each of which may take all of it.

    Raises:
        Failed: a process has died, or it took too long.
        Wrong: the processes count other messages than there were.

    """
    watch = Watch(stub, job, database_seconds)
    with ExitStack() as stack:
        running = _start(stack, stub, job, store_url, processes, client)
        _await_last_delete(stub, job, running)
        attempt = watch.attempt(usage(running))
        for process in running:
            process.send_signal(signal.SIGTERM)
        _end(job, running)
    return attempt


def drain_and_report(stub: Stub, job: Job, store_url: str) -> DrainResult:
    """Drain a queue and let Slack be told, as far as `drain` does; report what the telling cost."""
    before = stub.stats(job.queue).slack_posts
    with ExitStack() as stack:
        running = _start(stack, stub, job, store_url, 1, "lean")
        _await_last_delete(stub, job, running)
        began, used = time.monotonic(), sum(map(cpu_seconds, running))
        (finished,) = _end(job, running)
        output = json.loads(finished.output)
        return DrainResult(
            notices=output["effects_delivered"]
            + output["effects_waiting"]
            + output["effects_parked"],
            delivered=output["effects_delivered"],
            posts=stub.stats(job.queue).slack_posts - before,
            cpu_seconds=finished.cpu_seconds - used,
            wall_seconds=time.monotonic() - began,
        )


def _start(
    stack: ExitStack, stub: Stub, job: Job, store_url: str, processes: int, client: str
) -> list[Popen[bytes]]:
    surroundings = settings(stub, job.queue, store_url, client)
    command = [str(WORKER), "drain", "--max-messages", str(job.messages), "--json"]
    return [
        stack.enter_context(started(command, surroundings, _stem(number)))
        for number in range(processes)
    ]


def _await_last_delete(stub: Stub, job: Job, running: Sequence[Popen[bytes]]) -> None:
    deadline = time.monotonic() + RUN_SECONDS
    while not stub.has(job.queue, deleted=job.messages):
        for number, process in enumerate(running):
            if process.poll() is not None:
                output = _stem(number).with_suffix(".log").read_text(errors="replace")[-1_000:]
                raise Failed(f"it left early, with status {process.returncode}\n{output}")
        if time.monotonic() > deadline:
            raise Failed(f"{job.queue} is not empty after {RUN_SECONDS} s")


def _end(job: Job, running: Sequence[Popen[bytes]]) -> list[Finished]:
    deadline = time.monotonic() + STATUS_SECONDS
    finished = [
        ended(process, deadline, _stem(number), DRAINED) for number, process in enumerate(running)
    ]
    output = [json.loads(item.output) for item in finished]
    outcome = "duplicate" if job.repeats else "applied"
    if (counted := sum(item[outcome] for item in output)) != job.messages:
        raise Wrong(f"{job.queue}: {counted} of {job.messages} are said to be {outcome}")
    return finished


def _stem(number: int) -> Path:
    return OUT / "drain" / f"{number}"
