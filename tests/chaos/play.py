"""A schedule from its first step to the last oracle."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from oracles import Finding, calls, notices, once, places

from chaos.mailbox import GONE, QUIET
from chaos.plan import Schedule
from chaos.processes import Worker, wait_for_all
from chaos.stage import DEAD_LETTERS, QUEUE, VISIBILITY_SECONDS, Stage
from worker.core.rate_limit import LARGEST_DIGEST

DRAINED_SECONDS = 60.0
"""I9: how long a worker may take for what is left, once nothing goes wrong any more."""
LAST_MESSAGES = 12
_IMPATIENT_SECONDS = 0.4


def play(
    schedule: Schedule,
    folder: Path,
    store_url: str,
    *,
    broken: str | None = None,
    until: str | None = None,
) -> list[Finding]:
    """Play it, let the workers finish, and ask every oracle.

    `until` names the oracle whose finding ends the run.
    """
    with Stage(schedule, folder, store_url, broken=broken) as stage:
        for act in _acts(stage):
            act()
            found = stage.findings + stage.observer.findings
            if until and any(finding.oracle == until for finding in found):
                break
        return stage.findings + stage.observer.findings


def _acts(stage: Stage) -> Iterator[Callable[[], object]]:
    for step in stage.schedule.steps:
        stage.await_deletes(step.at)
        yield partial(getattr(stage, step.what), *step.arguments)
    for act in _LAST_ACTS:
        yield partial(act, stage)


def after(stage: Stage) -> None:
    """Let the workers finish, and ask every oracle."""
    for act in _LAST_ACTS:
        act(stage)


def _calm(stage: Stage) -> None:
    """The faults stop, and a worker runs."""
    stage.emulator.faults.clear()
    if stage.slack:
        stage.slack.recover()
    stage.publish(LAST_MESSAGES)
    if not any(run.running for run in stage.runs):
        stage.start("last", "run", None)


def _finish(stage: Stage) -> None:
    """I9: the queue becomes empty; time leaps where all workers wait for it."""
    deadline = time.monotonic() + DRAINED_SECONDS
    leap, observed, since = 60, -1, time.monotonic()
    while (counts := stage.emulator.counts(QUEUE)).visible + counts.in_flight + counts.delayed:
        if time.monotonic() > deadline:
            stage.findings.append(Finding("I9", f"after {DRAINED_SECONDS:g} s there are {counts}"))
            return
        if stage.look_after() != observed or counts.visible:
            observed, since = stage.observer.deletes, time.monotonic()
        elif time.monotonic() - since > _IMPATIENT_SECONDS:
            stage.leap(leap)
            leap, since = min(leap * 2, 7_200), time.monotonic()
        _ensure_a_worker(stage)
        time.sleep(0.02)


def _ensure_a_worker(stage: Stage) -> None:
    for run in stage.runs:
        run.watch()
    if not any(run.running for run in stage.runs):
        stage.start(f"again-{len(stage.runs)}", "run", None)


def _leave(stage: Stage) -> None:
    """All workers are stopped while more arrives; they report truly how they ended.

    I6: a worker that exits releases what it holds, unless it is killed or a thread of it dies.
    """
    began = time.monotonic()
    _publish_good(stage)
    for worker in stage.workers:
        worker.ask_to_leave()
    for worker in stage.workers:
        stage.findings += worker.end()
    ended = [worker for worker in stage.workers if worker.ended_at >= began]
    excused = any(worker.crashed or worker.thread_has_died for worker in ended)
    if (counts := stage.emulator.counts(QUEUE)).in_flight and not excused:
        stage.findings.append(
            Finding("I6", f"all workers have exited, and messages are held: {counts}")
        )


def _take_the_last(stage: Stage) -> None:
    """I6: a worker with a limit of messages takes that many and exits; the outbox is delivered."""
    stage.store.let_time_pass()
    stage.leap(VISIBILITY_SECONDS + 1)
    _publish_good(stage)
    most = stage.emulator.counts(QUEUE).visible
    last = stage.launch("drain-last", ("drain", "--json", "--max-messages", str(most)))
    wait_for_all([last], DRAINED_SECONDS)
    left = stage.emulator.counts(QUEUE)
    if last.running or left != (0, 0, 0):
        how = "still runs" if last.running else f"has left with {last.process.returncode}"
        text = f"a drain that may take {most} messages {how}, and there are {left}"
        stage.findings.append(Finding("I6", text))
    stage.findings += _status(last)


def _deliver_the_rest(stage: Stage) -> None:
    """I9: an hour at a time, the whole outbox is delivered.

    A digest has a limit; and removals enqueue notices of their own, which takes another hour.
    """
    waiting = len(_waiting(stage)) if stage.slack else 0
    for number in range(2 + waiting // LARGEST_DIGEST):
        stage.store.let_time_pass()
        drain = stage.launch(f"drain-rest-{number}", ("drain", "--json"))
        wait_for_all([drain], DRAINED_SECONDS)
        if not stage.database.rows("SELECT id FROM outbox WHERE state IN ('waiting', 'claimed')"):
            return


def _waiting(stage: Stage) -> list[tuple[object, ...]]:
    return stage.database.rows(
        "SELECT id, state, attempts, due_at, parked_by, last_error FROM outbox "
        "WHERE lane = 'slack' AND state <> 'delivered'"
    )


def _publish_good(stage: Stage) -> None:
    for body in stage.mailbox.good(LAST_MESSAGES):
        stage.send(body)


def _status(last: Worker) -> Iterator[Finding]:
    if not last.running and last.process.returncode != 0:
        text = f"the last drain has left with {last.process.returncode}: {last.log[-600:]}"
        yield Finding("I9", text)


def _ask(stage: Stage) -> None:
    """Run the oracles that check at the end."""
    published, database = stage.published, stage.database
    unknown_rows = published.take_stock(database.events())
    everybody = stage.schedule.unknown_recipients == "create"
    found = stage.places = places.look(published, database, stage.emulator, QUEUE, DEAD_LETTERS)
    stage.findings += found.findings
    if found.redriven and not stage.schedule.may_redrive:
        stage.findings.append(Finding("I1", f"{found.redriven} messages were moved by SQS"))
    stage.findings += once.twice(published, unknown_rows)
    stage.findings += once.counts(published, database, everybody=everybody)
    requests = stage.emulator.journal.requests()
    stage.findings += calls.too_many(requests)
    stage.findings += calls.forgotten(requests, stage.ends)
    if stage.slack:
        stage.findings += once.expected_effects(
            published, database, quiet=is_quiet, removed=is_gone
        )
        heard = notices.hear(stage.slack.posts)
        stage.findings += notices.repeated(database, heard, stage.crashes)
        stage.findings += [
            Finding("I9", f"outbox #{number} is still enqueued: {facts}")
            for number, *facts in _waiting(stage)
        ]


def is_quiet(address: str) -> bool:
    """Return whether no notice is about this address."""
    return address.endswith(f"@{QUIET}")


def is_gone(address: str) -> bool:
    """Return whether this address is taken off the suppression list."""
    return address.endswith(f"@{GONE}")


_LAST_ACTS = (_calm, _finish, _leave, _take_the_last, _deliver_the_rest, _ask)
