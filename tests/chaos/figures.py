"""What came of a long run, from the emulator's log and the database, not from the workers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oracles import Finding
from oracles.notices import hear

from chaos.stage import QUEUE, Stage
from simulators.sqs import What


class Figures(NamedTuple):
    """A run with its database."""

    store: str
    sent: int
    """Messages, to the queue."""
    events: int
    """Distinct bounces and complaints among them."""
    applied: int
    """Of those, how many have every row they must have."""
    duplicate: int
    """Messages that repeat an event."""
    ignored: int
    dead_lettered: int
    """Messages that nobody can read, in the dead-letter queue; copies counted once."""
    quarantined: int
    hostile: int
    """Hostile messages, which are in no figure from `events` to `quarantined`."""
    redelivered: int
    """Receives beyond the first of each message."""
    left: int
    lost: int
    twice: int
    """Rows, counts of users, and effects enqueued, more than there should be."""
    notices_sent: int
    """Rows of the outbox posted to Slack; those posted twice count twice."""
    waiting_notices: int
    """Rows of the outbox for Slack."""
    started: int
    """Processes."""
    kills: int
    """kill -9, by us or at a named point."""
    deaths: int
    """Threads that died, each with its process."""
    faults: Mapping[str, int]
    seconds: float
    findings: Sequence[Finding]

    def as_dict(self) -> dict[str, Any]:
        """Show it as JSON."""
        found = self._asdict()
        return found | {"findings": [str(finding) for finding in self.findings]}


def figures(stage: Stage, totals: Counter[tuple[str, What]], seconds: float) -> Figures:
    """Add up, after all oracles."""
    published_events, places = stage.published, stage.places
    published = sum(event.published for event in published_events.events)
    faults = Counter({name: 0 for name, _ in stage.struck}) + stage.others
    for name, rule in stage.struck:
        faults[name] += rule.struck
    (waiting_notices,) = stage.database.rows("SELECT count(*) FROM outbox WHERE lane = 'slack'")[0]
    findings = [*stage.findings, *stage.observer.findings]
    return Figures(
        store=stage.schedule.store,
        sent=totals[QUEUE, What.SENT],
        events=len(published_events.events),
        applied=places.applied,
        duplicate=published - len(published_events.events),
        ignored=published_events.ignored,
        dead_lettered=places.dead_lettered,
        quarantined=places.quarantined,
        hostile=places.hostile,
        redelivered=totals[QUEUE, What.RECEIVED] - totals[QUEUE, What.SENT],
        left=places.left,
        lost=places.lost,
        twice=sum(finding.oracle in {"I2", "I3"} for finding in findings),
        notices_sent=hear(stage.slack.posts).notices_sent if stage.slack else 0,
        waiting_notices=waiting_notices,
        started=len(stage.workers),
        kills=sum(worker.crashed for worker in stage.workers),
        deaths=sum(worker.thread_has_died for worker in stage.workers),
        faults=dict(sorted(faults.items())),
        seconds=round(seconds, 1),
        findings=findings,
    )


def table(runs: Sequence[Figures]) -> str:
    """Show runs side by side."""
    names = [name for name in Figures._fields if name not in {"store", "faults", "findings"}]
    rows = [("", [run.store for run in runs])]
    rows += [
        (name.replace("_", "-"), [_number(getattr(run, name)) for run in runs]) for name in names
    ]
    rows += [("faults", [_number(sum(run.faults.values())) for run in runs])]
    for name in sorted({name for run in runs for name in run.faults}):
        rows.append((f"  {name}", [_number(run.faults.get(name, 0)) for run in runs]))
    return "\n".join(
        f"{name:32}" + "".join(f"{value:>14}" for value in values) for name, values in rows
    )


def _number(value: float) -> str:
    return f"{value:,}"
