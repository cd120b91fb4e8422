"""`ses-worker drain` as operators run it: default settings, Slack, a JSON log in a file.

The clocks are read when the stub has seen the last delete. After that a drain delivers the outbox
to Slack, which SIGTERM cuts short.
"""

import json
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

from bench.attempts import Attempt, Job, Watch, Wrong
from bench.places import OUT, ROOT, RUN_SECONDS, WORKER, environment
from bench.processes import Failed, Finished, cpu_seconds, ended, started
from bench.stub import Stub

DRAINED = (0, 4)
"""Exit statuses of a drain: done, or done while another process still holds messages."""
STATUS_SECONDS = 60


def settings(stub: Stub, queue: str, store_url: str, client: str = "lean") -> dict[str, str]:
    """The environment of a worker: default settings, except where things are."""
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
    """Drain a queue once with some processes, each of which may take all messages.

    Raises:
        Failed: a process died, or it took too long.
        Wrong: the processes report other numbers of messages than there were.

    """
    watch = Watch(stub, job, database_seconds)
    with ExitStack() as stack:
        running = _start(stack, stub, job, store_url, processes, client)
        _await_last_delete(stub, job, running)
        attempt = watch.attempt(sum(map(cpu_seconds, running)))
        for process in running:
            process.send_signal(signal.SIGTERM)
        _end(job, running)
    return attempt


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
                raise Failed(f"it ended early, with status {process.returncode}\n{output}")
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
        raise Wrong(f"{job.queue}: {counted} of {job.messages} are reported as {outcome}")
    return finished


def _stem(number: int) -> Path:
    return OUT / "drain" / f"{number}"
