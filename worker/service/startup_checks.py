"""Faults of the configuration that a worker logs when it starts."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable

import structlog

from worker.core.effects import ASKED_REMOVALS, Lane
from worker.core.errors import Refused, Unavailable
from worker.sqs.queue import NoSuchQueue, Queue
from worker.sqs.redrive import read_redrive_policy
from worker.store import Store
from worker.timing.retries import a_few_times
from worker.topology.checks.dead_letters import contradicted, moved_early

_IN_QUARANTINE = "`ses-worker dlq list` shows it"
_WITHOUT_SENDER = (
    "they wait until {keys} is set again; to discard them: ses-worker outbox list, "
    "ses-worker outbox discard --waiting --parked"
)

log = structlog.get_logger()


def warn_of_effects_without_sender(
    store: Store, lanes: Collection[Lane], keys_of: Callable[[Lane], str]
) -> None:
    """Warn of effects in the outbox whose lane is none of `lanes`, which have a sender.

    Removals that a person requested always find a sender.

    `keys_of` names the settings that configure the sender of a lane.

    Raises:
        Unavailable: the store is unavailable.

    """
    effects: Counter[str] = Counter()
    for counts in store.unfinished():
        effects[counts.lane] += counts.waiting + counts.parked
    for lane in sorted(effects.keys() - {*lanes, ASKED_REMOVALS}):
        hint = _WITHOUT_SENDER.format(keys=keys_of(Lane(lane)))
        log.warning("outbox.no_sender", lane=lane, effects=effects[lane], hint=hint)


def warn_of_doubts(doubts: Iterable[str]) -> None:
    """Warn of settings that are accepted, and are most likely mistakes."""
    for doubt in doubts:
        log.warning("settings.doubtful", error=doubt)


def warn_of_other_region(queue_url: str, region: str, *, by_setting: bool) -> None:
    """Warn that the region in use is not the region in the queue's URL."""
    hint = (
        "aws.region is used; fix it, or queue.url"
        if by_setting
        else "AWS_REGION or AWS_DEFAULT_REGION is used; aws.region would override both"
    )
    log.warning("region.mismatched", region=region, queue_url=queue_url, hint=hint)


def begin_dead_letter_queue_check(queue: Queue, stopping: threading.Event) -> None:
    """Check the dead-letter queue in a thread of its own, so that the start does not wait."""
    threading.Thread(
        target=check_dead_letter_queue, args=(queue, stopping), name="startup-check", daemon=True
    ).start()


def check_dead_letter_queue(queue: Queue, stopping: threading.Event) -> None:
    """Log where dead letters cannot go, and a redrive policy that contradicts the settings."""

    def pause(seconds: float) -> None:
        stopping.wait(seconds)

    again = a_few_times(pause)
    try:
        policy, url = again(queue.redrive_policy), again(queue.find_dead_letter_queue)
    except (Unavailable, Refused) as error:
        log.warning("dead_letter_queue.unknown", queue=queue.name, error=str(error))
        return
    try:
        again(queue.dead_letter_counts)
    except NoSuchQueue as missing:
        log.warning(
            "dead_letter_queue.missing",
            queue=queue.name,
            dead_letter_queue=url and url.rpartition("/")[2],
            error=str(missing),
            hint=_IN_QUARANTINE,
        )
        return
    except (Refused, Unavailable):
        pass  # sending may be allowed although counting is not
    if url is None:
        log.warning(
            "dead_letter_queue.missing",
            queue=queue.name,
            hint=f"dead letters are kept in the table quarantine instead; {_IN_QUARANTINE}",
        )
        return
    redrive = read_redrive_policy(policy)
    faults = [moved_early(redrive), contradicted(redrive, url)] if redrive else []
    if any(faults):
        log.warning(
            "redrive_policy.misconfigured",
            queue=queue.name,
            error="; ".join(filter(None, faults)),
            hint="run ses-worker check: it says how to fix it",
        )
