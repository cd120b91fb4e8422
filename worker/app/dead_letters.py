"""Builds the clients of the queues that `ses-worker dlq` uses, from the settings."""

from worker.app import queue_url, region_of
from worker.settings import Settings
from worker.sqs.dead_letter_queue import DeadLetterQueue, SourceQueue
from worker.sqs.queue import POLL_SECONDS, ClientOptions
from worker.timing.retries import Sleep, a_few_times


def make_source_queue(settings: Settings) -> SourceQueue:
    """Make the client of the queue that dead letters come from; nothing is called yet.

    Raises:
        Misconfigured: no queue is set, or no region.

    """
    return SourceQueue(
        queue_url(settings),
        region=region_of(settings),
        dead_letter_url=settings.queue.dead_letter_url,
        client=ClientOptions(lean=settings.queue.is_lean, wait_seconds=POLL_SECONDS, connections=2),
    )


def find_dead_letter_queue(
    settings: Settings, source: SourceQueue, pause: Sleep
) -> DeadLetterQueue | None:
    """Make the client of the dead-letter queue; None where there is none.

    Raises:
        Unavailable, Refused: SQS does not answer.

    """
    url = a_few_times(pause)(source.find_dead_letter_queue)
    if url is None:
        return None
    return DeadLetterQueue(
        url,
        region=region_of(settings),
        named_by=source.dead_letters_named_by,
        lean=settings.queue.is_lean,
    )
