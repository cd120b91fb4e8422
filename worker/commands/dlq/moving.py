"""`ses-worker dlq replay --to-queue --by-sqs`: SQS itself moves the whole dead-letter queue."""

from collections.abc import Callable
from contextlib import suppress

import structlog

from worker.core.errors import Refused, Unavailable
from worker.service.signals import SignalEvents
from worker.sqs.dead_letter_queue import DeadLetterQueue, Move, SourceQueue
from worker.sqs.queue import POLL_SECONDS, NoSuchQueue
from worker.timing.retries import a_few_times

_INSTEAD = (
    "SQS does not move them ({}): without --by-sqs, the command sends them itself. A move by SQS "
    "needs sqs:StartMessageMoveTask, sqs:ListMessageMoveTasks and sqs:CancelMessageMoveTask on the "
    "dead-letter queue, in addition to the permissions for sending"
)

log = structlog.get_logger()


class Mover:
    """A message move task of SQS."""

    def __init__(self, queue: DeadLetterQueue, source: SourceQueue, signals: SignalEvents) -> None:
        self.moved = 0
        self._queue = queue
        self._source = source
        self._signals = signals
        self._again = a_few_times(signals.pause)

    def run(self, watch: Callable[[int, int], None]) -> None:
        """Start the task, which moves all visible dead letters, and wait for it.

        A signal cancels the task; dead letters that were moved stay moved.

        Raises:
            Refused: not supported, not permitted, or the task has failed.
            Unavailable: SQS cannot be reached; it may continue the task.

        """
        handle = self._begin()
        log.info("dead_letters.moving", source=self._queue.name, destination=self._source.name)
        while not (found := self._look()).is_over:
            watch(found.moved, found.to_move)
            self._signals.pause(POLL_SECONDS)
            if self._signals.to_stop.is_set():
                with suppress(Refused):  # the task has ended already
                    self._queue.cancel_move(handle)
                found = self._look()
                break
        watch(found.moved, found.to_move)
        if found.state == "FAILED":
            raise Refused(f"SQS moved {found.moved:,} dead letters, then failed: {found.failure}")

    def _begin(self) -> str:
        destination = self._again(self._source.arn)
        try:
            return self._queue.start_move(destination)  # no retry: SQS would refuse a second task
        except NoSuchQueue:
            raise
        except (Refused, Unavailable) as error:
            raise Refused(_INSTEAD.format(error)) from error

    def _look(self) -> Move:
        found: Move = self._again(self._queue.look_at_move)
        self.moved = found.moved
        return found
