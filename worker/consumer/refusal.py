"""SQS lets us receive and not settle: a permission is missing, or deletes alone are away.

What is received meanwhile would circle until the redrive policy moves it, applied as it is. So
nothing is received until a delete succeeds.

SQS may also take every call and fail every entry of it. A single entry says nothing, for its
receipt handle may have run out; nor does anything while others are deleted, for work goes on, and
what is left comes again after its visibility timeout. Several entries with no success between them
are a refusal like any other.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from worker.aws import AwsRefused
from worker.consumer.leases import Leases
from worker.consumer.pace import Pace
from worker.errors import Refused, Stopped, Unavailable
from worker.health import Health, Pulse
from worker.model import Received
from worker.queue import EntriesRefused, Queue, Unsettled, refusal_of, tens
from worker.retries import unless_over, while_away

ENTRIES_IN_A_ROW = 3
"""So many that fail, and none that succeeds between them, are a refusal."""
SOON_SECONDS = 1.0
REPEAT_SECONDS = 600.0
"""How long nothing is said again of dead letters that are refused alike."""
ALLOW_DELETES = (
    "Nothing is received until a delete succeeds. Allow sqs:DeleteMessage on the queue "
    "(config/iam-run.json)"
)

log = structlog.get_logger()


class Refusal:
    """Shared by the pollers, so that each outage is said once."""

    def __init__(
        self,
        *,
        pace: Pace,
        leases: Leases,
        health: Health,
        stopping: threading.Event,
        give_up: Callable[[BaseException], None] | None,
    ) -> None:
        self._pace = pace
        self._leases = leases
        self._health = health
        self._pause = unless_over(stopping)
        self._give_up = give_up
        self._told: set[str] = set()
        self._said_at: dict[str, float] = {}
        self._again = while_away(self._pause, lambda _, __: None)  # the first time was told
        self._turn = threading.Lock()
        self._failed_in_a_row = 0
        self._has_deleted = False
        self._last_failed: Unsettled[Received] | None = None
        self.is_unproven = False
        """Nothing was deleted since entries were refused; only what is received anew can tell."""

    def learn(
        self, deleted: int, failed: Sequence[Unsettled[Received]]
    ) -> Refused | Unavailable | None:
        """Learn how a delete went, entry by entry; say so if this is a refusal."""
        with self._turn:
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
        """Say that every delete failed through us, however few there were; for who is done."""
        last = self._last_failed
        if last is None or self._has_deleted:
            return None
        why = refusal_of("DeleteMessageBatch", self._failed_in_a_row, last)
        return why if isinstance(why, Refused) else None

    def wait_out(
        self, why: Refused | Unavailable, messages: Sequence[Received], queue: Queue, pulse: Pulse
    ) -> None:
        """Have nobody receive, and try again to delete these, until SQS takes it.

        Whoever does not wait gives up at once when it is refused; what is away comes again.

        One whose visibility timeout has ended is left alone: it comes again, and is a duplicate.
        """
        if self._give_up:
            if isinstance(why, Refused):
                self.say_once("delete", why)
                self._pace.halt("deletes")
                self._give_up(why)
            return
        self._pace.halt("deletes")
        self.say_once("delete", why)
        self._health.trouble("deletes", why)
        pulse.rest()
        try:
            self._pause(SOON_SECONDS)
            has_deleted = self._again(self._delete_ours, messages, queue)
        except Stopped:
            return
        with self._turn:
            self._failed_in_a_row = 0
            self.is_unproven = isinstance(why, EntriesRefused) and not has_deleted
        if not self.is_unproven:
            self._are_allowed()
        self._pace.go_on("deletes")

    def _are_allowed(self) -> None:
        self.forget("delete")
        self._health.well("deletes")
        log.info("queue.allows", call="delete")

    def say_once(self, call: str, why: Refused | Unavailable) -> None:
        """Say that it is refused, or away, unless it has been since the last success."""
        if call not in self._told:
            self._told.add(call)
            event = "queue.refuses" if isinstance(why, Refused) else "queue.unavailable"
            hint = {"hint": ALLOW_DELETES} if isinstance(why, Refused) and call == "delete" else {}
            log.error(event, call=call, error=str(why), **hint)

    def say_seldom(self, received: Received, why: Refused) -> None:
        """Say that a dead letter is refused; of the same sort once a while, for many may follow."""
        sort = why.code if isinstance(why, AwsRefused) else str(why)
        now = time.monotonic()
        if now - self._said_at.get(sort, -REPEAT_SECONDS) >= REPEAT_SECONDS:
            self._said_at[sort] = now
            log.warning(
                "dead_letter.refused",
                message_id=received.message_id,
                error=str(why),
                hint="it is kept in the table quarantine, and so are others that are refused: "
                "`ses-worker dlq list` shows them",
            )

    def forget(self, call: str) -> None:
        """It has succeeded."""
        self._told.discard(call)

    def _delete_ours(self, messages: Sequence[Received], queue: Queue) -> bool:
        """Try again; tell whether something was deleted, for which its lease must last."""
        ours = [message for message in messages if self._leases.lasts(message)]
        if not ours:
            queue.ask_to_delete()
            return False
        failed = [one for some in tens(ours) for one in queue.delete(some)]
        if len(failed) == len(ours):
            raise refusal_of("DeleteMessageBatch", len(failed), failed[-1])
        return True
