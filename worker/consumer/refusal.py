"""SQS allows receives and not deletes: a permission is missing, or only deletes fail.

Messages received meanwhile would be received again and again, until the redrive policy moves them
although they were applied. So nothing is received until a delete succeeds.

SQS may also take the calls and fail each entry. A single failed entry proves nothing, as its
receipt handle may have run out. Nor do failed entries while others succeed: the work goes on, and
the failed messages are received again after their visibility timeout. Several failed entries
without a success between them count as a refused call.
"""

import re
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from worker.aws import AwsRefused
from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.leases import Leases
from worker.core.errors import Refused, Stopped, Unavailable
from worker.core.messages import Received
from worker.observability.health import Health, Pulse
from worker.sqs.queue import EntriesRefused, FailedEntry, Queue, refusal_of, tens
from worker.timing.retries import unless_over, while_unreachable

ENTRIES_IN_A_ROW = 3
"""So many failed entries, without a success between them, count as a refusal."""
SOON_SECONDS = 1.0
"""Wait before the first retry."""
REPEAT_SECONDS = 600.0
"""Interval between two log lines about dead letters refused for the same reason."""
ALLOW_DELETES = (
    "Nothing is received until a delete succeeds. Allow sqs:DeleteMessage on the queue "
    "(config/iam-run.json)"
)

log = structlog.get_logger()


_TOO_LARGE = re.compile(r"must be shorter than", re.IGNORECASE)
"""SQS's words for a message above the queue's MaximumMessageSize."""
_RAISE_THE_LIMIT = (
    ". With the attributes that hold the reason, it is larger than the dead-letter queue accepts: "
    "raise MaximumMessageSize of that queue, to 1,048,576 bytes at most, so that later ones fit"
)


class Refusal:
    """Shared by the pollers, so that each refusal is logged once. Thread-safe."""

    def __init__(
        self,
        *,
        autoscaler: PollerAutoscaler,
        leases: Leases,
        health: Health,
        stopping: threading.Event,
        give_up: Callable[[BaseException], None] | None,
    ) -> None:
        self._autoscaler = autoscaler
        self._leases = leases
        self._health = health
        self._pause = unless_over(stopping)
        self._give_up = give_up
        self._logged: dict[str, bool] = {}
        """Calls that are refused (True) or fail, and were logged."""
        self._logged_at: dict[str, float] = {}
        """When refused dead letters were logged, by error code."""
        self._has_logged_dead_letter = False
        """A refused dead letter was logged, and none was accepted since."""
        # The first failure was logged; the later ones are shown as the problem.
        self._again = while_unreachable(
            self._pause, lambda error, _: health.report_problem("deletes", error)
        )
        self._lock = threading.Lock()
        self._failed_in_a_row = 0
        self._has_deleted = False
        self._last_failed: FailedEntry[Received] | None = None
        self.is_unproven = False
        """No delete succeeded since entries were refused; only new messages can show if they do."""

    def learn(
        self, deleted: int, failed: Sequence[FailedEntry[Received]]
    ) -> Refused | Unavailable | None:
        """Learn how many entries of a delete succeeded; return an error if this is a refusal."""
        with self._lock:
            was_unproven, self.is_unproven = self.is_unproven, self.is_unproven and not deleted
            count = self._failed_in_a_row = 0 if deleted else self._failed_in_a_row + len(failed)
            self._has_deleted = self._has_deleted or deleted > 0
            self._last_failed = failed[-1] if failed else self._last_failed
        if deleted and was_unproven:
            self._are_allowed()
        if failed and not deleted and (was_unproven or count >= ENTRIES_IN_A_ROW):
            return refusal_of("DeleteMessageBatch", count, failed[-1])
        return None

    def of_all(self) -> Refused | None:
        """Return an error if all entries of the run failed through our fault, however few."""
        last = self._last_failed
        if last is None or self._has_deleted:
            return None
        why = refusal_of("DeleteMessageBatch", self._failed_in_a_row, last)
        return why if isinstance(why, Refused) else None

    def wait_out(
        self, why: Refused | Unavailable, messages: Sequence[Received], queue: Queue, pulse: Pulse
    ) -> None:
        """Halt all pollers, and retry the delete of these messages until SQS accepts it.

        With `give_up`, a refusal ends the run at once, and an outage is not waited for. Messages
        whose visibility timeout has ended are left alone: they are received again, as duplicates.
        """
        if self._give_up:
            if isinstance(why, Refused):
                self.log_once("delete", why)
                self._autoscaler.halt("deletes")
                self._give_up(why)
            return
        self._autoscaler.halt("deletes")
        self.log_once("delete", why)
        self._health.report_problem("deletes", why)
        pulse.rest()
        try:
            self._pause(SOON_SECONDS)
            has_deleted = self._again(self._delete_ours, messages, queue)
        except Stopped:
            return
        with self._lock:
            self._failed_in_a_row = 0
            self.is_unproven = isinstance(why, EntriesRefused) and not has_deleted
        if not self.is_unproven:
            self._are_allowed()
        self._autoscaler.go_on("deletes")

    def _are_allowed(self) -> None:
        self._health.resolve("deletes")
        self.forget("delete")

    def log_once(self, call: str, why: Refused | Unavailable) -> None:
        """Log that a call is refused or fails, once until it succeeds."""
        is_denied = isinstance(why, Refused)
        if call not in self._logged:
            self._logged[call] = is_denied
            event = "queue.call_denied" if is_denied else "queue.unavailable"
            hint = {"hint": ALLOW_DELETES} if is_denied and call == "delete" else {}
            log.error(event, call=call, error=str(why), **hint)

    def log_seldom(self, received: Received, why: Refused) -> None:
        """Log that a dead letter is refused; at most once an interval for each error code."""
        code = why.code if isinstance(why, AwsRefused) else str(why)
        now = time.monotonic()
        if now - self._logged_at.get(code, -REPEAT_SECONDS) >= REPEAT_SECONDS:
            self._logged_at[code] = now
            self._has_logged_dead_letter = True
            log.warning(
                "dead_letter.refused",
                message_id=received.message_id,
                error=str(why),
                hint="it is kept in the table quarantine, and so are others that are refused: "
                "`ses-worker dlq list` shows them"
                + (_RAISE_THE_LIMIT if _TOO_LARGE.search(str(why)) else ""),
            )

    def forget(self, call: str) -> None:
        """Learn that a call has succeeded; log the end of what `log_once` logged."""
        was_denied = self._logged.pop(call, None)
        if was_denied is not None:
            log.info("queue.call_allowed" if was_denied else "queue.available", call=call)

    def dead_letter_accepted(self) -> None:
        """Learn that the dead-letter queue has accepted a dead letter; log it after a refusal."""
        if self._has_logged_dead_letter:
            self._has_logged_dead_letter = False
            log.info("dead_letter.accepted")

    def _delete_ours(self, messages: Sequence[Received], queue: Queue) -> bool:
        """Delete the messages whose lease lasts; return whether a message was deleted."""
        ours = [message for message in messages if self._leases.lasts(message)]
        if not ours:
            queue.ask_to_delete()
            return False
        failed = [item for some in tens(ours) for item in queue.delete(some)]
        if len(failed) == len(ours):
            raise refusal_of("DeleteMessageBatch", len(failed), failed[-1])
        return True
